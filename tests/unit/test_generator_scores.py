"""KID, FID, precision and recall, and the features that they stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nayan.core.errors import BundleError, ConfigError, DataError, ShapeError
from nayan.core.types import Label, Original, Picture
from nayan.tasks import CARDS
from nayan.tasks.generation.distances import fid, kid, precision_recall
from nayan.tasks.generation.features import DRAWN, chance, named
from nayan.tasks.generation.sampling.metric import SamplingMetric, mistakes
from nayan.tasks.measuring import make_metric

Pixels = NDArray[np.uint8]


def shapes(count: int, *, seed: int, kinds: int = 3) -> list[Pixels]:
    """Return pictures of bright bars, squares and frames on a dark ground."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        picture = rng.integers(0, 30, (20, 20), dtype=np.uint8)
        top, left = rng.integers(2, 9, 2)
        kind = number % kinds
        picture[top : top + (3 if kind == 0 else 9), left : left + 9] = 220
        if kind == 2:
            picture[top + 2 : top + 7, left + 2 : left + 7] = 20
        found.append(np.repeat(picture[:, :, None], 3, axis=2))
    return found


def blurred(picture: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def test_kid_is_the_difference_of_the_mean_kernels_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)

    def k(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        return float((np.float64(x) @ np.float64(y) / 3 + 1) ** 3)

    same_a = [k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    same_b = [k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    across = [k(x, y) for x in a for y in b]
    expected = np.mean(same_a) + np.mean(same_b) - 2 * np.mean(across)
    assert kid(a, b) == pytest.approx(expected)
    assert kid(a, b) == pytest.approx(kid(b, a))


@pytest.mark.parametrize("counts", [(40, 60), (5, 4)])
def test_fid_is_that_of_the_root_of_the_product_of_both_covariances(counts: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(6, 6))
    a = (rng.normal(size=(counts[0], 6)) @ mix).astype(np.float32)
    b = (rng.normal(size=(counts[1], 6)) + 1).astype(np.float32)
    first, second = np.cov(a.T.astype(np.float64)), np.cov(b.T.astype(np.float64))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    apart = np.square(a.astype(np.float64).mean(0) - b.astype(np.float64).mean(0)).sum()
    expected = apart + np.trace(first) + np.trace(second) - 2 * roots
    assert fid(a, b) == pytest.approx(expected, rel=1e-4)


def test_precision_falls_for_strange_pictures_and_recall_for_missing_kinds() -> None:
    rng = np.random.default_rng(2)
    real = np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 20]).astype(np.float32)
    one_kind = rng.normal(size=(200, 2)).astype(np.float32)
    precision, recall = precision_recall(real, one_kind)
    assert precision > 0.9
    assert 0.4 < recall < 0.55
    precision, recall = precision_recall(real, np.concatenate([real, real + 100]))
    assert precision == pytest.approx(0.5)
    assert recall == 1.0


def test_scores_of_too_few_pictures_or_other_features_are_refused() -> None:
    with pytest.raises(DataError, match="1 real and 5 drawn pictures"):
        kid(np.zeros((1, 3), np.float32), np.zeros((5, 3), np.float32))
    with pytest.raises(DataError, match="takes 4 of each"):
        precision_recall(np.zeros((3, 3), np.float32), np.zeros((5, 3), np.float32))
    with pytest.raises(ShapeError, match=r"got \(4, 3\) and \(4, 2\)"):
        fid(np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32))


def test_features_of_chance_are_the_same_for_one_picture_and_many() -> None:
    pictures = shapes(70, seed=3)
    features = chance()(pictures)
    assert features.shape == (70, DRAWN)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[66:67], chance()(pictures[66:67]), rtol=1e-4, atol=1e-4)
    assert "cc9c2369" in chance().name  # the weights: published scores hold for these alone


@pytest.mark.parametrize("score", ["kid", "fid"])
@pytest.mark.parametrize(
    ("less", "more"),
    [
        pytest.param(lambda p: blurred(p, 0.6), lambda p: blurred(p, 1.2), id="blurred"),
        pytest.param(lambda p: (p * 0.9).astype(np.uint8), lambda p: (p * 0.7).astype(np.uint8), id="darker"),
        pytest.param(lambda p: np.roll(p, 2, 0), lambda p: np.roll(p, 8, 0), id="moved"),
    ],
)
def test_the_more_pictures_differ_the_worse_the_score(
    score: str, less: Callable[[Pixels], Pixels], more: Callable[[Pixels], Pixels]
) -> None:
    measure = {"kid": kid, "fid": fid}[score]
    real, others = chance()(shapes(90, seed=4)), shapes(90, seed=5)
    found = [measure(real, chance()([change(p) for p in others])) for change in (lambda p: p, less, more)]
    assert found[0] < found[1] < found[2]


def test_the_metric_scores_a_crowd_and_says_by_what() -> None:
    real, drawn = shapes(60, seed=6), shapes(60, seed=7, kinds=1)
    metric = SamplingMetric(["bar"])
    metric.update(
        [Picture(p) for p in drawn],
        [Original(lambda p=p: p, about=Label(0)) for p in real],  # type: ignore[misc]
    )
    scores = metric.compute()
    assert set(scores) == {"kid", "fid", "precision", "recall"}
    assert scores["recall"] < 0.6 < scores["precision"]
    details = metric.details()
    assert details["protocol"] == f"{chance().name}; 60 drawn against 60 real pictures"
    assert details["spread"]["drawn"] < details["spread"]["real"]
    assert mistakes([], [], [], limit=3) == []


def test_a_real_picture_is_looked_at_once_however_often_it_is_compared() -> None:
    reads = []
    pictures = shapes(5, seed=8)

    def load(number: int) -> Pixels:
        reads.append(number)
        return pictures[number]

    originals = [Original(lambda n=n: load(n)) for n in range(5)]  # type: ignore[misc]
    for _ in range(3):
        metric = SamplingMetric([])
        metric.update([Picture(p) for p in pictures], originals)
        metric.compute()
    assert sorted(reads) == [0, 1, 2, 3, 4]


def test_what_cannot_be_judged_is_refused() -> None:
    metric = SamplingMetric([])
    with pytest.raises(DataError, match="no picture could be judged"):
        metric.compute()
    with pytest.raises(ShapeError, match="1 drawn pictures against 0 real ones"):
        metric.update([Picture(np.zeros((2, 2, 3), np.uint8))], [])
    with pytest.raises(DataError, match="what is drawn is judged against pictures"):
        metric.update([Picture(np.zeros((2, 2, 3), np.uint8))], [Label(0)])  # type: ignore[list-item]


def test_features_are_named_by_a_word_or_a_model(tmp_path: Path) -> None:
    assert named("random") is chance()
    with pytest.raises(BundleError):
        named(str(tmp_path))
    with pytest.raises(ConfigError, match="--features means nothing to classification"):
        make_metric(CARDS["classification"], ["a"], features="random")
    assert make_metric(CARDS["generation"], ["a"], features="random").extractor is chance()
