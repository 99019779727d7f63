"""What is known of every published backbone without building it. Reads one JSON file; imports no torch.

`backbones.json` is written by `scripts/list_timm.py` and read when a name stands in no shorter table.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of published weights.

    Attributes:
        tag: what distinguishes it, such as "a1_in1k".
        size: (height, width) in pixels that it expects.
        crop_ratio: share of the shorter side that is kept.
        interpolation: "bilinear" or "bicubic".
        mean: of each channel, in [0, 1].
        std: of each channel.
        licence: as its publisher states it; "unknown" where it does not.
        classes: how many it tells apart; 0 for a backbone alone.
    """

    tag: str
    size: tuple[int, int]
    crop_ratio: float
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    classes: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """One published backbone.

    Attributes:
        name: in timm or torchvision.
        parameters: number of them, the published classifier's included.
        classifiers: names of its last layers, such as ("fc",).
        signature: of the names and shapes of everything but the last layers; see `signature`.
        paper: such as "arXiv:1512.03385"; may be empty.
        weights: the default first; empty where none are published.
    """

    name: str
    parameters: int
    classifiers: tuple[str, ...]
    signature: str
    paper: str
    weights: tuple[Weights, ...]


@functools.cache
def _records() -> dict[str, Any]:
    text = (files("nayan.parts") / "backbones.json").read_text(encoding="utf-8")
    records: dict[str, Any] = json.loads(text)["architectures"]
    return records


def architecture_names() -> tuple[str, ...]:
    """Return every name without a tag, sorted."""
    return tuple(_records())


def weights_names() -> tuple[str, ...]:
    """Return every name with a tag, such as "resnet50.a1_in1k", sorted by architecture."""
    return tuple(f"{name}.{tag[0]}" for name, record in _records().items() for tag in record["weights"])


def architecture(name: str) -> Architecture:
    """Return what is known of an architecture.

    Raises:
        KeyError: if the name (without a tag) is unknown.

    >>> architecture("resnet18").parameters
    11689512
    """
    record = _records()[name]
    return Architecture(
        name=name,
        parameters=record["parameters"],
        classifiers=tuple(record["classifiers"]),
        signature=record["signature"],
        paper=record["paper"],
        weights=tuple(_weights(row) for row in record["weights"]),
    )


def _weights(row: list[Any]) -> Weights:
    tag, size, crop_ratio, interpolation, mean, std, licence, classes = row
    return Weights(
        tag, (size[0], size[1]), crop_ratio, interpolation, tuple(mean), tuple(std), licence, classes
    )


def signature(shapes: Mapping[str, Iterable[int]], *, without: Iterable[str] = ()) -> str:
    """Return a digest of the names and shapes of a state dict, in any order.

    Args:
        shapes: {name: shape}.
        without: names of layers that do not count, such as ("fc",). Counters of batch normalisation
            never count, because older files lack them.

    >>> signature({"a.weight": (2, 3), "fc.bias": (5,)}, without=["fc"]) == signature({"a.weight": [2, 3]})
    True
    """
    prefixes = tuple(f"{layer}." for layer in without)
    lines = sorted(
        f"{name} {tuple(shape)}"
        for name, shape in shapes.items()
        if not name.startswith(prefixes or ("\0",)) and not name.endswith("num_batches_tracked")
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def recognise(shapes: Mapping[str, Iterable[int]]) -> tuple[str, ...]:
    """Return the architectures whose published state dict has these names and shapes, classifier aside."""
    records = _records()
    by_layers: dict[tuple[str, ...], list[str]] = {}
    for name, record in records.items():
        by_layers.setdefault(tuple(record["classifiers"]), []).append(name)
    found: list[str] = []
    for layers, names in by_layers.items():
        digest = signature(shapes, without=layers)
        found += [name for name in names if records[name]["signature"] == digest]
    return tuple(found)
