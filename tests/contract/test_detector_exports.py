"""What every detector of the catalogue promises about its export: the same objects in every engine."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_detectors import CLASSES, SIDE, SIDES, TINY, build, entries, scene
from torch import nn

from nayan.core.errors import ExportError
from nayan.core.types import Boxes, Image, Sample
from nayan.export import export_bundle, save_bundle
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import open_bundle, self_test
from nayan.runtime.predictor import Predictor
from nayan.runtime.spec import Spec
from nayan.tasks.detection.catalog import MODELS
from nayan.tasks.detection.parity import DetectionParity
from nayan.tasks.predicting import make_predictor

NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs openvino")
PROPOSING = ("rcnn", "fast_rcnn")
PICTURES = 5
NOISE = {name: 0.5 for name in MODELS.names if "torchvision" in MODELS[name].build}
"""Of random weights that are added to a head, where it is not 1.5: in torchvision's deep heads that would
make of the last digit of float32 a thousandth of a score, as no trained ones do."""


def spec_of(name: str) -> Spec:
    """Return the description of a tiny network of an entry."""
    entry = MODELS[name]
    side = SIDES.get(name, SIDE)
    inputs = {key: {**how, "count": 25} for key, how in entry.inputs.items()}
    args = {**TINY.get(name, {}), "size": (side, side), "channels": 3}
    preprocess = replace(entry.preprocess, size=(side, side))
    return Spec("detection", name, args, CLASSES, preprocess, {"thresholds": [0.3, 0.3, 0.3]}, inputs)


def pictures(name: str) -> list[Image]:
    """Return pictures that are wider than high, each with a rectangle."""
    stacked = scene(name, PICTURES).images.permute(0, 2, 3, 1).numpy()  # (B, C, h, w) -> (B, h, w, C)
    return [np.ascontiguousarray(picture[: len(picture) * 3 // 4]) for picture in stacked]


def lively(name: str) -> Any:
    """Return a network whose random head has an opinion: fresh ones say the same about everything."""
    network: Any = build(name).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics of these pictures, so that activations do not fade
    given = scene(name, PICTURES)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        network(given.images, **given.inputs)
        for parameter in dict(network.stages())["head"].parameters():
            if parameter.ndim >= 2:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(NOISE.get(name, 1.5) * noise / parameter[0].numel() ** 0.5)
    return network.eval()


@pytest.fixture(scope="module")
def bundle(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name) / "model"
    return save_bundle(lively(name), spec_of(name), folder, images=pictures(name)).path


def parity_of(path: Path) -> DetectionParity:
    """Return the parity that a bundle was written with."""
    facts = open_bundle(path).spec.provenance["export"]["parity"]
    return DetectionParity(**facts)


def predictor(path: Path) -> Predictor:
    opened = open_bundle(path)
    return make_predictor(opened.spec, choose_backend("auto", opened.graph, precision="fp32"))


def samples(name: str, path: Path | None = None) -> list[Sample]:
    """Return the pictures, with the answers of a bundle as their truth."""
    images = pictures(name)
    found: list[Boxes | None] = [None] * len(images)
    if path is not None:
        found = [boxes.select(boxes.scores >= 0.5) for boxes in predictor(path)(images)]

    def sample(number: int) -> Sample:
        truth = found[number]
        target = None if truth is None else Boxes(truth.xyxy, truth.labels)
        return Sample(f"{number}.png", lambda at_least=None: images[number], target)  # noqa: ARG005

    return [sample(number) for number in range(len(images))]


@entries
class TestEveryEntry:
    def test_its_bundle_finds_every_object_that_the_network_finds(self, bundle: Path) -> None:
        parity = parity_of(bundle)
        assert parity.pictures == PICTURES
        assert parity.holds
        assert parity.matched >= PICTURES
        assert parity.left_out <= parity.matched
        assert "100 % of" in self_test(open_bundle(bundle), predictor(bundle))

    @NEEDS_OPENVINO
    def test_openvino_finds_the_same(self, name: str, bundle: Path, tmp_path: Path) -> None:
        report = export_bundle(bundle, to="openvino", data=samples(name), out=tmp_path / "openvino")
        assert report.parity.holds
        assert parity_of(report.path).matched >= PICTURES
        assert "100 % of" in self_test(open_bundle(report.path), predictor(report.path))


proposing = pytest.mark.parametrize("name", PROPOSING, scope="module")


@proposing
class TestProposals:
    def test_a_bundle_is_exported_again_from_its_weights(
        self, name: str, bundle: Path, tmp_path: Path
    ) -> None:
        report = export_bundle(bundle, to="onnx", data=samples(name), out=tmp_path / "again")
        assert str(report.parity).startswith("100 % of ")
        golden = open_bundle(report.path).golden()
        assert golden.inputs["proposals"].shape == (25, 4)
        expected, found = (predictor(path)(pictures(name))[0] for path in (bundle, report.path))
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=1e-2)

    def test_without_data_the_golden_picture_is_compared(self, bundle: Path, tmp_path: Path) -> None:
        report = export_bundle(bundle, to="onnx", out=tmp_path / "again")
        assert report.parity.pictures == 5
        assert report.parity.holds


@pytest.mark.parametrize("name", ["yolo", *PROPOSING], scope="module")
class TestEightBits:
    @pytest.mark.parametrize(
        "to", ["onnx", pytest.param("openvino", marks=[NEEDS_OPENVINO, pytest.mark.slow])]
    )
    def test_the_map_is_what_must_not_fall(self, name: str, bundle: Path, tmp_path: Path, to: Any) -> None:
        labelled = samples(name, bundle)
        report = export_bundle(bundle, to=to, int8=True, data=labelled, out=tmp_path / "int8", max_drop=0.5)
        assert report.score == "map"
        assert report.score_before == pytest.approx(1.0)  # of its own answers
        assert report.score_after is not None
        assert report.score_after >= 0.5
        assert "layers" in report.recipe
        assert report.size_bytes < sum(file.stat().st_size for file in bundle.glob("model.onnx"))
        assert isinstance(report.parity, DetectionParity)
        assert report.parity.detections > 0
        self_test(open_bundle(report.path), predictor(report.path))


@pytest.mark.parametrize("name", ["yolo"], scope="module")
def test_eight_bits_that_lose_objects_are_refused_with_the_numbers(
    name: str, bundle: Path, tmp_path: Path
) -> None:
    labelled = samples(name, bundle)
    with pytest.raises(ExportError, match=r"the map on 5 pictures falls from 1\.0000 to .*, and from"):
        export_bundle(bundle, to="onnx", int8=True, data=labelled, out=tmp_path / "int8", max_drop=-0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["yolo"], scope="module")
def test_an_export_that_loses_an_object_is_refused_in_the_words_of_detection(
    name: str, bundle: Path, tmp_path: Path
) -> None:
    class Frozen(nn.Module):
        """A network whose scores hang on how many pictures it is asked about, which a graph freezes."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = lively(name)

        def forward(self, images: torch.Tensor, targets: Any = None) -> Any:  # noqa: ARG002
            return self.inner(images), float(images.float().mean())

        def deploy(self, raw: Any) -> dict[str, torch.Tensor]:
            outputs = self.inner.deploy(raw[0])
            return {**outputs, "scores": outputs["scores"] * (0.5 + raw[1] / 510)}

    with pytest.raises(
        ExportError, match=r"finds other objects than the trained network: on 5 pictures .* %"
    ):
        save_bundle(Frozen(), spec_of(name), tmp_path / "model", images=pictures(name))
    assert list(tmp_path.iterdir()) == []
