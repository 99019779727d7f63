"""A map of fixed size for each region, cut from the features of the whole picture.

Source: Girshick (2015), Fast R-CNN, arXiv:1504.08083, section 2.1 (pooling); He et al. (2017), Mask R-CNN,
arXiv:1703.06870, section 3 (align); Lin et al. (2016), FPN, arXiv:1612.03144, eq. 1 (levels).
"""

# B pictures, P regions of each, D channels, S side of the result, L levels

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchvision.ops
from torch import Tensor

from nayan.core.errors import ConfigError, ShapeError

_SAMPLES = 2  # points along each side of a cell of the result; Mask R-CNN found more to make no difference
_CANONICAL_SIDE = 224  # px: an ImageNet picture, which belongs to the map of stride 16 (FPN, eq. 1)
_CANONICAL_STRIDE = 16


def roi_pool(features: Tensor, rois: Tensor, *, size: int, stride: float) -> Tensor:
    """Return the maximum of each cell of a grid laid over each region; edges are rounded to whole cells.

    Args:
        features: (B, D, h, w).
        rois: (B, P, 4) xyxy in pixels of the input; one without area gives the value at its place.
        size: S, cells along each side of the result.
        stride: pixels of the input for one cell of the features.

    Returns:
        (B, P, D, S, S), of the type of the features.

    Raises:
        ShapeError: if the shapes do not fit each other.
    """
    rows = _rows(features, rois)
    pooled: Tensor = torchvision.ops.roi_pool(features.float(), rows, size, 1 / stride)
    return _by_picture(pooled, features, rois)


def roi_align(features: Tensor, rois: Tensor, *, size: int, stride: float) -> Tensor:
    """Return the mean of interpolated points in each cell of a grid laid over each region, nothing rounded.

    Args:
        features: (B, D, h, w).
        rois: (B, P, 4) xyxy in pixels of the input.
        size: S, cells along each side of the result.
        stride: pixels of the input for one cell of the features.

    Returns:
        (B, P, D, S, S), of the type of the features.

    Raises:
        ShapeError: if the shapes do not fit each other.

    >>> ramp = torch.arange(8.).repeat(1, 1, 8, 1)  # each column has its number
    >>> roi_align(ramp, torch.tensor([[[2., 2, 6, 6]]]), size=2, stride=1)[0, 0, 0, 0]
    tensor([2.5000, 4.5000])
    """
    return _by_picture(_align(features, _rows(features, rois), size, stride), features, rois)


def multi_level_roi_align(
    features: Sequence[Tensor], rois: Tensor, *, size: int, strides: Sequence[int]
) -> Tensor:
    """Align each region on the map that suits its size: a region of 224 px on that of stride 16.

    Each region is computed on one level only, in an exported graph too.

    Args:
        features: L maps (B, D, h, w).
        rois: (B, P, 4) xyxy in pixels of the input.
        size: S, cells along each side of the result.
        strides: pixels of the input for one cell of each map, powers of 2, each twice the one before.

    Returns:
        (B, P, D, S, S), of the type of the features.

    Raises:
        ConfigError: if strides and maps are not as many, or the strides are other.
        ShapeError: if the shapes do not fit each other.
    """
    if len(features) != len(strides):
        raise ConfigError(f"{len(features)} maps, but {len(strides)} strides")
    rows = _rows(features[0], rois)
    levels = roi_levels(rois, strides).flatten()  # (B, P) -> (B*P,)
    members = [(levels == level).nonzero()[:, 0] for level in range(len(strides))]
    pooled = torch.cat(
        [
            _align(each, rows[index], size, stride)
            for each, index, stride in zip(features, members, strides, strict=True)
        ]
    )
    order = torch.cat(members)  # where each row of `pooled` belongs
    place = torch.zeros_like(order).scatter(0, order, torch.ones_like(order).cumsum(0) - 1)
    return _by_picture(pooled[place], features[0], rois)


def roi_levels(rois: Tensor, strides: Sequence[int]) -> Tensor:
    """Return which level each region belongs to: (..., 4) xyxy in input pixels -> (...) int64 in [0, L).

    Raises:
        ConfigError: if the strides are not powers of 2, each twice the one before.

    Source: Lin et al. (2016), FPN, arXiv:1612.03144, eq. 1.

    >>> roi_levels(torch.tensor([[0., 0, 9, 9], [0, 0, 224, 224], [0, 0, 900, 900]]), [8, 16, 32])
    tensor([0, 1, 2])
    """
    lowest = strides[0].bit_length() - 1
    if tuple(strides) != tuple(2 ** (lowest + level) for level in range(len(strides))):
        raise ConfigError(f"strides {list(strides)}: they must be powers of 2, each twice the one before")
    sides = (rois[..., 2:] - rois[..., :2]).float().clamp(min=1e-3)
    # 1e-6: a region of exactly 224 px must not fall to the level below by rounding.
    doubled = (sides.prod(-1).sqrt() / _CANONICAL_SIDE).log2() + 1e-6
    level = doubled.floor() + (_CANONICAL_STRIDE.bit_length() - 1 - lowest)
    return level.clamp(0, len(strides) - 1).long()


def _align(features: Tensor, rows: Tensor, size: int, stride: float) -> Tensor:
    # aligned: the centre of a cell is its value, half a cell from its edge (Mask R-CNN's code of 2019 on)
    aligned: Tensor = torchvision.ops.roi_align(
        features.float(), rows, size, 1 / stride, sampling_ratio=_SAMPLES, aligned=True
    )
    return aligned


def _rows(features: Tensor, rois: Tensor) -> Tensor:
    """Return (B*P, 5) number of the picture and box, as torchvision and ONNX want them."""
    if features.ndim != 4 or rois.ndim != 3 or rois.shape[-1] != 4:
        raise ShapeError(
            f"features (B, D, h, w) need rois (B, P, 4), got {tuple(features.shape)}, {tuple(rois.shape)}"
        )
    rois = rois.float()  # bfloat16 knows whole pixels up to 256 only
    picture = torch.ones_like(rois[..., :1]).cumsum(0) - 1  # traced for any B, unlike arange(len(rois))
    return torch.cat((picture, rois), 2).reshape(-1, 5)  # (B, P, 5) -> (B*P, 5), a 5 that graphs know


def _by_picture(pooled: Tensor, features: Tensor, rois: Tensor) -> Tensor:
    shape = (rois.shape[0], rois.shape[1], *pooled.shape[1:])
    return pooled.to(features.dtype).reshape(shape)  # (B*P, D, S, S) -> (B, P, D, S, S)
