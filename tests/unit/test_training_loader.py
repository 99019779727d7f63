"""Batches: the same ones whatever the number of threads, the cache, or where one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import DataError, FormatError
from nayan.core.types import Dataset, Image, Label, Sample
from nayan.data.cache import DecodedCache
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.base import Batch
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.augment import POLICIES, Augment
from nayan.training.loader import Prepare, PrepareAugmented, StreamSource, class_weights, shrink

PREPROCESS = Preprocess((12, 12), "crop", crop_ratio=0.8)
COUNT = 22


def pictures(*, broken: Iterable[int] = (), labels: Callable[[int], int] = lambda n: n % 2) -> Dataset:
    bad = set(broken)

    def loader(number: int) -> Callable[..., Image]:
        def load(at_least: tuple[int, int] | None = None) -> Image:
            if number in bad:
                raise FormatError(f"picture {number} is broken")
            return np.random.default_rng(number).integers(0, 256, (40, 30, 3), dtype=np.uint8)

        return load

    samples = tuple(Sample(f"s{n}", loader(n), Label(labels(n))) for n in range(COUNT))
    return Dataset(samples, ("even", "odd"), Path("nowhere"), "test", "train")


def source(
    data: Dataset | None = None,
    *,
    augment: Augment = POLICIES["photo"],
    cache: DecodedCache | None = None,
    seed: int = 4,
    **options: object,
) -> StreamSource:
    prepare = PrepareAugmented(data or pictures(), PREPROCESS, augment, seed, cache)
    return StreamSource(prepare, COUNT, ClassificationTask(2).collate, batch=5, seed=seed, **options)  # type: ignore[arg-type]


def same(one: Iterable[Batch], other: Iterable[Batch]) -> bool:
    return all(
        a.ids == b.ids and bool((a.images == b.images).all()) and bool((a.targets == b.targets).all())
        for a, b in zip(one, other, strict=True)
    )


def test_the_stream_is_the_same_with_one_two_and_four_threads() -> None:
    expected = list(source(threads=1).batches(3))
    assert len(expected) == source().steps == 5
    assert same(source(threads=2).batches(3), expected)
    assert same(source(threads=4).batches(3), expected)
    assert not same(source(threads=1).batches(4), expected)


def test_beginning_at_a_step_gives_the_tail_of_the_epoch() -> None:
    expected = list(source().batches(2))
    for start in range(6):
        assert same(source().batches(2, start), expected[start:])


def test_an_epoch_that_is_left_early_stops_its_threads() -> None:
    stream = source(threads=2).batches(0)
    next(stream)
    stream.close()
    assert len(list(source(threads=2).batches(0))) == 5


def test_two_processes_take_the_halves_of_every_batch() -> None:
    whole = list(source().batches(1))
    halves = [list(source(rank=rank, world=2).batches(1)) for rank in (0, 1)]
    for batch, first, second in zip(whole, *halves, strict=True):
        assert first.ids + second.ids == batch.ids
        assert (batch.images[: len(first.ids)] == first.images).all()
        assert (batch.images[len(first.ids) :] == second.images).all()


def test_balanced_drawing_shows_the_rare_class_as_often() -> None:
    rare = lambda number: int(number >= 20)  # noqa: E731
    data = pictures(labels=rare)
    weights = class_weights([rare(n) for n in range(COUNT)], 2)
    balanced = source(data, augment=Augment(), weights=[float(weights[rare(n)]) for n in range(COUNT)])
    seen = [truth.index for epoch in range(20) for b in balanced.batches(epoch) for truth in b.truths]  # type: ignore[union-attr]
    assert np.mean(seen) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("policy", ["photo", "symbol", "none"])
def test_an_empty_cache_and_a_full_one_give_the_same_batches(policy: str, tmp_path: Path) -> None:
    for path in (None, tmp_path / "cache.bin"):
        cache = DecodedCache(COUNT, limit_bytes=1 << 20, path=path)
        filling = list(source(augment=POLICIES[policy], cache=cache).batches(0))
        assert len(cache) == COUNT
        assert same(source(augment=POLICIES[policy], cache=cache, threads=4).batches(0), filling)
        none = DecodedCache(COUNT, limit_bytes=0)  # no room: every picture is decoded again
        assert same(source(augment=POLICIES[policy], cache=none).batches(0), filling)
        cache.close()


def test_broken_pictures_are_left_out_and_named() -> None:
    data = pictures(broken=(3, 8))
    stream = source(data)
    ids = {name for batch in stream.batches(0) for name in batch.ids}
    assert ids == {f"s{n}" for n in range(COUNT)} - {"s3", "s8"}
    assert stream.prepare.broken == {"s3": "picture 3 is broken", "s8": "picture 8 is broken"}  # type: ignore[attr-defined]


def test_a_training_batch_without_a_readable_picture_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match="none of the pictures of a batch can be read") as error:
        list(source(pictures(broken=range(COUNT))).batches(0))
    assert "nayan doctor" in error.value.hint


def test_validation_passes_over_broken_batches_but_not_over_broken_data() -> None:
    def plain(data: Dataset) -> StreamSource:
        return StreamSource(
            Prepare(data, PREPROCESS), COUNT, ClassificationTask(2).collate, batch=5, shuffle=False
        )

    found = [name for batch in plain(pictures(broken=range(12))).batches(0) for name in batch.ids]
    assert found == [f"s{n}" for n in range(12, COUNT)]
    with pytest.raises(DataError, match="none of the pictures of the data can be read"):
        list(plain(pictures(broken=range(COUNT))).batches(0))


def test_validation_keeps_what_it_has_read_as_far_as_it_may() -> None:
    prepare = Prepare(pictures(), PREPROCESS, keep=2)
    first, second, third = (prepare(index, 0) for index in range(3))
    assert prepare(0, 1) is first
    assert prepare(1, 1) is second
    assert third is not None
    assert prepare(2, 1) is not third
    assert (prepare(2, 1).pixels == third.pixels).all()  # type: ignore[union-attr]


def test_training_without_augmentation_sees_what_prediction_sees() -> None:
    prepare = PrepareAugmented(pictures(), PREPROCESS, Augment())
    plain = Prepare(pictures(), PREPROCESS)
    for index in range(3):
        assert (prepare(index, 9).pixels == plain(index, 0).pixels).all()  # type: ignore[union-attr]


def test_small_pictures_are_not_enlarged_for_the_cache() -> None:
    assert shrink(np.zeros((10, 20, 3), np.uint8), 12).shape == (10, 20, 3)
    assert shrink(np.zeros((100, 3, 3), np.uint8), 2).shape == (67, 2, 3)


def test_class_weights_have_mean_1_and_ignore_absent_classes() -> None:
    weights = class_weights([0] * 8 + [2] * 2, 3)
    assert np.mean([weights[label] for label in [0] * 8 + [2] * 2]) == pytest.approx(1)
    assert weights[2] == pytest.approx(4 * weights[0])
