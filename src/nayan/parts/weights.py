"""Fill a network with weights: from a hub, from a .safetensors file, or not at all; checked key by key.

A file names its tensors as the published network does ("layer1.0.conv1.weight") or as nayan does
("backbone.model.layer1.0.conv1.weight"). The backbone must match entirely. The classifier is filled where
its shape fits, because a file that tells 1000 classes apart is the usual start for five others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nayan.core.errors import WeightsError
from nayan.core.registry import Named
from nayan.parts.backbone import Backbone, Published
from nayan.parts.hub import published_weights
from nayan.parts.normalise import Normalise
from nayan.parts.published import recognise
from nayan.parts.pyramid import Pyramid

BODY = "backbone.model."
OWN_BODY = "backbone."
"""Of a backbone of our own, whose weights come only from files that nayan wrote."""
HEAD = "head."
WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Prefixes that training scripts leave on every key."""

SHOWN = 6
"""Differences that an error lists."""


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """What a source of weights filled. Names are those of the network's state dict.

    Attributes:
        source: "none", "imagenet" or the file.
        loaded: filled.
        missing: the source lacks them; they keep their initial values.
        unexpected: the source has them, and this network has no such layer.
        mismatched: in both, with other shapes; they keep their initial values.
        head_loaded: whether the classifier was filled.
        notes: what else was done, one sentence each.
    """

    source: str
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    head_loaded: bool = False
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for the log."""
        if not self.loaded:
            return "weights: none, every layer starts from random numbers"
        head = "the classifier too" if self.head_loaded else "the classifier starts anew"
        return "; ".join([f"weights: {len(self.loaded)} tensors from {self.source}, {head}", *self.notes])


@runtime_checkable
class Whole(Protocol):
    """A network that is published as a whole, head included, such as a detector for COCO.

    Attributes:
        model: whose state dict has the published names.
        normalise: the first layer.
        published: how the hub names it.
        class_layers: prefixes of the layers whose shapes depend on the classes; they may start anew.
    """

    model: nn.Module
    normalise: Normalise
    published: Published
    class_layers: tuple[str, ...]


def load_weights(network: nn.Module, source: str | Path, entry: Named | None = None) -> WeightsReport:
    """Fill `network` from "imagenet" or "coco" (the hub), "none", or a .safetensors file or bundle folder.

    A network for gray pictures takes weights for colour ones: its first layer gets the sum over the
    channels. Where the file states the mean and standard deviation that its network was trained with,
    the network's normalisation takes them over.

    Args:
        network: with a `backbone`, a `head` and a `normalise`, such as a `Classifier` or a detector. Other
            parts (a neck, say) are filled from files of our own, and so is a backbone that is neither a
            `Backbone` nor a `Pyramid`. Or a `Whole` network: "coco" is for these only, and "imagenet" for
            the others.
        source: where the weights come from.
        entry: the model's catalogue entry; its name is used in messages.

    Raises:
        WeightsError: the hub cannot be reached, the file cannot be read, or it belongs to another
            architecture; then nothing was filled.
    """
    if source == "none":
        return WeightsReport("none")
    if isinstance(network, Whole):
        return _load_whole(network, source, entry)
    backbone = network.get_submodule("backbone")
    published = backbone.published if isinstance(backbone, Backbone | Pyramid) else None
    name = entry.name if entry else published.name if published else type(network).__name__
    metadata: dict[str, str] = {}
    if source == "imagenet" and published:
        tensors = published_weights(published)
    elif source in ("imagenet", "coco"):
        on = "--weights imagenet for its backbone, " if published else ""
        raise WeightsError(
            f"nobody publishes weights of {name} for {'COCO' if source == 'coco' else 'ImageNet'}",
            hint=f"use {on}--weights FILE or --weights none",
        )
    else:
        tensors, metadata = read_file(Path(source))
    plan = _plan(network, published, tensors, where=str(source), name=name)
    with torch.no_grad():
        state = network.state_dict()
        for key, tensor in plan.tensors.items():
            state[key].copy_(tensor)
    return WeightsReport(
        source=str(source),
        loaded=tuple(plan.tensors),
        missing=plan.missing,
        unexpected=plan.unexpected,
        mismatched=plan.mismatched,
        head_loaded=any(key.startswith(HEAD) for key in plan.tensors),
        notes=_take_normalisation(network.get_submodule("normalise"), metadata),
    )


def _load_whole(network: Whole, source: str | Path, entry: Named | None) -> WeightsReport:
    """Fill a network that is published as a whole; the layers that tell classes apart only where they fit."""
    name = entry.name if entry else network.published.name
    metadata: dict[str, str] = {}
    if source == "imagenet":
        raise WeightsError(
            f"{name} is published as a whole, with what it learnt from COCO",
            hint="use --weights coco, --weights FILE or --weights none",
        )
    if source == "coco":
        tensors = published_weights(network.published)
    else:
        tensors, metadata = read_file(Path(source))
    ours = network.model.state_dict()
    # files of our own say "model.NAME", and have the normalisation beside it
    given = _unwrapped({k: t for k, t in tensors.items() if not k.startswith((_NORMALISE, "columns"))})
    fits = {k: t for k, t in given.items() if k in ours and t.shape == ours[k].shape}
    missing = [k for k in ours if k not in given and not k.endswith("num_batches_tracked")]
    mismatched = [k for k in given if k in ours and k not in fits]
    unexpected = [k for k in given if k not in ours]
    wrong = [k for k in missing + mismatched + unexpected if not k.startswith(network.class_layers)]
    if wrong:
        raise _other_architecture(ours, given, wrong, where=str(source), name=name, tensors=given)
    with torch.no_grad():
        for key, tensor in fits.items():
            ours[key].copy_(tensor)
    beside = {k.removeprefix(_NORMALISE): t for k, t in tensors.items() if k.startswith(_NORMALISE)}
    if beside:
        network.normalise.load_state_dict(beside)
    return WeightsReport(
        source=str(source),
        loaded=tuple(fits),
        missing=tuple(missing),
        unexpected=tuple(unexpected),
        mismatched=tuple(mismatched),
        head_loaded=not any(k.startswith(network.class_layers) for k in missing + mismatched),
        notes=_take_normalisation(network.normalise, metadata),
    )


_NORMALISE = "normalise."


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a .safetensors file, or of the one in a bundle folder.

    Raises:
        WeightsError: no such file, another format, or damaged.
    """
    metadata = read_metadata(path)
    return load_file(_file(path)), metadata


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a .safetensors file; raises as `read_file` does, and reads no tensor."""
    path = _file(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged: {error}", hint="fetch or export it again") from error


def _file(path: Path) -> Path:
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise WeightsError(f"there is no file of weights at {path}", hint="--weights FILE, imagenet or none")
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"{path.name} is not a .safetensors file; nayan reads no pickles, because they can run code",
            hint='convert it once, where you trust it: python -c "import torch, safetensors.torch as s; '
            f"s.save_file(torch.load('{path.name}', map_location='cpu', weights_only=True), "
            f"'{path.stem}.safetensors')\"",
        )
    return path


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Which tensor of the source goes where."""

    tensors: dict[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]


