"""Checks of masks: what share of the pixels each class has, and whether masks fit their pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import VOID
from nayan.data.doctor.findings import Finding, counted, listed
from nayan.data.doctor.mask_look import REACH, MaskLook
from nayan.data.doctor.snapshot import Picture, Snapshot

RARE = 0.001  # share of the pixels to learn from
MOSTLY = 0.5  # of the pictures
NOISY = 0.1  # pixels in specks to pixels at borders
_LEAST_SPECKS = 20
SHIFTED = 4  # steps of `MaskLook.fit`
_SURE_OF_ALL, _SURE_OF_ONE = 1.0, 2.5  # deviations by which the shifted place is better
_LEAST_FIT = 3.0  # deviations of the best place of all pictures together
_LEAST_PICTURES = 3


def broken(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the masks that cannot be read."""
    found = {picture.id: picture.mask_fault for picture in snapshot.pictures if picture.mask_fault}
    if found:
        yield Finding(
            "masks.broken", "error",
            f"{counted(len(found), 'mask')} cannot be read, of {listed(tuple(found))}: "
            f"{next(iter(found.values()))}",
            tuple(found), len(found), "Mend them, or take them out with their pictures.", {"found": found},
        )  # fmt: skip


def classes(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what share of the pixels each class has."""
    counts = _pixels(snapshot, to_learn=False)
    total = int(counts.sum())
    if not total:
        return
    shares = {name: int(counts[number]) / total for number, name in enumerate(snapshot.classes)}
    void = int(counts[VOID]) / total
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    said = ", ".join(f"{name} {_percent(share)}" for name, share in ranked[:8])
    more = f" and {len(ranked) - 8} more" if len(ranked) > 8 else ""
    known = f"; {_percent(void)} are void" if void else ""
    yield Finding(
        "masks.classes", "info", f"of {counted(total, 'pixel')}: {said}{more}{known}", count=len(shares),
        advice="Judge each class by its own IoU: the share of right pixels is mostly that of the large ones.",
        details={"shares": shares, "void": void},
    )  # fmt: skip


def rare(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the classes with hardly a pixel to learn from."""
    counts = _pixels(snapshot, to_learn=True)
    total = int(counts[:VOID].sum())
    found = {
        name: int(counts[number]) / total
        for number, name in enumerate(snapshot.classes)
        if total and 0 < counts[number] < RARE * total
    }
    if found:
        named = [f"{name!r} ({_percent(share)})" for name, share in found.items()]
        yield Finding(
            "masks.rare", "warning",
            f"{counted(len(found), 'class has', 'classes have')} less than {_percent(RARE)} of the pixels to "
            f"learn from: {listed(named)}",
            count=len(found),
            advice="Take a loss that weighs classes or looks at overlap (Dice, focal), larger pictures or "
            "tiles; or merge the class into another.",
            details={"shares": found},
        )  # fmt: skip


def empty(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the masks that are all void, and those of a single class."""
    looks = _looks(snapshot)
    unknown = tuple(picture.id for picture, look in looks if not look.classes)
    if unknown:
        yield Finding(
            "masks.empty", "warning",
            f"{counted(len(unknown), 'mask is', 'masks are')} void everywhere: {listed(unknown)}",
            unknown, len(unknown), "Nothing is learnt from them: draw them, or take them out.",
        )  # fmt: skip
    alone = {
        picture.id: snapshot.classes[look.classes[0]] for picture, look in looks if len(look.classes) == 1
    }
    if alone:
        most = len(alone) > MOSTLY * len(looks)
        kinds = sorted(set(alone.values()))
        yield Finding(
            "masks.empty", "warning" if most else "info",
            f"{len(alone):,} of {counted(len(looks), 'mask')} {'has' if len(alone) == 1 else 'have'} one "
            f"class only ({listed([repr(name) for name in kinds])}): {listed(tuple(alone))}",
            tuple(alone), len(alone),
            "Check that the others were not forgotten."
            if most
            else "Nothing to do if they show nothing else: they teach a network what not to find.",
            {"found": alone},
        )  # fmt: skip


def specks(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the masks with so many tiny islands that nobody can have drawn them."""
    found = {
        picture.id: look.specks
        for picture, look in _looks(snapshot)
        if look.specks >= max(_LEAST_SPECKS, NOISY * look.border)
    }
    if found:
        yield Finding(
            "masks.specks", "warning",
            f"{counted(len(found), 'mask is', 'masks are')} full of islands of a few pixels: "
            f"{listed(tuple(found))}",
            tuple(found), len(found),
            "JPEG, or resizing with smooth values, does that to masks: get the originals, saved as PNG and "
            "resized to the nearest value.",
            {"pixels": found},
        )  # fmt: skip


def shifted(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that masks lie beside the edges of their pictures: all of them in one direction, or some."""
    measured = [(p, look, look.fit) for p, look in _looks(snapshot) if look.fit is not None]
    if len(measured) >= _LEAST_PICTURES:
        together = np.mean([fit for _, _, fit in measured], axis=0)
        place, better = _best(together)
        if better > _SURE_OF_ALL and together.max() > _LEAST_FIT:
            scale = float(np.median([look.scale for _, look, _ in measured]))
            down, right = (round(step * scale) for step in place)
            yield Finding(
                "masks.shifted", "warning",
                f"the masks are shifted: {_moved(-down, -right)} of where the edges of their pictures are "
                f"({counted(len(measured), 'picture')} looked at)",
                count=len(measured),
                advice=f"Move them {_moved(down, right)}, or look how they were cropped or exported.",
                details={"down": -down, "right": -right},
            )  # fmt: skip
            return
    found = {
        picture.id: [-round(step * look.scale) for step in _best(fit)[0]]
        for picture, look, fit in measured
        if _best(fit)[1] > _SURE_OF_ONE and fit.max() > _LEAST_FIT + _SURE_OF_ONE
    }
    if found:
        first, (down, right) = next(iter(found.items()))
        yield Finding(
            "masks.shifted", "warning",
            f"{counted(len(found), 'mask does', 'masks do')} not lie on the edges of the picture, such as "
            f"{first}: {_moved(down, right)} of them ({counted(len(measured), 'picture')} looked at)",
            tuple(found), len(found), "Look whether each belongs to its picture.", {"down_right": found},
        )  # fmt: skip


def _best(fit: NDArray[np.float32]) -> tuple[tuple[int, int], float]:
    """Return the (down, right) of the best place that is not near, and by how much it is better than near."""
    down, right = np.ogrid[-REACH : REACH + 1, -REACH : REACH + 1]
    far = np.hypot(down, right) >= SHIFTED
    y, x = np.unravel_index(int(np.where(far, fit, -np.inf).argmax()), fit.shape)
    return (int(y) - REACH, int(x) - REACH), float(fit[y, x] - fit[~far].max())


def _looks(snapshot: Snapshot) -> list[tuple[Picture, MaskLook]]:
    return [(picture, picture.mask) for picture in snapshot.pictures if picture.mask is not None]


def _pixels(snapshot: Snapshot, *, to_learn: bool) -> NDArray[np.int64]:
    """Return (256,) pixels of each class: in train where there is one and that is asked for, else in all."""
    only = "train" if to_learn and "train" in snapshot.splits else None
    looks = [look.counts for picture, look in _looks(snapshot) if only in (None, picture.split)]
    total: NDArray[np.int64] = np.sum(looks, axis=0) if looks else np.zeros(VOID + 1, np.int64)
    return total


def _percent(share: float) -> str:
    """Return a share for reading.

    >>> _percent(0.314), _percent(0.0071), _percent(0.00004)
    ('31 %', '0.7 %', '0.004 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.02 else f"{100 * share:.1g} %"


def _moved(down: int, right: int) -> str:
    """Return a shift in words.

    >>> _moved(-3, 5), _moved(0, -2)
    ('3 px up and 5 px right', '2 px left')
    """
    parts = [f"{abs(down)} px {'down' if down > 0 else 'up'}"] if down else []
    parts += [f"{abs(right)} px {'right' if right > 0 else 'left'}"] if right else []
    return " and ".join(parts)
