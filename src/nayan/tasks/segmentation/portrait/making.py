"""Portraits of picture files by a trained model: who is cut out, what lies behind, where it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.core.image import open_image
from nayan.core.types import Image, Sample
from nayan.data.results import QUALITY, result_files
from nayan.runtime.predictor import Predictor
from nayan.tasks.segmentation.colours import is_ground
from nayan.tasks.segmentation.decode import probability_map
from nayan.tasks.segmentation.portrait.closed_form import Floats
from nayan.tasks.segmentation.portrait.compose import Kind, Look, Portrait, portrait

PERSON_NAMES = ("person", "people", "human", "man", "woman", "portrait")
"""Classes that are taken for the person when nobody names one."""

COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0)}
OPAQUE = (".jpg", ".jpeg")


def background_of(text: str) -> Kind | tuple[int, int, int] | Image:
    """Return what an option means: blur, gray, none, white, black, #rrggbb, or a picture file.

    Raises:
        ConfigError: if it is none of these.
        FormatError: if the file is no picture.

    >>> background_of("#ff8000"), background_of("white")
    ((255, 128, 0), (255, 255, 255))
    """
    kinds: tuple[Kind, ...] = get_args(Kind)
    for kind in kinds:
        if text == kind:
            return kind
    if text in COLOURS:
        return COLOURS[text]
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
    if text.startswith("#") or not _exists(text):
        words = [*kinds, *COLOURS, "#rrggbb"]
        guess = NotFound("background", text, words).hint
        raise ConfigError(
            f"background {text!r}: expected {', '.join(words)} or a picture, and there is no such file",
            hint=guess,
        )
    return open_image(Path(text))


def person_index(classes: Sequence[str], name: str | None) -> int:
    """Return which class is cut out: the one that is named, a person, or of two classes the foreground.

    Raises:
        NotFound: if there is no class of that name.
        ConfigError: if none is named and none can be meant.

    >>> person_index(("background", "cat"), None), person_index(("road", "Person", "sky"), None)
    (1, 1)
    """
    lowered = [each.lower() for each in classes]
    if name is not None:
        if name.lower() not in lowered:
            raise NotFound("class", name, classes)
        return lowered.index(name.lower())
    for known in PERSON_NAMES:
        if known in lowered:
            return lowered.index(known)
    if len(classes) == 2:
        return 0 if is_ground(classes[1]) else 1
    shown = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
    raise ConfigError(
        f"none of the classes is a person: {shown}", hint="name one of them with --person CLASS"
    )


def person_probability(predictor: Predictor, image: Image, index: int) -> Floats:
    """Return (H, W), how probable a class is in each pixel of a picture.

    Of two classes with a threshold that was fitted on validation, the probability is bent so that the
    threshold comes to lie at one half.
    """
    spec = predictor.spec
    pixels, placement = spec.preprocess(image)
    raw = predictor.run(pixels[None])
    probability = probability_map(np.asarray(raw["probabilities"][0], np.float32), placement, index)
    thresholds = spec.decode_args.get("thresholds")
    if not thresholds:
        return probability
    second = float(np.clip(thresholds[0], 0.01, 0.99))
    least = second if index == 1 else 1 - second
    bent = np.interp(probability, (0.0, least, 1.0), (0.0, 0.5, 1.0))
    return bent.astype(np.float32)


def make_portraits(
    predictor: Predictor, samples: Iterable[Sample], *, look: Look, person: str | None, out: Path
) -> list[dict[str, Any]]:
    """Write the portrait of each picture file; one without a person does not stop the others.

    Args:
        predictor: of a segmenter.
        samples: files.
        look: what the portraits look like.
        person: name of the class; None for the one that can be meant.
        out: a file for one picture, or a folder.

    Returns:
        `{"source", "file", "share"}` each, the last how much of the picture the person is; or
        `{"source", "error"}`.

    Raises:
        ConfigError: if the model, the class or `out` does not fit.
    """
    listed = list(samples)
    index = person_index(predictor.spec.classes, person)
    files = _places(listed, out, transparent=isinstance(look.background, str) and look.background == "none")
    records: list[dict[str, Any]] = []
    for sample, file in zip(listed, files, strict=True):
        try:
            image = sample.load()
            made = portrait(image, person_probability(predictor, image, index), look)
        except DataError as error:  # unreadable, or nobody there
            records.append({"source": sample.id, "error": error.message})
            continue
        _write(made, file)
        records.append({"source": sample.id, "file": str(file), "share": round(float(made.alpha.mean()), 4)})
    return records


def _places(samples: Sequence[Sample], out: Path, *, transparent: bool) -> list[Path]:
    """Return where each portrait goes; never onto one of the pictures."""
    files = result_files(samples, out, suffix=".png" if transparent else ".jpg")
    if transparent and files and files[0].suffix.lower() in OPAQUE:
        raise ConfigError(f"{out}: a JPEG cannot be transparent", hint="name a .png or .webp file")
    return files


def _write(made: Portrait, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(made.picture).save(file, quality=QUALITY)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # a name that no file can have
        return False
