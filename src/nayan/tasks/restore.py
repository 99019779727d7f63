"""From a bundle, or a name of a catalogue, back to the torch network and the pixels that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from nayan.core.errors import BundleError, WeightsError
from nayan.core.registry import Catalog, resolve
from nayan.data.readers.mask_tables import VOC_CLASSES
from nayan.runtime.bundle import Bundle
from nayan.runtime.preprocess import Preprocess
from nayan.tasks import CARDS
from nayan.tasks.base import Task
from nayan.tasks.cards import Entry, TaskCard
from nayan.tasks.detection.coco_classes import COCO_CLASSES


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A network with what surrounds it.

    Attributes:
        network: in evaluation mode; None where there is only a picture.
        preprocess: from a picture to its pixels.
        classes: names in the order of its outputs; None where they are unknown.
        inputs: what it takes beside the pixels, and how it is made (`runtime.proposals`).
        decode_args: how its outputs become predictions, as they were fitted.
        trained_on: {"path", "format"} of the data that it was trained on; {} where that is unknown.
    """

    network: nn.Module | None
    preprocess: Preprocess
    classes: Sequence[str] | None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    decode_args: Mapping[str, Any] = field(default_factory=dict)
    trained_on: Mapping[str, Any] = field(default_factory=dict)


def restore_bundle(bundle: Bundle) -> Restored:
    """Build the network of a bundle and fill in its weights.

    Raises:
        BundleError: if the bundle was made without weights.
        WeightsError: if the weights are not those of the network that the description names.
    """
    from safetensors.torch import load_file

    if bundle.weights is None:
        raise BundleError(
            f"{bundle.path}: holds no weights.safetensors, so it can be run, but not looked into",
            hint="use the bundle of the run that it was exported from",
        )
    spec = bundle.spec
    card = CARDS[spec.task]
    network = _build(card, resolve(card.catalog)[spec.model], spec.classes, dict(spec.model_args))
    try:
        network.load_state_dict(load_file(bundle.weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{bundle.weights}: does not fit {spec.model}: {reason}") from error
    return Restored(
        network.eval(),
        spec.preprocess,
        spec.classes,
        inputs=spec.inputs,
        decode_args=spec.decode_args,
        trained_on=spec.provenance.get("data") or {},
    )


def build_named(
    name: str,
    *,
    imgsz: int | None = None,
    channels: int | None = None,
    classes: int | Sequence[str] | None = None,
    weights: str = "none",
) -> Restored:
    """Build a network of a catalogue by its name, as it was published unless something else is asked for.

    Args:
        name: of an entry.
        imgsz: side of the input in pixels; by default that of the published weights.
        channels: 3 or 1; by default 3, or 1 for a network that was made for gray pictures.
        classes: how many it tells apart, or their names; by default those of its published weights: 1000, the
            80 of COCO for a detector, the 21 of Pascal VOC for a segmenter, or 10 for gray pictures; 2 for a
            segmenter of gray pictures; none for an embedder.
        weights: "imagenet", "coco", "none" or a .safetensors file.

    Raises:
        NotFound: if no catalogue has the name.
        ConfigError: if pictures of that size are too small for it.
        WeightsError: if the weights cannot be had, or do not fit.
    """
    from nayan.parts.weights import load_weights

    card, entry = _find(name)
    channels = channels or (1 if _made_for_gray(entry) else 3)
    preprocess = replace(
        entry.preprocess,
        size=(imgsz, imgsz) if imgsz else entry.preprocess.size,
        channels=channels,
        mean=entry.preprocess.mean[:channels],
        std=entry.preprocess.std[:channels],
    )
    args: dict[str, Any] = {"channels": channels, "size": preprocess.size}
    args |= {"mean": preprocess.mean, "std": preprocess.std}
    if card.backbone_is_model and "backbone" in entry.args:
        args["head"] = "pool" if classes else "paper"
    names = _class_names(card, entry, classes)
    network = _build(card, entry, names, args)
    inputs = resolve(card.task)().inputs(entry, names, args={**entry.args, **args})
    load_weights(network, weights if weights in ("imagenet", "coco", "none") else Path(weights), entry)
    known = None if all(name.isdigit() for name in names) else names
    return Restored(network.eval(), preprocess, known, inputs=inputs)


def _find(name: str) -> tuple[TaskCard, Entry]:
    """Return the task and entry of a name; where no catalogue has it, the first one says what is near."""
    catalogs: list[tuple[TaskCard, Catalog[Entry]]] = [(card, resolve(card.catalog)) for card in CARDS]
    for card, catalog in catalogs:
        if name in catalog:
            return card, catalog[name]
    card, catalog = catalogs[0]
    return card, catalog[name]


def _class_names(card: TaskCard, entry: Entry, classes: int | Sequence[str] | None) -> Sequence[str]:
    if classes is None and "Boxes" in card.targets:
        return COCO_CLASSES
    if classes is None and "Identity" in card.targets:  # whom it learnt from is forgotten
        return ()
    gray = _made_for_gray(entry)
    if classes is None and "MaskSource" in card.targets:
        return ("background", "foreground") if gray else VOC_CLASSES
    count = (10 if gray else 1000) if classes is None else classes
    return [str(index) for index in range(count)] if isinstance(count, int) else count


def _made_for_gray(entry: Entry) -> bool:
    """Say whether the network of a paper saw gray pictures: those with weights were all made for colours."""
    return entry.gray and not entry.weights


def _build(card: TaskCard, entry: Entry, classes: Sequence[str], args: dict[str, Any]) -> nn.Module:
    task: Task = resolve(card.task)()
    return task.build(entry, classes, **args)
