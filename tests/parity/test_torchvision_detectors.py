"""torchvision's detectors behind our doors give what torchvision gives: the same boxes, the same losses."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.parts.boxes import iou_matrix
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.coco_classes import COCO_CLASSES, COCO_IDS
from nayan.tasks.detection.decode import decode
from nayan.tasks.detection.models.torchvision_detectors import (
    HEADS,
    TorchvisionDetector,
    torchvision_detector,
)
from nayan.tasks.detection.network import Detector, Targets

CLASSES = ("red", "green", "blue")
QUICK = ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large")
THRESHOLD, NMS_IOU = 0.05, 0.5

architectures = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in HEADS]
)


def side(name: str) -> tuple[int, int]:
    """Return the size of the pictures: SSD is made for one, and torchvision pads the others to 32 px."""
    return {"ssd300_vgg16": (300, 300), "ssdlite320_mobilenet_v3_large": (320, 320)}.get(name, (128, 160))


def build(name: str, classes: tuple[str, ...] = CLASSES) -> TorchvisionDetector:
    """Return a network in evaluation that a test may change."""
    return copy.deepcopy(_built(name, classes))


@functools.cache
def _built(name: str, classes: tuple[str, ...]) -> TorchvisionDetector:
    torch.manual_seed(0)
    network = fresh(name, classes)
    with torch.no_grad():  # random layers give all the same score; these do not, and boxes near their anchors
        for key, parameter in network.model.named_parameters():
            if key.endswith(("cls_logits.weight", "cls_score.weight")):
                parameter.normal_(std=0.05)
            elif "_head.conv" in key and parameter.ndim == 4:  # so small that nothing is left of a picture
                nn.init.kaiming_normal_(parameter)
            elif key.endswith("bbox_reg.weight"):
                parameter.normal_(std=0.002)
            elif key.endswith("bbox_pred.weight"):
                parameter.normal_(std=0.005)
            elif key.endswith("bbox_reg.bias") and name.startswith("fcos"):
                parameter.fill_(2.0)  # cells from the point to each side
    settle(network, name)
    return network.eval()


def fresh(name: str, classes: tuple[str, ...] = CLASSES, **args: Any) -> TorchvisionDetector:
    options = {"size": side(name), "mean": (0.0,) * 3, "std": (1.0,) * 3, **args}
    return torchvision_detector(classes, architecture=name, **options)


def settle(network: TorchvisionDetector, name: str) -> None:
    """Give batch normalisation statistics of pictures, without which activations grow or vanish."""
    network.train()
    norms = [m for m in network.model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain mean
    with torch.no_grad():
        network(pictures(name))


def pictures(name: str, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    height, width = side(name)
    coarse = torch.rand((count, 3, height // 16 + 1, width // 16 + 1), generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return (smooth * 255).round().to(torch.uint8)


def truth(name: str) -> Targets:
    height, width = side(name)
    unit = torch.tensor([width, height, width, height])
    boxes = torch.tensor(
        [[[0.1, 0.1, 0.5, 0.6], [0.4, 0.3, 0.9, 0.95]], [[0.2, 0.2, 0.3, 0.4], [0, 0, 0, 0]]]
    )
    return Targets(boxes * unit, torch.tensor([[0, 2], [1, -1]]))


def torchvision_model(network: TorchvisionDetector, name: str) -> Any:
    """Return the same network as torchvision runs it, told not to resize and with our thresholds."""
    model: Any = network.model
    height, width = side(name)
    model.transform.min_size, model.transform.max_size = (height,), width
    model.transform.image_mean, model.transform.image_std = [0.0] * 3, [1.0] * 3
    for part in (model, getattr(model, "roi_heads", None)):
        if hasattr(part, "score_thresh"):
            part.score_thresh, part.nms_thresh, part.detections_per_img = THRESHOLD, NMS_IOU, 300
            part.topk_candidates = 100_000
    return model


@architectures
class TestEveryArchitecture:
    def test_our_candidates_after_nms_are_torchvisions_detections(self, name: str) -> None:
        network = build(name)
        model = torchvision_model(network, name)
        images = pictures(name)
        with torch.no_grad():
            ours = network.deploy(network(images))
            theirs = model(list(network.normalise(images)))
        for picture, expected in enumerate(theirs):
            boxes, scores, labels = decoded(ours, picture, name)
            large = (expected["boxes"][:, 2:] > expected["boxes"][:, :2]).all(1)  # ours are never empty
            expected = {key: values[large] for key, values in expected.items()}
            assert len(expected["boxes"]) >= 10
            assert len(boxes) == len(expected["boxes"])
            assert torch.allclose(scores, expected["scores"], atol=1e-3)
            same = (labels + network._head[0].first)[:, None] == expected["labels"]
            close = (scores[:, None] - expected["scores"]).abs() <= 1e-3
            matched = same & close & (iou_matrix(boxes, expected["boxes"]) >= 0.999)
            assert bool(matched.any(1).all())
            assert bool(matched.any(0).all())

    def test_our_losses_are_torchvisions(self, name: str) -> None:
        network = build(name).train()
        for norm in network.model.modules():
            if isinstance(norm, nn.BatchNorm2d | nn.Dropout):
                norm.eval()
        model = torchvision_model(network, name)
        if hasattr(model, "rpn"):  # nothing is left to chance if all are taken
            for part in (model.rpn, model.roi_heads):
                part.fg_bg_sampler.batch_size_per_image = 100_000
                part.fg_bg_sampler.positive_fraction = 0.5
        images, targets = pictures(name), truth(name)
        first = network._head[0].first
        listed = [
            {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0] + first}
            for boxes, labels in zip(targets.boxes, targets.labels, strict=True)
        ]
        with torch.no_grad():
            expected = model(list(network.normalise(images)), listed)
            found = network.losses(network(images, targets), targets)
        names = {
            "classification": "class",
            "bbox_regression": "box",
            "bbox_ctrness": "centerness",
            "loss_classifier": "class",
            "loss_box_reg": "box",
            "loss_objectness": "rpn_objectness",
            "loss_rpn_box_reg": "rpn_box",
        }
        expected = {names[key]: float(loss) for key, loss in expected.items()}
        assert {key: float(loss) for key, loss in found.items()} == pytest.approx(
            expected, rel=2e-3, abs=1e-5
        )

    def test_it_is_a_detector_whose_stages_are_its_forward_pass_and_hold_each_parameter_once(
        self, name: str
    ) -> None:
        network = build(name)
        assert isinstance(network, Detector)
        x: Any = pictures(name)
        with torch.no_grad():
            expected = network.deploy(network(x))
            for _, stage in network.stages():
                x = stage(x)
            found = network.deploy(x)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        pointers = [t.data_ptr() for t in network.state_dict().values() if t.numel()]
        assert len(pointers) == len(set(pointers))

    @pytest.mark.parametrize("padding", [0, 2])
    def test_pictures_without_objects_give_finite_losses_in_training_and_validation(
        self, name: str, padding: int
    ) -> None:
        network = build(name)
        nothing = Targets(torch.zeros(2, padding, 4), torch.full((2, padding), -1))
        with torch.no_grad():
            for raw in (network.train()(pictures(name), nothing), network.eval()(pictures(name))):
                losses = network.losses(raw, nothing)
                assert all(bool(loss.isfinite()) for loss in losses.values())
                assert losses["box"] == 0


def decoded(found: dict[str, Any], picture: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes, scores and labels of a picture as every prediction of ours is decoded, the best first."""
    place = Placement(side(name), (1.0, 1.0), (0.0, 0.0))
    raw = {key: np.asarray(values)[picture : picture + 1] for key, values in found.items()}
    (boxes,) = decode(raw, [place], conf=THRESHOLD, iou=NMS_IOU)
    assert boxes.scores is not None
    return torch.from_numpy(boxes.xyxy), torch.from_numpy(boxes.scores), torch.from_numpy(boxes.labels)


