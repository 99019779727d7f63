"""The translators that can be trained by name. No torch here."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.generation.translation.models"

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        Entry(
            "cyclegan",
            f"{MODELS_AT}.cyclegan:cyclegan",
            Preprocess((96, 96), "stretch", mean=(0.5,) * 3, std=(0.5,) * 3),
            summary="from one domain to another and back, learnt without pairs",
            paper="arXiv:1703.10593",
            licence="Apache-2.0",
            gray=True,
            inputs={"picture": {"method": "whole"}},
            use="nayan translate {model} PICTURE... --to B",
        ),
    ],
)
"""Every translator by its name."""
