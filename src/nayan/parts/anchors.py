"""Where a detector looks: the centres of its cells, and anchor boxes of given or learnt shapes.

Source: Ren et al. (2015), Faster R-CNN, arXiv:1506.01497, section 3.1.1, for anchors; Redmon and Farhadi
(2016), YOLO9000, arXiv:1612.08242, section 2, for shapes by k-means.
"""

# (h, w) size of a map, A anchors a cell, N boxes, L levels

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.types import Size

_ROUNDS = 300  # k-means settles long before


def grid_points(size: Size, stride: float) -> Tensor:
    """Return the centres x, y of the cells of a map, in pixels of the input, row by row.

    Args:
        size: (h, w) of the map.
        stride: side of a cell in pixels of the input.

    Returns:
        (h * w, 2) float32; the first is (stride / 2, stride / 2).

    >>> grid_points((1, 2), 8)
    tensor([[ 4.,  4.],
            [12.,  4.]])
    """
    height, width = size
    y = (torch.arange(height, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, dtype=torch.float32) + 0.5) * stride
    return torch.stack((x.repeat(height), y.repeat_interleave(width)), 1)


def anchor_shapes(scale: float, ratios: Sequence[float]) -> Tensor:
    """Return the shapes of anchors of equal area: (A, 2) width, height.

    Args:
        scale: side in pixels of the square of that area.
        ratios: height / width of each.

    >>> anchor_shapes(8, [1, 4])
    tensor([[ 8.,  8.],
            [ 4., 16.]])
    """
    root = torch.tensor(ratios, dtype=torch.float32).sqrt()
    return torch.stack((scale / root, scale * root), 1)


def anchors_on_grid(
    sizes: Sequence[Size], strides: Sequence[float], *, shapes: Sequence[Tensor]
) -> list[Tensor]:
    """Return the anchors of each level: every shape at the centre of every cell.

    Args:
        sizes: (h, w) of the map of each of L levels.
        strides: side of a cell of each level in pixels of the input.
        shapes: (A, 2) width, height in pixels of the input, for each level.

    Returns:
        L tensors (h * w * A, 4) xyxy in pixels of the input, the anchors of a cell beside each other. They
        may reach over the edges of the picture.

    Raises:
        ConfigError: if sizes, strides and shapes are not as many.

    >>> anchors_on_grid([(1, 2)], [8], shapes=[torch.tensor([[4., 2.]])])[0]
    tensor([[ 2.,  3.,  6.,  5.],
            [10.,  3., 14.,  5.]])
    """
    if not len(sizes) == len(strides) == len(shapes):
        raise ConfigError(f"{len(sizes)} levels, {len(strides)} strides and {len(shapes)} sets of anchors")
    levels = []
    for size, stride, sides in zip(sizes, strides, shapes, strict=True):
        centre = grid_points(size, stride)[:, None].to(sides.device)  # (h*w, 1, 2)
        half = sides / 2  # (A, 2)
        levels.append(torch.cat((centre - half, centre + half), 2).flatten(0, 1))  # (h*w, A, 4) -> (h*w*A, 4)
    return levels


def kmeans_anchors(shapes: Tensor, k: int, *, seed: int) -> Tensor:
    """Return the `k` shapes that fit the objects of a data set best: k-means with 1 - IoU as the distance.

    Boxes are compared as if they had the same centre. The first centres are drawn by k-means++ (Arthur and
    Vassilvitskii, 2007), so that rare shapes have a chance; the paper does not say how it draws.

    Args:
        shapes: (N, 2) width, height of the objects, positive, in one unit.
        k: how many anchors.
        seed: the same seed gives the same anchors.

    Returns:
        (k, 2) float32, the smallest area first. Of fewer than `k` different objects some are repeated.

    Raises:
        ShapeError: if `shapes` is not (N, 2).
        ConfigError: if there is no object, one without area, or `k` is below 1.

    Source: Redmon and Farhadi (2016), arXiv:1612.08242, section 2, "Dimension Clusters".

    >>> kmeans_anchors(torch.tensor([[10., 20], [12, 20], [90, 80]]), 2, seed=0)
    tensor([[11., 20.],
            [90., 80.]])
    """
    if shapes.ndim != 2 or shapes.shape[1] != 2:
        raise ShapeError(f"shapes are (N, 2) width and height, got {tuple(shapes.shape)}")
    if k < 1 or not len(shapes) or not bool((shapes > 0).all()):
        raise ConfigError(
            f"{k} anchors of {len(shapes)} objects: both must be at least 1, and every object have an area",
            hint="run `nayan doctor DATA` to find boxes without area",
        )
    shapes = shapes.float()
    centres = _first_centres(shapes, k, torch.Generator().manual_seed(seed))
    nearest = torch.full((len(shapes),), -1)
    for _ in range(_ROUNDS):
        previous, nearest = nearest, _iou_of_shapes(shapes, centres).argmax(1)
        if torch.equal(previous, nearest):
            break
        for index in range(k):
            members = shapes[nearest == index]
            if len(members):  # a centre that nothing is nearest to stays where it is
                centres[index] = members.mean(0)
    return centres[centres.prod(1).argsort()]


def _first_centres(shapes: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Draw centres far from each other: each with a chance that grows with the squared distance."""
    chosen = [int(torch.randint(len(shapes), (1,), generator=generator))]
    while len(chosen) < k:
        distance = 1 - _iou_of_shapes(shapes, shapes[chosen]).amax(1)
        # All objects may be alike: then any will do.
        chance = distance.square() + 1e-12
        chosen.append(int(torch.multinomial(chance, 1, generator=generator)))
    return shapes[chosen].clone()


def _iou_of_shapes(a: Tensor, b: Tensor) -> Tensor:
    """Return (N, k) IoU of boxes with a common centre, given as width, height."""
    shared = torch.minimum(a[:, None], b[None]).prod(2)
    return shared / (a.prod(1)[:, None] + b.prod(1)[None] - shared)
