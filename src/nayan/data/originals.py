"""Data for networks that draw, restore or translate pictures: each picture is its own ground truth."""

from __future__ import annotations

from dataclasses import replace

from nayan.core.types import Dataset, Original


def as_originals(data: Dataset) -> Dataset:
    """Return the data with every picture as its own ground truth; what was known of it stays known.

    Args:
        data: with any ground truth, or none.
    """
    samples = tuple(
        replace(sample, target=Original(sample.load, about=sample.target)) for sample in data.samples
    )
    return replace(data, samples=samples)
