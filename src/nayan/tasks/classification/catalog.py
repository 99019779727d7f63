"""The classifiers that can be trained by name. No torch here: builders are addresses."""

from __future__ import annotations

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

_BACKBONE = "nayan.tasks.classification.models.backbone_classifier:build"

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        Entry(
            "lenet",
            "nayan.tasks.classification.models.lenet:build",
            Preprocess((28, 28), "stretch", mean=(0.5,) * 3, std=(0.5,) * 3),
            summary="the first digit reader: two convolutions, three dense layers",
            paper="LeCun et al. 1998",
            licence="Apache-2.0",
            parameters=61_706,
            gray=True,
        ),
        Entry(
            "resnet18",
            _BACKBONE,
            Preprocess((224, 224), crop_ratio=0.95, interpolation="bicubic"),
            args={"backbone": "resnet18"},
        ),
        Entry(
            "mobilenetv2_100",
            _BACKBONE,
            Preprocess((224, 224), crop_ratio=0.875, interpolation="bicubic"),
            args={"backbone": "mobilenetv2_100"},
        ),
    ],
)
"""Every classifier by its name."""