def _plan(
    network: nn.Module, published: Published | None, tensors: Mapping[str, Tensor], *, where: str, name: str
) -> _Plan:
    """Compare a source with the network; raise WeightsError where the backbone differs."""
    state = network.state_dict()
    body, known = (BODY, published.keys) if published else (OWN_BODY, frozenset())
    given = _unwrapped(tensors)
    if published:
        given = _named_as_ours(given, state, published)
    given = {key: _as_gray(tensor, state.get(key)) for key, tensor in given.items()}
    fits = {k: t for k, t in given.items() if k in state and t.shape == state[k].shape}
    missing = [k for k in state if k not in given]
    mismatched = [k for k in given if k in state and k not in fits]
    unexpected = [k for k in given if k not in state]
    wrong = [k for k in missing + mismatched if k.startswith(body) and not k.endswith("num_batches_tracked")]
    # what is not of the backbone may belong to another kind of network, such as a classifier's temperature
    wrong += [k for k in unexpected if k.startswith(body) and k.removeprefix(body) not in known]
    if wrong:
        raise _other_architecture(state, given, wrong, where=where, name=name, tensors=_unwrapped(tensors))
    head = [k for k in state if k.startswith(HEAD)]
    # half a classifier is of no use, nor is one whose temperature is another's; a detector's towers are
    if "temperature" in state and not all(k in fits for k in head):
        fits = {k: t for k, t in fits.items() if not k.startswith(HEAD) and k != "temperature"}
    missing = [k for k in missing if k.startswith((body, HEAD)) and not k.endswith("num_batches_tracked")]
    return _Plan(fits, tuple(missing), tuple(unexpected), tuple(mismatched))


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop a prefix that every key has."""
    result = dict(tensors)
    for prefix in WRAPPERS:
        if result and all(key.startswith(prefix) for key in result):
            result = {key.removeprefix(prefix): tensor for key, tensor in result.items()}
    return result


def _named_as_ours(
    tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], published: Published
) -> dict[str, Tensor]:
    """Translate published names; names of our own stay."""
    if any(key.startswith(BODY) for key in tensors):
        return dict(tensors)
    last = published.classifiers[:1]
    heads = {key.rpartition(".")[2]: key for key in state if key.startswith(HEAD)}
    named: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        layer, _, parameter = key.rpartition(".")
        named[heads[parameter] if layer in last and parameter in heads else BODY + key] = tensor
    return named


def _as_gray(tensor: Tensor, ours: Tensor | None) -> Tensor:
    """Sum a first convolution's weights (O, 3, h, w) over the channels where the network takes one."""
    if ours is None or tensor.ndim != 4 or tensor.shape[1] != 3 or ours.ndim != 4 or ours.shape[1] != 1:
        return tensor
    return tensor.sum(dim=1, keepdim=True)  # (O, 3, h, w) -> (O, 1, h, w)


