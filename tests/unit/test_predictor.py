from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nayan.core.errors import DataError, FormatError, ShapeError
from nayan.core.types import ClassScores, Image, Label, Sample
from nayan.runtime.bundle import open_bundle
from nayan.runtime.predictor import Predictor, evaluate, predict_samples
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.classification.decode import decode
from nayan.tasks.classification.metric import ClassificationMetric

SPEC = Spec("classification", "darkness", {}, ("dark", "bright"), Preprocess((4, 4), "stretch"))


def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
    bright = pixels.mean(axis=(1, 2, 3), dtype=np.float32) / 255
    return {"probabilities": np.stack([1 - bright, bright], axis=1)}


PREDICTOR = Predictor(SPEC, run, decode)


def picture(value: int, size: tuple[int, int] = (6, 5)) -> Image:
    return np.full((*size, 3), value, np.uint8)


def loads(value: int) -> Callable[..., Image]:
    return lambda at_least=None: picture(value)  # noqa: ARG005


def sample(number: int, value: int) -> Sample:
    return Sample(f"{number}.png", loads(value), Label(int(value > 127)))


def broken(at_least: Any = None) -> Image:
    raise FormatError("3.png: cut off")


def test_pictures_of_different_sizes_run_as_one_batch() -> None:
    shapes = []

    def spy(pixels: np.ndarray) -> dict[str, np.ndarray]:
        shapes.append(pixels.shape)
        return run(pixels)

    predictions = Predictor(SPEC, spy, decode)([picture(0), picture(255, (9, 30)), picture(51)])
    assert shapes == [(3, 4, 4, 3)]
    assert [prediction.label for prediction in predictions] == [0, 1, 0]
    assert predictions[2].score == pytest.approx(0.8)


def test_no_pictures_give_no_predictions() -> None:
    assert PREDICTOR([]) == []


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ShapeError):
        PREDICTOR([np.zeros((4, 4), np.uint8)])


def test_decode_arguments_of_the_description_reach_the_decoder() -> None:
    seen = {}

    def spy(raw: Any, placements: Any, **args: Any) -> list[ClassScores]:
        seen.update(args)
        return decode(raw, placements)

    Predictor(SPEC.with_(decode_args={"conf": 0.3}), run, spy)([picture(1)])
    assert seen == {"conf": 0.3}


def test_samples_come_back_in_order_with_picture_and_prediction() -> None:
    samples = [sample(number, 25 * number) for number in range(10)]
    results = list(predict_samples(PREDICTOR, samples, batch=3, threads=4))
    assert [result[0] for result in results] == samples
    for number, (_, image, prediction) in enumerate(results):
        assert image is not None
        assert image[0, 0, 0] == 25 * number
        assert isinstance(prediction, ClassScores)
        assert prediction.probabilities[1] == pytest.approx(25 * number / 255, abs=1e-6)


def test_a_broken_picture_gives_its_error_and_the_others_follow() -> None:
    samples = [sample(0, 0), Sample("3.png", broken), sample(2, 255)]
    results = list(predict_samples(PREDICTOR, samples))
    assert isinstance(results[1][2], FormatError)
    assert results[1][1] is None
    assert [results[0][2].label, results[2][2].label] == [0, 1]  # type: ignore[union-attr]


def test_a_batch_of_broken_pictures_does_not_run_the_network() -> None:
    def never(pixels: np.ndarray) -> dict[str, np.ndarray]:
        raise AssertionError("there is nothing to run")

    results = list(predict_samples(Predictor(SPEC, never, decode), [Sample("3.png", broken)] * 3, batch=2))
    assert len(results) == 3


def test_a_decoder_is_told_how_small_a_picture_may_be() -> None:
    asked = []

    def load(at_least: Any = None) -> Image:
        asked.append(at_least)
        return picture(0)

    list(predict_samples(PREDICTOR, [Sample("a", load)]))
    assert asked == [(4, 4)]


def test_only_a_bounded_number_of_pictures_is_read_ahead() -> None:
    taken = 0

    def endless() -> Iterator[Sample]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield sample(number, 0)

    results = predict_samples(PREDICTOR, endless(), batch=4, threads=2)
    for _ in range(8):
        next(results)
    assert taken <= 4 + 2 * 4 + 2
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nayan-predict")]


def test_several_batches_at_once_come_back_in_order() -> None:
    together = threading.Barrier(3, timeout=30)  # passed only if three calls go on at the same time

    def meet(pixels: np.ndarray) -> dict[str, np.ndarray]:
        together.wait()
        return run(pixels)

    samples = [sample(number, 20 * number) for number in range(12)]
    results = list(predict_samples(Predictor(SPEC, meet, decode, calls=3), samples, batch=2))
    assert [result[0] for result in results] == samples
    brightness = [result[2].probabilities[1] for result in results]  # type: ignore[union-attr]
    np.testing.assert_allclose(brightness, np.arange(12) * 20 / 255, atol=1e-6)


def test_what_fails_in_one_of_several_batches_is_raised() -> None:
    def fails(pixels: np.ndarray) -> dict[str, np.ndarray]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(predict_samples(Predictor(SPEC, fails, decode, calls=2), [sample(0, 0)] * 4, batch=1))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nayan-predict")]


def test_an_error_that_is_not_about_the_picture_is_not_swallowed() -> None:
    def fails(at_least: Any = None) -> Image:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(predict_samples(PREDICTOR, [Sample("a", fails)]))


def test_an_evaluation_scores_what_could_be_read_and_tells_the_rest() -> None:
    samples = [sample(number, 255 * (number % 2)) for number in range(5)]
    wrong = Sample("wrong", loads(0), Label(1))
    result = evaluate(
        PREDICTOR, [*samples, wrong, Sample("3.png", broken)], ClassificationMetric(SPEC.classes), batch=2
    )
    assert result.pictures == 6
    assert result.scores["accuracy"] == pytest.approx(5 / 6)
    assert [failure[0].id for failure in result.failures] == ["3.png"]
    assert result.seconds > 0


def test_an_evaluation_without_labels_is_refused() -> None:
    unlabelled = Sample("a.png", loads(0))
    with pytest.raises(DataError, match="has no label") as caught:
        evaluate(PREDICTOR, [unlabelled], ClassificationMetric(SPEC.classes))
    assert "nayan predict" in caught.value.hint


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="no picture could be evaluated, 0 could not"):
        evaluate(PREDICTOR, [], ClassificationMetric(SPEC.classes))
    with pytest.raises(DataError, match=r"1 could not be read; the first: 3\.png"):
        evaluate(PREDICTOR, [Sample("3.png", broken)], ClassificationMetric(SPEC.classes))


def test_a_batch_gives_the_same_as_one_picture_at_a_time(colour_bundle: Path) -> None:
    from nayan.runtime.backends.onnx import OnnxBackend

    bundle = open_bundle(colour_bundle)
    predictor = Predictor(bundle.spec, OnnxBackend(bundle.graph), decode)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (9, 11, 3), dtype=np.uint8) for _ in range(5)]
    together = predictor(images)
    for image, prediction in zip(images, together, strict=True):
        np.testing.assert_allclose(predictor([image])[0].probabilities, prediction.probabilities, atol=1e-6)
