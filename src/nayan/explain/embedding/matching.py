"""Which parts of two pictures make them similar: the similarity, divided among positions.

Paper: Stylianou, Souvenir, Pless, "Visualizing Deep Similarity Networks", WACV 2019, arXiv:1901.00536.

    map of a (C, m, n) ── pooling ── linear ── vector a ┐
                                                        ├── cosine similarity = a . b / (|a| |b|)
    map of b (C, m, n) ── pooling ── linear ── vector b ┘

Where the vector is a sum over positions, so is the similarity: every pair of a position of a and one of b
has a share in it, and all shares add up to it exactly. That is so for the mean, for a map laid out cell by
cell, and, with each channel's share of its own value, for the generalised mean (the paper has the mean and
the largest value); a linear layer after it changes nothing. Whether a network is built so is not read from
its code but tested: the sum must give the vector that the network gives. Where it does not, one picture is
covered patch by patch while the other stays, as in Zeiler, Fergus (2014), arXiv:1311.2901; then there are no
pairs of positions.
"""

# C channels of the map, P = m n positions, D values of the vector, S patches a side, B pictures

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from nayan.core.errors import ConfigError
from nayan.explain.record import evaluating, record
from nayan.explain.stages import as_map, map_stages
from nayan.parts.pooling import EPS, GeM

