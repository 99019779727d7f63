from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.core.types import VOID, MaskSource, SemanticMask
from nayan.tasks.segmentation.colours import PALETTE, VOID_COLOUR, colour_of, colour_table
from nayan.tasks.segmentation.counting import count
from nayan.tasks.segmentation.draw import MISTAKE_SIDE, annotate, annotate_things, colour_mask, mistake, sheet
from nayan.tasks.segmentation.records import packed

GRAY = np.full((300, 400, 3), 128, np.uint8)
NAMES = ("road", "sky")

# Machado et al. (2009), severity 1: what people without red or green cones see, in linear light.
NO_RED = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
NO_GREEN = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881))


def halves(left: int = 0, right: int = 1) -> SemanticMask:
    ids = np.full((300, 400), left, np.uint8)
    ids[:, 200:] = right
    return SemanticMask(ids)


def oklab(linear: np.ndarray) -> np.ndarray:
    """Return OKLab (Ottosson 2020) of linear RGB."""
    cones = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]
    axes = [[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    lab: np.ndarray = np.cbrt(linear @ np.array(cones).T) @ np.array(axes).T
    return lab


def test_every_two_colours_differ_for_every_kind_of_colour_vision() -> None:
    levels = np.array(PALETTE) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    for seen in (linear, *(np.clip(linear @ np.array(loss).T, 0, 1) for loss in (NO_RED, NO_GREEN))):
        lab = oklab(seen)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.eye(len(lab))
        assert apart.min() > 0.07  # 0.02 is what can just be seen


def test_every_class_has_a_colour_of_its_own() -> None:
    assert len({colour_of(label) for label in range(120)}) == 120


def test_the_veil_lets_the_picture_through_and_the_line_does_not() -> None:
    painted = annotate(GRAY, halves(), NAMES)
    assert (GRAY == 128).all()
    assert painted.shape[0] > 300
    assert painted.shape[1] == 400
    expected = np.round(0.55 * 128 + 0.45 * np.array(colour_of(1)))
    np.testing.assert_allclose(painted[100, 300], expected, atol=1)
    row = {tuple(int(v) for v in pixel) for pixel in painted[100, 190:210]}
    assert {colour_of(0), colour_of(1)} <= row


def test_a_background_is_left_as_it_is_and_void_is_hatched() -> None:
    painted = annotate(GRAY, halves(0, 1), ("background", "person"))
    np.testing.assert_array_equal(painted[:300, :190], GRAY[:, :190])
    painted = annotate(GRAY, halves(VOID, 1), NAMES)
    assert len(np.unique(painted[:300, :190].reshape(-1, 3), axis=0)) == 2


def test_the_names_of_what_is_there_stand_below_in_their_colours() -> None:
    painted = annotate(GRAY, halves(1, 1), NAMES)
    strip = painted[300:]
    assert (strip == colour_of(1)).all(axis=2).any()
    assert not (strip == colour_of(0)).all(axis=2).any()
    np.testing.assert_array_equal(annotate(GRAY, halves(VOID, VOID), NAMES).shape, GRAY.shape)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (28, 28), (1500, 900)])
def test_pictures_of_every_size_can_be_painted_with_more_classes_than_fit(size: tuple[int, int]) -> None:
    ids = np.random.default_rng(0).integers(0, 200, size, dtype=np.uint8)
    names = [f"a rather long name of class {n}" for n in range(200)]
    painted = annotate(np.full((*size, 3), 90, np.uint8), SemanticMask(ids), names)
    assert painted.shape[1] >= 240
    assert painted.shape[0] > 28


def test_a_larger_picture_has_wider_lines() -> None:
    def width(factor: int) -> int:
        ids = np.zeros((100 * factor, 300 * factor), np.uint8)
        ids[:, 150 * factor :] = 1
        painted = annotate(np.full((*ids.shape, 3), 128, np.uint8), SemanticMask(ids), NAMES)
        return int((painted[10] != painted[10, 0]).any(axis=1)[: 150 * factor].sum())

    assert width(6) > width(1) >= 1


def test_the_colour_mask_is_the_table_of_its_classes() -> None:
    colours = colour_mask(SemanticMask(np.array([[0, 1, VOID]], np.uint8)), ("background", "person"))
    assert colours.tolist() == [[[0, 0, 0], list(colour_of(1)), list(VOID_COLOUR)]]
    assert colour_table(NAMES).shape == (256, 3)


def test_a_sheet_shows_masks_that_are_read_and_pictures_without() -> None:
    source = MaskSource(lambda: halves(0, 1))
    page = sheet([GRAY, GRAY, GRAY], [source, halves(1, 1), None], NAMES)
    assert page.shape[1] > 3 * 320
    assert (page == colour_of(1)).all(axis=2).any()


def test_a_mistake_shows_in_red_what_is_wrong_but_not_what_nobody_knows() -> None:
    truth, found = halves(0, VOID).ids, halves(1, 1).ids
    record = {"truth": packed(truth, side=MISTAKE_SIDE), "found": packed(found, side=MISTAKE_SIDE)}
    painted = mistake(GRAY, record, NAMES).astype(int)
    red = (painted[..., 0] > 180) & (painted[..., 1:] < 100).all(axis=2)
    height, width = 300 + 4, 400 + 4
    wrong = red[height : 2 * height, width : 2 * width]
    assert wrong[30:290, 5:195].all()
    assert not wrong[30:290, 205:395].any()


@pytest.mark.parametrize("scale", [None, 0.01])
def test_counted_things_have_colours_of_their_own_and_their_number_below(scale: float | None) -> None:
    inside = np.zeros((300, 400), bool)
    inside[20:120, 20:120] = inside[150:280, 200:390] = inside[5:7, 5:7] = True
    things = count(inside, mm_per_px=scale, least_px=1)
    painted = annotate_things(GRAY, things)
    assert len({tuple(painted[y, x]) for y, x in [(30, 110), (270, 380), (200, 100)]}) == 3
    assert (painted[20:120, 20:120] > 200).all(axis=2).any(), "a number on the large one"
    assert painted.shape[0] > 300
    assert annotate_things(GRAY, count(np.zeros((300, 400), bool))).shape[0] > 300
    with pytest.raises(ShapeError, match="needs things of that size"):
        annotate_things(GRAY[:9], things)


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="needs a mask of that size"):
        annotate(GRAY[:100], halves(), NAMES)
    with pytest.raises(ShapeError, match="class 1 needs a name, there are 1"):
        annotate(GRAY, halves(), NAMES[:1])


@pytest.mark.data
def test_real_masks_are_painted_with_all_their_classes(data_packs: Path) -> None:
    from PIL import Image

    from nayan.core.image import open_image

    path = next(iter(sorted((data_packs / "segment-camvid/test/images").iterdir())))
    ids = np.array(Image.open(data_packs / "segment-camvid/test/masks" / f"{path.stem}.png"))
    ids[ids == 11] = VOID
    painted = annotate(open_image(path), SemanticMask(ids), [f"class {n}" for n in range(11)])
    strip = painted[ids.shape[0] :]
    for label in np.unique(ids[ids != VOID]):
        assert (strip == colour_of(int(label))).all(axis=2).any()
