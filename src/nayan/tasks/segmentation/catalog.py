"""The segmenters that can be trained by name. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.segmentation.models"
MOBILENET = "backbone: timm/mobilenetv2_100.ra_in1k (Apache-2.0)"


def letterboxed(side: int = 384) -> Preprocess:
    """Return the preprocessing of a segmenter: the whole picture, padded to a square of `side` px."""
    return Preprocess((side, side), "letterbox")


def _unet(name: str, summary: str, *, weights: str = "", args: Mapping[str, Any] | None = None) -> Entry:
    return Entry(
        name,
        f"{MODELS_AT}.unet:unet",
        letterboxed(),
        summary=summary,
        paper="arXiv:1505.04597",
        licence="Apache-2.0",
        weights=weights,
        args=args or {},
        gray=True,
        explain=("decoder",),
        multiple=32 if args else 16,  # four times halved, on a backbone five times
    )


UNET = (
    _unet("unet", "down to what there is, up to where it is, with a bridge at every size; from scratch"),
    _unet(
        "unet_mobilenetv2_100",
        "the same on a small encoder that knows ImageNet: for photographs, on CPUs",
        weights=MOBILENET,
        args={"backbone": "mobilenetv2_100"},
    ),
)


def _fcn(stride: int, summary: str) -> Entry:
    """Return a fully convolutional network; its VGG takes 15 GMAC at 224 px, so its pictures are smaller."""
    return Entry(
        f"fcn{stride}s",
        f"{MODELS_AT}.fcn:fcn",
        letterboxed(256),
        summary=summary,
        paper="arXiv:1411.4038",
        licence="Apache-2.0",
        weights="backbone: timm/vgg16.tv_in1k (BSD-3-Clause)",
        args={"stride": stride},
        gray=True,
        explain=("scores",),
        multiple=32,
    )


FCN = (
    _fcn(32, "a classifier asked at every place: one answer for 32x32 pixels"),
    _fcn(16, "the same, corrected by a map twice as fine"),
    _fcn(8, "the same, corrected by two finer maps"),
)


def _smp(architecture: str, summary: str, *, paper: str) -> Entry:
    """Return a decoder of segmentation_models.pytorch on MobileNetV2, unless the user names another."""
    return Entry(
        f"smp/{architecture}",
        f"{MODELS_AT}.smp:smp_segmenter",
        letterboxed(),
        summary=summary,
        paper=paper,
        licence="MIT (segmentation_models.pytorch)",
        weights=MOBILENET,
        args={"architecture": architecture},
        gray=True,
        explain=("decoder",),
        multiple=32,
    )


SMP = (
    _smp("unet", "U-Net with nearest upsampling and a step at full size", paper="arXiv:1505.04597"),
    _smp("unetplusplus", "U-Net whose bridges are networks themselves", paper="arXiv:1807.10165"),
    _smp("linknet", "bridges that add instead of laying side by side", paper="arXiv:1707.03718"),
    _smp("fpn", "a feature pyramid whose levels are added", paper="arXiv:1612.03144"),
    _smp("pspnet", "the surroundings at four sizes, on a map of stride 8", paper="arXiv:1612.01105"),
    _smp("pan", "attention from the coarse maps to the finer ones", paper="arXiv:1805.10180"),
    _smp("deeplabv3plus", "dilated convolutions side by side, one finer map", paper="arXiv:1802.02611"),
    _smp("upernet", "pooled surroundings on a feature pyramid", paper="arXiv:1807.10221"),
    _smp(
        "manet", "U-Net with attention between places and channels", paper="doi:10.1109/ACCESS.2020.3025372"
    ),
    _smp("segformer", "a linear layer a map, all enlarged and mixed", paper="arXiv:2105.15203"),
)


def _torchvision(name: str, summary: str, *, paper: str, parameters: int) -> Entry:
    """Return a segmenter of torchvision; parameters as with its 21 outputs."""
    return Entry(
        name,
        f"{MODELS_AT}.torchvision_segmenters:torchvision_segmenter",
        letterboxed(),
        summary=summary,
        paper=paper,
        licence="BSD-3-Clause (torchvision)",
        weights=f"torchvision {name} COCO_WITH_VOC_LABELS_V1 (BSD-3-Clause)",
        pretrained="coco",
        parameters=parameters,
        args={"architecture": name},
    )


TORCHVISION = (
    _torchvision(
        "fcn_resnet50", "FCN on a dilated ResNet-50", paper="arXiv:1411.4038", parameters=35_322_218
    ),
    _torchvision(
        "fcn_resnet101", "FCN on a dilated ResNet-101", paper="arXiv:1411.4038", parameters=54_314_346
    ),
    _torchvision(
        "deeplabv3_resnet50",
        "dilated convolutions of several widths side by side",
        paper="arXiv:1706.05587",
        parameters=42_004_074,
    ),
    _torchvision("deeplabv3_resnet101", "the same, deeper", paper="arXiv:1706.05587", parameters=60_996_202),
    _torchvision(
        "deeplabv3_mobilenet_v3_large",
        "the same on a MobileNet",
        paper="arXiv:1706.05587, arXiv:1905.02244",
        parameters=11_029_328,
    ),
    _torchvision(
        "lraspp_mobilenet_v3_large",
        "the smallest and fastest of them",
        paper="arXiv:1905.02244",
        parameters=3_221_538,
    ),
)

MODELS: Catalog[Entry] = Catalog("model", [*UNET, *FCN, *SMP, *TORCHVISION])
"""Every segmenter by its name."""
