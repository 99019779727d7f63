"""The networks that write captions, by name. No torch here."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        Entry(
            "captioner",
            "nayan.tasks.generation.captioning.models.captioner:captioner",
            Preprocess((224, 224), "stretch", interpolation="bicubic"),
            summary="a picture in a sentence: cells of a map, looked at word by word by a Transformer",
            paper="arXiv:1706.03762",
            licence="Apache-2.0",
            args={"beam": 3, "dropout": 0.1},
            gray=True,
            fitted={"words": "how many there are", "length": "of the longest sentence"},
            fixed_size=True,
            own_backbones=("small",),
            use="nayan caption {model} PICTURE...",
        )
    ],
)
"""Every captioner by its name. The whole picture is seen, since a sentence may speak of its border."""
