"""Where to look in a network: its stages, and the maps that they put out."""

from __future__ import annotations

from collections.abc import Set
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.explain.record import record
from nayan.explain.subject import Subject
from nayan.tasks.detection.network import Detector


def pixel_batch(subject: Subject, model: nn.Module) -> Tensor:
    """Return the subject's picture as (1, channels, h, w) float pixels in [0, 255] on the model's device."""
    pixels = torch.from_numpy(subject.pixels().copy()).permute(2, 0, 1)[None]  # (h, w, C) -> (1, C, h, w)
    return pixels.float().to(device_of(model))


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's numbers lie; the CPU for one without any."""
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


def logits_of(raw: Any) -> Tensor:
    """Return the (B, C) logits of what a network or plain module put out.

    Raises:
        ConfigError: if that is no row of class scores.
    """
    logits = getattr(raw, "logits", raw)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(
            f"this explanation needs a classifier whose output is (pictures, classes), found {found}",
            hint="end the network with a dense layer",
        )
    return logits


def map_stages(model: nn.Module, pixels: Tensor, *, layer: str | None = None) -> dict[str, nn.Module]:
    """Return the steps of a network that put out a map, in order.

    These are the network's own `stages()` (without a detector's head), or for a plain module the last layer
    before each change of resolution. Vectors and maps of a single cell are left out.

    Args:
        model: any module, in evaluation mode.
        pixels: (B, C, h, w) input.
        layer: only this sub-module or stage.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if nothing in the network puts out a map.
    """
    own = own_stages(model)
    if layer is not None and layer not in own:
        if layer not in dict(model.named_modules()):
            raise NotFound("layer", layer, [*own, *(name for name, _ in model.named_modules() if name)])
        own = {layer: model.get_submodule(layer)}
    elif layer is not None:
        own = {layer: own[layer]}
    with torch.no_grad(), record(model, own or None) as seen:
        model(pixels)
    sizes = {
        name: tuple(as_map(value).shape[2:])
        for name, value in seen.items()
        if is_map(value) and len(value) == len(pixels)  # crops are maps of something else
    }
    if not own:
        names = list(sizes)
        last = [a for a, b in pairwise(names) if sizes[a] != sizes[b]] + names[-1:]
        own = {name: model.get_submodule(name) for name in last if "#" not in name}
    found = {name: module for name, module in own.items() if name in sizes}
    if not found:
        raise ConfigError(
            "there is no map to look at: " + (f"{layer} puts out none" if layer else "no stage puts out one"),
            hint="choose a layer before flatten, gap or dense, or a network with convolutions",
        )
    return found


def own_stages(model: nn.Module) -> dict[str, nn.Module]:
    """Return the steps that a network names itself, each as a module that really runs; {} for others.

    A stage may be a sequence that was put together only to name it: then its last layer stands for it. The
    last step of a detector puts out no map, but what it says about its candidates.
    """
    if not callable(getattr(model, "stages", None)):
        return {}
    stages: list[tuple[str, nn.Module]] = model.stages()  # type: ignore[operator]
    registered = set(model.modules())
    named = {name: _running(stage, registered) for name, stage in stages}
    if isinstance(model, Detector):
        del named[stages[-1][0]]
    return named


def parts_of(stage: nn.Module) -> dict[str, nn.Module]:
    """Return the steps within a stage by their names: its sub-modules, or theirs where it has only one.

    Lists and dictionaries of modules, which never run themselves, give way to what they hold.
    """
    found = _children(stage)
    while len(found) == 1:
        ((name, only),) = found.items()
        inner = _children(only)
        if not inner:
            break
        found = {f"{name}.{part}": module for part, module in inner.items()}
    return found


def _children(module: nn.Module) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            found |= {f"{name}.{key}": each for key, each in _children(child).items()}
        else:
            found[name] = child
    return found


def _running(stage: nn.Module, registered: Set[nn.Module]) -> nn.Module:
    while isinstance(stage, nn.Sequential) and stage not in registered and len(stage):
        stage = stage[-1]
    return stage


def is_map(activation: Tensor) -> bool:
    """Say whether an activation has more than one position."""
    return activation.ndim == 4 and max(as_map(activation).shape[2:]) > 1


def as_map(activation: Tensor) -> Tensor:
    """Return a (B, C, h, w) view; (B, h, w, C) is recognised by its square first sides and many channels."""
    _, first, second, last = activation.shape if activation.ndim == 4 else (0, 0, 0, 0)
    if first == second and last >= max(16, 2 * first):
        return activation.permute(0, 3, 1, 2)
    return activation
