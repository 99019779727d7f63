"""What every detector of the catalogue promises, checked on tiny pictures."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.registry import resolve
from nayan.parts.assignment import IGNORED
from nayan.parts.boxes import iou_matrix, iou_pairs
from nayan.parts.trace import trace_onnx
from nayan.tasks.detection.catalog import MODELS
from nayan.tasks.detection.network import Detector, Targets, TwoStage

CLASSES = ("circle", "square", "star")
SIDES = {"ssd300_vgg16": 300}
SIDE = 96
TINY: dict[str, dict[str, Any]] = {
    "localizer": {"backbone": "test_resnet"},
    "sliding_window": {"backbone": "test_resnet", "windows": (32, 64)},
    "rcnn": {"backbone": "test_resnet", "crop": 32},
    "fast_rcnn": {"backbone": "test_resnet"},
    "faster_rcnn": {"backbone": "test_resnet", "proposals": 30},
    "faster_rcnn_fpn": {"backbone": "test_resnet", "proposals": 30},
}
"""Smaller backbones, so that a test takes less than a second; `backbone` is what a user would name."""


def is_heavy(name: str) -> bool:
    """Say whether the network is one of torchvision's or a larger `yolo`, which have no smaller backbone."""
    return "torchvision" in MODELS[name].build or name in ("yolo_s", "yolo_m")


entries = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if is_heavy(name) else ()) for name in MODELS.names],
    scope="module",  # the tests of one network follow each other
)


def build(name: str, *, side: int | None = None) -> nn.Module:
    """Return the network of an entry, as `DetectionTask.build` makes it."""
    torch.manual_seed(0)
    entry = MODELS[name]
    side = side or SIDES.get(name, SIDE)
    normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
    args = {**normalisation, **entry.args, **TINY.get(name, {}), "size": (side, side), "channels": 3}
    network: nn.Module = resolve(entry.build)(CLASSES, **args)
    return network


@dataclass(frozen=True)
class Scene:
    """A batch: what the network takes, and what is to be found."""

    images: Tensor
    targets: Targets
    inputs: dict[str, Tensor]


def scene(name: str, count: int = 2) -> Scene:
    """Return pictures with one object each, a plain rectangle whose colour is its class."""
    side = SIDES.get(name, SIDE)
    rng = np.random.default_rng(3)
    images = rng.integers(90, 120, (count, 3, side, side), dtype=np.uint8)
    boxes = np.zeros((count, 1, 4), np.float32)
    labels = np.arange(count).reshape(count, 1) % 2
    for row in range(count):
        height, width = rng.uniform(0.35, 0.6, 2) * side
        left, top = rng.uniform(0, side - width), rng.uniform(0, side - height)
        boxes[row, 0] = np.round((left, top, left + width, top + height))
        x1, y1, x2, y2 = boxes[row, 0].astype(int)
        images[row, :, y1:y2, x1:x2] = (
            [[[230]], [[60]], [[20]]] if labels[row, 0] else [[[20]], [[60]], [[230]]]
        )
    targets = Targets(torch.from_numpy(boxes), torch.from_numpy(labels))
    inputs = {key: proposals(targets.boxes, side) for key in MODELS[name].inputs}
    return Scene(torch.from_numpy(images), targets, inputs)


def proposals(boxes: Tensor, side: int) -> Tensor:
    """Return (B, 12, 4): some near the object, some anywhere, and a row of padding at the end."""
    generator = torch.Generator().manual_seed(4)
    near = boxes + torch.randn(len(boxes), 4, 4, generator=generator) * side / 20
    first = torch.rand(len(boxes), 7, 2, generator=generator) * side * 0.7
    anywhere = torch.cat((first, first + 8 + torch.rand(len(boxes), 7, 2, generator=generator) * side / 4), 2)
    return torch.cat((near.clamp(0, side), anywhere, torch.zeros(len(boxes), 1, 4)), 1)


