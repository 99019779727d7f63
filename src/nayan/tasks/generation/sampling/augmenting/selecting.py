"""Draws pictures of each class and keeps those that are worth learning from. No torch."""

# N drawn pictures, K classes

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, NayanError
from nayan.core.types import ClassScores, Dataset, Image, Label
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.generation.distances import NEIGHBOURS, nearest
from nayan.tasks.generation.features import chance
from nayan.tasks.generation.sampling.augmenting.choosing import (
    DOUBTFUL,
    FATES,
    KEPT,
    Candidates,
    judge,
    keep_wanted,
    near_limit,
    tally,
    variety,
)
from nayan.tasks.generation.sampling.drawing import Asked, draw_pictures, drawn_noise

AT_ONCE = 64
"""Pictures that the classifier looks at together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn.

    Attributes:
        counts: how many pictures of each class are to be kept.
        tries: so many times as many are drawn.
        confidence: that the classifier must have in the class, in [0, 1].
        seed: of the noise.
    """

    counts: tuple[int, ...]
    tries: int
    confidence: float
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What was drawn, what became of it, and what would become of real pictures.

    Attributes:
        drawn: (N) pictures, all of one size.
        asked: (N,) classes, of the training data.
        fates: (N,) numbers of `choosing.FATES`.
        nearest: (N,) positions of the nearest training picture in `real`.
        real: the training pictures as the generator was shown them.
        facts: JSON-serialisable: `classes`, a row of `tally` each; `real`, the same tests on held-out real
            pictures, as shares; `near_limit`; `variety` of what was kept; `features`, by which pictures were
            compared.
    """

    drawn: Sequence[Image]
    asked: NDArray[np.int64]
    fates: NDArray[np.int64]
    nearest: NDArray[np.int64]
    real: Sequence[Image]
    facts: dict[str, Any]


def select(
    generator: Predictor, classifier: Predictor, *, train: Dataset, held_out: Dataset, wanted: Wanted
) -> Selection:
    """Draw pictures of each class, test them, and keep as many as are wanted where there are so many.

    Args:
        generator: draws the classes of the data, in an order of its own.
        classifier: has learnt from `train` only, the same classes.
        train: what both have learnt from.
        held_out: real pictures that neither has learnt from.
        wanted: what is to be drawn.

    Raises:
        DataError: if too few pictures can be read to compare with.
    """
    count, spec = len(train.classes), generator.spec
    asked = np.repeat(np.arange(count), wanted.tries * np.array(wanted.counts))
    places = np.array([spec.classes.index(name) for name in train.classes])
    noise = drawn_noise(spec, len(asked), seed=wanted.seed)
    names = tuple(train.classes[index] for index in asked)
    drawn = draw_pictures(generator, noise, Asked("label", places[asked], names))
    real, real_labels = as_shown(train, spec.preprocess)
    others, labels = as_shown(held_out, spec.preprocess)
    if len(real) <= NEIGHBOURS or not others:
        raise DataError(
            f"{train.root}: {len(real)} training and {len(others)} validation pictures can be read; what is "
            f"drawn is compared with {NEIGHBOURS + 1} and 1 or more",
            hint="run `nayan doctor DATA`",
        )
    look = chance()
    known, unseen, found = look(real), look(others), look(drawn)
    limit = near_limit(known, unseen)
    sure = wanted.confidence
    candidates = Candidates(found, probabilities(classifier, drawn, train.classes), asked)
    fates = judge(candidates, train=known, limit=limit, confidence=sure)
    fates = keep_wanted(fates, asked, np.array(wanted.counts))
    control = Candidates(unseen, probabilities(classifier, others, train.classes), labels)
    shares = _shares(judge(control, train=known, limit=limit, confidence=sure))
    kept = fates == KEPT
    varied = variety(found[kept], asked[kept], known, real_labels)
    facts = {
        "classes": dict(zip(train.classes, tally(fates, asked, count), strict=True)),
        "real": shares,
        "real_pictures": len(others),
        "near_limit": round(limit, 4),
        "variety": None if varied is None else round(varied, 4),
        "features": look.name,
    }
    return Selection(drawn, asked, fates, nearest(found, known)[0], real, facts)


def as_shown(data: Dataset, preprocess: Preprocess) -> tuple[list[Image], NDArray[np.int64]]:
    """Return the pictures that can be read as a generator is shown them, and their classes."""
    pictures, labels = [], []
    for sample in data.samples:
        assert isinstance(sample.target, Label)
        with contextlib.suppress(NayanError):  # named by the evaluation of the classifier
            pixels = preprocess(sample.load())[0]  # (h, w, C)
            pictures.append(np.repeat(pixels, 3 // pixels.shape[2], axis=2))
            labels.append(sample.target.index)
    return pictures, np.array(labels, np.int64)


def probabilities(
    classifier: Predictor, pictures: Sequence[Image], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Return the (N, K) probabilities of the classes, in the order in which they are given."""
    order = [classifier.spec.classes.index(name) for name in classes]
    rows = [np.zeros((0, len(order)), np.float32)]
    for at in range(0, len(pictures), AT_ONCE):
        for found in classifier(pictures[at : at + AT_ONCE]):
            assert isinstance(found, ClassScores)
            rows.append(found.probabilities[None, order])
    return np.concatenate(rows)


def _shares(fates: NDArray[np.int64]) -> dict[str, float]:
    """Return which share of real pictures has which fate."""
    counts = np.bincount(fates, minlength=len(FATES)) / len(fates)
    return {FATES[fate]: round(float(counts[fate]), 4) for fate in range(KEPT, DOUBTFUL + 1)}
