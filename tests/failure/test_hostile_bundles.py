"""A bundle that is not exactly what was written is refused before anything in it is used."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nayan.core.errors import BundleError
from nayan.runtime import golden as golden_module
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.bundle import Bundle, open_bundle
from nayan.runtime.manifest import digest_file, manifest_text, read_manifest
from nayan.runtime.onnx_file import check_self_contained

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(colour_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colour_bundle, tmp_path / "bundle"))


def sign(bundle: Path) -> None:
    """Make the manifest fit again, as somebody would who wants to deceive."""
    files = {file.name: digest_file(file) for file in bundle.iterdir() if file.name != "manifest.json"}
    (bundle / "manifest.json").write_text(manifest_text(files, nayan="0.1.0"))


def rewrite_manifest(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the manifest and give it a digest of itself that holds."""
    path = bundle / "manifest.json"
    record = json.loads(path.read_text())
    change(record)
    del record["sha256"]
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    record["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def test_two_hundred_flipped_bits_are_refused(bundle: Path) -> None:
    spec = importlib.util.spec_from_file_location("flip_bits", ROOT / "scripts" / "flip_bits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.flip_bits(bundle, count=200)
    assert result == {"flips": 200, "refused": 200, "accepted": [], "files": 4}


@pytest.mark.parametrize("name", ["spec.json", "model.onnx", "golden.npz", "manifest.json"])
def test_a_truncated_file_is_refused(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    with pytest.raises(BundleError, match=name):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["spec.json", "model.onnx", "golden.npz"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        open_bundle(bundle)


def test_a_file_too_many_is_named(bundle: Path) -> None:
    (bundle / "run.py").write_text("print('hello')")
    with pytest.raises(BundleError, match=r"'run\.py' does not belong"):
        open_bundle(bundle)


def test_a_manifest_that_vanishes_is_named(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be read"):
        read_manifest(bundle)


def test_a_linked_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "spec.json", tmp_path / "elsewhere.json")
    (bundle / "spec.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="plain files only"):
        open_bundle(bundle)


def test_a_linked_manifest_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "manifest.json", tmp_path / "elsewhere.json")
    (bundle / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="plain files only"):
        open_bundle(bundle)


def test_a_pipe_is_refused_and_not_waited_for(bundle: Path) -> None:
    (bundle / "spec.json").unlink()
    os.mkfifo(bundle / "spec.json")
    with pytest.raises(BundleError, match="plain files only"):
        open_bundle(bundle)


def test_a_newer_format_is_refused_with_advice(bundle: Path) -> None:
    rewrite_manifest(bundle, lambda record: record.update(format_version=2, compression="zstd"))
    with pytest.raises(BundleError, match="format version 2, this nayan reads up to 1") as caught:
        open_bundle(bundle)
    assert "--upgrade" in caught.value.hint


def test_a_newer_description_is_refused_with_advice(bundle: Path) -> None:
    record = json.loads((bundle / "spec.json").read_text())
    (bundle / "spec.json").write_text(json.dumps({**record, "version": 2}))
    sign(bundle)
    with pytest.raises(BundleError, match="format version 2"):
        open_bundle(bundle)


def test_a_description_that_is_no_text_is_refused(bundle: Path) -> None:
    (bundle / "spec.json").write_bytes(b"\xff\xfe\x00")
    sign(bundle)
    with pytest.raises(BundleError, match="not UTF-8"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 60_000, b'{"format": "other"}', b" " * 70_000],
    ids=["empty", "not utf8", "null", "list", "nothing", "deep", "other", "long"],
)
def test_what_is_no_manifest_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(bundle)


HONEST = {"bytes": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(format_version=0),
        lambda record: record.update(format_version=True),
        lambda record: record.update(format_version="1"),
        lambda record: record.update(files=None),
        lambda record: record.update(files={}),
        lambda record: record["files"].update({"../../etc/passwd": HONEST}),
        lambda record: record["files"].update({"/etc/passwd": HONEST}),
        lambda record: record["files"].update({"weights.pt": HONEST}),
        lambda record: record["files"].update({"spec.json": None}),
        lambda record: record["files"].update({"spec.json": {"bytes": -1, "sha256": "0" * 64}}),
        lambda record: record["files"].update({"spec.json": {"bytes": True, "sha256": "0" * 64}}),
        lambda record: record["files"].update({"spec.json": {"bytes": 1, "sha256": 7}}),
        lambda record: record["files"].update({"spec.json": {**HONEST, "link": "/etc/passwd"}}),
    ],
)
def test_a_hostile_manifest_is_refused(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    rewrite_manifest(bundle, change)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(bundle)


def test_a_manifest_in_another_spelling_is_refused(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(BundleError, match="its own digest"):
        open_bundle(bundle)


def test_a_content_with_the_right_size_and_a_wrong_digest_is_refused(bundle: Path) -> None:
    content = (bundle / "spec.json").read_bytes()
    (bundle / "spec.json").write_bytes(content[::-1])
    with pytest.raises(BundleError, match="digest"):
        open_bundle(bundle)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # objects become pickles: what a hostile file would hold
    return buffer.getvalue()


class Loud:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os._exit, (66,))


def test_a_pickle_in_a_golden_example_is_not_loaded(bundle: Path) -> None:
    (bundle / "golden.npz").write_bytes(npz(prediction=np.array([Loud()], dtype=object)))
    sign(bundle)
    with pytest.raises(BundleError, match="not a golden example"):
        open_bundle(bundle).golden()


TEXT = np.frombuffer(b'{"probabilities": [1.0]}', np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        npz(image=np.zeros(1)),
        npz(image=np.zeros(1), pixels=np.zeros(1), prediction=np.frombuffer(b"{", np.uint8)),
        npz(image=np.zeros(1), pixels=np.zeros(1), prediction=np.frombuffer(b"[1]", np.uint8)),
        npz(image=np.zeros(1), pixels=np.zeros(1), prediction=TEXT),
    ],
    ids=["empty", "cut", "incomplete", "bad json", "no mapping", "no outputs"],
)
def test_a_damaged_golden_example_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / "golden.npz").write_bytes(content)
    sign(bundle)
    with pytest.raises(BundleError, match="golden"):
        open_bundle(bundle).golden()


def test_an_array_that_claims_a_terabyte_is_refused(bundle: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("prediction.npy", header.getvalue())
    (bundle / "golden.npz").write_bytes(buffer.getvalue())
    sign(bundle)
    with pytest.raises(BundleError, match="not a golden example"):
        open_bundle(bundle).golden()


def test_a_golden_example_that_unpacks_to_too_much_is_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden_module, "_MAX_GOLDEN", 100)
    with pytest.raises(BundleError, match="would unpack to"):
        open_bundle(bundle).golden()


def test_a_golden_example_that_changes_while_the_bundle_is_open_is_refused(bundle: Path) -> None:
    opened: Bundle = open_bundle(bundle)
    (bundle / "golden.npz").write_bytes(b"other")
    with pytest.raises(BundleError, match="changed while the bundle was open"):
        opened.golden()


def external(location: str) -> onnx.TensorProto:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model_with(*, initializers: Any = (), nodes: Any = (), functions: Any = (), sparse: Any = ()) -> bytes:
    pixels = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 8, 8, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        list(nodes), "g", [pixels], [logits], list(initializers), sparse_initializer=sparse
    )
    model = helper.make_model(graph, functions=list(functions))
    return bytes(model.SerializeToString())


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def branch(tensor: onnx.TensorProto) -> onnx.NodeProto:
    body = helper.make_graph([constant(tensor)], "body", [], [])
    return helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)


