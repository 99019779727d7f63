"""The detectors that can be trained by name, in the order in which they were invented. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.detection.models"


def letterboxed(side: int) -> Preprocess:
    """Return the preprocessing of a detector: the whole picture, padded to a square of `side` px."""
    return Preprocess((side, side), "letterbox")


def _torchvision(
    name: str,
    summary: str,
    *,
    paper: str,
    parameters: int,
    preprocess: Preprocess,
    fixed_size: bool = False,
) -> Entry:
    """Return a detector of torchvision, whose weights are for COCO; parameters as with its 91 outputs."""
    return Entry(
        name,
        f"{MODELS_AT}.torchvision_detectors:torchvision_detector",
        preprocess,
        summary=summary,
        paper=paper,
        licence="BSD-3-Clause (torchvision)",
        weights=f"torchvision {name} COCO_V1 (BSD-3-Clause)",
        pretrained="coco",
        parameters=parameters,
        args={"architecture": name},
        fixed_size=fixed_size,
    )


def _ladder(
    name: str,
    build: str,
    summary: str,
    *,
    paper: str = "",
    side: int = 320,
    args: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    fixed_size: bool = False,
) -> Entry:
    """Return a detector of ours on a backbone of timm, MobileNetV2 unless the user names another."""
    return Entry(
        name,
        f"{MODELS_AT}.{build}",
        letterboxed(side),
        summary=summary,
        paper=paper,
        licence="Apache-2.0",
        weights="backbone: timm/mobilenetv2_100.ra_in1k (Apache-2.0)",
        args=args or {},
        inputs=inputs or {},
        fixed_size=fixed_size,
    )


def _proposals(count: int) -> dict[str, Any]:
    """Return what R-CNN and Fast R-CNN take beside the pixels; the papers have 2000, of larger pictures."""
    return {"proposals": {"method": "selective_search", "count": count}}


REGION_LADDER = (
    _ladder(
        "localizer",
        "localizer:localizer",
        "one object a picture: is there one, where, which",
        side=224,
        fixed_size=True,  # dense layers
    ),
    _ladder(
        "sliding_window",
        "sliding_window:sliding_window",
        "a classifier that looks through every window, in one pass",
        paper="arXiv:1312.6229",
        fixed_size=True,  # the largest window is as large as the picture
    ),
    _ladder(
        "rcnn",
        "rcnn:rcnn",
        "proposals by selective search, each warped and classified by itself",
        paper="arXiv:1311.2524",
        inputs=_proposals(300),
    ),
    _ladder(
        "fast_rcnn",
        "fast_rcnn:fast_rcnn",
        "the same proposals, cut from one map of the whole picture",
        paper="arXiv:1504.08083",
        inputs=_proposals(600),
    ),
    _ladder(
        "faster_rcnn",
        "faster_rcnn:faster_rcnn",
        "a network that proposes by itself, with anchors",
        paper="arXiv:1506.01497",
    ),
    _ladder(
        "faster_rcnn_fpn",
        "faster_rcnn:faster_rcnn",
        "the same on a feature pyramid, for small objects",
        paper="arXiv:1506.01497, arXiv:1612.03144",
        args={"fpn": True},
    ),
)

YOLO_LADDER = (
    Entry(
        "yolo_v1",
        f"{MODELS_AT}.yolo_v1:yolo_v1",
        letterboxed(224),
        summary="the whole picture to a grid of answers, in one look",
        paper="arXiv:1506.02640",
        licence="Apache-2.0",
        fixed_size=True,  # dense layers
        own_backbones=("tiny", "paper"),
        multiple=32,
    ),
    Entry(
        "yolo_v2",
        f"{MODELS_AT}.yolo_v2:yolo_v2",
        letterboxed(320),
        summary="anchors from the data, batch normalisation, finer detail passed through",
        paper="arXiv:1612.08242",
        licence="Apache-2.0",
        fitted={"anchors": 5},
        own_backbones=("tiny", "darknet19"),
        multiple=32,
    ),
    Entry(
        "yolo_v3",
        f"{MODELS_AT}.yolo_v3:yolo_v3",
        letterboxed(320),
        summary="three scales, residual backbone, classes as yes/no questions",
        paper="arXiv:1804.02767",
        licence="Apache-2.0",
        fitted={"anchors": 9},
        own_backbones=("tiny", "darknet53"),
        multiple=32,
    ),
)

TORCHVISION = (
    _torchvision(
        "fasterrcnn_resnet50_fpn",
        "two stages on a feature pyramid, as published with torchvision",
        paper="arXiv:1506.01497, arXiv:1612.03144",
        parameters=41_755_286,
        preprocess=letterboxed(640),
    ),
    _torchvision(
        "fasterrcnn_resnet50_fpn_v2",
        "the same with deeper heads and a longer training",
        paper="arXiv:1506.01497, arXiv:2111.11429",
        parameters=43_712_278,
        preprocess=letterboxed(640),
    ),
    _torchvision(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "two stages small enough for a CPU",
        paper="arXiv:1506.01497, arXiv:1905.02244",
        parameters=19_386_354,
        preprocess=letterboxed(320),
    ),
    _torchvision(
        "retinanet_resnet50_fpn",
        "one stage of anchors with the focal loss",
        paper="arXiv:1708.02002",
        parameters=34_014_999,
        preprocess=letterboxed(640),
    ),
    _torchvision(
        "retinanet_resnet50_fpn_v2",
        "the same with GIoU, group normalisation and a longer training",
        paper="arXiv:1708.02002, arXiv:1912.02424",
        parameters=38_198_935,
        preprocess=letterboxed(640),
    ),
    _torchvision(
        "fcos_resnet50_fpn",
        "points instead of anchors",
        paper="arXiv:1904.01355",
        parameters=32_269_600,
        preprocess=letterboxed(640),
    ),
    _torchvision(
        "ssd300_vgg16",
        "default boxes on six maps of a VGG",
        paper="arXiv:1512.02325",
        parameters=35_641_826,
        preprocess=Preprocess(
            (300, 300), "stretch", mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255)
        ),
        fixed_size=True,  # a smaller picture is used up before the last map
    ),
    _torchvision(
        "ssdlite320_mobilenet_v3_large",
        "the smallest and fastest of them",
        paper="arXiv:1801.04381, arXiv:1905.02244",
        parameters=3_440_060,
        preprocess=Preprocess((320, 320), "stretch", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    ),
)


def _yolo(scale: str, summary: str) -> Entry:
    """Return our own detector in one of its sizes; `yolo` itself is the smallest."""
    return Entry(
        f"yolo_{scale}" if scale else "yolo",
        f"{MODELS_AT}.yolo:yolo",
        letterboxed(640),
        summary=summary,
        paper="arXiv:2108.07755, arXiv:2212.07784",
        licence="Apache-2.0",
        args={"scale": scale or "n"},
        explain=("neck", "head"),
        multiple=32,
    )


YOLO = (
    _yolo("", "today's one-stage detector without anchors; the default, the same as yolo_n"),
    _yolo("n", "the smallest: for CPUs"),
    _yolo("s", "the middle one"),
    _yolo("m", "the largest: for GPUs"),
)

MODELS: Catalog[Entry] = Catalog("model", [*YOLO, *REGION_LADDER, *YOLO_LADDER, *TORCHVISION])
"""Every detector by its name."""
