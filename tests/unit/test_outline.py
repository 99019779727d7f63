import numpy as np
import pytest
from pycocotools import mask as coco

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.outline import Polygon, polygons, signed_area, simplified
from nayan.core.rle import decode


def filled(parts: list[Polygon], size: tuple[int, int]) -> np.ndarray:
    """Return the mask of polygons as pycocotools fills them: outer rings without their holes."""
    mask = np.zeros(size, bool)
    for part in parts:
        inside = _ring(part.outer, size)
        for hole in part.holes:
            inside &= ~_ring(hole, size)
        mask |= inside
    return mask


def _ring(ring: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return decode(coco.merge(coco.frPyObjects([ring.ravel().tolist()], *size)))


def blobs(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Return a mask with parts, holes, and parts inside holes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.zeros(size, bool)
    for _ in range(9):
        cy, cx, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(0.07, 0.25) * size[0]
        distance = np.hypot(y - cy, x - cx)
        mask[distance < radius] = True
        mask[distance < 0.6 * radius] = False
        mask[distance < 0.3 * radius] = True
    return mask


@pytest.mark.parametrize("seed", range(6))
def test_rings_without_tolerance_enclose_exactly_the_mask(seed: int) -> None:
    mask = blobs(seed)
    parts = polygons(mask)
    np.testing.assert_array_equal(filled(parts, mask.shape), mask)
    outer = sum(signed_area(part.outer) for part in parts)
    assert outer + sum(signed_area(hole) for part in parts for hole in part.holes) == mask.sum()
    assert all(signed_area(hole) < 0 for part in parts for hole in part.holes)
    areas = [signed_area(part.outer) for part in parts]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_of_noise_is_kept(seed: int) -> None:
    mask = np.random.default_rng(seed).random((40, 50)) < 0.5
    np.testing.assert_array_equal(filled(polygons(mask), mask.shape), mask)


@pytest.mark.parametrize("seed", range(6))
def test_less_than_a_px_of_tolerance_keeps_the_shape_with_a_third_of_the_corners(seed: int) -> None:
    mask = blobs(seed, (400, 500))
    exact, fewer = polygons(mask), polygons(mask, tolerance=0.75)
    drawn = filled(fewer, mask.shape)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.98
    corners = [sum(len(p.outer) + sum(map(len, p.holes)) for p in each) for each in (exact, fewer)]
    assert corners[1] < corners[0] / 3


def test_noise_whose_rings_come_by_a_corner_twice_can_be_simplified() -> None:
    mask = np.random.default_rng(0).random((60, 60)) < 0.62
    drawn = filled(polygons(mask, tolerance=0.5), mask.shape)
    assert (drawn == mask).mean() > 0.9


def test_a_ring_in_a_ring_has_its_hole_and_the_disc_inside_is_a_part_of_its_own() -> None:
    mask = np.zeros((9, 9), bool)
    mask[:, :] = True
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    parts = polygons(mask)
    assert [len(part.holes) for part in parts] == [1, 0]
    assert parts[0].holes[0].min(axis=0).tolist() == [2, 2]
    assert signed_area(parts[1].outer) == 1


def test_pixels_that_touch_at_a_corner_are_two_parts_and_holes_that_do_are_one() -> None:
    two = np.eye(2, dtype=bool)
    assert len(polygons(two)) == 2
    ring = np.ones((4, 4), bool)
    ring[1, 1] = ring[2, 2] = False
    assert [len(part.holes) for part in polygons(ring)] == [1]


def test_an_empty_mask_has_no_polygons() -> None:
    assert polygons(np.zeros((3, 4), bool)) == []


def test_a_single_pixel_survives_any_tolerance() -> None:
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    assert polygons(mask, tolerance=5.0)[0].outer.tolist() == [[1, 1], [2, 1], [2, 2], [1, 2]]


def test_a_triangle_cannot_lose_a_corner() -> None:
    ring = np.array([[0.0, 0], [9, 0], [9, 9]])
    assert simplified(ring, 3.0) is ring


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(H, W\) bool"):
        polygons(np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="0 or more"):
        polygons(np.zeros((2, 2), bool), tolerance=-1.0)
