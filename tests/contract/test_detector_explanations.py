"""What every look at a detector promises, over every detector that is cheap to build."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.registry import resolve
from nayan.core.types import Boxes
from nayan.explain import EXPLANATIONS, explain
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.detection.catalog import MODELS

SIDE = 96
CLASSES = ("circle", "square")
INPUT = Preprocess((SIDE, SIDE), "letterbox")
BACKBONE = {"backbone": "test_resnet"}
DETECTORS: dict[str, dict[str, Any]] = {
    "yolo": {},
    "localizer": BACKBONE,
    "sliding_window": {**BACKBONE, "windows": (32, 64)},
    "rcnn": {**BACKBONE, "crop": 32},
    "fast_rcnn": BACKBONE,
    "faster_rcnn": {**BACKBONE, "proposals": 15},
    "faster_rcnn_fpn": {**BACKBONE, "proposals": 15},
    "yolo_v1": {},
    "yolo_v2": {},
    "yolo_v3": {},
}
HEAVY = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
)
"""Of torchvision, one of each family."""

LOOKS = ("proposals", "anchors", "assignment", "candidates", "nms", "cam")
OPTIONS = {"cam": {"steps": 0}}
NO_GRID = ("localizer", "rcnn", "fast_rcnn")
PROPOSING = ("rcnn", "fast_rcnn", "faster_rcnn", "faster_rcnn_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn")


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    entry = MODELS[name]
    normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
    args = {**normalisation, **entry.args, **DETECTORS.get(name, {}), "size": (SIDE, SIDE), "channels": 3}
    network: nn.Module = resolve(entry.build)(CLASSES, **args)
    return network


def scene() -> tuple[np.ndarray, Boxes]:
    image = np.random.default_rng(0).integers(90, 120, (80, 120, 3), dtype=np.uint8)
    image[10:60, 20:80] = (220, 60, 30)
    return image, Boxes(np.array([[20, 10, 80, 60]], np.float32), np.array([1]))


detectors = pytest.mark.parametrize(
    "name",
    [*DETECTORS, *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY)],
    scope="module",  # the tests of one network follow each other
)


@pytest.fixture(scope="module")
def network(name: str) -> nn.Module:
    return build(name)


def refuses(name: str, what: str) -> bool:
    """Say whether a look has nothing to show for a detector."""
    return (what == "anchors" and name in NO_GRID) or (what == "proposals" and name not in PROPOSING)


@detectors
@pytest.mark.parametrize("what", LOOKS)
def test_it_tells_a_story_and_leaves_the_network_alone(
    network: nn.Module, name: str, what: str, tmp_path: Any
) -> None:
    image, truth = scene()
    inputs = {key: {**how, "count": 12} for key, how in MODELS[name].inputs.items()}
    given: dict[str, Any] = {"options": OPTIONS.get(what), "truth": truth, "inputs": inputs}
    network.train()
    if refuses(name, what):
        with pytest.raises(ConfigError, match=r"looks at no grid|works without proposals"):
            explain(network, what=what, preprocess=INPUT, image=image, **given)
        return
    story = explain(network, what=what, preprocess=INPUT, classes=CLASSES, image=image, **given)
    assert story.panels
    json.dumps(story.to_json(), allow_nan=False)
    for panel in story.panels:
        assert panel.text
        assert panel.image is not None or panel.svg
        assert panel.image is None or (panel.image.dtype == np.uint8 and panel.image.shape[2] == 3)
    assert all(file.stat().st_size > 0 for file in story.write(tmp_path))
    assert all(module.training for module in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@detectors
@pytest.mark.parametrize("what", ["summary", "filters", "features"])
def test_the_looks_at_any_network_work_too(network: nn.Module, name: str, what: str) -> None:
    image, _ = scene()
    inputs = MODELS[name].inputs
    picture = image if EXPLANATIONS[what].needs_image else None
    if (name, what) == ("rcnn", "features"):  # its maps are of crops
        with pytest.raises(ConfigError, match="no stage puts out one"):
            explain(network, what=what, preprocess=INPUT, image=picture, inputs=inputs)
        return
    story = explain(network, what=what, preprocess=INPUT, image=picture, inputs=inputs)
    assert story.panels
    if what == "features":
        assert "Stage head" not in [panel.title for panel in story.panels]


@pytest.mark.parametrize("what", [name for name in LOOKS if name != "proposals"])
def test_a_picture_that_shows_nothing_is_looked_at_too(what: str) -> None:
    network = build("faster_rcnn")
    plain = np.full((70, 50, 3), 128, np.uint8)
    story = explain(
        network, what=what, preprocess=INPUT, image=plain, truth=Boxes.none(), options=OPTIONS.get(what)
    )
    assert story.panels
