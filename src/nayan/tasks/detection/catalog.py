"""The detectors that can be trained by name, in the order in which they were invented. No torch here."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.detection.models"


def letterboxed(side: int) -> Preprocess:
    """Return the preprocessing of a detector: the whole picture, padded to a square of `side` px."""
    return Preprocess((side, side), "letterbox")


MODELS: Catalog[Entry] = Catalog("model", [])
"""Every detector by its name."""
