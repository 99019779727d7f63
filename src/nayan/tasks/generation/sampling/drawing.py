"""Drawing with a trained generator: noise of a seed, classes that are asked for, ways between. No torch."""

# N pictures, Z numbers of noise

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Image, Picture
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement
from nayan.runtime.spec import Spec

AT_ONCE = 64
"""Pictures."""

Noise = NDArray[np.float32]


def drawn_noise(spec: Spec, count: int, *, seed: int = 0) -> Noise:
    """Return (N, Z) noise; picture i depends on the seed and on i alone, however many are drawn.

    >>> from nayan.runtime.preprocess import Preprocess
    >>> spec = Spec("generation", "gan", {}, (), Preprocess((8, 8)), inputs={"noise": {"size": 4}})
    >>> bool((drawn_noise(spec, 3)[:2] == drawn_noise(spec, 2)).all())
    True
    """
    size = int(spec.inputs["noise"]["size"])
    rows = [np.random.default_rng((seed, index)).standard_normal(size, np.float32) for index in range(count)]
    return np.stack(rows) if rows else np.zeros((0, size), np.float32)


def asked_labels(spec: Spec, count: int, *, label: str | None = None) -> NDArray[np.int64] | None:
    """Return (N,) classes to draw: the one that is named, else all in turn; None where none can be asked for.

    Raises:
        ConfigError: if a class is named, and the model draws what it will.
        NotFound: if the model knows no such class.
    """
    if "label" not in spec.inputs:
        if label is not None:
            raise ConfigError(
                f"{spec.model} draws what it will and cannot be asked for {label!r}",
                hint="train --model conditional_gan on the same data",
            )
        return None
    if label is None:
        return np.arange(count) % len(spec.classes)
    if label not in spec.classes:
        raise NotFound("class of this model", label, spec.classes)
    return np.full(count, spec.classes.index(label))


def draw_pictures(predictor: Predictor, noise: Noise, labels: NDArray[np.int64] | None = None) -> list[Image]:
    """Return what a generator draws from (N, Z) noise and, where it takes them, (N,) classes.

    Args:
        predictor: of a bundle of this family.
        noise: as `drawn_noise` gives it.
        labels: as `asked_labels` gives them.
    """
    spec = predictor.spec
    place = Placement(spec.preprocess.size, (1.0, 1.0), (0.0, 0.0))
    found: list[Image] = []
    for at in range(0, len(noise), AT_ONCE):
        given: dict[str, Any] = {"noise": noise[at : at + AT_ONCE]}
        if labels is not None:
            given["label"] = labels[at : at + AT_ONCE]
        count = len(given["noise"])
        pixels = np.zeros((count, *spec.preprocess.size, spec.preprocess.channels), np.uint8)
        drawn: Sequence[Any] = predictor.decode(predictor.run(pixels, **given), [place] * count)
        found += [picture.pixels for picture in drawn if isinstance(picture, Picture)]
    return found


def between_noise(start: Noise, end: Noise, steps: int) -> Noise:
    """Return (N, Z) noise on the way from one to another, both ends included, along a sphere.

    On the straight way the middle would be shorter than any noise that the generator has learnt from (White
    2016, arXiv:1609.04468).

    >>> between_noise(np.array([1, 0], np.float32), np.array([0, 1], np.float32), 3)[1].round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    lengths = float(np.linalg.norm(start)) * float(np.linalg.norm(end))
    angle = np.arccos(np.clip(float(start @ end) / max(lengths, 1e-12), -1.0, 1.0))
    shares = np.linspace(0.0, 1.0, steps)[:, None]
    if np.sin(angle) < 1e-6:
        way = (1 - shares) * start + shares * end
    else:
        way = (np.sin((1 - shares) * angle) * start + np.sin(shares * angle) * end) / np.sin(angle)
    return way.astype(np.float32)
