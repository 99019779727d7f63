"""What every look at a segmenter promises, over every segmenter of the catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_segmenters import CLASSES, build, is_heavy, size_of
from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import SemanticMask
from nayan.explain import explain
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.segmentation.catalog import MODELS

LOOKS = ("summary", "filters", "features", "receptive", "cam", "skips", "upsampling", "losses")
OPTIONS = {"cam": {"steps": 1}, "receptive": {"samples": 1}}
PICTURELESS = ("summary", "filters", "receptive")
WITH_TRUTH = ("skips", "losses")
ONE_MAP = {
    "fcn32s", "smp/pspnet", "fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
}  # fmt: skip
"""Segmenters between whose stages one map passes, or whose others nobody reads."""

segmenters = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if is_heavy(name) else ()) for name in MODELS.names],
    scope="module",  # the tests of one network follow each other
)


def scene() -> tuple[np.ndarray, SemanticMask]:
    """Return a picture that is wider than high, with a bar, and its mask with a void corner."""
    image = np.random.default_rng(0).integers(90, 120, (40, 60, 3), dtype=np.uint8)
    image[10:30, 20:40] = (220, 60, 30)
    ids = np.zeros((40, 60), np.uint8)
    ids[10:30, 20:40] = 2
    ids[:4, :4] = 255
    return image, SemanticMask(ids)


@pytest.fixture(scope="module")
def network(name: str) -> nn.Module:
    return build(name)


@segmenters
@pytest.mark.parametrize("what", LOOKS)
def test_it_tells_a_story_and_leaves_the_network_alone(
    network: nn.Module, name: str, what: str, tmp_path: Path
) -> None:
    image, truth = scene()
    given: dict[str, Any] = {"preprocess": Preprocess(size_of(name), "letterbox"), "classes": CLASSES}
    given |= {"options": OPTIONS.get(what), "image": None if what in PICTURELESS else image}
    given |= {"truth": truth if what in WITH_TRUTH else None}
    network.train()
    if what == "skips" and name in ONE_MAP:
        with pytest.raises(ConfigError, match="no skip connections"):
            explain(network, what=what, **given)
        return
    story = explain(network, what=what, **given)
    assert story.panels
    json.dumps(story.to_json(), allow_nan=False)
    for panel in story.panels:
        assert panel.text
        assert panel.image is None or (panel.image.dtype == np.uint8 and panel.image.shape[2] == 3)
    assert all(file.stat().st_size > 0 for file in story.write(tmp_path))
    assert all(module.training for module in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@segmenters
def test_the_arithmetic_of_its_layers_adds_up(network: nn.Module, name: str) -> None:
    story = explain(network, what="summary", preprocess=Preprocess(size_of(name), "letterbox"))
    rows = story.panels[1].data["rows"]
    assert sum(row["parameters"] for row in rows) == sum(p.numel() for p in network.parameters())
    for row in rows:
        for text, value in ((row["parameters_text"], row["parameters"]), (row["macs_text"], row["macs"])):
            assert not text or text.endswith(f"= {value}")
    assert any(row["macs_text"] for row in rows)


@segmenters
def test_the_way_down_and_up_names_every_size(network: nn.Module, name: str) -> None:
    image, _ = scene()
    story = explain(network, what="features", preprocess=Preprocess(size_of(name), "letterbox"), image=image)
    way = story.panels[0]
    assert way.title == "The way down and up"
    assert way.data["down"]
    assert way.data["up"][-1] == "head"
    assert len(story.panels) == 1 + len(way.data["down"]) + len(way.data["up"])
