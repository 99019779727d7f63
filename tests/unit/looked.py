"""Small detectors and a picture to look at them with."""

import numpy as np
import torch
from torch import nn

from nayan.core.types import Boxes
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.detection.models.faster_rcnn import faster_rcnn
from nayan.tasks.detection.models.localizer import localizer
from nayan.tasks.detection.models.rcnn import rcnn
from nayan.tasks.detection.models.sliding_window import sliding_window
from nayan.tasks.detection.models.yolo import yolo
from nayan.tasks.detection.models.yolo_v1 import yolo_v1
from nayan.tasks.detection.models.yolo_v2 import yolo_v2
from nayan.tasks.detection.models.yolo_v3 import yolo_v3

SIDE = 96
SMALL = Preprocess((SIDE, SIDE), "letterbox")
STATISTICS = {"mean": SMALL.mean, "std": SMALL.std}
NAMES = ("cat", "dog")
PROPOSALS = {"proposals": {"method": "selective_search", "count": 12}}


def scene(height: int = 80, width: int = 120) -> np.ndarray:
    """Return a picture with two plain rectangles on noise."""
    image = np.random.default_rng(0).integers(90, 120, (height, width, 3), dtype=np.uint8)
    image[10:50, 20:70] = (220, 60, 30)
    image[40:70, 80:110] = (30, 60, 220)
    return image


TRUTH = Boxes(np.array([[20, 10, 70, 50], [80, 40, 110, 70]], np.float32), np.array([0, 1]))


def subject(network: nn.Module | None, **given: object) -> Subject:
    """Return a network and the picture, with what else is given."""
    return Subject(network, SMALL, NAMES, scene(), **given)


def small_detectors() -> dict[str, nn.Module]:
    """Return small detectors of every family that is ours, in evaluation mode."""
    torch.manual_seed(0)
    backbone = {"backbone": "test_resnet", "size": (SIDE, SIDE)}
    made = {
        "yolo": yolo(NAMES, size=(SIDE, SIDE), **STATISTICS),
        "yolo_v1": yolo_v1(NAMES, size=(SIDE, SIDE), **STATISTICS),
        "yolo_v2": yolo_v2(NAMES, size=(SIDE, SIDE), **STATISTICS),
        "yolo_v3": yolo_v3(NAMES, size=(SIDE, SIDE), **STATISTICS),
        "faster_rcnn": faster_rcnn(NAMES, proposals=20, **backbone),
        "faster_rcnn_fpn": faster_rcnn(NAMES, proposals=20, fpn=True, **backbone),
        "sliding_window": sliding_window(NAMES, windows=(32, 64), **backbone),
        "rcnn": rcnn(NAMES, crop=32, **backbone),
        "localizer": localizer(NAMES, **backbone),
    }
    return {name: network.eval() for name, network in made.items()}
