"""The first three YOLOs: who has to find what, what it costs, and that they learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from squares import CLASSES, learn, missed_and_wrong, squares
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.parts.darknet import DARKNET19, PAPER_V1, plain_darknet, residual_darknet
from nayan.parts.grid import PRIOR, assign_to_cells, divergence, excuse, iou_of_shapes, read_cells
from nayan.parts.trace import trace_onnx
from nayan.tasks.detection.models.yolo_v1 import yolo_v1
from nayan.tasks.detection.models.yolo_v2 import yolo_v2
from nayan.tasks.detection.models.yolo_v3 import COCO_ANCHORS, yolo_v3
from nayan.tasks.detection.network import Detector, Targets

SIZE = (64, 96)
MEAN, STD = (0.45,) * 3, (0.25,) * 3
CANDIDATES = {"yolo_v1": 6 * 2, "yolo_v2": 6 * 5, "yolo_v3": 3 * (8 * 12 + 4 * 6 + 6)}
BUILDERS: dict[str, Callable[..., nn.Module]] = {"yolo_v1": yolo_v1, "yolo_v2": yolo_v2, "yolo_v3": yolo_v3}

each = pytest.mark.parametrize("name", BUILDERS)


def build(name: str, **args: object) -> nn.Module:
    torch.manual_seed(0)
    return BUILDERS[name](CLASSES, **{"size": SIZE, "mean": MEAN, "std": STD, **args})


def pictures(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)


def two_objects() -> Targets:
    boxes = torch.tensor([[[4.0, 4, 30, 40], [50, 20, 90, 60]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
    return Targets(boxes, torch.tensor([[0, 2], [-1, -1]]))


@each
class TestEveryYoloOfTheLadder:
    def test_it_is_a_detector_and_gives_as_many_candidates_as_its_grid_has(self, name: str) -> None:
        network = build(name).eval()
        assert isinstance(network, Detector)
        with torch.no_grad():
            found = network.deploy(network(pictures()))
        assert found["boxes"].shape == (2, CANDIDATES[name], 4)
        assert found["scores"].shape == (2, CANDIDATES[name], 3)
        assert 0 <= float(found["scores"].min()) <= float(found["scores"].max()) <= 1
        assert bool((found["boxes"][..., 2:] >= found["boxes"][..., :2]).all())

    def test_the_chain_of_stages_is_the_forward_pass(self, name: str) -> None:
        network = build(name).eval()
        x = pictures()
        with torch.no_grad():
            expected = network.deploy(network(x))["boxes"]
            for _, stage in network.stages():
                x = stage(x)
        assert torch.equal(network.deploy(x)["boxes"], expected)
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())

    def test_a_step_gives_every_parameter_a_finite_gradient(self, name: str) -> None:
        network = build(name).train()
        targets = two_objects()
        losses = network.losses(network(pictures(), targets), targets)
        assert list(losses) == ["box", "objectness", "class"]
        sum(losses.values()).backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())

    @pytest.mark.parametrize("padding", [0, 2])
    def test_without_any_object_only_the_objectness_costs(self, name: str, padding: int) -> None:
        network = build(name).train()
        nothing = Targets(torch.zeros(2, padding, 4), torch.full((2, padding), -1))
        losses = network.losses(network(pictures()), nothing)
        assert losses["box"] == losses["class"] == 0
        assert 0 < losses["objectness"].item() < 10
        losses["objectness"].backward()

    def test_the_loss_of_a_picture_does_not_depend_on_how_often_it_is_in_the_batch(self, name: str) -> None:
        network = build(name).eval()
        image, targets = pictures(1), two_objects()
        one = Targets(targets.boxes[:1], targets.labels[:1])
        four = Targets(one.boxes.repeat(4, 1, 1), one.labels.repeat(4, 1))
        with torch.no_grad():
            single = network.losses(network(image), one)
            many = network.losses(network(image.repeat(4, 1, 1, 1)), four)
        assert all(torch.isclose(single[key], many[key], rtol=1e-4) for key in single)

    def test_objects_are_rare_before_anything_is_learnt(self, name: str) -> None:
        network = build(name).eval()
        with torch.no_grad():
            scores = network.deploy(network(torch.full((1, 3, *SIZE), 115.0)))["scores"]
        assert float(scores.max()) < 5 * PRIOR

    def test_any_backbone_of_timm_takes_the_place_of_ours(self, name: str) -> None:
        network = build(name, backbone="test_efficientnet").eval()
        with torch.no_grad():
            assert network.deploy(network(pictures(1)))["boxes"].shape == (1, CANDIDATES[name], 4)

    def test_a_size_that_the_grid_does_not_divide_is_refused_with_one_that_it_does(self, name: str) -> None:
        with pytest.raises(
            ConfigError, match=f"the input of {name} is a multiple of 32 px, got 100x96"
        ) as info:
            build(name, size=(100, 96))
        assert info.value.hint == "try --imgsz 96"

    def test_an_unknown_backbone_is_not_found(self, name: str) -> None:
        with pytest.raises(NotFound, match="darknet99"):
            build(name, backbone="darknet99")

    def test_an_export_answers_alike_for_any_batch(self, name: str) -> None:
        network = build(name).eval()

        class Deployed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
                found = self.network.deploy(self.network(images))
                return found["boxes"], found["scores"]

        file = trace_onnx(Deployed().eval(), pictures(), ["boxes", "scores"])
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        for count in (1, 3):
            with torch.no_grad():
                boxes, scores = Deployed()(pictures(count))
            found = session.run(None, {"images": pictures(count).numpy()})
            assert np.allclose(found[0], boxes, atol=1e-2)
            assert np.allclose(found[1], scores, atol=1e-5)

    @pytest.mark.slow
    def test_it_learns_four_pictures_by_heart(self, name: str) -> None:
        torch.manual_seed(0)
        network = BUILDERS[name](CLASSES, size=(128, 128), mean=MEAN, std=STD)
        images, targets = squares()
        learn(network, images, targets, steps=80)
        assert missed_and_wrong(network, images, targets) == (0, 0)


class TestCells:
    points = torch.tensor([[8.0, 8], [8, 8], [24, 8], [24, 8]])  # two cells, two candidates each
    strides = torch.full((4, 1), 16.0)

    def assign(self, quality: list[list[float]], boxes: list[list[float]], valid: list[bool]) -> Assignment:
        return assign_to_cells(
            torch.tensor(quality)[None],
            self.points,
            strides=self.strides,
            targets=torch.tensor(boxes)[None],
            valid=torch.tensor(valid)[None],
        )

    def test_the_best_candidate_of_the_centres_cell_is_chosen_even_if_another_cells_is_better(self) -> None:
        found = self.assign([[0.2], [0.3], [0.9], [0.9]], [[0.0, 0, 14, 14]], [True])
        assert found.matched.tolist() == [[BACKGROUND, 0, BACKGROUND, BACKGROUND]]
        assert found.weight[0].tolist() == pytest.approx([0, 0.3, 0, 0])

    def test_of_two_objects_for_one_candidate_the_first_gets_it(self) -> None:
        box = [0.0, 0, 14, 14]
        found = self.assign([[0.2, 0.8], [0.1, 0.1], [0, 0], [0, 0]], [box, box], [True, True])
        assert found.matched.tolist() == [[0, BACKGROUND, BACKGROUND, BACKGROUND]]
        assert found.weight[0, 0] == pytest.approx(0.2)

    def test_padding_and_objects_outside_of_the_picture_are_nobodys(self) -> None:
        found = self.assign([[0.5, 0.5]] * 4, [[0.0, 0, 14, 14], [40, 0, 60, 9]], [False, True])
        assert not found.positive.any()

    def test_an_object_on_the_border_of_two_cells_belongs_to_one(self) -> None:
        found = self.assign([[0.5], [0.4], [0.5], [0.4]], [[8.0, 0, 24, 16]], [True])
        assert found.matched.tolist() == [[BACKGROUND, BACKGROUND, 0, BACKGROUND]]

    def test_candidates_that_overlap_an_object_of_another_are_excused(self) -> None:
        given = Assignment(torch.tensor([[0, BACKGROUND, BACKGROUND]]), torch.ones(1, 3))
        overlap = torch.tensor([[[0.7], [0.65], [0.4]]])
        found = excuse(given, overlap, above=0.6)
        assert found.matched.tolist() == [[0, IGNORED, BACKGROUND]]
        assert found.weight[0].tolist() == pytest.approx([0.7, 0, 0])

    def test_shapes_without_area_overlap_nothing(self) -> None:
        assert iou_of_shapes(torch.zeros(1, 2), torch.zeros(1, 1, 4)).tolist() == [[[0.0]]]

    def test_a_map_is_read_cell_by_cell_with_its_anchors_beside_each_other(self) -> None:
        outputs = torch.arange(2 * 6 * 2 * 3.0).reshape(1, 12, 2, 3)  # 2 anchors, 1 class, 2x3 cells
        cells = read_cells(outputs, shapes=torch.tensor([[0.5, 0.5], [1, 1]]), stride=8)
        assert cells.points[2:4].tolist() == [[12, 4], [12, 4]]
        assert cells.shapes[:2].tolist() == [[12, 8], [24, 16]]
        assert cells.objectness[0, 3] == outputs[0, 6 + 4, 0, 1]  # second anchor of the second cell

    def test_divergence_is_nothing_where_the_score_is_right(self) -> None:
        wanted = torch.tensor([0.0, 0.25, 1.0])
        found = divergence(torch.tensor([-20.0, math.log(1 / 3), 20.0]), wanted)
        assert found.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


class TestYoloV1:
    def test_the_box_with_the_highest_iou_is_responsible_and_its_iou_is_what_it_has_to_say(self) -> None:
        network = build("yolo_v1").eval()
        targets = Targets(torch.tensor([[[2.0, 2, 30, 28]]]), torch.tensor([[1]]))
        with torch.no_grad():
            raw = network(pictures(1))
            raw.answers[0, 0, 1] = torch.tensor([0.5, 0.5, math.sqrt(28 / 96), math.sqrt(28 / 64), 0.0])
            assignment = network.assign(raw, targets)
        assert assignment.positive.nonzero().tolist() == [[0, 1]]
        assert float(assignment.weight[0, 1]) == pytest.approx(26 * 28 / (28 * 28 + 0), abs=0.1)

    def test_right_answers_cost_nothing(self) -> None:
        network = build("yolo_v1").eval()
        targets = Targets(torch.tensor([[[2.0, 2, 30, 30]]]), torch.tensor([[1]]))
        with torch.no_grad():
            raw = network(pictures(1))
            raw.answers.zero_()
            raw.answers[0, 0, 0] = torch.tensor([0.5, 0.5, math.sqrt(28 / 96), math.sqrt(28 / 64), 1.0])
            raw.classes[0, 0] = torch.tensor([0.0, 1, 0])
            losses = network.losses(raw, targets)
            found = network.deploy(raw)
        assert [float(loss) for loss in losses.values()] == pytest.approx([0, 0, 0], abs=1e-6)
        assert found["boxes"][0, 0].tolist() == pytest.approx([2, 2, 30, 30], abs=1e-3)
        assert found["scores"][0, 0].tolist() == pytest.approx([0, 1, 0])

    def test_a_wild_answer_costs_in_proportion_and_not_by_its_square(self) -> None:
        network = build("yolo_v1").eval()
        nothing = Targets(torch.zeros(1, 0, 4), torch.zeros(1, 0, dtype=torch.int64))
        costs = []
        with torch.no_grad():
            for confidence in (50.0, 100.0):
                raw = network(pictures(1))
                raw.answers.zero_()
                raw.answers[0, 0, 0, 4] = confidence
                costs.append(float(network.losses(raw, nothing)["objectness"]))
        assert costs[1] / costs[0] == pytest.approx(2, rel=0.02)

    def test_a_cell_needs_a_box(self) -> None:
        with pytest.raises(ConfigError, match="at least 1 box, got boxes=0"):
            build("yolo_v1", boxes=0)

    def test_the_papers_network_has_24_convolutions_and_a_grid_of_7(self) -> None:
        backbone = plain_darknet(PAPER_V1, strides=(64,), width=0.1)
        assert sum(isinstance(module, nn.Conv2d) for module in backbone.modules()) == 24
        assert backbone(torch.zeros(1, 3, 448, 448))[0].shape[2:] == (7, 7)
        network = build("yolo_v1", backbone="paper", width=0.05, size=(64, 64)).eval()
        with torch.no_grad():
            assert network(torch.zeros(1, 3, 64, 64)).classes.shape == (1, 1, 3)


class TestAnchors:
    def test_each_object_of_v3_is_learnt_by_the_anchor_of_all_nine_that_fits_it_best(self) -> None:
        network = build("yolo_v3", size=(416, 416)).eval()
        width, height = (round(416 * side) for side in COCO_ANCHORS[4])  # of the middle scale
        box = torch.tensor([[[100.0, 100, 100 + width, 100 + height]]])
        with torch.no_grad():
            raw = network(torch.zeros(1, 3, 416, 416))
            row = int(network.assign(raw, Targets(box, torch.tensor([[0]]))).positive.nonzero()[0, 1])
        assert float(raw.strides[row]) == 16
        assert raw.shapes[row].tolist() == pytest.approx([width, height], abs=1e-3)

    def test_anchors_of_v3_are_sorted_into_the_scales_by_their_area(self) -> None:
        shapes = [(side / 10, side / 10) for side in (9, 1, 5, 3, 8, 2, 7, 4, 6)]
        network = build("yolo_v3", anchors=shapes)
        assert network.head.anchors[..., 0].flatten().tolist() == pytest.approx(
            [n / 10 for n in range(1, 10)]
        )

    def test_v3_needs_nine(self) -> None:
        with pytest.raises(ConfigError, match="yolo_v3 has 9 anchors, 3 for each of 3 scales, got 1"):
            build("yolo_v3", anchors=[(0.1, 0.2)])

    @pytest.mark.parametrize("shape", [(0.1, 0.0), (0.1, math.nan), (0.1,)])
    def test_an_anchor_without_area_is_refused(self, shape: tuple[float, ...]) -> None:
        with pytest.raises(ConfigError, match="an anchor is \\(width, height\\)"):
            build("yolo_v2", anchors=[shape])

    def test_a_cell_without_anchors_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="at least one anchor"):
            build("yolo_v2", anchors=[])

    def test_right_answers_of_v3_cost_nothing_but_for_what_a_sigmoid_cannot_say(self) -> None:
        network = build("yolo_v3").eval()
        targets = Targets(torch.tensor([[[2.0, 2, 30, 30]]]), torch.tensor([[1]]))
        with torch.no_grad():
            raw = network(pictures(1))
            raw.objectness.fill_(-20)
            (_, row), *_ = network.assign(raw, targets).positive.nonzero().tolist()
            raw.objectness[0, row] = 20
            sides = torch.tensor([28.0, 28]) / raw.shapes[row]
            place = (torch.tensor([16.0, 16]) - raw.points[row]) / raw.strides[row] + 0.5
            raw.regressed[0, row] = torch.cat((place.clamp(1e-6, 1 - 1e-6).logit(), sides.log()))
            raw.logits[0, row] = torch.tensor([-20.0, 20, -20])
            losses = network.losses(raw, targets)
            found = network.deploy(raw)
        assert [float(loss) for loss in losses.values()] == pytest.approx([0, 0, 0], abs=1e-4)
        assert found["boxes"][0, row].tolist() == pytest.approx([2, 2, 30, 30], abs=1e-2)


def test_the_published_backbones_have_the_papers_convolutions() -> None:
    darknet19 = plain_darknet(DARKNET19, strides=(32,), width=0.1)
    darknet53 = residual_darknet(width=0.1)
    convolutions = [
        sum(isinstance(module, nn.Conv2d) for module in network.modules())
        for network in (darknet19, darknet53)
    ]
    assert convolutions == [18, 52]  # and each a classifier's layer, which detectors do without
