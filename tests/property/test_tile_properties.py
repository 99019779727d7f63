"""Tiles cover every pixel; what a tile shows whole is found unchanged; merging twice changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import Boxes, Size
from nayan.data.tiled import cut_boxes
from nayan.runtime.tiles import Tile, merge, tiles

sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))
layouts = st.tuples(sizes, st.integers(1, 150), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]))


def ideal(objects: Boxes, places: list[Tile]) -> list[tuple[Tile, Boxes]]:
    """Return what a perfect detector sees in each tile: the visible part of each object, if there is any."""
    found = []
    for place in places:
        seen = cut_boxes(objects, place, min_visible=0.0)
        found.append((place, Boxes(seen.xyxy, seen.labels, np.full(len(seen), 0.9, np.float32))))
    return found


def one(left: int, top: int, right: int, bottom: int) -> Boxes:
    return Boxes(np.array([[left, top, right, bottom]], np.float32), np.array([0]))


@given(layouts)
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_covered_by_tiles_of_one_size_inside_the_picture(
    layout: tuple[Size, int, float],
) -> None:
    size, tile, overlap = layout
    if tile < 10:
        size = (min(size[0], 40), min(size[1], 40))
    covered = np.zeros(size, bool)
    places = tiles(size, tile, overlap=overlap)
    for left, top, right, bottom in places:
        assert 0 <= left < right <= size[1]
        assert 0 <= top < bottom <= size[0]
        assert (bottom - top, right - left) == (min(tile, size[0]), min(tile, size[1]))
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert len(set(places)) == len(places)
    assert places == tiles(size, (tile, tile), overlap=overlap)


@given(st.integers(100, 400), st.integers(40, 100), st.sampled_from([0.1, 0.2, 0.5]))
def test_neighbours_overlap_by_at_least_what_was_asked_for(width: int, tile: int, overlap: float) -> None:
    starts = [left for left, *_ in tiles((10, width), (10, tile), overlap=overlap)]
    assert all(b - a <= tile * (1 - overlap) + 1 for a, b in itertools.pairwise(starts))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_an_object_that_one_tile_shows_whole_is_found_once_and_unchanged(data: st.DataObject) -> None:
    size = (data.draw(st.integers(60, 300)), data.draw(st.integers(60, 300)))
    places = tiles(size, 80, overlap=data.draw(st.sampled_from([0.0, 0.2, 0.4])))
    left, top, right, bottom = data.draw(st.sampled_from(places))
    x1 = data.draw(st.integers(left, right - 4))
    y1 = data.draw(st.integers(top, bottom - 4))
    box = one(x1, y1, data.draw(st.integers(x1 + 4, right)), data.draw(st.integers(y1 + 4, bottom)))
    merged = merge(ideal(box, places), size)
    assert merged.xyxy.tolist() == box.xyxy.tolist()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_merging_tiles_that_were_looked_at_twice_gives_the_same(data: st.DataObject) -> None:
    size = (200, 240)
    places = tiles(size, 90, overlap=0.25)
    coordinate = st.integers(0, 190)
    corners = data.draw(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=5))
    sides = data.draw(st.lists(st.integers(6, 60), min_size=5, max_size=5))
    objects = Boxes(
        np.array(
            [(x, y, min(x + s, 240), min(y + s, 200)) for (x, y), s in zip(corners, sides, strict=False)],
            np.float32,
        ),
        np.array([n % 2 for n in range(len(corners))]),
    )
    found = ideal(objects, places)
    once = merge(found, size)
    assert merge(found + found, size).xyxy.tolist() == once.xyxy.tolist()
    assert merge([((0, 0, 240, 200), once)], size).xyxy.tolist() == once.xyxy.tolist()


@pytest.mark.parametrize("overlap", [0.2, 0.4])
def test_an_object_longer_than_a_tile_is_put_together_from_its_pieces(overlap: float) -> None:
    box = one(20, 30, 330, 70)
    places = tiles((100, 360), 100, overlap=overlap)
    assert len(places) >= 4
    merged = merge(ideal(box, places), (100, 360))
    assert merged.xyxy.tolist() == box.xyxy.tolist()
