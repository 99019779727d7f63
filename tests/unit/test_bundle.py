from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import BundleError, NayanError
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.bundle import (
    Bundle,
    check_bundle,
    find_bundle,
    open_bundle,
    self_test,
    update_spec,
    write_bundle,
)
from nayan.runtime.golden import golden_bytes, prediction_record, read_golden, replay
from nayan.runtime.predictor import Predictor
from nayan.tasks.classification.decode import decode


@pytest.fixture
def bundle(colour_bundle: Path, tmp_path: Path) -> Bundle:
    return open_bundle(Path(shutil.copytree(colour_bundle, tmp_path / "run" / "model")))


def load(bundle: Bundle) -> Predictor:
    return Predictor(bundle.spec, OnnxBackend(bundle.graph), decode)


def test_a_bundle_gives_back_what_was_written(bundle: Bundle) -> None:
    assert bundle.spec.classes == ("red", "green", "blue")
    assert bundle.graph.name == "model.onnx"
    assert bundle.weights is None
    golden = bundle.golden()
    assert golden.image.shape == (12, 10, 3)
    assert golden.outputs["logits"].shape == (3,)
    assert golden.prediction["probabilities"][0] > 0.9


def test_weights_are_kept_where_they_are_given(bundle: Bundle, tmp_path: Path) -> None:
    path = write_bundle(
        tmp_path / "full", spec=bundle.spec, golden=bundle.golden(), onnx=bundle.graph, weights=b"weights"
    )
    weights = open_bundle(path).weights
    assert weights is not None
    assert weights.read_bytes() == b"weights"


def test_a_run_folder_stands_for_its_bundle(bundle: Bundle) -> None:
    assert find_bundle(bundle.path.parent) == bundle.path
    assert open_bundle(bundle.path.parent).spec == bundle.spec


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle here") as caught:
        open_bundle(tmp_path)
    assert "nayan train" in caught.value.hint


def test_a_bundle_whose_replacement_was_cut_short_is_pointed_to(bundle: Bundle) -> None:
    bundle.path.rename(bundle.path.with_name(".model.old"))
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle.path)
    assert ".model.old" in caught.value.hint


def test_a_new_bundle_replaces_the_old_one(bundle: Bundle) -> None:
    spec = bundle.spec.with_(model="better")
    write_bundle(bundle.path, spec=spec, golden=bundle.golden(), onnx=bundle.graph.read_bytes())
    assert open_bundle(bundle.path).spec.model == "better"
    assert [entry.name for entry in bundle.path.parent.iterdir()] == ["model"]


def test_a_folder_that_is_no_bundle_is_not_replaced(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    with pytest.raises(BundleError, match="it is not replaced"):
        write_bundle(tmp_path / "thesis", spec=bundle.spec, golden=bundle.golden(), onnx=bundle.graph)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "precious"


def test_thresholds_can_be_fitted_afterwards(bundle: Bundle) -> None:
    updated = update_spec(bundle, bundle.spec.with_(decode_args={"thresholds": [0.1, 0.2, 0.3]}))
    assert updated.spec.decode_args == {"thresholds": [0.1, 0.2, 0.3]}
    assert updated.files["model.onnx"] == bundle.files["model.onnx"]
    self_test(updated, load(updated))


def test_classes_cannot_be_changed_afterwards(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="cannot be changed"):
        update_spec(bundle, bundle.spec.with_(classes=("a", "b", "c")))


def test_a_sound_bundle_passes_every_check(bundle: Bundle) -> None:
    checks = check_bundle(bundle.path, load=load)
    assert [check.name for check in checks] == ["manifest", "digests", "description", "golden", "self-test"]
    assert all(check.passed for check in checks)
    assert len(check_bundle(bundle.path)) == 4  # without an engine there is no self-test


def test_the_first_check_that_fails_is_the_last_that_is_told(bundle: Bundle) -> None:
    (bundle.path / "golden.npz").write_bytes(b"")
    checks = check_bundle(bundle.path, load=load)
    assert [check.passed for check in checks] == [True, False]
    assert "golden.npz" in checks[-1].detail


def test_an_engine_with_other_answers_fails_the_self_test(bundle: Bundle) -> None:
    predictor = load(bundle)
    run = predictor.run

    def off(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return {name: value * np.float32(1.01) for name, value in run(pixels).items()}

    with pytest.raises(BundleError, match=r"output 'logits' differs by 0\.01"):
        self_test(bundle, replace(predictor, run=off))
    off.tolerance = 0.1  # type: ignore[attr-defined]
    assert "allowed 1e-01" in self_test(bundle, replace(predictor, run=off))


def test_an_engine_that_gives_nan_fails_the_self_test(bundle: Bundle) -> None:
    predictor = load(bundle)
    golden = bundle.golden()

    def broken(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return {"logits": np.full((1, 3), np.nan, np.float32), "probabilities": np.ones((1, 3)) / 3}

    with pytest.raises(BundleError, match="logits"):
        replay(golden, replace(predictor, run=broken))


def test_other_preprocessing_fails_the_self_test(bundle: Bundle) -> None:
    predictor = load(bundle)
    golden = replace(bundle.golden(), pixels=np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BundleError, match="other pixels"):
        replay(golden, predictor)


def test_other_outputs_fail_the_self_test(bundle: Bundle) -> None:
    golden = bundle.golden()
    with pytest.raises(BundleError, match=r"expected .'boxes'."):
        replay(replace(golden, outputs={"boxes": np.zeros(3, np.float32)}), load(bundle))
    short = {**golden.outputs, "logits": np.zeros(2, np.float32)}
    with pytest.raises(BundleError, match=r"has the shape \(3,\), expected \(2,\)"):
        replay(replace(golden, outputs=short), load(bundle))


def test_another_prediction_fails_the_self_test(bundle: Bundle) -> None:
    golden = bundle.golden()
    with pytest.raises(BundleError, match="prediction 'probabilities'"):
        replay(replace(golden, prediction={"probabilities": [0.0, 1.0, 0.0]}), load(bundle))
    with pytest.raises(BundleError, match="prediction 'probabilities'"):
        replay(replace(golden, prediction={"probabilities": "red"}), load(bundle))


def test_a_golden_example_survives_its_file(bundle: Bundle) -> None:
    golden = bundle.golden()
    again = read_golden(golden_bytes(golden), "golden.npz")
    np.testing.assert_array_equal(again.image, golden.image)
    np.testing.assert_array_equal(again.pixels, golden.pixels)
    np.testing.assert_array_equal(again.outputs["logits"], golden.outputs["logits"])
    assert again.prediction == golden.prediction


def test_a_prediction_is_recorded_field_by_field(bundle: Bundle) -> None:
    prediction = load(bundle)([np.zeros((8, 8, 3), np.uint8)])[0]
    assert prediction_record(prediction)["probabilities"] == pytest.approx([1 / 3] * 3)


def test_every_bundle_error_is_a_nayan_error() -> None:
    assert issubclass(BundleError, NayanError)
    assert BundleError.exit_code == 4
