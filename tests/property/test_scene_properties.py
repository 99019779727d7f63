"""Augmented scenes: boxes stay inside, keep an area, and stay on their objects."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import Boxes
from nayan.training.scene import SCENES, Scene, SceneAugment

SIZE = (96, 96)


def bright_square(rng: np.random.Generator) -> Scene:
    """Return a dark picture with one white rectangle and its box."""
    height, width = rng.integers(40, 160, 2)
    x1, y1 = rng.integers(0, width - 20), rng.integers(0, height - 20)
    x2, y2 = rng.integers(x1 + 12, width), rng.integers(y1 + 12, height)
    image = np.zeros((height, width, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return Scene(image, Boxes(np.array([[x1, y1, x2, y2]], np.float32), np.array([0])))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SCENES)), st.booleans())
def test_boxes_stay_inside_and_keep_an_area(seed: int, name: str, calm: bool) -> None:
    rng = np.random.default_rng(seed)
    augment = SCENES[name]
    scenes = [bright_square(rng) for _ in range(1 + augment.partners)]
    result = augment.compose(scenes, rng, size=SIZE, calm=calm)
    assert result.image.shape == (*SIZE, 3)
    assert (result.boxes.xyxy >= 0).all()
    assert (result.boxes.xyxy <= 96).all()
    assert (result.boxes.xyxy[:, 2:] - result.boxes.xyxy[:, :2] >= 2).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_box_lies_where_its_object_was_painted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    augment = SceneAugment(mosaic=1.0, scale=(0.7, 1.4), flip=0.5, upside_down=0.5)
    result = augment.compose([bright_square(rng) for _ in range(4)], rng, size=SIZE)
    painted = np.zeros(SIZE, bool)
    for x1, y1, x2, y2 in result.boxes.xyxy.round().astype(int):
        painted[y1:y2, x1:x2] = True
        inside = result.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2, 0]
        assert inside.size == 0 or inside.mean() > 200


def test_the_same_generator_gives_the_same_scene_and_mixup_keeps_the_objects_of_both() -> None:
    def made() -> Scene:
        rng = np.random.default_rng(3)
        augment = SceneAugment(mixup=1.5, hue_deg=5, saturation=0.4, brightness=0.3)
        found = [augment.compose([bright_square(rng), bright_square(rng)], rng, size=SIZE) for _ in range(6)]
        return max(found, key=lambda scene: len(scene.boxes))

    one, two = made(), made()
    np.testing.assert_array_equal(one.image, two.image)
    assert len(one.boxes) == 2
