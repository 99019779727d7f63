"""Training at changing sizes of input: a pure function of (seed, epoch, step)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nayan.core.types import Boxes, Dataset, Image, Sample
from nayan.data.cache import DecodedCache
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.base import Batch
from nayan.tasks.detection.task import DetectionTask
from nayan.training.loader import StreamSource
from nayan.training.order import input_sizes, step_size
from nayan.training.scene import SceneAugment
from nayan.training.scenes import PrepareScene

COUNT = 14
SIZES = tuple(input_sizes((64, 64), 0.5))


def pictures() -> Dataset:
    def load(at_least: object = None) -> Image:
        return np.full((100, 200, 3), 90, np.uint8)

    truth = Boxes(np.array([[50, 25, 150, 75]], np.float32), np.array([0]))
    samples = tuple(Sample(f"s{n}", load, truth) for n in range(COUNT))
    return Dataset(samples, ("it",), Path("nowhere"), "test", "train")


def source(
    *, cache: DecodedCache | None = None, threads: int = 2, rank: int = 0, world: int = 1
) -> StreamSource:
    prepare = PrepareScene(
        pictures(), Preprocess((64, 64), "letterbox"), SceneAugment(), 5, cache, sizes=SIZES
    )
    return StreamSource(
        prepare, COUNT, DetectionTask(1).collate, batch=3, seed=5, threads=threads,
        rank=rank, world=world, at_step=prepare.at_step,
    )  # fmt: skip


def sides(batches: list[Batch]) -> list[int]:
    return [int(batch.images.shape[3]) for batch in batches]


def test_each_step_has_its_own_size_and_all_of_them_come_up() -> None:
    assert SIZES == ((32, 32), (64, 64), (96, 96))
    seen = [side for epoch in range(8) for side in sides(list(source().batches(epoch)))]
    assert set(seen) == {32, 64, 96}
    assert sides(list(source().batches(1))) != sides(list(source().batches(2)))


def test_boxes_grow_with_their_picture() -> None:
    for batch in source().batches(0):
        side = batch.images.shape[3]
        expected = [side * part for part in (0.25, 0.375, 0.75, 0.625)]
        assert batch.targets.boxes[:, 0].numpy() == pytest.approx(
            np.array([expected] * len(batch.ids)), abs=1
        )
        assert batch.placements[0].original == (side, side)


def test_beginning_at_a_step_gives_the_tail_of_the_epoch() -> None:
    expected = list(source(threads=1).batches(3))
    for start in range(5):
        tail = list(source(threads=3).batches(3, start))
        assert sides(tail) == sides(expected[start:])
        assert all(bool((a.images == b.images).all()) for a, b in zip(tail, expected[start:], strict=True))


def test_pictures_are_kept_as_large_as_the_largest_step_needs() -> None:
    cache = DecodedCache(COUNT, limit_bytes=1 << 20)
    first = list(source(cache=cache).batches(0))
    kept = cache.get(0)
    assert kept is not None
    assert kept.shape == (48, 96, 3)
    again = list(source(cache=cache).batches(0))
    assert all(bool((a.images == b.images).all()) for a, b in zip(first, again, strict=True))


def test_samples_are_kept_beforehand_in_their_order_as_far_as_there_is_room() -> None:
    prepare = PrepareScene(pictures(), Preprocess((64, 64), "letterbox"), SceneAugment(), 5)
    assert not prepare.keep_all(2)
    roomy = DecodedCache(COUNT, limit_bytes=1 << 20)
    assert replace(prepare, cache=roomy).keep_all(2)
    assert len(roomy) == COUNT
    narrow = DecodedCache(COUNT, limit_bytes=3 * 32 * 64 * 3)
    assert not replace(prepare, cache=narrow).keep_all(1)
    assert [narrow.get(index) is not None for index in range(5)] == [True, True, True, False, False]


def test_all_processes_take_the_same_size() -> None:
    halves = [sides(list(source(rank=rank, world=2).batches(4))) for rank in (0, 1)]
    assert halves[0] == halves[1]


def test_without_sizes_every_step_is_prepared_alike() -> None:
    prepare = PrepareScene(pictures(), Preprocess((64, 64), "letterbox"), SceneAugment())
    assert prepare.at_step(3, 4) is prepare


def test_sizes_are_multiples_of_32_within_the_share() -> None:
    assert input_sizes((640, 640), 0.05) == [(608, 608), (640, 640), (672, 672)]
    wide = [(288, 576), (320, 608), (320, 640), (320, 672), (352, 704)]
    assert input_sizes((320, 640), 0.1) == wide
    assert input_sizes((40, 40), 0.9) == [(32, 32), (64, 64)]
    assert input_sizes((20, 20), 0.1) == []
    drawn = {step_size(0, 1, step=step, sizes=SIZES) for step in range(40)}
    assert drawn == set(SIZES)
    assert step_size(0, 1, step=2, sizes=SIZES) == step_size(0, 1, step=2, sizes=SIZES)