PATCHES = 8
"""Patches a side, where pictures are covered."""
_BATCH = 16
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Where the similarity of two pictures comes from.

    Attributes:
        similarity: the cosine, in [-1, 1].
        heats: of either picture, (m, n) what each position adds. Where `method` is "sum" they add up to the
            similarity; where it is "cover" they say by how much it falls when the patch is covered.
        links: (P, P') what each pair of positions adds; None where `method` is "cover".
        method: how it was found.
        layer: whose map was divided; "" where `method` is "cover".
        pooling: "mean", "gem" or "flatten" of that map; "" where `method` is "cover".
    """

    similarity: float
    heats: tuple[NDArray[np.float32], NDArray[np.float32]]
    links: NDArray[np.float32] | None
    method: Literal["sum", "cover"]
    layer: str = ""
    pooling: str = ""


def match_pictures(model: nn.Module, first: Tensor, second: Tensor) -> Match:
    """Return where the similarity of two pictures comes from.

    Args:
        model: gives one vector a picture. Its mode stays as it is.
        first: (1, channels, h, w) float, as the network takes it.
        second: likewise.

    Raises:
        ConfigError: if the network gives no vectors.
    """
    with evaluating(model), torch.no_grad():
        vectors = [vectors_of(model(pixels)) for pixels in (first, second)]
        unit = F.normalize(torch.cat(vectors).float(), dim=1)
        similarity = float(unit[0] @ unit[1])
        found = _divided(model, (first, second), unit)
        if found is not None:
            return found
        heats = (_covered(model, first, unit[1], similarity), _covered(model, second, unit[0], similarity))
    return Match(similarity, heats, None, "cover")


def vectors_of(raw: Any) -> Tensor:
    """Return the (B, D) vectors of what a network or plain module put out.

    Raises:
        ConfigError: if there are none.
    """
    for name in ("vectors", "embedding"):
        if isinstance(found := getattr(raw, name, None), Tensor):
            return found
    if isinstance(raw, Tensor) and raw.ndim == 2:
        return raw
    shape = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
    raise ConfigError(
        f"comparing two pictures needs a network that gives vectors (pictures, values), found {shape}",
        hint="name an embedder of `nayan models --task compare`, or a run or bundle of one",
    )


def strongest_links(links: NDArray[np.float32], *, count: int) -> list[tuple[int, int, float]]:
    """Return the pairs of positions that add most, each position at most once, the strongest first.

    >>> strongest_links(np.array([[5, 4], [3, 1]], np.float32), count=2)
    [(0, 0, 5.0), (1, 1, 1.0)]
    """
    left = links.astype(np.float32, copy=True)
    found: list[tuple[int, int, float]] = []
    while len(found) < min(count, *links.shape):
        i, j = divmod(int(left.argmax()), links.shape[1])
        if left[i, j] <= 0:
            break
        found.append((i, j, float(links[i, j])))
        left[i, :] = left[:, j] = -np.inf
    return found


def _divided(model: nn.Module, pictures: tuple[Tensor, Tensor], unit: Tensor) -> Match | None:
    """Return the exact division; None where the vector is no sum over the positions of the last map."""
    try:
        stages = map_stages(model, pictures[0])
    except ConfigError:  # no map at all
        return None
    layer, stage = list(stages.items())[-1]
    maps = []
    for pixels in pictures:
        with record(model, {layer: stage}) as seen:
            model(pixels)
        maps.append(as_map(seen[layer]).float())
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    for pooling, shares in _poolings(model).items():
        for last in (None, *linear):
            parts = [_through(shares(each), last) for each in maps]  # (P, D) each
            links = _links(parts, unit)
            if links is not None:
                heats = [links.sum(axis=1 - side).reshape(each.shape[2:]) for side, each in enumerate(maps)]
                return Match(float(links.sum()), (heats[0], heats[1]), links, "sum", layer, pooling)
    return None


def _poolings(model: nn.Module) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the ways from a map to a vector that are a sum over positions."""
    ways: dict[str, Callable[[Tensor], Tensor]] = {"mean": _mean_shares, "flatten": _cell_shares}
    power = next((float(module.p) for module in model.modules() if isinstance(module, GeM)), None)
    return ways if power is None else {"gem": lambda maps: _gem_shares(maps, power), **ways}


def _links(parts: Sequence[Tensor], unit: Tensor) -> NDArray[np.float32] | None:
    """Return (P, P') what pairs of positions add; None where the parts do not sum to the vectors."""
    sums = torch.stack([part.sum(dim=0) for part in parts])  # (2, D)
    if sums.shape != unit.shape or (F.normalize(sums, dim=1) - unit).abs().max() > _TOLERANCE:
        return None
    scaled = [part / total.norm() for part, total in zip(parts, sums, strict=True)]
    links: NDArray[np.float32] = (scaled[0] @ scaled[1].T).cpu().numpy()
    return links


def _mean_shares(maps: Tensor) -> Tensor:
    """Return (P, C), what each position of a (1, C, m, n) map adds to the mean of each channel."""
    positions = maps[0].flatten(1).T  # (C, m, n) -> (P, C)
    return positions / len(positions)


def _gem_shares(maps: Tensor, power: float) -> Tensor:
    """Return (P, C), what each position adds to the generalised mean g: x^p / (P g^(p - 1))."""
    powers = maps[0].flatten(1).T.clamp(min=EPS) ** power
    mean = powers.mean(dim=0)
    return powers / len(powers) * mean ** (1 / power - 1)


def _cell_shares(maps: Tensor) -> Tensor:
    """Return (P, C P), each position's own cells of the flattened map, and zeros."""
    return torch.diag_embed(maps[0].flatten(1)).flatten(0, 1).T  # (C, P) -> (C, P, P) -> (P, C P)


def _through(parts: Tensor, linear: nn.Linear | None) -> Tensor:
    """Return (P, D) parts after a linear layer that takes them, its bias shared out; else the parts."""
    if linear is None or linear.in_features != parts.shape[1]:
        return parts
    out = F.linear(parts, linear.weight.float())
    return out if linear.bias is None else out + linear.bias.float() / len(parts)


def _covered(model: nn.Module, pixels: Tensor, other: Tensor, similarity: float) -> NDArray[np.float32]:
    """Return (S, S), by how much the similarity to a unit vector falls when a patch takes the mean colour."""
    height, width = pixels.shape[2:]
    gone = pixels.mean(dim=(2, 3), keepdim=True)
    rows = [round(n * height / PATCHES) for n in range(PATCHES + 1)]
    columns = [round(n * width / PATCHES) for n in range(PATCHES + 1)]
    covers = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            cover = torch.zeros(1, 1, height, width, dtype=torch.bool, device=pixels.device)
            cover[..., top:bottom, left:right] = True
            covers.append(cover)
    falls: list[Tensor] = []
    for start in range(0, len(covers), _BATCH):
        hidden = torch.cat(covers[start : start + _BATCH])
        vectors = F.normalize(vectors_of(model(torch.where(hidden, gone, pixels))).float(), dim=1)
        falls.append(similarity - vectors @ other)
    heat: NDArray[np.float32] = torch.cat(falls).reshape(PATCHES, PATCHES).cpu().numpy()
    return heat
