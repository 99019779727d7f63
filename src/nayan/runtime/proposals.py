"""Where objects may be, found without learning: selective search, and a cache of it on disk. No torch.

Paper: Uijlings, van de Sande, Gevers, Smeulders, "Selective search for object recognition", IJCV 2013.
The picture is cut into small regions of one colour (Felzenszwalb, Huttenlocher, 2004), and the two most
similar neighbours are joined again and again until one region is left. Every region on the way gives a box.

The regions come from OpenCV's `ximgproc`. Its order does not: OpenCV draws it with the C library's `rand`,
so that it differs from call to call. We sort as the paper does (the rank, counted from the last join, times a
random number), with numbers that depend on nothing but how many boxes there are, and with the area in place
of the time of the join, which OpenCV does not tell. Boxes that nearly repeat a better one are left out.
"""

# P proposals

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError, MissingExtra, ShapeError
from nayan.runtime.fsio import write_file

Mode = Literal["single", "fast", "quality"]
"""One, 8 or 80 ways to cut and join; about 200, 1000 and 4000 boxes for a picture of 320 px."""

SMALLEST_SIDE = 6
"""Boxes with a shorter side, in pixels of the network's input, are left out: they are borders of objects."""

SAME_IOU = 0.8
"""Of two boxes that overlap by more, the later one is left out."""

REMEMBERED = 2000
"""Proposals that the memory keeps of a picture, whatever was asked for."""

_VERSION = 1  # of what `propose` gives: a cache of another version is not read


class Propose(Protocol):
    """What `propose` and its cached variant are."""

    def __call__(self, pixels: NDArray[np.uint8], *, count: int, mode: Mode = "fast") -> NDArray[np.float32]:
        """Return (count, 4) proposals of (h, w, 1 or 3) pixels."""
        ...


def propose(pixels: NDArray[np.uint8], *, count: int, mode: Mode = "fast") -> NDArray[np.float32]:
    """Return the boxes of the regions that selective search joins, the most promising first.

    The same pixels always give the same boxes.

    Args:
        pixels: (h, w, 3) RGB or (h, w, 1) gray, as the network takes them.
        count: P, how many rows to return.
        mode: how many ways of cutting and joining to try.

    Returns:
        (P, 4) xyxy in pixels of the input, right and bottom edges exclusive; rows of zeros fill up what the
        picture does not give.

    Raises:
        ShapeError: the pixels have another shape or type.
        ConfigError: an unknown mode, or a count below 1.
        MissingExtra: OpenCV with its contributed modules is not installed.

    >>> picture = np.full((40, 60, 3), 200, np.uint8)
    >>> picture[10:30, 20:50] = (200, 30, 40)
    >>> bool(iou_matrix(np.array([[20, 10, 50, 30]]), propose(picture, count=10)).max() > 0.8)
    True
    """
    if count < 1:
        raise ConfigError(f"selective search takes a count from 1, got {count}")
    return _padded(without_repeats(regions_of(pixels, mode=mode), count), count)


def regions_of(pixels: NDArray[np.uint8], *, mode: Mode = "fast") -> NDArray[np.int64]:
    """Return the (N, 4) boxes of all regions that selective search joins, the most promising first.

    Args:
        pixels: (h, w, 3) RGB or (h, w, 1) gray.
        mode: how many ways of cutting and joining to try.

    Raises:
        ShapeError: the pixels have another shape or type.
        ConfigError: an unknown mode.
        MissingExtra: OpenCV with its contributed modules is not installed.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ShapeError(f"pixels are (h, w, 1 or 3) uint8, got {pixels.shape} {pixels.dtype}")
    if mode not in get_args(Mode):
        raise ConfigError(f"selective search has the modes {', '.join(get_args(Mode))}, got {mode!r}")
    colours = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return _in_order(_regions(np.ascontiguousarray(colours[:, :, ::-1]), mode))


def cached(folder: Path, inner: Propose = propose) -> Propose:
    """Return `inner` with a memory on disk.

    A picture is known by the SHA-256 of its pixels and of the mode, so nothing has to be said when pictures
    change. What is remembered serves any count, because fewer proposals are the first of more. Files appear
    whole or not at all, and a damaged one is made again; several processes may share the folder.

    Args:
        folder: of the memory; made when the first proposals are stored.
        inner: what is remembered.
    """

    def remembered(pixels: NDArray[np.uint8], *, count: int, mode: Mode = "fast") -> NDArray[np.float32]:
        most = max(count, REMEMBERED)
        file = folder / f"{_key(pixels, most, mode)}.npy"
        boxes = _read(file)
        if boxes is None:
            boxes = inner(pixels, count=most, mode=mode)
            boxes = boxes[boxes.any(axis=1)]
            buffer = io.BytesIO()
            np.save(buffer, boxes, allow_pickle=False)
            folder.mkdir(parents=True, exist_ok=True)
            write_file(file, buffer.getvalue())
        return _padded(boxes, count)

    return remembered


def _regions(bgr: NDArray[np.uint8], mode: Mode) -> NDArray[np.int64]:
    """Return the (N, 4) boxes of all regions, each once, in an order that depends on nothing but them."""
    search = _segmentation().createSelectiveSearchSegmentation()
    search.setBaseImage(bgr)
    if mode == "single":
        search.switchToSingleStrategy()
    elif mode == "fast":
        search.switchToSelectiveSearchFast()
    else:
        search.switchToSelectiveSearchQuality()
    xywh = np.asarray(search.process(), np.int64).reshape(-1, 4)
    xywh = np.unique(xywh[(xywh[:, 2:] >= SMALLEST_SIDE).all(axis=1)], axis=0)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def _in_order(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort by rank times a random number, where the largest box has rank 1."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes = boxes[np.argsort(-areas, kind="stable")]
    # the values of PCG64's `random` are the same on every machine
    drawn = np.random.Generator(np.random.PCG64(0)).random(len(boxes))
    return boxes[np.argsort(np.arange(1, len(boxes) + 1) * drawn, kind="stable")]


def without_repeats(boxes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the first `count` boxes of which none overlaps an earlier one by more than `SAME_IOU`."""
    rest = boxes.astype(np.float32)
    kept: list[NDArray[np.float32]] = []
    while len(rest) and len(kept) < count:
        kept.append(rest[0])
        rest = rest[iou_matrix(rest[:1], rest)[0] <= SAME_IOU]
    return np.array(kept, np.int64).reshape(-1, 4)


def _key(pixels: NDArray[np.uint8], count: int, mode: str) -> str:
    digest = hashlib.sha256(f"selective_search {_VERSION} {mode} {count} {pixels.shape}\n".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def _read(file: Path) -> NDArray[np.float32] | None:
    """Return the (N, 4) boxes that a file remembers; None where there is none or where it is damaged."""
    try:
        boxes: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return boxes if boxes.ndim == 2 and boxes.shape[1] == 4 and boxes.dtype == np.float32 else None


def _padded(boxes: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Return the first `count` boxes; zeros fill up."""
    padded = np.zeros((count, 4), np.float32)
    padded[: len(boxes)] = boxes[:count]
    return padded


def _segmentation() -> Any:
    try:
        from cv2.ximgproc import segmentation
    except ImportError as error:
        raise MissingExtra("selective search (OpenCV with its contributed modules)", "train") from error
    return segmentation
