"""Share out groups of pictures that may show several classes each, so that every part looks like the whole.

# G groups, C classes, S parts

Source: Sechidis, Tsoumakas and Vlahavas (2011), On the Stratification of Multi-Label Data, ECML PKDD,
algorithm 1 (iterative stratification). Deviations: the units are groups of pictures, larger ones first,
since only small ones can still fill a gap; then classes that a part lacks are brought to it where others
can spare them, which the paper leaves to chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_EPS = 1e-9  # desires are sums of fractions


def stratify(
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    fractions: Sequence[float],
    *,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the part of each group.

    Every class is in part 0. It is also in each further part of a fraction above 0 where it has groups
    enough that do not take the last of another class out of part 0. No such part stays empty if there
    are as many groups as parts.

    Args:
        counts: (G, C) pictures of each group that show each class.
        sizes: (G,) pictures of each group, 1 or more.
        fractions: S shares of the pictures, summing to 1.
        rng: decides between parts, and between groups, that are equally good.

    Returns:
        (G,) positions in `fractions`.
    """
    share = np.asarray(fractions, np.float64)
    parts = np.full(len(sizes), -1, np.int64)
    wanted = np.outer(share, counts.sum(axis=0))  # (S, C): c_j^i of the paper
    wanted_sizes = share * sizes.sum()  # (S,): c_j
    wanted[share == 0], wanted_sizes[share == 0] = -np.inf, -np.inf
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    remaining = counts.sum(axis=0)
    while remaining.any():
        label = int(np.where(remaining > 0, remaining, np.iinfo(np.int64).max).argmin())  # the rarest
        for group in (g for g in order if parts[g] < 0 and counts[g, label]):
            parts[group] = _neediest(wanted[:, label], wanted_sizes, rng)
            wanted[parts[group]] -= counts[group]
            wanted_sizes[parts[group]] -= sizes[group]
            remaining = remaining - counts[group]
    for group in (g for g in order if parts[g] < 0):  # pictures of the background
        parts[group] = _neediest(wanted_sizes, wanted_sizes, rng)
        wanted_sizes[parts[group]] -= sizes[group]
    return _repaired(parts, counts, sizes, np.flatnonzero(share > 0))


def _neediest(first: NDArray[np.float64], second: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Return where `first` is largest; among equals, where `second` is; among those, any."""
    best = np.flatnonzero(first >= first.max() - _EPS)
    best = best[second[best] >= second[best].max() - _EPS]
    return int(rng.choice(best))


def _repaired(
    parts: NDArray[np.int64], counts: NDArray[np.int64], sizes: NDArray[np.int64], used: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the parts with every class in part 0, and in the others where it can be spared."""
    parts = parts.copy()
    shows = counts > 0
    for label in np.flatnonzero(shows.any(axis=0)):
        holders = np.flatnonzero(shows[:, label])
        if (parts[holders] != 0).all():
            parts[_smallest(holders, sizes)] = 0
    for part in used[1:]:
        for label in np.flatnonzero(shows.any(axis=0)):
            holders = np.flatnonzero(shows[:, label])
            if not (parts[holders] == part).any():
                _give(parts, holders, shows, sizes, to=int(part))
        if not (parts == part).any():
            _give(parts, np.arange(len(parts)), shows, sizes, to=int(part))
    return parts


def _give(
    parts: NDArray[np.int64],
    groups: NDArray[np.int64],
    shows: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    *,
    to: int,
) -> None:
    """Move the smallest of these groups from part 0 to another, unless a class would have none left there."""
    left = shows[parts == 0].sum(axis=0)  # (C,) groups of each class in part 0
    members = int((parts == 0).sum())
    spare = [g for g in groups if parts[g] == 0 and members > 1 and (left[shows[g]] > 1).all()]
    if spare:
        parts[_smallest(np.array(spare), sizes)] = to


def _smallest(groups: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    return int(groups[sizes[groups].argmin()])
