"""Drawing with a trained generator: noise of a seed, what is asked for, ways between. No torch."""

# N pictures, Z numbers of noise, L words of a sentence

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, NotFound
from nayan.core.sheet import grid
from nayan.core.types import Image, Picture
from nayan.core.vocabulary import Vocabulary, longest
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement
from nayan.runtime.spec import Spec
from nayan.tasks.generation.mosaic import mosaic

AT_ONCE = 64
"""Pictures."""
SPOKEN_COLUMNS, SPOKEN_SIDE = 6, 200
"""Of a sheet with sentences: pictures in a row, and pixels of each."""
LISTED = 12
"""Words that are named where one is not known."""

Noise = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a generator is asked to draw, picture by picture.

    Attributes:
        kind: "label" or "caption", the name of the network's input.
        values: (N,) classes, or (N, L) words.
        names: the same as people say it.
    """

    kind: str
    values: NDArray[np.int64]
    names: tuple[str, ...]

    def __getitem__(self, rows: Sequence[int] | NDArray[np.int64]) -> Asked:
        """Return some of them, or some of them several times."""
        return Asked(self.kind, self.values[rows], tuple(self.names[row] for row in rows))


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


def asked_for(
    spec: Spec, count: int, *, label: str | None = None, captions: Sequence[str] = ()
) -> Asked | None:
    """Return what is to be drawn; None where nothing can be asked for.

    Args:
        spec: of a bundle of this family.
        count: of pictures.
        label: a class; None for all in turn.
        captions: sentences, drawn in turn; () for those of the training pictures that the bundle holds.

    Raises:
        ConfigError: if a class or a sentence is given to a model that takes none, or a sentence is longer
            than those that the model has learnt from.
        NotFound: if the model knows no such class, or has not learnt a word.
    """
    if label is not None and "label" not in spec.inputs:
        raise _not_asked(spec, label, how="train --model conditional_gan on the same data")
    if captions and "caption" not in spec.inputs:
        raise _not_asked(spec, captions[0], how="train --model text_to_image on pictures with captions")
    if "label" in spec.inputs:
        return _asked_labels(spec, count, label=label)
    return _asked_captions(spec, count, captions=captions) if "caption" in spec.inputs else None


def _not_asked(spec: Spec, wanted: str, *, how: str) -> ConfigError:
    if "caption" in spec.inputs:
        return ConfigError(f"{spec.model} reads sentences and knows no classes", hint=f'--caption "{wanted}"')
    if "label" in spec.inputs:
        return ConfigError(f"{spec.model} knows classes and reads no sentences", hint="--label NAME")
    return ConfigError(f"{spec.model} draws what it will and cannot be asked for {wanted!r}", hint=how)


def _asked_labels(spec: Spec, count: int, *, label: str | None) -> Asked:
    if label is not None and label not in spec.classes:
        raise NotFound("class of this model", label, spec.classes)
    values = np.arange(count) % len(spec.classes)
    if label is not None:
        values = np.full(count, spec.classes.index(label))
    return Asked("label", values, tuple(spec.classes[value] for value in values))


def _asked_captions(spec: Spec, count: int, *, captions: Sequence[str]) -> Asked:
    vocabulary = Vocabulary(tuple(spec.model_args["words"]))
    length = int(spec.model_args["length"])
    said = tuple(captions) or tuple(spec.model_args["captions"])
    for text in said:
        for word in vocabulary.unknown(text):
            known = ", ".join(vocabulary.words[:LISTED]) + (", ..." if len(vocabulary.words) > LISTED else "")
            raise NotFound(
                "word of this model", word, vocabulary.words, hint=f"it learnt from captions with {known}"
            )
        if longest([text]) > length:
            raise ConfigError(
                f"{text!r} is longer than any caption that this model has learnt from, {length - 2} words",
                hint="say it in fewer words",
            )
    rows = np.stack([vocabulary.encode(text, length=length) for text in said])
    return Asked("caption", rows, said)[np.arange(count) % len(said)]


def draw_pictures(predictor: Predictor, noise: Noise, asked: Asked | None = None) -> list[Image]:
    """Return what a generator draws from (N, Z) noise and, where it can be asked, what is asked for.

    Args:
        predictor: of a bundle of this family.
        noise: as `drawn_noise` gives it.
        asked: as `asked_for` gives it.
    """
    spec = predictor.spec
    place = Placement(spec.preprocess.size, (1.0, 1.0), (0.0, 0.0))
    found: list[Image] = []
    for at in range(0, len(noise), AT_ONCE):
        given: dict[str, Any] = {"noise": noise[at : at + AT_ONCE]}
        if asked is not None:
            given[asked.kind] = asked.values[at : at + AT_ONCE]
        count = len(given["noise"])
        pixels = np.zeros((count, *spec.preprocess.size, spec.preprocess.channels), np.uint8)
        drawn: Sequence[Any] = predictor.decode(predictor.run(pixels, **given), [place] * count)
        found += [picture.pixels for picture in drawn if isinstance(picture, Picture)]
    return found


def on_one_sheet(drawn: Sequence[Image], asked: Asked | None, *, columns: int) -> Image:
    """Return drawn pictures side by side; below those that sentences ask for their sentences, 6 in a row.

    Args:
        drawn: at least one.
        asked: for as many.
        columns: in a row.
    """
    if asked is None or asked.kind != "caption":
        return mosaic(drawn, columns=columns)
    return grid(drawn, asked.names, columns=min(columns, SPOKEN_COLUMNS), side=SPOKEN_SIDE)


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