class Exported(nn.Module):
    """A detector as an exported graph sees it: tensors in by position, tensors out."""

    def __init__(self, network: nn.Module, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.inputs = inputs

    def forward(self, images: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        raw = self.network(images, **dict(zip(self.inputs, inputs, strict=True)))
        return tuple(self.network.deploy(raw).values())  # type: ignore[operator]


@pytest.fixture(scope="module")
def built(name: str) -> nn.Module:
    return build(name)


@pytest.fixture
def network(built: nn.Module) -> Any:
    """Return the network of the entry, built once for all tests; no test may change its weights."""
    return built.eval()


@entries
class TestEveryEntry:
    def test_it_keeps_the_protocol_and_gives_the_same_type_with_and_without_truth(
        self, name: str, network: Any
    ) -> None:
        assert isinstance(network, Detector)
        given = scene(name)
        with torch.no_grad():
            kinds = {
                type(network.train(mode)(given.images, targets, **given.inputs))
                for mode in (True, False)
                for targets in (given.targets, None)
            }
        assert len(kinds) == 1

    def test_a_step_gives_every_trainable_parameter_a_finite_gradient(self, name: str, network: Any) -> None:
        given = scene(name)
        network.train().zero_grad()
        losses = network.losses(network(given.images, given.targets, **given.inputs), given.targets)
        assert all(part.ndim == 0 for part in losses.values())
        sum(losses.values()).backward()
        wrong = [
            key
            for key, parameter in network.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all())
        ]
        network.zero_grad()
        assert wrong == []

    @pytest.mark.parametrize("padded", [0, 2])
    def test_pictures_without_objects_give_a_finite_loss(self, name: str, network: Any, padded: int) -> None:
        given = scene(name)
        nothing = Targets(torch.zeros(2, padded, 4), torch.full((2, padded), -1))
        network.train().zero_grad()
        losses = network.losses(network(given.images, nothing, **given.inputs), nothing)
        assert all(math.isfinite(part.item()) for part in losses.values())
        sum(losses.values()).backward()
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
        network.zero_grad()

    def test_validation_has_a_finite_loss_although_forward_saw_no_truth(
        self, name: str, network: Any
    ) -> None:
        given = scene(name)
        with torch.no_grad():
            losses = network.losses(network(given.images, **given.inputs), given.targets)
        assert all(math.isfinite(part.item()) for part in losses.values())

    def test_one_picture_is_a_batch_and_deploy_names_boxes_and_scores(self, name: str, network: Any) -> None:
        given = scene(name)
        with torch.no_grad():
            both = network.deploy(network(given.images, **given.inputs))
            first = {key: value[:1] for key, value in given.inputs.items()}
            one = network.deploy(network(given.images[:1], **first))
        assert tuple(both) == ("boxes", "scores")
        batch, count, classes = both["scores"].shape
        assert (batch, classes) == (2, len(CLASSES))
        assert both["boxes"].shape in ((2, count, 4), (2, count, len(CLASSES), 4))
        assert both["boxes"].dtype == both["scores"].dtype == torch.float32
        assert both["boxes"].isfinite().all()
        assert both["scores"].min() >= 0
        assert both["scores"].max() <= 1
        for key, value in one.items():
            torch.testing.assert_close(value, both[key][:1], rtol=1e-3, atol=1e-2)

    def test_a_picture_of_another_size_is_looked_at_whole_unless_the_entry_says_that_it_cannot_be(
        self, name: str, network: Any
    ) -> None:
        entry = MODELS[name]
        if entry.fixed_size or entry.inputs:
            return
        for side in (64, 128):
            images = torch.randint(90, 120, (1, 3, side, side), dtype=torch.uint8)
            targets = Targets(torch.tensor([[[0.5 * side, 0.5 * side, side, side]]]), torch.tensor([[1]]))
            with torch.no_grad():
                raw = network(images, targets)
                found = network.deploy(raw)["boxes"].reshape(-1, 4)
            assert all(math.isfinite(part.item()) for part in network.losses(raw, targets).values())
            centres = (found[:, :2] + found[:, 2:]) / 2
            assert centres.max() > 0.6 * side, "something is seen in every part of the picture"
            assert centres.max() < 1.5 * side

    def test_float_pixels_give_what_whole_ones_give(self, name: str, network: Any) -> None:
        given = scene(name, 1)
        with torch.no_grad():
            whole = network.deploy(network(given.images, **given.inputs))["scores"]
            as_float = network.deploy(network(given.images.float(), **given.inputs))["scores"]
        torch.testing.assert_close(whole, as_float, rtol=1e-3, atol=1e-4)

    def test_every_parameter_stands_in_one_stage_and_once_in_the_state_dict(self, network: Any) -> None:
        names = [stage for stage, _ in network.stages()]
        assert names[-1] == "head"
        assert len(names) == len(set(names)) >= 2
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        pointers = [tensor.data_ptr() for tensor in network.state_dict().values() if tensor.numel()]
        assert len(pointers) == len(set(pointers))

    def test_saved_and_loaded_it_gives_identical_output(
        self, name: str, network: Any, tmp_path: Path
    ) -> None:
        given = scene(name)
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        other: Any = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        with torch.no_grad():
            expected = network.deploy(network(given.images, **given.inputs))
            found = other.eval().deploy(other(given.images, **given.inputs))
        assert all(torch.equal(found[key], expected[key]) for key in expected)

    def test_its_graph_gives_the_same_for_another_number_of_pictures(self, name: str, network: Any) -> None:
        traced, other = scene(name, 2), scene(name, 3)
        names = tuple(traced.inputs)
        module = Exported(network, names).eval()  # its mode is what tracing leaves behind
        graph = trace_onnx(module, traced.images, ["boxes", "scores"], inputs=traced.inputs)
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        feeds = {"images": other.images, **other.inputs}
        boxes, scores = session.run(None, {key: value.numpy() for key, value in feeds.items()})
        with torch.no_grad():
            expected = network.deploy(network(other.images, **other.inputs))
        for row in range(3):
            found = candidates(torch.from_numpy(boxes[row]), torch.from_numpy(scores[row]))
            assert_same_candidates(found, candidates(expected["boxes"][row], expected["scores"][row]))

    @pytest.mark.slow
    def test_it_learns_four_pictures_by_heart(self, name: str) -> None:
        network: Any = build(name).train()
        given = scene(name, 4)
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-4 if is_heavy(name) else 2e-3)
        totals = []
        for _ in range(100):
            losses = network.losses(network(given.images, given.targets, **given.inputs), given.targets)
            total = sum(losses.values())
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            totals.append(total.item())
        assert np.mean(totals[-5:]) < 0.35 * totals[0]
        with torch.no_grad():  # in training mode: so few steps do not settle the running statistics
            outputs = network.deploy(network(given.images, **given.inputs))
        assert found_first(outputs, given.targets) == [True] * 4