def sparse_tensor(tensor: onnx.TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=tensor, indices=tensor, dims=[1])


def function(node: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("own", "f", [], ["c"], [node], [helper.make_opsetid("", 18)])


PLACES = ["../../etc/passwd", "/etc/passwd", "weights.bin", "*/_ORT_MEM_ADDR_/*"]


@pytest.mark.parametrize("location", PLACES)
@pytest.mark.parametrize(
    "hide",
    [
        lambda tensor: model_with(initializers=[tensor]),
        lambda tensor: model_with(nodes=[constant(tensor)]),
        lambda tensor: model_with(nodes=[branch(tensor)]),
        lambda tensor: model_with(functions=[function(constant(tensor))]),
        lambda tensor: model_with(sparse=[sparse_tensor(tensor)]),
        lambda tensor: model_with(
            nodes=[helper.make_node("Constant", [], ["c"], sparse_value=sparse_tensor(tensor))]
        ),
    ],
    ids=["initializer", "constant", "branch", "function", "sparse", "sparse constant"],
)
def test_a_graph_that_reads_elsewhere_is_refused_before_it_is_loaded(
    hide: Callable[[onnx.TensorProto], bytes], location: str
) -> None:
    with pytest.raises(BundleError, match="keeps its data outside"):
        OnnxBackend(hide(external(location)))


def test_a_tensor_that_only_says_that_it_is_elsewhere_is_refused() -> None:
    tensor = external("x")
    tensor.ClearField("external_data")
    with pytest.raises(BundleError, match="keeps its data outside"):
        check_self_contained(model_with(initializers=[tensor]))


def test_a_bundle_whose_graph_reads_elsewhere_is_refused(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(model_with(initializers=[external("../../etc/passwd")]))
    sign(bundle)
    with pytest.raises(BundleError, match="keeps its data outside"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x07",
        b"\x0f",
        b"\x3a\xff",
        b"\x3a\x05\x00",
        b"\x08" + b"\xff" * 11,
        b"\x0d\x00",
        b"\x09\x00",
        b"garbage",
    ],
    ids=["empty", "no graph", "bad wire", "no length", "cut", "endless", "fixed32", "fixed64", "garbage"],
)
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"ONNX|cannot be read"):
        check_self_contained(tmp_path / "model.onnx")
    with pytest.raises(BundleError, match="ONNX"):
        check_self_contained(content)


def test_a_model_that_is_not_there_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        check_self_contained(tmp_path / "model.onnx")
