"""The only way from pictures to predictions, whatever runs the network."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, NayanError
from nayan.core.image import probe
from nayan.core.types import Image, Prediction, Sample, Target
from nayan.runtime.inputs import make_inputs
from nayan.runtime.parity import Compare
from nayan.runtime.preprocess import Placement
from nayan.runtime.spec import Spec
from nayan.runtime.tiles import predict_tiled

Backend = Callable[..., Mapping[str, NDArray[Any]]]
"""From (B, h, w, channels) uint8 pixels, B >= 1, further inputs by name, to the task's named outputs, each
with B rows."""

WHOLE_PICTURES = 2
"""Decoded ahead where each is looked at in tiles: they are large."""

MOST_PICTURES, MOST_PIXELS = 16, 16 * 224 * 224
"""Of a batch where nobody says: more is no faster on a CPU, but takes memory for all of them at once."""

_Read = tuple[Sample, tuple[Image, NDArray[np.uint8], Placement] | NayanError]
_ReadWhole = tuple[Sample, Image | NayanError]
_Result = tuple[Sample, Image | None, Prediction | NayanError]
_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


class Decode(Protocol):
    """Turns the outputs for a batch into one prediction a picture."""

    def __call__(
        self, raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **args: Any
    ) -> Sequence[Prediction]:
        """Return as many predictions as there are placements; `args` are the spec's `decode_args`."""
        ...


class Scorer(Protocol):
    """Collects predictions with their ground truth and scores them."""

    def update(self, predictions: Sequence[Any], targets: Sequence[Any]) -> None:
        """Add pictures."""
        ...

    def compute(self) -> Mapping[str, float]:
        """Return named scores of all that was added."""
        ...


