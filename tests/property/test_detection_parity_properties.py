"""Parity of detectors, for any scenes: order never counts, a lost object always does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nayan.runtime.parity import Answers
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.parity import compare

PLACE = Placement((100, 100), (1.0, 1.0), (0.0, 0.0))


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Return the outputs of a detector for one picture, with many equal scores."""
    count = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corner = rng.integers(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(5, 40, (count, 2))], axis=1)
    scores = rng.choice([0.0, 0.3, 0.5, 0.9], (count, 2))
    return {"boxes": boxes[None].astype(np.float32), "scores": scores[None].astype(np.float32)}


@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_never_counts(scene: dict[str, np.ndarray], random: object) -> None:
    order = list(range(scene["boxes"].shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = {name: rows[:, order] for name, rows in scene.items()}
    parity = compare([Answers(scene, other, [PLACE])], decode_args={}, tolerance=1e-4)
    assert parity.holds


@given(scenes())
def test_an_engine_that_loses_the_best_object_is_always_found_out(scene: dict[str, np.ndarray]) -> None:
    scene["scores"][0, 0, 0] = 0.97
    worse = scene["scores"].copy()
    worse[0, 0, 0] = 0
    pair = (scene, {**scene, "scores": worse})
    for expected, found in (pair, pair[::-1]):
        assert not compare([Answers(expected, found, [PLACE])], decode_args={}, tolerance=1e-4).holds
