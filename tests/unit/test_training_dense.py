"""Pictures with a class for every pixel: whatever moves the one moves the other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nayan.core.types import VOID, SemanticMask
from nayan.data.splits import open_splits
from nayan.runtime.preprocess import Preprocess
from nayan.training.dense import DENSE, DenseAugment, PrepareDense
from nayan.training.recolour import Recolour

INPUT = Preprocess((64, 96), "letterbox")


def disc(height: int = 80, width: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return a white disc, off the centre, on black, and the mask of it."""
    y, x = np.mgrid[:height, :width]
    ids = (np.hypot(y - 30, x - 70) < 18).astype(np.uint8)
    return np.repeat(ids[..., None] * np.uint8(255), 3, axis=2), ids


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Write six pictures of a disc with their masks."""
    for part in ("images", "masks"):
        (tmp_path / "train" / part).mkdir(parents=True)
        (tmp_path / "val" / part).mkdir(parents=True)
    pixels, ids = disc()
    for split, count in (("train", 4), ("val", 2)):
        for number in range(count):
            Image.fromarray(pixels).save(tmp_path / split / "images" / f"{number}.png")
            Image.fromarray(ids).save(tmp_path / split / "masks" / f"{number}.png")
    (tmp_path / "classes.txt").write_text("ground\ndisc", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", sorted(DENSE))
def test_the_mask_goes_wherever_its_picture_goes(name: str) -> None:
    augment = replace(DENSE[name], colour=Recolour())
    pixels, ids = disc()
    for seed in range(8):
        moved, mask = augment(pixels, ids, np.random.default_rng(seed), size=INPUT.size)
        assert moved.shape == (64, 96, 3)
        known = mask != VOID
        wrong = (moved[..., 0] > 127)[known] != mask[known].astype(bool)
        assert wrong.mean() < 0.03  # the edge, where one is interpolated and the other is not


def test_augmentation_is_a_function_of_its_random_numbers() -> None:
    pixels, ids = disc()
    one, two, other = (
        DENSE["tissue"](pixels, ids, np.random.default_rng(seed), size=INPUT.size)[1] for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_what_the_picture_does_not_reach_is_void() -> None:
    pixels, ids = disc(80, 80)  # a square in a wide input: a margin left and right
    moved, mask = DenseAugment()(pixels, ids, np.random.default_rng(0), size=INPUT.size)
    assert (mask[:, :15] == VOID).all()
    assert (mask[:, -15:] == VOID).all()
    assert (moved[:, :15] == moved[0, 0]).all()
    assert (mask[:, 20:-20] != VOID).all()


def test_the_first_epochs_see_pictures_of_half_the_side(masks: Path) -> None:
    data = open_splits(masks, targets=("MaskSource",)).train
    prepare = PrepareDense(data, replace(INPUT, size=(128, 192)), DENSE["none"], small=2)
    for epoch, size in ((0, (64, 96)), (1, (64, 96)), (2, (128, 192))):
        item = prepare.at_step(epoch, 0)(0, epoch)
        assert item is not None
        assert item.pixels.shape[:2] == size
        assert isinstance(item.target, SemanticMask)
        assert item.target.ids.shape == size
        assert item.placement.original == size


def test_half_a_side_and_sizes_that_vary_go_together(masks: Path) -> None:
    data = open_splits(masks, targets=("MaskSource",)).train
    sizes = ((64, 96), (128, 192))
    prepare = PrepareDense(data, replace(INPUT, size=(128, 192)), DENSE["none"], sizes=sizes, small=1)
    seen = [{prepare.at_step(epoch, step).preprocess.size for step in range(20)} for epoch in (0, 1)]
    assert seen == [{(32, 64), (64, 96)}, set(sizes)]


def test_a_picture_that_cannot_be_read_is_named_and_left_out(masks: Path) -> None:
    data = open_splits(masks, targets=("MaskSource",)).train
    path = data.samples[0].path
    assert path is not None
    path.write_bytes(b"no picture")
    prepare = PrepareDense(data, INPUT, DENSE["none"])
    assert prepare(0, 0) is None
    assert list(prepare.broken) == [data.samples[0].id]
