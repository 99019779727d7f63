"""The networks that restore pictures, by name. No torch here."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.generation.restoration.models"
HALF = (0.5, 0.5, 0.5)

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        Entry(
            "super_resolution",
            f"{MODELS_AT}.super_resolution:super_resolution",
            Preprocess((96, 96), "cut", mean=HALF, std=HALF),
            summary="two or four times larger, with detail: residual blocks on the small picture",
            paper="arXiv:1707.02921",
            licence="Apache-2.0",
            args={"scale": 2, "blocks": 10},
            inputs={"small": {"method": "shrunk", "scale": 2}},
            explain=("features", "body"),
            use="nayan upscale {model} PICTURE...",
        ),
        Entry(
            "inpainting",
            f"{MODELS_AT}.inpainting:inpainting",
            Preprocess((128, 128), "cut", mean=HALF, std=HALF),
            summary="missing parts filled: a U-Net of gated convolutions",
            paper="arXiv:1806.03589",
            licence="Apache-2.0",
            inputs={"hole": {"method": "holes", "learning": {"strokes": 0.3}}},
            explain=("backbone.enter", "backbone.middle"),
            use="nayan inpaint {model} PICTURE --box X1,Y1,X2,Y2 --out FILE",
        ),
    ],
)
"""Every restorer by its name. Pictures are cut out in their own pixels, since a resize would take away what
is to be restored."""
