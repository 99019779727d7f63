from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import ConfigError, ShapeError
from nayan.tasks.segmentation.counting import count


def discs(*rows: tuple[float, float, float], size: tuple[int, int] = (200, 260)) -> np.ndarray:
    """Return the mask of discs (x, y, radius), centres in pixels with the corner at (0, 0)."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    mask = np.zeros(size, bool)
    for cx, cy, radius in rows:
        mask |= np.hypot(x - cx, y - cy) <= radius
    return mask


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("angle", [0, 17, 45, 80, 130])
@pytest.mark.parametrize(("one", "two"), [(30, 30), (40, 22), (9, 9), (50, 12)])
def test_two_discs_that_overlap_by_up_to_a_third_of_the_radius_are_two(
    share: float, angle: float, one: float, two: float
) -> None:
    apart = one + two - share * min(one, two)
    dx, dy = np.cos(np.radians(angle)) * apart, np.sin(np.radians(angle)) * apart
    first, second = (130 - dx / 2, 100 - dy / 2), (130 + dx / 2, 100 + dy / 2)
    found = count(discs((*first, one), (*second, two)))
    assert len(found) == 2
    near = [np.hypot(*(found.centres - place).T).min() for place in (first, second)]
    assert max(near) < 0.2 * min(one, two) + 1


def test_a_chain_and_a_heap_of_touching_discs_are_counted() -> None:
    chain = [(20 + 25 * n, 40, 14) for n in range(9)]
    heap = [(60 + 34 * n + 17 * (m % 2), 90 + 30 * m, 18) for n in range(4) for m in range(3)]
    assert len(count(discs(*chain, *heap))) == len(chain) + len(heap)


def test_many_random_discs_that_overlap_a_little_are_all_found() -> None:
    rng = np.random.default_rng(3)
    placed: list[tuple[float, float, float]] = []
    for _ in range(4000):
        x, y, r = rng.uniform(20, 480), rng.uniform(20, 480), rng.uniform(10, 20)
        if all(np.hypot(x - a, y - b) >= r + c - 0.3 * min(r, c) for a, b, c in placed):
            placed.append((x, y, r))
    assert len(placed) > 100
    assert len(count(discs(*placed, size=(500, 500)))) == len(placed)


@pytest.mark.parametrize("radius", [3, 10, 41.5])
def test_one_disc_is_one_and_so_are_ellipse_bar_and_a_rough_disc(radius: float) -> None:
    assert len(count(discs((100, 100, radius)))) == 1
    y, x = np.mgrid[:200, :260] + 0.5
    assert len(count(((x - 130) / (2.4 * radius)) ** 2 + ((y - 100) / radius) ** 2 <= 1)) == 1
    bar = np.zeros((200, 260), bool)
    bar[90 : 90 + int(2 * radius), 10:250] = True
    assert len(count(bar)) == 1
    turned = np.arctan2(y - 100, x - 130)
    rough = np.hypot(y - 100, x - 130) <= radius * (1 + 0.05 * np.sin(9 * turned))
    assert len(count(rough)) == 1


def test_areas_and_centres_are_those_of_the_discs() -> None:
    found = count(discs((40, 50, 20), (150, 120, 35)), mm_per_px=0.01)
    np.testing.assert_allclose(found.areas, [np.pi * 400, np.pi * 35**2], rtol=0.02)
    np.testing.assert_allclose(found.centres, [[40, 50], [150, 120]], atol=0.2)
    record = found.record()
    assert record["count"] == 2
    assert record["area"] == found.areas.sum()
    assert record["area_mm2"] == pytest.approx(found.areas.sum() * 1e-4)
    assert record["things"][0]["area_mm2"] == pytest.approx(found.areas[0] * 1e-4)
    assert "area_mm2" not in count(discs((40, 50, 20))).record()


def test_every_pixel_of_the_mask_belongs_to_one_thing() -> None:
    mask = discs((80, 100, 40), (145, 100, 40))
    found = count(mask)
    np.testing.assert_array_equal(found.labels > 0, mask)
    assert found.areas.sum() == mask.sum()
    left, right = found.labels[100, 100], found.labels[100, 125]
    assert left != right, "they part at the neck, in the middle between 80 and 145"


def test_without_touching_things_each_connected_part_is_one() -> None:
    mask = discs((80, 100, 40), (145, 100, 40))
    assert len(count(mask, touching=False)) == 1
    assert len(count(mask, depth=1.0)) == 1
    corners = np.eye(6, dtype=bool).repeat(4, axis=0).repeat(4, axis=1)
    assert len(count(corners)) == 6
    assert len(count(corners, touching=False)) == 6


def test_halves_at_the_edge_of_the_picture_count_and_specks_do_not() -> None:
    mask = discs((0, 100, 30), (52, 100, 30), (200, 100, 30))
    mask[10, 250] = True
    assert len(count(mask)) == 3
    assert len(count(mask, least_px=0)) == 4
    assert len(count(mask, least_px=2000)) == 2


def test_nothing_counts_as_nothing() -> None:
    for touching in (True, False):
        found = count(np.zeros((5, 6), bool), touching=touching)
        assert len(found) == 0
        assert found.record() == {"count": 0, "area": 0, "area_median": 0.0, "things": []}
        assert found.centres.shape == (0, 2)
    assert len(count(np.ones((5, 6), bool))) == 1


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(H, W\) bool"):
        count(np.zeros((2, 2)))
    for options in ({"depth": 1.1}, {"depth": -0.1}, {"least_px": -1}):
        with pytest.raises(ConfigError, match="depth is from 0 to 1"):
            count(np.zeros((2, 2), bool), **options)
    with pytest.raises(ConfigError, match="more than 0"):
        count(np.zeros((2, 2), bool), mm_per_px=0.0)


@pytest.mark.data
def test_cells_between_membranes_are_counted_with_their_areas(data_packs: Path) -> None:
    from PIL import Image

    path = sorted((data_packs / "segment-membrane/test/masks").iterdir())[0]
    inside = np.array(Image.open(path).convert("L")) > 127
    joined, parted = count(inside, touching=False), count(inside)
    assert 50 < len(joined) <= len(parted) < 3 * len(joined)
    assert parted.areas.sum() <= inside.sum()