def test_the_classes_of_coco_are_torchvisions_without_the_gaps() -> None:
    weights: Any = torchvision.models.get_model_weights(QUICK[1])
    names = weights.DEFAULT.meta["categories"]
    assert [names[number] for number in COCO_IDS] == list(COCO_CLASSES)
    assert len(COCO_CLASSES) == 80
    assert sorted(set(names) - set(COCO_CLASSES)) == ["N/A", "__background__"]


def test_for_the_classes_of_coco_the_outputs_are_the_published_ones() -> None:
    network = build(QUICK[1], COCO_CLASSES)
    with torch.no_grad():
        raw = network(pictures(QUICK[1], 1))
        scores = network.deploy(raw)["scores"]
    expected: Tensor = raw.logits.softmax(-1)
    assert raw.logits.shape[2] == 91
    assert scores.shape[2] == 80
    assert torch.equal(scores[..., COCO_CLASSES.index("toothbrush")], expected[..., 90])
    assert torch.equal(scores[..., COCO_CLASSES.index("stop sign")], expected[..., 13])


@pytest.mark.parametrize("name", QUICK)
def test_a_box_of_each_class_goes_with_its_scores(name: str) -> None:
    network = build(name, COCO_CLASSES)
    with torch.no_grad():
        found = network.deploy(network(pictures(name, 1)))
    shape = found["scores"].shape
    assert found["boxes"].shape == ((*shape, 4) if name.startswith("faster") else (*shape[:2], 4))


def test_frozen_normalisation_does_not_move_and_the_usual_one_does() -> None:
    for frozen in (True, False):
        network = fresh(QUICK[1], frozen_norm=frozen).train()
        before = network.state_dict()["model.backbone.features.0.0.1.running_mean"].clone()
        with torch.no_grad():
            network(pictures(QUICK[1]))
        same = torch.equal(network.state_dict()["model.backbone.features.0.0.1.running_mean"], before)
        assert same == frozen


def _without_centerness() -> None:
    network = build("fcos_resnet50_fpn")
    raw: Any = network(pictures("fcos_resnet50_fpn", 1))
    raw.centerness = None
    network.deploy(raw)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fresh("yolo99"), NotFound, "no model is named 'yolo99'"),
        (lambda: fresh(QUICK[1], channels=1), ConfigError, "takes pictures of 3 channels, got 1"),
        (
            lambda: fresh("ssd300_vgg16", size=(64, 300)),
            ConfigError,
            "ssd300_vgg16 needs pictures of at least 268 px, got 64x300",
        ),
        pytest.param(_without_centerness, ValueError, "centerness", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_built_is_refused(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