def _other_architecture(
    state: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    wrong: list[str],
    *,
    where: str,
    name: str,
    tensors: Mapping[str, Tensor],
) -> WeightsError:
    matching = sum(1 for k in state if k in given and given[k].shape == state[k].shape)
    lines = []
    for key in wrong[:SHOWN]:
        file = tuple(given[key].shape) if key in given else "lacks it"
        ours = tuple(state[key].shape) if key in state else "lacks it"
        lines.append(f"  {key.removeprefix(BODY)}: the file {_says(file)}, the network {_says(ours)}")
    if len(wrong) > SHOWN:
        lines.append(f"  and {len(wrong) - SHOWN} more")
    published = {key.removeprefix(BODY): tuple(tensor.shape) for key, tensor in tensors.items()}
    alike = recognise({key: shape for key, shape in published.items() if not key.startswith(HEAD)})
    guess = f"the file looks like {' or '.join(alike[:3])}: try --model {alike[0]}" if alike else ""
    return WeightsError(
        f"{where} does not belong to {name}: {matching} of {len(state)} tensors match\n" + "\n".join(lines),
        hint=guess or "give the --model that the file was made for, or --weights none",
    )


def _says(shape: Any) -> str:
    return shape if isinstance(shape, str) else f"has {shape}"


def _take_normalisation(normalise: nn.Module, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Take over the mean and std that a file's metadata states ("... mean 0.5 std 0.5 ...")."""
    stated = stated_normalisation(metadata)
    if stated is None or not isinstance(normalise, Normalise):
        return ()
    mean, std = stated
    normalise.load_state_dict(Normalise.for_channels(mean, std, channels=normalise.channels).state_dict())
    return (f"pixels are normalised with mean {list(mean)} and std {list(std)}, as the file states",)


def stated_normalisation(metadata: Mapping[str, str]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return (mean, std) of each channel where a file's metadata states them, in words of any value.

    >>> stated_normalisation({"input": "224 RGB mean 0.5 std 0.5"})
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    numbers = r"[\[(]?\s*((?:\d*\.\d+[\s,]*){1,3})"
    text = " ".join(f"{key} {value}" for key, value in metadata.items())
    mean, std = (re.search(rf"\b{word}\b\W*?{numbers}", text) for word in ("mean", "std"))
    if mean is None or std is None:
        return None
    values = [tuple(float(n) for n in re.findall(r"\d*\.\d+", m.group(1))) for m in (mean, std)]
    tripled = [v * 3 if len(v) == 1 else v for v in values]
    return (tripled[0], tripled[1]) if all(len(v) == 3 for v in tripled) else None
