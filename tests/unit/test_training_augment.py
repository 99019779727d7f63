"""Augmentation: what may change in a picture, and what never does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nayan.core.types import Label
from nayan.runtime.preprocess import Placement, resize
from nayan.tasks.base import Batch
from nayan.training.augment import (
    POLICIES,
    Augment,
    choose_policy,
    crop_and_resize,
    mirror,
    mix,
    random_box,
)


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_a_picture_again_and_leaves_the_original_alone(policy: str) -> None:
    image = picture()
    before = image.copy()
    augment = POLICIES[policy]
    for seed in range(20):
        changed = augment(image, np.random.default_rng(seed), size=(16, 12))
        assert changed.dtype == np.uint8
        assert changed.shape == ((16, 12, 3) if augment.crops else image.shape)
        again = augment(image, np.random.default_rng(seed), size=(16, 12))
        assert (changed == again).all()
    assert (image == before).all()


def test_nothing_is_changed_by_the_policy_none() -> None:
    assert (POLICIES["none"](picture(), np.random.default_rng(0), size=(8, 8)) == picture()).all()


def test_symbols_are_never_mirrored_or_cropped() -> None:
    symbol = POLICIES["symbol"]
    assert symbol.flip == 0
    assert not symbol.crops
    image = np.zeros((28, 28, 3), np.uint8)
    image[4:24, 4:8] = 255  # an L: its upright stroke stays on the left of the middle
    image[20:24, 4:20] = 255
    for seed in range(50):
        seen = symbol(image, np.random.default_rng(seed), size=(28, 28))[..., 0].astype(float)
        upper = seen[:14].sum(axis=0)
        assert (upper * np.arange(28)).sum() / upper.sum() < 13


def test_a_mirror_image_is_drawn_half_of_the_time() -> None:
    augment = Augment(flip=0.5)
    flipped = [
        (augment(picture(), np.random.default_rng(seed), size=(1, 1)) == picture()[:, ::-1]).all()
        for seed in range(100)
    ]
    assert 35 < sum(flipped) < 65


def test_a_resized_crop_is_that_of_prediction_to_within_a_rounding() -> None:
    image = picture(90, 120)
    image.flags.writeable = False  # as the cache gives it
    for box, size in (((10, 5, 110, 85), (32, 48)), ((50, 40, 70, 60), (48, 32))):  # smaller and larger
        cut = np.ascontiguousarray(image[box[1] : box[3], box[0] : box[2]])
        found = crop_and_resize(image, box, size=size).astype(int)
        assert np.abs(found - resize(cut, size)).max() <= 1
    assert crop_and_resize(image, (119.8, 89.9, 120, 90), size=(4, 4)).shape == (4, 4, 3)  # never empty


def test_a_mirror_image_mirrored_is_the_picture() -> None:
    assert (mirror(picture()) == picture()[:, ::-1]).all()
    assert (mirror(mirror(picture())) == picture()).all()


def test_colours_change_within_their_bounds_and_erasing_makes_a_gray_box() -> None:
    gray = np.full((8, 8, 3), 100, np.uint8)
    brighter = [
        Augment(brightness=0.2)(gray, np.random.default_rng(seed), size=(1, 1)).mean() for seed in range(30)
    ]
    assert 79 <= min(brighter) < 90 < 110 < max(brighter) <= 121
    erased = Augment(erase=1.0)(np.zeros((40, 40, 3), np.uint8), np.random.default_rng(0), size=(1, 1))
    assert set(np.unique(erased)) == {0, 128}
    assert 0.01 < (erased == 128).mean() < 0.25


def test_what_an_affine_move_uncovers_has_the_colour_of_the_border() -> None:
    white = np.full((28, 28, 3), 255, np.uint8)
    white[10:18, 10:18] = 0
    moved = POLICIES["symbol"](white, np.random.default_rng(1), size=(28, 28))
    assert (moved[0] == 255).all()
    assert (moved[:, 0] == 255).all()


def test_the_policy_fits_the_pictures() -> None:
    assert choose_policy("auto", [(28, 28)], gray=True)[0] == "symbol"
    assert choose_policy("auto", [(280, 280)], gray=True)[0] == "photo"
    assert choose_policy("auto", [(28, 28)], gray=False)[0] == "photo"
    assert choose_policy("none", [(28, 28)], gray=True) == ("none", Augment())
    assert choose_policy("auto", [], gray=True)[0] == "photo"


def test_a_crop_that_never_fits_is_the_largest_centred_one() -> None:
    box = random_box((10, 1000), np.random.default_rng(0), scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3))
    assert box == pytest.approx((500 - 20 / 3, 0, 500 + 20 / 3, 10))


def test_the_decoder_leaves_room_for_a_mean_crop() -> None:
    assert Augment().headroom == 1
    assert Augment(scale=(0.25, 0.25)).headroom == pytest.approx(2)


def batch(count: int = 6, classes: int = 3) -> Batch:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, count)
    return Batch(
        images=torch.from_numpy(rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)),
        targets=torch.eye(classes)[labels],
        ids=tuple(map(str, range(count))),
        placements=(Placement((8, 8), (1, 1), (0, 0)),) * count,
        truths=tuple(Label(int(label)) for label in labels),
    )


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixed_targets_sum_to_1_and_are_mixed_as_the_pixels_are(mixup: float, cutmix: float) -> None:
    plain = batch()
    for seed in range(20):
        mixed = mix(plain, np.random.default_rng(seed), mixup=mixup, cutmix=cutmix)
        assert torch.allclose(mixed.targets.sum(dim=1), torch.ones(6))
        assert mixed.images.shape == plain.images.shape
        assert mixed.truths == plain.truths
        assert (mixed.images.float() <= 255).all()


def test_mixup_blends_pictures_and_targets_in_one_proportion() -> None:
    plain = batch(2, 2)
    plain.targets[:] = torch.eye(2)
    plain.images[0], plain.images[1] = 0, 200
    for seed in range(10):
        mixed = mix(plain, np.random.default_rng(seed), mixup=1.0, cutmix=0.0)
        assert torch.allclose(mixed.images.float()[:, 0, 0, 0] / 200, mixed.targets[:, 1], atol=1e-5)


def test_cutmix_pastes_the_share_that_its_target_says() -> None:
    plain = batch(2, 2)
    plain.targets[:] = torch.eye(2)
    plain.images[0], plain.images[1] = 0, 200
    for seed in range(10):
        mixed = mix(plain, np.random.default_rng(seed), mixup=0.0, cutmix=1.0)
        pasted = (mixed.images == 200).float().mean(dim=(1, 2, 3))
        assert torch.allclose(pasted, mixed.targets[:, 1], atol=1e-5)


def test_one_picture_has_nobody_to_mix_with_and_zero_means_off() -> None:
    one, many = batch(1), batch()
    assert mix(one, np.random.default_rng(0), mixup=1, cutmix=1) is one
    assert mix(many, np.random.default_rng(0), mixup=0, cutmix=0) is many
