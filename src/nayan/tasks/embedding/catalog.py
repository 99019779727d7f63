"""The embedders that can be trained by name. No torch here."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.embedding.models"
MOBILENET = "backbone: timm/mobilenetv2_100.ra_in1k (Apache-2.0)"
SMALL = Preprocess((64, 64), "stretch", mean=(0.5,) * 3, std=(0.25,) * 3)
PHOTO = Preprocess((224, 224), "stretch", interpolation="bicubic")
"""The whole picture: what tells two faces or products apart may lie at its border."""


def _pair(name: str, summary: str, *, paper: str, licence: str = "Apache-2.0") -> tuple[Entry, Entry]:
    """Return a kind of embedder twice: from nothing on small pictures, and on a backbone for photographs."""
    build = f"{MODELS_AT}.{name}:{name}"
    return (
        Entry(
            name,
            build,
            SMALL,
            summary=f"{summary}; four convolutions from scratch",
            paper=paper,
            licence=licence,
            args={"pooling": "flatten"},
            gray=True,
            explain=("block1", "block4"),
            own_backbones=("conv4",),
        ),
        Entry(
            f"{name}_mobilenetv2_100",
            build,
            PHOTO,
            summary=f"{summary}; on a small backbone that knows ImageNet, for photographs",
            paper=paper,
            licence=licence,
            weights=MOBILENET,
            args={"backbone": "mobilenetv2_100", "dim": 256},
            gray=True,
            own_backbones=("conv4",),
        ),
    )


_PML = "Apache-2.0; loss: MIT (pytorch-metric-learning)"

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        *_pair(
            "siamese",
            "pairs: the same are pulled together, others pushed apart",
            paper="Hadsell, Chopra, LeCun 2006, CVPR",
        ),
        *_pair("triplet", "nearer to its like than to any other", paper="arXiv:1503.03832", licence=_PML),
        *_pair("arcface", "classes with a margin on the angle", paper="arXiv:1801.07698", licence=_PML),
        *_pair("supcon", "its like picked out of the whole batch", paper="arXiv:2004.11362", licence=_PML),
    ],
)
"""Every embedder by its name."""
