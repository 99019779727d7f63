"""A bundle: the folder that holds a trained model, complete, checked and without a line of code.

spec.json            what the model is: task, classes, preprocessing, thresholds, where it came from
model.onnx           the network, pixels in, outputs out     (or model.xml + model.bin for OpenVINO)
weights.safetensors  its weights, to train on or to export again                          (optional)
golden.npz           one picture with the pixels, outputs and prediction that it must give
manifest.json        size and SHA-256 of each file, and of itself
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import BundleError, NayanError
from nayan.runtime import manifest
from nayan.runtime.fsio import new_folder
from nayan.runtime.golden import Golden, golden_bytes, read_golden, replay
from nayan.runtime.manifest import GOLDEN, ONNX, OPENVINO, SPEC, WEIGHTS, Digest
from nayan.runtime.onnx_file import check_self_contained
from nayan.runtime.predictor import Predictor
from nayan.runtime.spec import Spec


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose files were all found to be as they were written.

    Attributes:
        path: its folder.
        spec: what the model is.
        files: name to digest.
    """

    path: Path
    spec: Spec
    files: Mapping[str, Digest]

    @property
    def graph(self) -> Path:
        """The network: `model.onnx`, or `model.xml` beside its `model.bin`."""
        return self.path / (ONNX if ONNX in self.files else OPENVINO[0])

    @property
    def weights(self) -> Path | None:
        """The weights as safetensors, where the bundle has them."""
        return self.path / WEIGHTS if WEIGHTS in self.files else None

    def golden(self) -> Golden:
        """Read the golden example.

        Raises:
            BundleError: if it changed since the bundle was opened, or is no golden example.
        """
        data = (self.path / GOLDEN).read_bytes()
        if manifest.digest_bytes(data) != self.files[GOLDEN]:
            raise BundleError(f"{self.path / GOLDEN}: changed while the bundle was open")
        return read_golden(data, str(self.path / GOLDEN))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at in a bundle.

    Attributes:
        name: what was checked.
        passed: whether it held.
        detail: what was found.
    """

    name: str
    passed: bool
    detail: str


def find_bundle(path: Path) -> Path:
    """Return the bundle's folder: `path` itself, or the `model` of a run folder.

    Raises:
        BundleError: if neither holds a manifest.
    """
    for folder in (path, path / "model"):
        if (folder / manifest.MANIFEST).is_file():
            return folder
    old = path.with_name(f".{path.name}.old")
    raise BundleError(
        f"{path}: no bundle here: neither it nor its `model` folder holds a {manifest.MANIFEST}",
        hint=f"its replacement was interrupted: rename {old} to {path.name}"
        if old.is_dir()
        else "give the folder that `nayan train` or `nayan export` named at its end",
    )


def open_bundle(path: Path) -> Bundle:
    """Check a bundle (or a run's) and read its description; no file is parsed before its digest holds.

    Raises:
        BundleError: if a file is missing, too many, a link, or changed in any bit; if the format
            version is newer; if the description makes no sense; or if the graph points outside itself.
    """
    folder = find_bundle(path)
    files = manifest.read_manifest(folder)
    manifest.check_files(folder, files)
    return _open(folder, files)


def write_bundle(
    folder: Path,
    *,
    spec: Spec,
    golden: Golden,
    onnx: Path | bytes,
    weights: Path | bytes | None = None,
) -> Path:
    """Write a bundle; an older one under the same name is replaced when the new one is complete.

    Args:
        folder: the bundle; its name appears only when every file is on the disk.
        spec: what the model is.
        golden: from `make_golden`.
        onnx: the graph, with all its data inside.
        weights: a safetensors file; None for a bundle that is only run.

    Returns:
        `folder`.

    Raises:
        BundleError: if the graph keeps data outside itself, or `folder` holds something that is no bundle.
        OSError: as the operating system reports it; an older bundle is then intact.
    """
    graph = {ONNX: onnx}
    return write_files(
        folder, spec=spec, golden=golden, files=graph | ({WEIGHTS: weights} if weights else {})
    )


def write_files(folder: Path, *, spec: Spec, golden: Golden, files: Mapping[str, Path | bytes]) -> Path:
    """Write a bundle of any layout; as `write_bundle`, with the graph and weights by name of file."""
    from importlib.metadata import version  # its import takes longer than opening a bundle

    if folder.exists() and not (folder / manifest.MANIFEST).exists() and any(folder.iterdir()):
        raise BundleError(
            f"{folder}: holds files, but is no bundle; it is not replaced", hint="choose another --out"
        )
    if ONNX in files:
        check_self_contained(files[ONNX])
    with new_folder(folder) as temporary:
        (temporary / SPEC).write_text(spec.to_json(), encoding="utf-8")
        (temporary / GOLDEN).write_bytes(golden_bytes(golden))
        for name, content in files.items():
            if isinstance(content, Path):
                shutil.copyfile(content, temporary / name)
            else:
                (temporary / name).write_bytes(content)
        digests = {file.name: manifest.digest_file(file) for file in temporary.iterdir()}
        text = manifest.manifest_text(digests, nayan=version("nayan"))
        (temporary / manifest.MANIFEST).write_text(text, encoding="utf-8")
    return folder


def update_spec(bundle: Bundle, spec: Spec) -> Bundle:
    """Rewrite a bundle with another description (fitted thresholds, metrics, provenance); the network stays.

    The golden prediction must still hold, so what changes it (`preprocess`, `classes`) must not be changed.

    Raises:
        BundleError: if the classes or the preprocessing differ.
    """
    if (spec.preprocess, spec.classes) != (bundle.spec.preprocess, bundle.spec.classes):
        raise BundleError("classes and preprocessing belong to the network and cannot be changed afterwards")
    others = {name: bundle.path / name for name in bundle.files if name not in (SPEC, GOLDEN)}
    write_files(bundle.path, spec=spec, golden=bundle.golden(), files=others)
    return open_bundle(bundle.path)


def self_test(bundle: Bundle, predictor: Predictor) -> str:
    """Replay the bundle's golden picture through a predictor that was made from it.

    Returns:
        How close it came, as a clause.

    Raises:
        BundleError: if the pixels are not identical, the outputs differ by more than the tolerance (1e-4, or
            what the predictor's backend says; or as the task compares them), or the prediction is another.
    """
    return replay(bundle.golden(), predictor)


def check_bundle(path: Path, *, load: Callable[[Bundle], Predictor] | None = None) -> list[Check]:
    """Check everything about a bundle and say what was found; the list ends at the first failure.

    Args:
        path: a bundle or a run folder.
        load: makes its predictor; without one the self-test is left out.
    """
    checks: list[Check] = []
    try:
        for name, detail in _examine(path, load):
            checks.append(Check(name, True, detail))
    except NayanError as error:
        names = ("manifest", "digests", "description", "golden", "self-test")
        checks.append(Check(names[len(checks)], False, str(error)))
    return checks


def _examine(path: Path, load: Callable[[Bundle], Predictor] | None) -> Iterator[tuple[str, str]]:
    folder = find_bundle(path)
    files = manifest.read_manifest(folder)
    yield "manifest", f"{len(files)} files listed, its own digest holds"
    manifest.check_files(folder, files)
    yield "digests", f"{sum(file.bytes for file in files.values()):,} bytes unchanged"
    bundle = _open(folder, files)
    yield "description", f"{bundle.spec.model} for {bundle.spec.task}, {len(bundle.spec.classes)} classes"
    golden = bundle.golden()
    yield "golden", f"a picture of {golden.image.shape[1]} x {golden.image.shape[0]} pixels"
    if load is not None:
        yield "self-test", self_test(bundle, load(bundle))


def _open(folder: Path, files: Mapping[str, Digest]) -> Bundle:
    try:
        text = (folder / SPEC).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder / SPEC}: not UTF-8 text") from error
    if ONNX in files:
        check_self_contained(folder / ONNX)
    return Bundle(folder, Spec.from_json(text), files)
