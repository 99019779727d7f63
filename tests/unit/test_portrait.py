"""Portraits of people who are known to the last bit: discs with soft borders before known backgrounds."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.tasks.segmentation.portrait.closed_form import Windows, solve
from nayan.tasks.segmentation.portrait.compose import Look, portrait
from nayan.tasks.segmentation.portrait.foreground import colours_apart
from nayan.tasks.segmentation.portrait.lens import disc, lens_blur
from nayan.tasks.segmentation.portrait.light import to_levels, to_light
from nayan.tasks.segmentation.portrait.matte import matte

SKIN, WALL = (220.0, 160.0, 120.0), (30.0, 70.0, 120.0)


def scene(size: tuple[int, int] = (150, 200), softness: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of a soft disc before a wall, and its true alpha."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    inward = 0.3 * size[0] - np.hypot(y - size[0] / 2, x - size[1] / 2)
    alpha = np.clip(0.5 + inward / softness, 0, 1)[..., None]
    rng = np.random.default_rng(0)
    front = np.array(SKIN) + rng.normal(0, 2, (*size, 1))
    back = np.array(WALL) + 20 * np.sin(x / 9)[..., None] + rng.normal(0, 2, (*size, 1))
    mixed = np.clip(alpha * front + (1 - alpha) * back, 0, 255)
    return (mixed + 0.5).astype(np.uint8), alpha[..., 0].astype(np.float32)


def seen(alpha: np.ndarray, side: int = 48) -> np.ndarray:
    """Return what a network of few pixels would say of the person."""
    small = cv2.GaussianBlur(cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    return cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)


def luma(picture: np.ndarray) -> np.ndarray:
    return picture[..., :3].astype(float) @ [0.299, 0.587, 0.114]


def test_the_matte_is_nearer_to_the_truth_than_what_the_network_saw() -> None:
    image, alpha = scene()
    probability = seen(alpha)
    found = matte(image, probability)
    assert np.abs(found - alpha).mean() < 0.35 * np.abs(probability - alpha).mean()
    assert ((found > 0.5) == (alpha > 0.5)).mean() > 0.995
    assert found.min() == 0
    assert found.max() == 1


def test_a_border_that_the_network_put_some_pixels_off_moves_to_where_the_colours_change() -> None:
    image, alpha = scene(softness=1.0)
    shifted = np.roll(seen(alpha), 3, axis=1)
    found = matte(image, shifted)
    assert np.abs(found - alpha).mean() < 0.4 * np.abs((shifted > 0.5) - alpha).mean()


def test_a_large_picture_is_solved_small_and_follows_its_own_colours() -> None:
    image, alpha = scene((600, 700), softness=2.0)
    found = matte(image, seen(alpha))
    assert found.shape == (600, 700)
    assert np.abs(found - alpha).mean() < 0.006


def test_the_old_background_does_not_shine_through_before_a_new_one() -> None:
    image, alpha = scene()
    made = portrait(image, seen(alpha), Look((0, 200, 60)))
    truth = alpha[..., None] * np.array(SKIN) + (1 - alpha[..., None]) * np.array([0, 200, 60])
    off = np.abs(made.picture.astype(float) - truth)
    border = (alpha > 0.02) & (alpha < 0.98)
    assert off.mean() < 1.5, "levels"
    assert off[border].mean() < 16
    np.testing.assert_array_equal(made.picture[0, 0], (0, 200, 60))


def test_with_the_true_alpha_the_colours_of_the_person_are_found() -> None:
    image, alpha = scene()
    front, back = colours_apart(image.astype(np.float32) / 255, alpha)
    border = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(255 * front[border] - SKIN).mean() < 6
    assert np.abs(255 * front[alpha == 1] - image[alpha == 1]).mean() < 1
    np.testing.assert_allclose(255 * back[alpha == 0], image[alpha == 0], atol=0.01)


def test_no_light_of_the_person_bleeds_into_the_blurred_background() -> None:
    image, alpha = scene()
    image[..., :] = np.where(alpha[..., None] > 0.5, 250, 40)  # a bright person before a dark wall
    made = portrait(image, alpha, Look(strength=3))
    outside = alpha == 0
    assert made.picture[outside].max() < 48
    dark = np.where(alpha[..., None] > 0.5, 5, 200).astype(np.uint8).repeat(3, axis=2)
    assert portrait(dark, alpha, Look(strength=3)).picture[outside].min() > 190


def test_every_kind_of_background_is_what_it_says() -> None:
    image, alpha = scene()
    corner = (slice(0, 10), slice(0, 10))
    gray = portrait(image, alpha, Look("gray")).picture
    assert np.ptp(gray[corner].astype(int), axis=2).max() == 0
    np.testing.assert_allclose(luma(gray)[corner], luma(image)[corner], atol=1.5)
    none = portrait(image, alpha, Look("none")).picture
    assert none.shape == (150, 200, 4)
    assert none[0, 0, 3] == 0
    assert none[75, 100, 3] == 255
    other = np.zeros((30, 30, 3), np.uint8)
    other[:, 15:] = 255
    behind = portrait(image, alpha, Look(other)).picture
    assert behind[5, 5].max() < 5
    assert behind[5, 195].min() > 250
    middle = (slice(65, 85), slice(90, 110))
    for look in (Look(), Look("gray"), Look(other), Look((1, 2, 3))):
        made = portrait(image, alpha, look)
        np.testing.assert_allclose(made.picture[middle].astype(int), image[middle].astype(int), atol=2)
    assert np.abs(portrait(image, alpha, Look(strength=0)).picture.astype(int) - image).mean() < 1.5


def test_a_stronger_blur_leaves_less_detail_and_the_mean_light() -> None:
    image, alpha = scene()
    detail = []
    for strength in (0.0, 1.0, 3.0):
        made = portrait(image, alpha, Look(strength=strength)).picture[:, :40]
        detail.append(float(np.diff(luma(made), axis=1).std()))
        light = to_light(image[:, :40]).mean()
        assert to_light(made).mean() == pytest.approx(light, rel=0.1)
    assert detail[0] > 1.2 * detail[1]
    assert detail[1] > 1.2 * detail[2]


def test_feather_softens_the_border() -> None:
    image, alpha = scene(softness=1.0)
    sharp, soft = (portrait(image, seen(alpha), Look(feather=feather)).alpha for feather in (0.0, 12.0))
    assert ((soft > 0.05) & (soft < 0.95)).sum() > 1.5 * ((sharp > 0.05) & (sharp < 0.95)).sum()


def test_a_lamp_becomes_a_bright_disc_and_a_white_wall_stays_white() -> None:
    light = np.full((121, 121, 3), 0.05, np.float32)
    light[58:63, 58:63] = 1.0
    everything = np.ones((121, 121), np.float32)
    plain, blooming = (lens_blur(light, everything, radius=10, bloom=bloom) for bloom in (0.0, 6.0))
    assert blooming[60, 60, 0] > 2 * plain[60, 60, 0]
    assert blooming[60, 67, 0] > 0.8 * blooming[60, 60, 0], "flat like a disc, not a hill"
    assert blooming[60, 75, 0] < 0.1
    wall = np.full((121, 121, 3), 0.9, np.float32)
    np.testing.assert_allclose(lens_blur(wall, everything, radius=10), 0.9, atol=0.01)


def test_a_bright_room_has_no_lamps() -> None:
    rng = np.random.default_rng(0)
    folds = cv2.GaussianBlur(rng.normal(0, 1, (120, 120)).astype(np.float32), (0, 0), 4)
    light = np.repeat(0.65 + 0.08 * folds[..., None] / folds.std(), 3, axis=2).astype(np.float32)
    plain, blooming = (lens_blur(light, np.ones((120, 120)), radius=10, bloom=bloom) for bloom in (0.0, 6.0))
    assert (blooming / plain).max() < 1.02


@pytest.mark.parametrize("radius", [0.6, 2.0, 7.5, 30.0])
def test_the_blur_is_the_mean_under_the_disc_whatever_its_size(radius: float) -> None:
    rng = np.random.default_rng(0)
    light = cv2.GaussianBlur(rng.random((160, 160, 3)).astype(np.float32) * 0.6, (0, 0), 1)
    blurred = lens_blur(light, np.ones((160, 160), np.float32), radius=radius, bloom=0)
    edge = cv2.BORDER_REFLECT
    layers = [cv2.filter2D(each, -1, disc(radius), borderType=edge) for each in cv2.split(light)]
    exact = np.stack(layers, axis=2)
    assert np.abs(blurred - exact).mean() < 0.004
    assert blurred.mean() == pytest.approx(light.mean(), rel=0.01)


def test_no_blur_is_none() -> None:
    light = np.random.default_rng(0).random((9, 9, 3)).astype(np.float32)
    assert lens_blur(light, np.ones((9, 9), np.float32), radius=0.2) is light


def test_the_disc_is_round_and_its_area_is_that_of_a_circle() -> None:
    for radius in (0.3, 1.0, 4.5, 9.25):
        kernel = disc(radius)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_array_equal(kernel, kernel.T)
        if radius > 1:
            assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.03)


def test_levels_and_light_are_inverse() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_allclose(255 * to_levels(to_light(levels)), levels, atol=0.01)


def test_the_laplacian_is_blind_to_linear_functions_of_colour_and_symmetric() -> None:
    rng = np.random.default_rng(0)
    guide = rng.random((30, 40, 3)).astype(np.float32)
    windows = Windows(guide, radius=2, eps=1e-8)
    linear = guide @ np.array([0.3, -0.2, 0.5], np.float32) + 0.1
    assert np.abs(windows(linear)).max() < 2e-3
    one, two = rng.random((2, 30, 40)).astype(np.float32)
    assert np.vdot(one, windows(two)) == pytest.approx(np.vdot(two, windows(one)), rel=1e-3)
    assert np.vdot(one, windows(one)) > 0
    assert np.abs(windows.filtered(linear) - linear).max() < 1e-3
    functions = windows.functions(linear)
    np.testing.assert_allclose(
        (functions[..., :3] * guide).sum(axis=2) + functions[..., 3], linear, atol=1e-3
    )


def test_what_is_certain_is_kept_by_the_solution() -> None:
    guide = np.zeros((20, 20, 3), np.float32)
    guide[:, 10:] = 1
    hint = np.zeros((20, 20), np.float32)
    hint[:, 18:] = 1
    trust = np.full((20, 20), 1e-4, np.float32)
    trust[:, :2] = trust[:, 18:] = 100
    found = solve(Windows(guide, radius=1, eps=1e-5), hint, trust, steps=200)
    assert found[:, :9].max() < 0.1
    assert found[:, 11:].min() > 0.9
    np.testing.assert_array_equal(solve(Windows(guide, radius=1, eps=1e-5), hint * 0, trust), 0)


def test_specks_are_not_the_person_and_nobody_is_an_error() -> None:
    image, alpha = scene()
    probability = seen(alpha)
    probability[3:6, 3:6] = 1.0
    assert matte(image, probability)[:12, :12].max() == 0
    with pytest.raises(DataError, match="no person was found"):
        matte(image, np.zeros(alpha.shape, np.float32))
    with pytest.raises(ShapeError, match="needs as many probabilities"):
        matte(image, probability[:9])


@pytest.mark.parametrize(
    ("centre", "radius", "kept"),
    [((75, 188), 12, False), ((75, 158), 7, True), ((22, 178), 18, True)],
    ids=["small and away", "small and near", "large and away"],
)
def test_another_part_is_the_person_where_it_is_near_or_large(
    centre: tuple[int, int], radius: int, kept: bool
) -> None:
    _, alpha = scene()
    y, x = np.mgrid[:150, :200]
    part = np.hypot(y - centre[0], x - centre[1]) < radius
    image = np.full((150, 200, 3), WALL, np.uint8)
    image[(alpha > 0.5) | part] = SKIN
    found = matte(image, np.where(part, np.float32(0.9), seen(alpha)))
    assert (found[part].mean() > 0.8) == kept
    assert found[75, 100] == 1


@pytest.mark.parametrize(("said", "share"), [(0.3, 1.0), (0.02, 0.0)], ids=["unsure", "sure"])
def test_a_hole_in_the_person_is_closed_unless_the_network_is_sure_of_it(said: float, share: float) -> None:
    image, alpha = scene()
    y, x = np.mgrid[:150, :200]
    hole = np.hypot(y - 75, x - 100) < 8
    image[hole] = WALL
    found = matte(image, np.where(hole, np.float32(said), seen(alpha)))
    assert found[75, 100] == share


def test_a_picture_full_of_the_person_stays_as_it_is() -> None:
    image, alpha = scene()
    made = portrait(image, np.ones_like(alpha))
    np.testing.assert_array_equal(made.picture, image)


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (7, 5)])
def test_the_smallest_pictures_have_portraits(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    probability = np.zeros(size, np.float32)
    probability[: size[0] // 2 + 1] = 1
    assert portrait(image, probability).picture.shape == image.shape


def test_impossible_looks_are_refused() -> None:
    for options in ({"strength": -1.0}, {"strength": 6.0}, {"feather": 51.0}, {"feather": float("nan")}):
        with pytest.raises(ConfigError, match="expected 0 to 5, and 0 to 50"):
            Look(**options)
    with pytest.raises(ShapeError, match="uint8 RGB"):
        portrait(np.zeros((4, 4)), np.ones((4, 4), np.float32))


@pytest.mark.data
def test_the_matte_of_real_people_corrects_a_border_that_is_some_pixels_off(data_packs: Path) -> None:
    from PIL import Image

    from nayan.core.image import open_image

    def overlap(found: np.ndarray, truth: np.ndarray) -> float:
        return float(((found > 0.5) & truth).sum() / ((found > 0.5) | truth).sum())

    before, after = [], []
    for path in sorted((data_packs / "segment-human/test/images").iterdir())[:16:4]:
        mask = next((data_packs / "segment-human/test/masks").glob(f"{path.stem}.*"))
        truth = np.array(Image.open(mask).convert("L")) > 127
        shifted = np.roll(seen(truth.astype(np.float32), 256), round(0.008 * truth.shape[1]), axis=1)
        before.append(overlap(shifted, truth))
        after.append(overlap(matte(open_image(path), shifted), truth))
    assert np.mean(after) > np.mean(before) + 0.005
