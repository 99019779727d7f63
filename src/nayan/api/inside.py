"""The verbs that look at networks: which there are, and what is inside of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place, needs_training
from nayan.core.errors import ConfigError, DataError
from nayan.core.image import open_image
from nayan.core.registry import resolve
from nayan.core.story import Story
from nayan.core.types import Boxes, Dataset, MaskSource, SemanticMask
from nayan.runtime.preprocess import Preprocess
from nayan.tasks import CARDS, cards_of

if TYPE_CHECKING:
    from nayan.tasks.cards import Entry, TaskCard
    from nayan.tasks.restore import Restored

_SMALL = Preprocess((28, 28), "stretch", mean=(0.0,) * 3, std=(1.0,) * 3)
"""What a network described in words takes, unless it is told otherwise."""


def models(task: str | None = None, *, search: str = "", all: bool = False) -> list[Entry]:
    """Return the catalogue of what can be trained by name.

    Args:
        task: "classify", ...; None for every task.
        search: only entries whose name or summary contains this, in any case.
        all: also every other published backbone that a name finds.

    >>> [entry.name for entry in models("classify", search="vgg")]
    ['vgg16', 'vgg19']
    """
    cards = cards_of(task) if task else list(CARDS)
    entries = [entry for card in cards for entry in _entries(card, all)]
    word = search.lower()
    return [entry for entry in entries if word in entry.name.lower() or word in entry.summary.lower()]


def explain(
    model: Place,
    image: Place | None = None,
    *,
    what: str = "summary",
    imgsz: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    weights: str = "none",
    data: Place | None = None,
    format: str | None = None,
    **options: Any,
) -> Story:
    """Look inside a network: tell what it is, sees or does, as a story with pictures, tables and data.

    Args:
        model: a run folder, a bundle, a name of the catalogue, a description such as
            "conv 6 5x5; relu; pool 2", or a YAML file with one. For "kernel" and "proposals" the picture may
            stand here.
        image: a picture file, for the explanations that need one.
        what: a name of `nayan.explain.EXPLANATIONS`.
        imgsz: side of the input; for a name or a description only, as the next three.
        channels: of the input, 3 or 1.
        classes: how many classes the network tells apart.
        weights: "imagenet", "coco", "none" or a file.
        data: the data set that the picture is from, for the looks that compare with its true boxes or mask;
            for a run by default the data that it was trained on, if the picture is among them.
        format: of the data; None to recognise it.
        **options: of this explanation, such as `layer`, `kernel`, `class_name`.

    Raises:
        ConfigError: if a picture or an option is missing or does not fit.
        DataError: if the picture is not in `data`, or has no boxes or mask there.
        NotFound: if there is no such model, explanation, layer or class.

    Example:
        nayan.explain("resnet18").panels[0].table
    """
    with needs_training("looking inside a network"):
        from nayan.explain import EXPLANATIONS
        from nayan.explain import explain as tell
        from nayan.tasks.restore import Restored

        entry = EXPLANATIONS[what]
        if data is not None and not entry.truth:
            raise ConfigError(f"{what} does not look at true boxes or masks", hint="leave --data out")
        if not entry.needs_network and image is None:
            model, image = "", model
        wanted = CARDS[entry.task].targets if entry.task else ()
        known = None
        if data is not None and image is not None:
            known = _known(Path(data), Path(image), format, targets=wanted)
        if known is not None and not Path(model).exists():
            if classes is not None:
                raise ConfigError(
                    f"--classes {classes}: {data} says which classes there are", hint="leave one of them out"
                )
            names: int | Sequence[str] | None = known.classes
        else:
            names = classes
        restored = _restored(str(model), imgsz=imgsz, channels=channels, classes=names, weights=weights)
        if restored is None:
            bare = replace(_SMALL, size=(imgsz or 320,) * 2, fit="letterbox")
            restored = Restored(None, _SMALL if what == "kernel" else bare, known.classes if known else None)
        elif known is None and entry.truth and restored.trained_on and image is not None:
            known = _if_learnt_from(restored.trained_on, Path(image), targets=wanted)
        return tell(
            restored.network,
            what=what,
            preprocess=restored.preprocess,
            classes=restored.classes,
            image=None if image is None else open_image(Path(image)),
            options=options,
            truth=None if known is None else _truth(known, restored.classes, task=entry.task),
            inputs=restored.inputs,
            decode_args=restored.decode_args,
        )


def _known(data: Path, image: Path, format: str | None, *, targets: Sequence[str]) -> Dataset:
    """Return the data set with only this picture of it; outlines as what `targets` names."""
    from nayan.data.pictures import find_sample
    from nayan.data.splits import read_split

    dataset = read_split(data, "all", format=format, targets=targets)
    return replace(dataset, samples=(find_sample(dataset, image),))


def _if_learnt_from(data: Mapping[str, Any], image: Path, *, targets: Sequence[str]) -> Dataset | None:
    """Return the data that a model was trained on with only this picture, if it is still there and in it."""
    try:
        return _known(Path(data["path"]), image, data.get("format"), targets=targets)
    except DataError:
        return None


def _truth(known: Dataset, classes: Sequence[str] | None, *, task: str) -> Boxes | SemanticMask:
    """Return what is true of the one picture of a data set, counted as a network counts its classes."""
    from nayan.data.classes import match_classes

    (sample,) = (known if classes is None else match_classes(known, classes)).samples
    if task and "MaskSource" in CARDS[task].targets:
        if not isinstance(sample.target, MaskSource):
            raise DataError(
                f"{sample.id}: {known.root} does not say which class each of its pixels has",
                hint="name a picture with a mask",
            )
        return sample.target.load()
    if not isinstance(sample.target, Boxes):
        raise DataError(
            f"{sample.id}: {known.root} does not say which objects are in it",
            hint="name a picture with boxes, if only an empty list of them",
        )
    return sample.target


def _restored(
    model: str,
    *,
    imgsz: int | None,
    channels: int | None,
    classes: int | Sequence[str] | None,
    weights: str,
) -> Restored | None:
    """Return the network that is meant by a path, a name or a description; None for no model."""
    from nayan.runtime.bundle import open_bundle
    from nayan.tasks.restore import Restored, build_named, restore_bundle

    if not model:
        return None
    path = Path(model)
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        raise ConfigError(f"{model}: there is no such file", hint="give a YAML list of steps")
    description = path.read_text(encoding="utf-8") if path.suffix in (".yaml", ".yml") else model
    if description == model and path.exists():
        if imgsz or channels or classes or weights != "none":
            raise ConfigError(
                f"{model}: a trained model has its own size, channels, classes and weights",
                hint="leave out --imgsz, --channels, --classes and --weights",
            )
        return restore_bundle(open_bundle(path))
    if re.fullmatch(r"[\w./-]+", description):
        return build_named(description, imgsz=imgsz, channels=channels, classes=classes, weights=weights)
    from nayan.explain.small_model import build_small_model

    if classes or weights != "none":
        raise ConfigError(
            "a described network has the classes that it says, and no weights",
            hint="leave out --classes and --weights",
        )
    size, count = (imgsz, imgsz) if imgsz else _SMALL.size, channels or 3
    preprocess = replace(_SMALL, size=size, channels=count, mean=(0.0,) * count, std=(1.0,) * count)
    return Restored(build_small_model(description, (count, *size)), preprocess, None)


def _entries(card: TaskCard, all_names: bool) -> list[Entry]:
    catalog = resolve(card.catalog)
    return list(catalog.everything() if all_names and hasattr(catalog, "everything") else catalog)
