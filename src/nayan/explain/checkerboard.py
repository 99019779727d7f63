"""Is there a checkerboard in a map that was made larger? Two measures, by place and by frequency. NumPy only.

Source: Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts", Distill 2016,
doi:10.23915/distill.00003. The measures are ours: they say of any way up how much of what it puts out
repeats with its own step.
"""

# C channels, (H, W) map, f factor by which it was made larger

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEEN = 0.02
"""A repeating pattern with a larger share of the variance than that is worth a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Checker:
    """How much of a map repeats with the step by which it was made larger.

    Attributes:
        pattern: share in [0, 1] of the variance that is the same in every cell of f x f pixels.
        detail: share in [0, 1] of the power at frequencies that the coarser map cannot hold.
        phases: (f, f) root mean square of the pattern over the channels, in standard deviations of the map.
        spectrum: (H, W) mean power of the channels, the frequency 0 in the middle.
    """

    pattern: float
    detail: float
    phases: NDArray[np.float64]
    spectrum: NDArray[np.float64]


def measure(maps: NDArray[np.floating], factor: int) -> Checker:
    """Return the measures of (C, H, W) maps that were made `factor` times as large.

    Args:
        maps: at least 2 x `factor` cells a side.
        factor: f, at least 2.

    >>> flat = np.indices((8, 8)).sum(axis=0) % 2 * 1.0
    >>> found = measure(flat[None], 2)
    >>> found.pattern, round(found.detail, 2)
    (1.0, 1.0)
    """
    values = _whole_cells(maps, factor)
    offsets, variance = _offsets(values, factor), values.var(axis=(1, 2))
    pattern = float((offsets**2).mean(axis=(1, 2)).sum() / (variance.sum() or 1.0))
    live = variance > 0
    phases = np.zeros((factor, factor))
    if live.any():
        phases = np.sqrt((offsets[live] ** 2 / variance[live, None, None]).mean(axis=0))
    spectrum = _power(values)
    return Checker(pattern, _beyond(spectrum, factor), phases, spectrum)


def patterns(maps: NDArray[np.floating], factor: int) -> NDArray[np.float64]:
    """Return (C,): the share `Checker.pattern` of each channel of (C, H, W) maps; 0 for one that is flat."""
    values = _whole_cells(maps, factor)
    variance = values.var(axis=(1, 2))
    shares: NDArray[np.float64] = (_offsets(values, factor) ** 2).mean(axis=(1, 2))
    np.divide(shares, variance, out=shares, where=variance > 0)  # a flat map has no pattern: 0 stays
    return shares


def _whole_cells(maps: NDArray[np.floating], factor: int) -> NDArray[np.float64]:
    """Return the maps without the rows and columns that are left over."""
    _, height, width = maps.shape
    return maps[:, : height - height % factor, : width - width % factor].astype(np.float64)


def _offsets(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return (C, f, f): by how much each place of a cell differs from the others, on average."""
    channels, height, width = values.shape
    cells = values.reshape(channels, height // factor, factor, width // factor, factor)
    means: NDArray[np.float64] = cells.mean(axis=(1, 3))
    means -= means.mean(axis=(1, 2), keepdims=True)
    return means


def _power(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H, W): the mean power of the channels, their own means taken off, edges faded out."""
    _, height, width = values.shape
    fade = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    centred = values - (values * fade).sum(axis=(1, 2), keepdims=True) / fade.sum()
    power = np.abs(np.fft.fft2(centred * fade)) ** 2
    return np.fft.fftshift(power.mean(axis=0))


def _beyond(spectrum: NDArray[np.float64], factor: int) -> float:
    """Return the share of the power at more than half a turn a coarse cell, in either direction."""
    height, width = spectrum.shape
    y = np.abs(np.fft.fftshift(np.fft.fftfreq(height)))[:, None]
    x = np.abs(np.fft.fftshift(np.fft.fftfreq(width)))[None]
    outside = (y > 0.5 / factor + 1e-9) | (x > 0.5 / factor + 1e-9)
    return float(spectrum[outside].sum() / (spectrum.sum() or 1.0))