@dataclass(frozen=True, slots=True)
class Predictor:
    """Preprocess, network and decode as one call.

    Attributes:
        spec: what the model is.
        run: the network: ONNX Runtime, OpenVINO, torch, or a function in a test.
        decode: from its outputs to predictions.
        compare: how the self-test says whether two engines give the same; None: value by value.
        calls: of `run` that may go on at the same time.
    """

    spec: Spec
    run: Backend
    decode: Decode
    compare: Compare | None = None
    calls: int = 1

    def __call__(self, images: Sequence[Image]) -> list[Prediction]:
        """Return one prediction a picture, in order; none for no pictures.

        Args:
            images: (H, W, 3) uint8 RGB, each of its own size; they run as one batch, or each in its tiles
                where the spec says so.

        Raises:
            ShapeError: if a picture is not (H, W, 3) uint8.
        """
        if self.spec.tiling is not None:
            return [self.in_tiles(image) for image in images]
        placed = [self.spec.preprocess(image) for image in images]
        return self.predict_pixels([pixels for pixels, _ in placed], [placement for _, placement in placed])

    def in_tiles(self, image: Image, *, batch: int = 8) -> Prediction:
        """Return what is found in one picture, looked at in the tiles of the spec, `batch` at once.

        Raises:
            ConfigError: if the model does not find boxes.
        """
        tiling = self.spec.tiling
        assert tiling is not None
        look = replace(self, spec=self.spec.with_(tiling=None))
        return predict_tiled(
            look,
            image,
            tile=tiling.side,
            overlap=tiling.overlap,
            whole=tiling.whole,
            least=tiling.least,
            grid=tiling.grid,
            batch=batch,
        )

    def predict_pixels(
        self, pixels: Sequence[NDArray[np.uint8]], placements: Sequence[Placement]
    ) -> list[Prediction]:
        """Return one prediction for each (h, w, channels) array of preprocessed pixels."""
        if not pixels:
            return []
        stacked = np.stack(pixels)
        extra = make_inputs(self.spec.inputs, pixels)
        return list(self.decode(self.run(stacked, **extra), placements, **self.spec.decode_args))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a predictor did on samples with known truth.

    Attributes:
        scores: by name, as the metric computes them.
        pictures: how many were scored.
        failures: the samples that could not be read, with the reason.
        seconds: from the first sample to the last.
    """

    scores: Mapping[str, float]
    pictures: int
    failures: tuple[tuple[Sample, NayanError], ...]
    seconds: float


def usual_batch(spec: Spec) -> int:
    """Return how many pictures a call of the network takes at best: 16 of 224 px, 1 of 640 px.

    >>> from nayan.runtime.preprocess import Preprocess
    >>> usual_batch(Spec("classification", "lenet", {}, ("a", "b"), Preprocess((640, 640), "letterbox")))
    1
    """
    height, width = spec.preprocess.size
    return max(1, min(MOST_PICTURES, MOST_PIXELS // (height * width)))


def predict_samples(
    predictor: Predictor, samples: Iterable[Sample], *, batch: int | None = None, threads: int = 4
) -> Iterator[tuple[Sample, Image | None, Prediction | NayanError]]:
    """Yield every sample with its picture and prediction, in order, reading ahead while the network runs.

    As many batches at once go through the network as `predictor.calls` says. At most
    `(2 * calls + 1) * batch + threads` pictures are in memory. JPEGs are decoded only as large as the network
    needs, so the picture that is yielded may be smaller than the file; places in predictions are those in
    the whole picture all the same. A model that looks in tiles gets whole pictures, a few of them ahead.

    Args:
        predictor: what predicts.
        samples: read lazily; an endless iterable is fine.
        batch: pictures, or tiles, a call of the network; None for `usual_batch`.
        threads: that read and preprocess pictures.

    Yields:
        (sample, picture, prediction); or (sample, None, error) for a picture that cannot be read, after
        which the others follow.
    """
    batch, calls = batch or usual_batch(predictor.spec), predictor.calls
    if predictor.spec.tiling is not None:
        read: Callable[[Sample], Any] = _read_whole
        ahead, together = WHOLE_PICTURES, 1
        look: Callable[[Sequence[Any]], list[_Result]] = partial(_predict_in_tiles, predictor, batch=batch)
    else:
        read, look = partial(_read, spec=predictor.spec), partial(_predict_batch, predictor)
        ahead, together = batch + threads, batch
    with contextlib.closing(_in_order(samples, read, ahead=ahead, threads=threads)) as outcomes:
        batches = iter(lambda: list(itertools.islice(outcomes, together)), [])
        if calls == 1:
            for outcome in batches:
                yield from look(outcome)
            return
        with contextlib.closing(_in_order(batches, look, ahead=calls, threads=calls)) as results:
            for result in results:
                yield from result


def evaluate(
    predictor: Predictor,
    samples: Iterable[Sample],
    metric: Scorer,
    *,
    batch: int | None = None,
    threads: int = 4,
) -> Evaluation:
    """Predict samples and score them against their targets; pictures that cannot be read are not scored.

    Args:
        predictor: what is evaluated.
        samples: each with a target.
        metric: fresh; it is updated batch by batch and computed once.
        batch: pictures a call of the network; None for `usual_batch`.
        threads: that read and preprocess pictures.

    Raises:
        DataError: if a sample has no target, or not one picture could be read.
    """
    start = time.perf_counter()
    batch = batch or usual_batch(predictor.spec)
    failures: list[tuple[Sample, NayanError]] = []
    results = predict_samples(predictor, samples, batch=batch, threads=threads)
    pictures = 0
    while chunk := list(itertools.islice(results, batch)):
        predictions: list[Prediction] = []
        targets: list[Target] = []
        for sample, _, outcome in chunk:
            if isinstance(outcome, NayanError):
                failures.append((sample, outcome))
                continue
            if sample.target is None:
                raise DataError(
                    f"{sample.id}: has no label to compare with", hint="use `nayan predict` instead"
                )
            predictions.append(outcome)
            targets.append(sample.target)
        metric.update(predictions, targets)
        pictures += len(predictions)
    if not pictures:
        reason = f"; the first: {failures[0][1].message}" if failures else ""
        raise DataError(f"no picture could be evaluated, {len(failures)} could not be read{reason}")
    return Evaluation(metric.compute(), pictures, tuple(failures), time.perf_counter() - start)


def _in_order(
    items: Iterable[_Item], do: Callable[[_Item], _Done], *, ahead: int, threads: int
) -> Generator[_Done, None, None]:
    """Yield what is done of each item, in order, while threads do up to `ahead` of the next ones."""
    waiting = iter(items)
    pending: deque[Future[_Done]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="nayan-predict")
    try:
        while True:
            for item in itertools.islice(waiting, ahead + 1 - len(pending)):
                pending.append(pool.submit(do, item))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(sample: Sample, spec: Spec) -> _Read:
    try:
        known = probe(sample.path).size if sample.path is not None else None
        image = sample.load(spec.preprocess.at_least(known))
        return sample, (image, *spec.preprocess(image, known))
    except NayanError as error:
        return sample, error


def _read_whole(sample: Sample) -> _ReadWhole:
    try:
        return sample, sample.load()
    except NayanError as error:
        return sample, error


def _predict_batch(predictor: Predictor, outcomes: Sequence[_Read]) -> list[_Result]:
    ready = [outcome for _, outcome in outcomes if not isinstance(outcome, NayanError)]
    predictions = iter(
        predictor.predict_pixels([pixels for _, pixels, _ in ready], [place for *_, place in ready])
    )
    return [
        (sample, None, outcome)
        if isinstance(outcome, NayanError)
        else (sample, outcome[0], next(predictions))
        for sample, outcome in outcomes
    ]


def _predict_in_tiles(predictor: Predictor, outcomes: Sequence[_ReadWhole], *, batch: int) -> list[_Result]:
    return [
        (sample, None, image)
        if isinstance(image, NayanError)
        else (sample, image, predictor.in_tiles(image, batch=batch))
        for sample, image in outcomes
    ]
