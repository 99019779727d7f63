"""How large the objects will be for a network, and what to do where they are too small."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import LOST_PX, MANY_SMALL, SMALL_PX
from nayan.data.doctor.findings import Finding, counted
from nayan.data.doctor.snapshot import Snapshot

MANY_LOST = 0.05  # share from which on something should be done
USUAL = (320, 416, 640)
_CHOICES = (320, 416, 512, 640, 800, 960, 1280)
_ROOM = 1.25  # enlarging pictures by more than that shows nothing new


def objects(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield how many objects are small at the usual sizes of input, and which size would do."""
    found = [
        (np.sqrt(np.prod(p.boxes.xyxy[:, 2:] - p.boxes.xyxy[:, :2], axis=1)), max(p.look.size))
        for p in snapshot.pictures
        if p.boxes is not None and len(p.boxes) and p.look is not None
    ]
    if not found:
        return
    relative = np.concatenate([sides / longest for sides, longest in found])  # of the picture's longer side
    native = int(np.median([longest for _, longest in found]))
    table = {size: _shares(relative * size) for size in sorted({*USUAL, snapshot.imgsz})}
    lost, small = table[snapshot.imgsz]
    too_small = lost > MANY_LOST or small > MANY_SMALL
    others = "; ".join(
        f"{size}: {few:.0%} and {more:.0%}" for size, (few, more) in table.items() if size != snapshot.imgsz
    )
    yield Finding(
        "sizes.objects", "warning" if too_small else "info",
        f"at --imgsz {snapshot.imgsz} half of {counted(len(relative), 'object')} are smaller than "
        f"{np.median(relative) * snapshot.imgsz:.0f} px (root of the area), {lost:.0%} under {LOST_PX} px "
        f"and {small:.0%} under {SMALL_PX} px ({others})",
        count=round(small * len(relative)),
        advice=(_advice if too_small else _smallest)(relative, snapshot.imgsz, native),
        details={
            "median": float(np.median(relative) * snapshot.imgsz),
            "imgsz": snapshot.imgsz,
            "longer_side": native,
            "under": {str(size): {"8": few, "16": more} for size, (few, more) in table.items()},
        },
    )  # fmt: skip


def _shares(sides: NDArray[np.float32]) -> tuple[float, float]:
    return float((sides < LOST_PX).mean()), float((sides < SMALL_PX).mean())


def _enough(relative: NDArray[np.float32], size: int) -> bool:
    lost, small = _shares(relative * size)
    return lost <= MANY_LOST and small <= MANY_SMALL


def _smallest(relative: NDArray[np.float32], imgsz: int, native: int) -> str:  # noqa: ARG001
    """Return advice where the objects are large enough: perhaps a smaller input would do."""
    size = next((size for size in _CHOICES if _enough(relative, size)), imgsz)
    if size < imgsz:
        return f"`--imgsz {size}` is enough for these objects, and faster."
    return "That is large enough for a detector."


def _advice(relative: NDArray[np.float32], imgsz: int, native: int) -> str:
    """Return which input would do, or that the pictures have to be cut."""
    size = next((size for size in _CHOICES if size > imgsz and _enough(relative, size)), None)
    if size is not None and size <= _ROOM * native:
        return f"Train with `--imgsz {size}`; the pictures are {native} px on their longer side."
    if native > imgsz:
        full = 32 * math.ceil(native / 32)
        return (
            f"Cut the pictures ({native} px on their longer side) with `--tile {imgsz}`, in training and in "
            f"prediction, or train with `--imgsz {full}` if there is time."
        )
    return (
        f"The pictures have no more detail ({native} px on their longer side): take larger ones, or train "
        f"with `--imgsz {size or 2 * imgsz}`, which enlarges them for the network."
    )
