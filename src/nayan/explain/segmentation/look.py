"""What a segmenter says of one picture, in NumPy: the start of every look at it."""

# K classes, (h, w) network input, (H, W) picture

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import VOID, Image, SemanticMask, Size
from nayan.explain.record import evaluating
from nayan.explain.stages import pixel_batch
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Placement, resize
from nayan.tasks.detection.network import Detector
from nayan.tasks.segmentation.decode import decode
from nayan.tasks.segmentation.draw import paint_mask


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One run of a segmenter.

    Attributes:
        probabilities: (K, h, w) float32, of every pixel of the input.
        found: the mask, as large as the picture.
        placement: of the picture in the input.
        names: of the K classes.
    """

    probabilities: NDArray[np.float32]
    found: SemanticMask
    placement: Placement
    names: list[str]


def look_at(subject: Subject) -> Look:
    """Run the subject's segmenter on its picture.

    Raises:
        ConfigError: if it is no segmenter, or a picture is missing.
    """
    model = subject.model
    check_segmenter(model)
    pixels = pixel_batch(subject, model)
    with evaluating(model), torch.no_grad():
        logits = dense_logits(model, model(pixels), pixels)
    probabilities: NDArray[np.float32] = logits[0].float().softmax(dim=0).cpu().numpy()
    placement = placement_of(subject)
    found = mask_of(probabilities, placement, subject.decode_args)
    return Look(
        probabilities, found, placement, [subject.class_name(index) for index in range(len(probabilities))]
    )


def check_segmenter(model: nn.Module) -> None:
    """Refuse a detector before it runs, which may need more than pixels.

    Raises:
        ConfigError: if it is one.
    """
    if isinstance(model, Detector):
        raise _no_segmenter(model)


def dense_logits(model: nn.Module, raw: Any, pixels: Tensor) -> Tensor:
    """Return the (B, K, h, w) logits of what a network or plain module said about (B, C, h, w) pixels.

    Raises:
        ConfigError: if those are not scores of classes for every pixel.
    """
    logits = logits_of_pixels(raw, pixels)
    if logits is None:
        raise _no_segmenter(model)
    return logits


def logits_of_pixels(raw: Any, pixels: Tensor) -> Tensor | None:
    """Return the (B, K, h, w) logits of an output; None where it is something else."""
    logits = getattr(raw, "logits", raw)
    if isinstance(logits, Tensor) and logits.ndim == 4 and logits.shape[2:] == pixels.shape[2:]:
        return logits
    return None


def _no_segmenter(model: nn.Module) -> ConfigError:
    return ConfigError(
        f"this look is for segmenters, and {type(model).__name__} is none",
        hint="name a segmenter of `nayan models --task segment`, or a run or bundle of one",
    )


def placement_of(subject: Subject) -> Placement:
    """Return how the picture lies in the network's input."""
    height, width = subject.picture.shape[:2]
    return subject.preprocess.placement((height, width))


def mask_of(
    probabilities: NDArray[np.float32], placement: Placement, decode_args: Mapping[str, Any]
) -> SemanticMask:
    """Return the mask of (K, h, w) probabilities in pixels of the picture, as prediction makes it."""
    raw = {"probabilities": probabilities[None]}
    return decode(raw, [placement], thresholds=decode_args.get("thresholds"))[0]


def in_input(ids: NDArray[np.uint8], placement: Placement, size: Size) -> NDArray[np.uint8]:
    """Return an (H, W) mask of the picture as (h, w) of the input; void where the picture does not reach.

    >>> half = Placement((2, 2), (2.0, 1.0), (0.0, 1.0))
    >>> in_input(np.array([[0, 1], [2, 3]], np.uint8), half, (4, 3)).tolist()
    [[255, 0, 1], [255, 0, 1], [255, 2, 3], [255, 2, 3]]
    """
    places = [
        np.floor((np.arange(side) + 0.5 - offset) / scale).astype(np.intp)
        for side, offset, scale in zip(size, placement.offset, placement.scale, strict=True)
    ]
    inside = [(place >= 0) & (place < side) for place, side in zip(places, ids.shape, strict=True)]
    rows, columns = (np.clip(place, 0, side - 1) for place, side in zip(places, ids.shape, strict=True))
    placed = ids[rows[:, None], columns[None]]
    return np.where(inside[0][:, None] & inside[1][None], placed, np.uint8(VOID))


def shown(image: Image, side: int) -> Image:
    """Return the picture with its longer side equal to `side`."""
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    return resize(np.ascontiguousarray(image), size)


def masked(image: Image, ids: NDArray[np.uint8], names: list[str]) -> Image:
    """Return a picture of any size with an (H, W) mask painted over it; classes are picked, not mixed."""
    rows = np.minimum(np.arange(image.shape[0]) * ids.shape[0] // image.shape[0], ids.shape[0] - 1)
    columns = np.minimum(np.arange(image.shape[1]) * ids.shape[1] // image.shape[1], ids.shape[1] - 1)
    return paint_mask(image, np.ascontiguousarray(ids[rows[:, None], columns[None]]), names)
