"""Masks of large pictures, looked at in tiles: seamless, and the same in training and prediction."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import VOID, Dataset, Image, MaskSource, Sample, SemanticMask
from nayan.data.tiled import tile_views
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.seams import join_masks
from nayan.runtime.spec import Spec
from nayan.runtime.tiles import Tiling, tiles
from nayan.tasks import CARDS
from nayan.tasks.predicting import make_predictor
from nayan.tasks.tiling import choose_tiling

REACH = 10  # px: how far the small network below sees to each side, halvings included


class Small(nn.Module):
    """A network that halves its maps once: what it says depends on where the cells of the coarse map lie."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = nn.Conv2d(3, 8, 3, padding=1)
        self.coarse = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        fine = self.fine(pixels / 64).relu()
        coarse = self.coarse(nn.functional.max_pool2d(fine, 2)).relu()
        up = nn.functional.interpolate(coarse, scale_factor=2, mode="nearest")
        scores: Tensor = self.last(torch.cat([fine, up], dim=1)).softmax(dim=1)
        return scores


NETWORK = Small().eval()


def run(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
    with torch.inference_mode():
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        return {"probabilities": NETWORK(planes).numpy()}


def segmenter(size: tuple[int, int], tiling: Tiling | None = None) -> Predictor:
    spec = Spec("segmentation", "small", {}, ("a", "b", "c"), Preprocess(size, "letterbox"), tiling=tiling)
    return make_predictor(spec, run)


def mask_of(predictor: Predictor, image: Image) -> SemanticMask:
    mask = predictor([image])[0]
    assert isinstance(mask, SemanticMask)
    return mask


def picture(size: tuple[int, int]) -> Image:
    return np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_tiles_that_overlap_by_twice_the_reach_give_what_one_look_at_the_whole_gives() -> None:
    image = picture((160, 224))
    whole = mask_of(segmenter((160, 224)), image)
    tiled = mask_of(segmenter((64, 64), Tiling(64, 2 * REACH / 64, whole=False, grid=2)), image)
    assert whole.scores is not None
    assert tiled.scores is not None
    np.testing.assert_array_equal(tiled.ids, whole.ids)
    np.testing.assert_allclose(tiled.scores, whole.scores, atol=1e-5)
    assert len(np.unique(whole.ids)) == 3


def test_tiles_that_hardly_overlap_do_show_seams_so_the_test_above_can_fail() -> None:
    image = picture((160, 224))
    whole = mask_of(segmenter((160, 224)), image)
    tiled = mask_of(segmenter((64, 64), Tiling(64, 0.0, whole=False, grid=2)), image)
    assert tiled.scores is not None
    assert whole.scores is not None
    assert np.abs(tiled.scores - whole.scores).max() > 1e-3


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (30, 200), (20, 20)])
def test_a_picture_of_any_size_gets_a_mask_of_its_size(size: tuple[int, int]) -> None:
    mask = mask_of(segmenter((64, 64), Tiling(64, 0.5, whole=False, grid=32)), picture(size))
    assert mask.size == size
    assert (mask.ids < 3).all()


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([32, 64, 96]), st.floats(0, 0.9))
def test_tiles_on_a_grid_cover_every_pixel_and_overlap_as_asked(
    height: int, width: int, side: int, overlap: float
) -> None:
    places = tiles((height, width), side, overlap=overlap, grid=32)
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in places:
        assert left % 32 == top % 32 == 0
        assert (right - left, bottom - top) == (side, side)
        covered[top:bottom, left:right] = True
    assert covered.all()
    columns = sorted({left for left, *_ in places})
    apart = max(32, int(side * (1 - overlap)) // 32 * 32)
    assert all(second - first <= apart for first, second in itertools.pairwise(columns))


@settings(deadline=None)
@given(st.integers(10, 200), st.integers(10, 200), st.floats(0, 0.7))
def test_a_mask_cut_into_tiles_and_joined_is_the_mask(height: int, width: int, overlap: float) -> None:
    ids = np.random.default_rng(height * width).integers(0, 5, (height, width), dtype=np.uint8)
    source = MaskSource(lambda: SemanticMask(ids))
    sample = Sample("a.png", lambda _=None: np.zeros((height, width, 3), np.uint8), source)
    views = tile_views(Dataset((sample,), ("a",), Path(), "masks"), Tiling(64, overlap, whole=False, grid=32))
    found = [
        (tile.id, tile.target.load()) for tile in views.data.samples if isinstance(tile.target, MaskSource)
    ]
    assert all(mask.size == (64, 64) for _, mask in found) or len(found) == 1
    [(joined_sample, joined)] = views.join(found)
    assert joined_sample is sample
    assert isinstance(joined, SemanticMask)
    np.testing.assert_array_equal(joined.ids, ids)


def test_beyond_the_edge_of_the_picture_a_tile_is_gray_and_void() -> None:
    ids = np.ones((40, 40), np.uint8)
    sample = Sample(
        "a.png", lambda _=None: np.zeros((40, 40, 3), np.uint8), MaskSource(lambda: SemanticMask(ids))
    )
    views = tile_views(Dataset((sample,), ("a",), Path(), "masks"), Tiling(64, 0.0, whole=False, grid=32))
    [tile] = views.data.samples
    assert isinstance(tile.target, MaskSource)
    assert tile.load().shape == (64, 64, 3)
    assert (tile.load()[40:] == 114).all()
    assert (tile.target.load().ids[40:] == VOID).all()
    assert (tile.target.load().ids[:40, :40] == 1).all()


def test_tiles_of_a_segmenter_are_multiples_of_its_coarsest_cell() -> None:
    assert choose_tiling(CARDS["segmentation"], 96) == Tiling(96, 0.2, whole=False, grid=32)
    with pytest.raises(ConfigError, match="multiples of 32 px") as caught:
        choose_tiling(CARDS["segmentation"], 100)
    assert "--tile 96" in str(caught.value.hint)


def test_only_masks_can_be_joined_as_masks() -> None:
    found: Sequence[Any] = [((0, 0, 2, 2), SemanticMask(np.zeros((2, 2), np.uint8))), ((2, 0, 4, 2), "cat")]
    with pytest.raises(ConfigError, match="cannot be joined with str"):
        join_masks(found, (2, 4))
