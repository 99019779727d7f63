"""A transposed convolution by hand: every pixel stamps the kernel, and stamps add up. NumPy only.

Sources: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285,
chapter 4; Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts", Distill 2016,
doi:10.23915/distill.00003.
"""

# (h, w) input, k side of the kernel, s stride; the output has (h - 1) * s + k rows

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def stamp(
    value: float, kernel: Numbers, *, at: tuple[int, int], size: tuple[int, int], stride: int
) -> Numbers:
    """Return what one pixel contributes: (H, W), NaN where its stamp does not reach.

    Args:
        value: of the pixel.
        kernel: (k, k).
        at: (row, column) of the pixel in the input.
        size: (h, w) of the input.
        stride: pixels of the output from one stamp to the next.

    >>> stamp(3, np.array([[1.0, 2.0]]), at=(0, 1), size=(1, 2), stride=2)
    array([[nan, nan,  3.,  6.]])
    """
    alone = np.full(output_size(size, kernel.shape[0], stride, width=kernel.shape[1]), np.nan)
    top, left = at[0] * stride, at[1] * stride
    alone[top : top + kernel.shape[0], left : left + kernel.shape[1]] = value * kernel
    return alone


def output_size(size: tuple[int, int], kernel: int, stride: int, *, width: int = 0) -> tuple[int, int]:
    """Return (H, W) of the output, without padding.

    >>> output_size((2, 2), 3, 2)
    (5, 5)
    """
    return (size[0] - 1) * stride + kernel, (size[1] - 1) * stride + (width or kernel)


def transposed(values: Numbers, kernel: Numbers, *, stride: int, padding: int = 0) -> Numbers:
    """Return the sum of all stamps of (h, w) numbers.

    Args:
        values: the input.
        kernel: (k, k).
        stride: s.
        padding: rows and columns that are cut off on every side afterwards, as layers count it.

    >>> transposed(np.array([[1.0, 10.0]]), np.array([[1.0, 2.0, 3.0]]), stride=2)
    array([[ 1.,  2., 13., 20., 30.]])
    """
    size = (values.shape[0], values.shape[1])
    total = np.zeros(output_size(size, kernel.shape[0], stride, width=kernel.shape[1]))
    reach = [(side - 1) * stride + 1 for side in size]
    for (y, x), weight in np.ndenumerate(kernel):  # one number of the kernel of all stamps at once
        total[y : y + reach[0] : stride, x : x + reach[1] : stride] += weight * values
    height, width = total.shape
    return total[padding : height - padding, padding : width - padding]


def meetings(size: tuple[int, int], kernel: int, stride: int) -> Numbers:
    """Return (H, W): how many stamps meet in each pixel of the output.

    Within the picture it is the same everywhere exactly where the stride divides the kernel.

    >>> meetings((1, 3), 3, 2)[1].astype(int).tolist()
    [1, 1, 2, 1, 2, 1, 1]
    """
    return transposed(np.ones(size), np.ones((kernel, kernel)), stride=stride)


def told_sum(values: Numbers, kernel: Numbers, *, stride: int, at: tuple[int, int]) -> str:
    """Return how one pixel of the output comes about, as a sum of products.

    >>> told_sum(np.array([[1.0, 10.0]]), np.array([[1.0, 2.0, 3.0]]), stride=2, at=(0, 2))
    '1*3 + 10*1 = 13'
    """
    parts, total = [], 0.0
    for (row, column), value in np.ndenumerate(values):
        y, x = at[0] - row * stride, at[1] - column * stride
        if 0 <= y < kernel.shape[0] and 0 <= x < kernel.shape[1]:
            parts.append(f"{value:g}*{kernel[y, x]:g}")
            total += float(value * kernel[y, x])
    return f"{' + '.join(parts) or '0'} = {total:g}"


def nearest(values: Numbers, factor: int) -> Numbers:
    """Return (h, w) numbers `factor` times as large, each repeated."""
    return values.repeat(factor, axis=0).repeat(factor, axis=1)


def bilinear(values: Numbers, factor: int) -> Numbers:
    """Return (h, w) numbers `factor` times as large, mixed between the centres of cells; borders repeat.

    >>> bilinear(np.array([[0.0, 4.0]]), 2)[0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    for axis in (0, 1):
        side = values.shape[axis]
        at = np.clip((np.arange(side * factor) + 0.5) / factor - 0.5, 0, side - 1)
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, side - 1)
        part = (at - low).reshape(-1, 1) if axis == 0 else (at - low).reshape(1, -1)
        values = values.take(low, axis=axis) * (1 - part) + values.take(high, axis=axis) * part
    return values
