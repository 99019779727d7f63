"""What is looked at once a generator is trained: what it draws, how it learned, what it copied. No torch."""

# N drawn pictures, T training pictures, D features of each

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.errors import NayanError
from nayan.core.types import Dataset, Image, Label, Original, Sample
from nayan.runtime.predictor import Predictor
from nayan.tasks.generation.distances import squared_distances
from nayan.tasks.generation.features import chance
from nayan.tasks.generation.film import make_film
from nayan.tasks.generation.mosaic import fitted, mosaic
from nayan.tasks.generation.sampling.drawing import (
    asked_for,
    between_noise,
    draw_pictures,
    drawn_noise,
    on_one_sheet,
)

SHOWN = 64
"""Drawn pictures on the sheet."""
SPOKEN = 24
"""The same where each has its sentence below it."""
COMPARED = 256
"""Drawn pictures that are held against the training pictures."""
MOST_TRAINING = 10_000
"""Training pictures that are looked at, evenly spaced where there are more."""
PAIRS = 12
"""Drawn pictures that are shown with their nearest training picture: those that lie nearest."""
WAYS, STEPS = 6, 11
NEAR = 0.05
"""Share of held-out pictures that lie nearer to a training picture than the distance called near."""
NEIGHBOURS = 5
"""Training pictures whose classes decide what was drawn."""

Features = NDArray[np.float32]


def exhibit(
    predictor: Predictor,
    data: Dataset,
    learnt: Dataset,
    *,
    folder: Path,
) -> dict[str, Any]:
    """Draw pictures, hold them against those that were learnt from, and write what the report shows.

    Args:
        predictor: of the bundle.
        data: pictures that it has not learnt from.
        learnt: pictures that it has.
        folder: `evaluation/` of the run; `film/` in it holds a picture of each epoch.

    Returns:
        Names of files in the folder, `samples`, `film` ("" without frames), `nearest` and `ways`; `asked`,
        "label", "caption" or "", what the samples were asked to be; and the facts of `_nearness` and
        `_classes_drawn`.
    """
    spec, extractor = predictor.spec, chance()
    noise = drawn_noise(spec, COMPARED)
    asked = asked_for(spec, COMPARED)
    drawn = draw_pictures(predictor, noise, asked)
    shown = np.arange(SPOKEN if asked is not None and asked.kind == "caption" else SHOWN)
    sheet = on_one_sheet([drawn[row] for row in shown], asked and asked[shown], columns=8)
    _save(sheet, folder / "samples.png")
    _save(_ways(predictor), folder / "ways.png")
    samples, pictures = _readable(learnt, MOST_TRAINING)
    known = extractor(pictures)
    features = extractor(drawn)
    apart = squared_distances(features.astype(np.float64), known.astype(np.float64))
    nearest = apart.argmin(1)
    order = apart.min(1).argsort()[:PAIRS]
    beside = [fitted(pictures[nearest[row]], drawn[row].shape[:2]) for row in order]
    _save(mosaic([*(drawn[row] for row in order), *beside], columns=len(order)), folder / "nearest.png")
    return {
        "samples": "samples.png",
        "asked": "" if asked is None else asked.kind,
        "ways": "ways.png",
        "nearest": "nearest.png",
        "film": make_film(folder),
        "training_pictures": len(pictures),
        **_nearness(np.sqrt(apart.min(1)), known, extractor(_readable(data, COMPARED)[1])),
        **_classes_drawn(apart, samples, learnt.classes),
    }


def _ways(predictor: Predictor) -> Image:
    """Return a sheet with a row for each way from one drawing to another."""
    spec = predictor.spec
    ends = drawn_noise(spec, 2 * WAYS, seed=1)
    noise = np.concatenate([between_noise(ends[2 * row], ends[2 * row + 1], STEPS) for row in range(WAYS)])
    asked = asked_for(spec, WAYS)
    each = None if asked is None else asked[np.arange(WAYS).repeat(STEPS)]
    return mosaic(draw_pictures(predictor, noise, each), columns=STEPS)


def _readable(data: Dataset, most: int) -> tuple[list[Sample], list[Image]]:
    """Return at most so many evenly spaced samples with their pictures; broken ones are left out."""
    rows = np.unique(np.linspace(0, len(data) - 1, most).astype(int))
    samples, pictures = [], []
    for row in rows:
        with contextlib.suppress(NayanError):  # named by the evaluation
            pictures.append(data.samples[row].load())
            samples.append(data.samples[row])
    return samples, pictures


def _nearness(distances: NDArray[np.float64], known: Features, unseen: Features) -> dict[str, Any]:
    """Return how near drawn pictures lie to training pictures, against pictures that never were among these.

    Args:
        distances: (N,) of each drawn picture to its nearest training picture.
        known: (T, D) of training pictures.
        unseen: of pictures of the same kind that were not learnt from.

    Returns:
        `nearest_drawn` and `nearest_unseen`, the median distances; `near_share`, which share of the drawn
        pictures lies nearer than all but 5 % of the unseen ones do: about 0.05 where nothing is copied.
    """
    usual = np.sqrt(squared_distances(unseen.astype(np.float64), known.astype(np.float64)).min(1))
    return {
        "nearest_drawn": round(float(np.median(distances)), 4),
        "nearest_unseen": round(float(np.median(usual)), 4),
        "near_share": round(float((distances < np.quantile(usual, NEAR)).mean()), 4),
    }


def _classes_drawn(
    apart: NDArray[np.float64], samples: Sequence[Sample], classes: Sequence[str]
) -> dict[str, Any]:
    """Return `drawn_classes`, (class, share of the drawn, share of the data) each; {} where none are known.

    What was drawn is what most of its nearest training pictures are.
    """
    abouts = [s.target.about if isinstance(s.target, Original) else s.target for s in samples]
    labels = np.array([about.index if isinstance(about, Label) else -1 for about in abouts])
    if len(classes) < 2 or (labels < 0).any():
        return {}
    nearest = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    votes = np.stack([np.bincount(row, minlength=len(classes)) for row in labels[nearest]])
    drawn = np.bincount(votes.argmax(1), minlength=len(classes)) / len(votes)
    real = np.bincount(labels, minlength=len(classes)) / len(labels)
    rows = zip(classes, drawn.tolist(), real.tolist(), strict=True)
    return {"drawn_classes": [[name, round(a, 4), round(b, 4)] for name, a, b in rows]}


def _save(image: Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(file)