def candidates(boxes: Tensor, scores: Tensor) -> Tensor:
    """Return (N, ...) numbers of each candidate of a picture, 0.05 px weighing as much as a score of 1e-3."""
    return torch.cat((boxes.flatten(1) / 50, scores), dim=1)


def assert_same_candidates(found: Tensor, expected: Tensor, *, tolerance: float = 1e-3) -> None:
    """Compare candidates in order; where scores tie within rounding, some may have changed places.

    Fresh weights give thousands of anchors nearly one score: a fifth of RetinaNet's change places.
    """
    assert found.shape == expected.shape
    moved = ((found - expected).abs() > tolerance).any(dim=1)
    partners = (found[moved, None] - expected[None, moved]).abs().amax(dim=2)
    assert moved.float().mean() < 0.25
    assert int(moved.sum()) == 0 or partners.amin(dim=1).max() < tolerance


def found_first(outputs: dict[str, Tensor], targets: Targets) -> list[bool]:
    """Say of each picture whether its best-scored candidate is its object, at IoU 0.5."""
    found = []
    for row in range(len(targets.labels)):
        scores = outputs["scores"][row]
        candidate, label = divmod(int(scores.argmax()), scores.shape[1])
        box = outputs["boxes"][row, candidate]
        box = box[label] if box.ndim == 2 else box
        overlap = iou_pairs(box, targets.boxes[row, 0])
        found.append(label == int(targets.labels[row, 0]) and overlap.item() >= 0.5)
    return found


@entries
def test_an_entry_builds_from_its_string_and_takes_what_every_builder_takes(name: str) -> None:
    entry = MODELS[name]
    builder = resolve(entry.build)
    known = inspect.signature(builder).parameters
    assert {"classes", "channels", "size", "mean", "std", "dropout"} <= set(known)
    normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
    network = builder(CLASSES, size=entry.preprocess.size, **normalisation, **entry.args)
    assert sum(p.numel() for p in network.parameters()) > 100_000
    assert set(entry.inputs) <= set(inspect.signature(network.forward).parameters)


def test_the_scene_has_proposals_near_each_object_and_padding() -> None:
    given = scene("fast_rcnn", 4)
    overlaps = iou_matrix(given.inputs["proposals"], given.targets.boxes)
    assert (overlaps.amax(dim=1) > 0.5).all()
    assert not given.inputs["proposals"][:, -1].any()


@entries
def test_every_candidate_is_told_what_to_find(network: Any, name: str) -> None:
    drawn = scene(name)
    objects = Targets(
        torch.cat((drawn.targets.boxes, torch.zeros(2, 1, 4)), 1),
        torch.tensor([[int(drawn.targets.labels[0, 0]), -1], [-1, -1]]),
    )
    with torch.no_grad():
        raw = network(drawn.images, **drawn.inputs)
        given = [network.assign(raw, objects)]
        if isinstance(network, TwoStage):
            given.append(network.assign_proposals(raw, objects))
            boxes, scores = network.proposed(raw)
            assert boxes.shape == (*scores.shape, 4)
            assert float(scores.min()) >= 0
            assert float(scores.max()) <= 1
    for assignment in given:
        assert assignment.matched.shape == assignment.weight.shape
        assert assignment.matched.min() >= IGNORED
        assert assignment.matched.max() <= 0  # never the padding
        assert not assignment.positive[1].any()
        assert (assignment.weight[~assignment.positive] == 0).all()
    assert given[0].positive[0].any()


@pytest.mark.parametrize(
    "name", [entry.name for entry in MODELS if entry.multiple > 1 and not is_heavy(entry.name)]
)
def test_the_catalogue_says_what_the_side_of_the_input_is_a_multiple_of(name: str) -> None:
    with pytest.raises(ConfigError, match=f"is a multiple of {MODELS[name].multiple} px"):
        build(name, side=SIDE + MODELS[name].multiple // 2)
    build(name, side=SIDE + MODELS[name].multiple)
