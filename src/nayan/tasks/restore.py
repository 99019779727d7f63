"""From a bundle, or a name of a catalogue, back to the torch network and the pixels that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from nayan.core.errors import BundleError, WeightsError
from nayan.core.registry import Catalog, resolve
from nayan.runtime.bundle import Bundle
from nayan.runtime.preprocess import Preprocess
from nayan.tasks import CARDS
from nayan.tasks.base import Task
from nayan.tasks.cards import Entry, TaskCard


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A network with what surrounds it.

    Attributes:
        network: in evaluation mode.
        preprocess: from a picture to its pixels.
        classes: names in the order of its outputs; None where they are unknown.
    """

    network: nn.Module
    preprocess: Preprocess
    classes: Sequence[str] | None


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
    return Restored(network.eval(), spec.preprocess, spec.classes)


def build_named(
    name: str,
    *,
    imgsz: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    weights: str = "none",
) -> Restored:
    """Build a network of a catalogue by its name, as it was published unless something else is asked for.

    Args:
        name: of an entry.
        imgsz: side of the input in pixels; by default that of the published weights.
        channels: 3 or 1; by default 3, or 1 for a network that was made for gray pictures.
        classes: how many it tells apart; by default 1000, or 10 for gray pictures.
        weights: "imagenet", "none" or a .safetensors file.

    Raises:
        NotFound: if no catalogue has the name.
        ConfigError: if pictures of that size are too small for it.
        WeightsError: if the weights cannot be had, or do not fit.
    """
    from nayan.parts.weights import load_weights

    card, entry = _find(name)
    channels = channels or (1 if entry.gray else 3)
    preprocess = replace(
        entry.preprocess,
        size=(imgsz, imgsz) if imgsz else entry.preprocess.size,
        channels=channels,
        mean=entry.preprocess.mean[:channels],
        std=entry.preprocess.std[:channels],
    )
    args: dict[str, Any] = {"channels": channels, "size": preprocess.size}
    args |= {"mean": preprocess.mean, "std": preprocess.std}
    if "backbone" in entry.args:
        args["head"] = "pool" if classes else "paper"
    names = [str(index) for index in range(classes or (10 if entry.gray else 1000))]
    network = _build(card, entry, names, args)
    load_weights(network, weights if weights in ("imagenet", "none") else Path(weights), entry)
    return Restored(network.eval(), preprocess, None)


def _find(name: str) -> tuple[TaskCard, Entry]:
    """Return the task and entry of a name; where no catalogue has it, the first one says what is near."""
    catalogs: list[tuple[TaskCard, Catalog[Entry]]] = [(card, resolve(card.catalog)) for card in CARDS]
    for card, catalog in catalogs:
        if name in catalog:
            return card, catalog[name]
    card, catalog = catalogs[0]
    return card, catalog[name]


def _build(card: TaskCard, entry: Entry, classes: Sequence[str], args: dict[str, Any]) -> nn.Module:
    task: Task = resolve(card.task)()
    return task.build(entry, classes, **args)
