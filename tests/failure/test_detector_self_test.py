"""The self-test of a detector: what merely changed places passes, what changed is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nayan.core.errors import BundleError
from nayan.runtime.golden import Golden, golden_bytes, make_golden, read_golden, replay
from nayan.runtime.predictor import Backend, Predictor
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.predicting import make_predictor

SPEC = Spec("detection", "drawn", {}, ("cat", "dog"), Preprocess((64, 64), "letterbox"))
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)

BOXES = np.array([[8, 10, 30, 40], [32, 12, 60, 44], [33, 12, 60, 44], [2, 50, 20, 54]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.0, 0.8], [0.0, 0.79999], [0.3, 0.0]], np.float32)

Outputs = Mapping[str, np.ndarray]


def engine(boxes: np.ndarray = BOXES, scores: np.ndarray = SCORES, *, tolerance: float = 1e-4) -> Backend:
    """Return an engine that finds the same in every picture."""

    def run(pixels: np.ndarray, **inputs: np.ndarray) -> Outputs:
        return {"boxes": np.stack([boxes] * len(pixels)), "scores": np.stack([scores] * len(pixels))}

    run.tolerance = tolerance  # type: ignore[attr-defined]
    return run


def changed(array: np.ndarray, place: Any, value: float) -> np.ndarray:
    other = array.copy()
    other[place] = value
    return other


PREDICTOR = make_predictor(SPEC, engine())


@pytest.fixture
def golden() -> Golden:
    return make_golden(PREDICTOR, PICTURE)


def test_the_golden_picture_shows_three_objects_and_passes(golden: Golden) -> None:
    assert golden.prediction["labels"] == [0, 1, 0, 1]  # the last scores 0.1: it is not shown
    assert replay(golden, PREDICTOR).startswith("100 % of 3 detections matched")


def test_candidates_that_change_places_pass(golden: Golden) -> None:
    for order in ([3, 2, 1, 0], [0, 2, 1, 3]):
        assert "100 % of 3" in replay(golden, make_predictor(SPEC, engine(BOXES[order], SCORES[order])))


def test_of_two_that_score_alike_another_machine_may_keep_the_other(golden: Golden) -> None:
    scores = changed(changed(SCORES, (1, 1), 0.79999), (2, 1), 0.8)
    assert "1 tied" in replay(golden, make_predictor(SPEC, engine(scores=scores)))


@pytest.mark.parametrize(
    "wrong",
    [
        engine(changed(BOXES, (0, 2), 31.0)),
        engine(scores=changed(SCORES, (0, 0), 0.89)),
        engine(scores=SCORES[:, ::-1]),
        engine(scores=changed(SCORES, 0, 0.0)),
        engine(scores=changed(SCORES, (3, 1), 0.7)),
    ],
    ids=["box", "score", "class", "lost", "invented"],
)
def test_an_engine_that_finds_otherwise_is_refused_with_the_numbers(golden: Golden, wrong: Backend) -> None:
    with pytest.raises(BundleError, match=r"self-test: the engine finds other objects .* % of \d detections"):
        replay(golden, make_predictor(SPEC, wrong))


def test_an_engine_in_fewer_bits_may_be_further_off(golden: Golden) -> None:
    off = changed(BOXES, (0, 2), 31.0)
    assert "100 %" in replay(golden, make_predictor(SPEC, engine(off, tolerance=0.1)))
    with pytest.raises(BundleError, match="finds other objects"):
        replay(golden, make_predictor(SPEC, engine(changed(BOXES, (0, 2), 50.0), tolerance=0.1)))


@pytest.mark.parametrize(
    "change",
    [
        lambda prediction: prediction["labels"].__setitem__(0, 1),
        lambda prediction: prediction["scores"].__setitem__(1, 0.7),
        lambda prediction: prediction["xyxy"][0].__setitem__(2, 35.0),
        lambda prediction: prediction["xyxy"].reverse(),
    ],
    ids=["class", "score", "box", "order"],
)
def test_a_changed_prediction_is_refused(golden: Golden, change: Callable[[Any], None]) -> None:
    prediction = copy.deepcopy(dict(golden.prediction))
    change(prediction)
    with pytest.raises(BundleError, match=r"self-test: prediction '\w+' differs"):
        replay(replace(golden, prediction=prediction), PREDICTOR)


def test_a_prediction_that_lacks_an_object_or_a_field_is_refused(golden: Golden) -> None:
    fewer = {name: values[:-1] for name, values in golden.prediction.items()}
    with pytest.raises(BundleError, match="has the shape"):
        replay(replace(golden, prediction=fewer), PREDICTOR)
    with pytest.raises(BundleError, match=r"give \['labels', 'scores', 'xyxy'\], expected \['labels'\]"):
        replay(replace(golden, prediction={"labels": [0]}), PREDICTOR)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("boxes", (0, 2), 35.0), ("scores", (0, 0), 0.7), ("scores", (1, 0), 0.9), ("boxes", (1, 0), np.nan)],
)
def test_changed_golden_outputs_are_refused(golden: Golden, name: str, place: Any, value: float) -> None:
    outputs = {**golden.outputs, name: changed(golden.outputs[name], place, value)}
    with pytest.raises(BundleError):
        replay(replace(golden, outputs=outputs), PREDICTOR)


def test_outputs_of_another_shape_are_refused(golden: Golden) -> None:
    with pytest.raises(BundleError, match=r"output 'boxes' has the shape \(3, 4\), expected \(4, 4\)"):
        replay(golden, make_predictor(SPEC, engine(BOXES[:3], SCORES[:3])))


def proposing() -> Predictor:
    """Return a detector that takes proposals and gives them back as its boxes."""

    def run(pixels: np.ndarray, *, proposals: np.ndarray) -> Outputs:
        return {"boxes": proposals, "scores": np.full((*proposals.shape[:2], 2), 0.5, np.float32)}

    inputs = {"proposals": {"method": "selective_search", "count": 5}}
    return make_predictor(SPEC.with_(inputs=inputs), run)


def test_what_a_network_takes_beside_the_pixels_is_kept_and_must_come_again() -> None:
    predictor = proposing()
    golden = read_golden(golden_bytes(make_golden(predictor, PICTURE)), "golden.npz")
    assert golden.inputs["proposals"].shape == (5, 4)
    replay(golden, predictor)
    other = {"proposals": changed(golden.inputs["proposals"], (0, 0), 1.5)}
    with pytest.raises(BundleError, match="gives other proposals than when the bundle was made") as caught:
        replay(replace(golden, inputs=other), predictor)
    assert "OpenCV" in caught.value.hint
    with pytest.raises(BundleError, match=r"takes \['proposals'\] beside the pixels, .* has \[\]"):
        replay(replace(golden, inputs={}), predictor)
