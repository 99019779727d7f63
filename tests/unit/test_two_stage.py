"""The words and the networks from one box to Faster R-CNN: what each of them promises beyond the contract."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torchvision.models.detection as published
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead
from torchvision.models.detection.rpn import RegionProposalNetwork as PublishedRpn

from nayan.core.errors import ConfigError
from nayan.parts.anchors import anchor_shapes, anchors_on_grid
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.parts.box_coder import SECOND_STAGE, encode
from nayan.parts.boxes import iou_matrix
from nayan.parts.fpn import FeaturePyramid
from nayan.parts.regions import (
    RegionHead,
    Regions,
    match_regions,
    region_detections,
    region_losses,
    sample_regions,
)
from nayan.parts.rpn import RegionProposalNetwork, best_proposals, proposal_losses
from nayan.tasks.detection.models.fast_rcnn import fast_rcnn
from nayan.tasks.detection.models.faster_rcnn import FasterRcnn, faster_rcnn
from nayan.tasks.detection.models.localizer import LocalizerRaw, localizer
from nayan.tasks.detection.models.rcnn import rcnn, with_context
from nayan.tasks.detection.models.sliding_window import sliding_window, window_boxes
from nayan.tasks.detection.network import Targets

TINY = "test_resnet"
SIZE = (96, 96)


def targets(*pictures: list[tuple[list[float], int]]) -> Targets:
    """Return padded targets from lists of (box, label)."""
    most = max(len(objects) for objects in pictures)
    boxes = torch.zeros(len(pictures), most, 4)
    labels = torch.full((len(pictures), most), -1)
    for row, objects in enumerate(pictures):
        for column, (box, label) in enumerate(objects):
            boxes[row, column] = torch.tensor(box)
            labels[row, column] = label
    return Targets(boxes, labels)


class TestFeaturePyramid:
    def test_every_level_has_the_same_width_and_half_the_size_of_the_one_before(self) -> None:
        maps = [torch.rand(2, 4, 13, 9), torch.rand(2, 6, 7, 5), torch.rand(2, 8, 4, 3)]
        levels = FeaturePyramid((4, 6, 8), 5)(maps)
        assert [tuple(x.shape) for x in levels] == [(2, 5, 13, 9), (2, 5, 7, 5), (2, 5, 4, 3), (2, 5, 2, 2)]

    def test_what_is_seen_coarsely_reaches_the_fine_maps_but_not_the_other_way_round(self) -> None:
        fine, coarse = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 4, 4)
        pyramid = FeaturePyramid((3, 3), 4)
        before = pyramid([fine, coarse])
        assert not torch.equal(pyramid([fine, coarse + 1])[0], before[0])
        assert torch.equal(pyramid([fine + 1, coarse])[1], before[1])

    def test_it_computes_what_that_of_torchvision_computes(self) -> None:
        ours = FeaturePyramid((4, 6, 8), 5)
        theirs = published.backbone_utils.FeaturePyramidNetwork(
            [4, 6, 8], 5, extra_blocks=published.backbone_utils.LastLevelMaxPool()
        )
        for index in range(3):
            theirs.inner_blocks[index][0].load_state_dict(ours.lateral[index].state_dict())
            theirs.layer_blocks[index][0].load_state_dict(ours.smooth[index].state_dict())
        maps = {"0": torch.rand(1, 4, 12, 8), "1": torch.rand(1, 6, 6, 4), "2": torch.rand(1, 8, 3, 2)}
        expected = list(theirs(maps).values())
        for found, wanted in zip(ours(list(maps.values())), expected, strict=True):
            torch.testing.assert_close(found, wanted)


class TestProposals:
    sizes, strides = ((12, 12), (6, 6)), (8, 16)

    def both(self) -> tuple[RegionProposalNetwork, PublishedRpn, list[Tensor], list[Tensor]]:
        """Return our RPN, torchvision's with the same weights, two maps, and our anchors."""
        ours = RegionProposalNetwork(5, 3)
        for parameter in ours.parameters():
            nn.init.normal_(parameter, std=0.1)
        head = RPNHead(5, 3)
        head.conv[0][0].load_state_dict(ours.conv.state_dict())
        head.cls_logits.load_state_dict(ours.objectness.state_dict())
        head.bbox_pred.load_state_dict(ours.deltas.state_dict())
        count = {"training": 400, "testing": 400}
        generator = AnchorGenerator(((32,), (64,)), ((0.5, 1.0, 2.0),) * 2)
        theirs = PublishedRpn(generator, head, 0.7, 0.3, 10_000, 0.5, count, count, 0.7).eval()
        shapes = [anchor_shapes(side, (0.5, 1.0, 2.0)) for side in (32, 64)]
        maps = [torch.rand(2, 5, *size) for size in self.sizes]
        return ours, theirs, maps, anchors_on_grid(self.sizes, self.strides, shapes=shapes)

    def test_anchors_are_those_of_torchvision_half_a_cell_further(self) -> None:
        _, theirs, maps, ours = self.both()
        images = ImageList(torch.zeros(2, 3, *SIZE), [SIZE] * 2)
        expected = theirs.anchor_generator(images, maps)[0]
        for level, stride, wanted in zip(ours, self.strides, expected.split([432, 108]), strict=True):
            # torchvision has its anchors at the corners of the cells and rounds their sides
            torch.testing.assert_close(level - stride / 2, wanted, atol=1.0, rtol=0)

    def test_logits_and_deltas_are_those_of_torchvision_in_its_order(self) -> None:
        ours, theirs, maps, _ = self.both()
        logits, deltas = theirs.head(maps)
        for level, wanted, moved in zip(ours(maps), logits, deltas, strict=True):
            torch.testing.assert_close(level[0], wanted.permute(0, 2, 3, 1).flatten(1))
            expected = moved.unflatten(1, (3, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
            torch.testing.assert_close(level[1], expected)

    def test_on_one_level_the_best_proposals_are_those_of_torchvision(self) -> None:
        ours, theirs, maps, anchors = self.both()
        levels = ours(maps[:1])
        found, scores = best_proposals(levels, anchors[:1], size=SIZE, before=200, after=50)
        moved = theirs.box_coder.decode(levels[0][1].detach().reshape(-1, 4), [anchors[0]] * 2)
        theirs.min_size = 1.0
        theirs._pre_nms_top_n = {"testing": 200, "training": 200}
        theirs._post_nms_top_n = {"testing": 50, "training": 50}
        boxes, wanted = theirs.filter_proposals(
            moved.reshape(2, -1, 4), levels[0][0].detach().reshape(2, -1, 1), [SIZE] * 2, [len(anchors[0])]
        )
        for row in range(2):
            count = len(boxes[row])
            assert count > 5
            torch.testing.assert_close(found[row, :count], boxes[row], rtol=1e-4, atol=1e-3)
            torch.testing.assert_close(scores[row, :count], wanted[row])
            assert not scores[row, count:].any()

    def test_the_loss_is_that_of_torchvision_where_all_anchors_take_part(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours, theirs, maps, anchors = self.both()
        levels = ours(maps)
        objectness = torch.cat([logits for logits, _ in levels], 1)
        deltas = torch.cat([moves for _, moves in levels], 1)
        truth = targets([([10.0, 20, 60, 70], 0), ([50.0, 5, 80, 30], 1)], [([30.0, 30, 95, 90], 0)])
        monkeypatch.setattr("nayan.parts.rpn.SAMPLED", 10_000)
        every = torch.cat(anchors)
        found = proposal_losses(objectness, deltas, anchors=every, boxes=truth.boxes, valid=truth.valid)
        known = [{"boxes": truth.boxes[row][truth.valid[row]]} for row in range(2)]
        labels, boxes = theirs.assign_targets_to_anchors([every] * 2, known)
        wanted = theirs.compute_loss(
            objectness.reshape(-1, 1),
            deltas.reshape(-1, 4),
            labels,
            theirs.box_coder.encode(boxes, [every] * 2),
        )
        torch.testing.assert_close(found["rpn_object"], wanted[0])
        torch.testing.assert_close(found["rpn_box"], wanted[1], rtol=1e-4, atol=1e-5)

    def test_a_proposal_that_repeats_a_better_one_or_lies_outside_is_padding(self) -> None:
        anchors = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 19], [200, 0, 220, 20], [40, 40, 60, 60]])
        logits = torch.tensor([[2.0, 1, 3, 0]])
        boxes, scores = best_proposals(
            [(logits, torch.zeros(1, 4, 4))], [anchors], size=SIZE, before=9, after=9
        )
        assert boxes[0].tolist() == [[0, 0, 20, 20], [40, 40, 60, 60], [0] * 4, [0] * 4]
        assert scores[0, :2].tolist() == pytest.approx([0.8808, 0.5], abs=1e-4)
        assert not scores[0, 2:].any()


class TestRegions:
    truth = targets([([10.0, 10, 50, 50], 1)], [])

    def regions(self, boxes: Tensor, *, classes: int = 2) -> Regions:
        count = boxes.shape[:2]
        generator = torch.Generator().manual_seed(2)
        return Regions(
            boxes,
            (boxes[..., 2:] > boxes[..., :2]).all(dim=-1),
            torch.randn(*count, classes + 1, generator=generator),
            torch.randn(*count, classes, 4, generator=generator),
            SIZE,
        )

    def test_a_sample_has_the_objects_themselves_and_a_quarter_of_positives(self) -> None:
        near = torch.tensor([10.0, 10, 50, 50]) + torch.rand(1, 30, 4)
        far = torch.tensor([60.0, 60, 90, 90]) + torch.rand(1, 30, 4)
        boxes, present = sample_regions(
            torch.cat((near, far), 1),
            present=torch.ones(1, 60, dtype=torch.bool),
            boxes=self.truth.boxes[:1],
            valid=self.truth.valid[:1],
            count=16,
        )
        assert boxes.shape == (1, 16, 4)
        assert present.all()
        overlap = iou_matrix(boxes[0], self.truth.boxes[0])[:, 0]
        assert int((overlap >= 0.5).sum()) == 4

    def test_an_object_is_sampled_where_no_proposal_comes_near_it(self) -> None:
        far = torch.tensor([60.0, 60, 90, 90]).expand(2, 5, 4)
        there = torch.ones(2, 5, dtype=torch.bool)
        boxes, present = sample_regions(
            far, present=there, boxes=self.truth.boxes, valid=self.truth.valid, count=8
        )
        assert (boxes[0] == self.truth.boxes[0, 0]).all(dim=1).sum() == 1
        assert present.sum(1).tolist() == [6, 5]  # the second picture has no object
        assert not boxes[~present].any()

    def test_padding_is_never_sampled(self) -> None:
        proposals = torch.cat((torch.tensor([[[60.0, 60, 90, 90]]]), torch.zeros(1, 9, 4)), 1)
        there = torch.tensor([[True] + [False] * 9])
        nothing = torch.zeros(1, 0, 4)
        boxes, present = sample_regions(
            proposals, present=there, boxes=nothing, valid=torch.zeros(1, 0, dtype=torch.bool), count=4
        )
        assert present.sum() == 1
        assert boxes[present].tolist() == [[60, 60, 90, 90]]

    def test_padding_is_ignored_and_a_far_box_is_background(self) -> None:
        said = self.regions(torch.tensor([[[10.0, 10, 50, 48], [60, 60, 90, 90], [0, 0, 0, 0]]] * 2))
        matched = match_regions(said, self.truth.boxes, valid=self.truth.valid).matched
        assert matched.tolist() == [[0, BACKGROUND, IGNORED], [BACKGROUND, BACKGROUND, IGNORED]]

    def test_the_loss_is_that_of_torchvision(self) -> None:
        boxes = torch.rand(2, 20, 4) * 40
        boxes[..., 2:] += boxes[..., :2] + 5
        boxes[0, :4] = self.truth.boxes[0, 0] + torch.rand(4, 4)
        said = self.regions(boxes)
        found = match_regions(said, self.truth.boxes, valid=self.truth.valid)
        ours = region_losses(said, found, boxes=self.truth.boxes, labels=self.truth.labels)
        # torchvision has the background first and a box for it
        logits = said.logits.roll(1, dims=2).flatten(0, 1)
        deltas = nn.functional.pad(said.deltas, (0, 0, 1, 0)).flatten(2).flatten(0, 1)
        labels = torch.where(found.positive, 2, 0)  # the object's class is 1, so 2 there
        wanted = encode(self.truth.boxes[:1, :1], boxes, weights=SECOND_STAGE)
        expected = fastrcnn_loss(logits, deltas, [labels.flatten()], [wanted.flatten(0, 1)])
        torch.testing.assert_close(ours["class"], expected[0])
        # its parabola ends at 1/9, ours at the paper's 1: compare where both are linear, half of each off
        far = replace(said, deltas=said.deltas + 100)
        ours = region_losses(far, found, boxes=self.truth.boxes, labels=self.truth.labels)
        deltas = nn.functional.pad(far.deltas, (0, 0, 1, 0)).flatten(2).flatten(0, 1)
        expected = fastrcnn_loss(logits, deltas, [labels.flatten()], [wanted.flatten(0, 1)])
        shift = int(found.positive.sum()) * 4 * (0.5 - 0.5 / 9) / found.matched.numel()
        torch.testing.assert_close(ours["box"] + shift, expected[1])

    def test_boxes_teach_nothing_where_there_is_no_object(self) -> None:
        said = self.regions(torch.tensor([[[10.0, 10, 50, 50]]]))
        nothing = Assignment(torch.tensor([[BACKGROUND]]), torch.zeros(1, 1))
        parts = region_losses(said, nothing, boxes=torch.zeros(1, 0, 4), labels=torch.zeros(1, 0).long())
        assert parts["box"] == 0
        assert parts["class"] > 0

    def test_detections_score_padding_with_zero_and_stay_inside_the_picture(self) -> None:
        found = region_detections(self.regions(torch.tensor([[[10.0, 10, 50, 50], [0, 0, 0, 0]]])))
        assert found["boxes"].shape == (1, 2, 2, 4)
        assert found["scores"].shape == (1, 2, 2)
        assert found["scores"][0, 0].min() > 0
        assert not found["scores"][0, 1].any()
        assert found["boxes"].min() >= 0
        assert found["boxes"].max() <= 96

    def test_deltas_of_zero_leave_the_proposal_to_every_class(self) -> None:
        said = self.regions(torch.tensor([[[10.0, 10, 50, 50]]]))
        found = region_detections(replace(said, deltas=torch.zeros_like(said.deltas)))
        assert found["boxes"][0, 0].tolist() == [[10, 10, 50, 50]] * 2

    def test_a_fresh_head_finds_every_class_alike_and_moves_nothing_far(self) -> None:
        logits, deltas = RegionHead(12, 3, hidden=(8,))(torch.rand(2, 5, 3, 2, 2))
        assert logits.shape == (2, 5, 4)
        assert deltas.shape == (2, 5, 3, 4)
        assert logits.abs().max() < 0.2
        assert deltas.abs().max() < 0.05


class TestLocalizer:
    def test_of_several_objects_the_largest_is_learnt(self) -> None:
        network = localizer(["a", "b"], backbone=TINY, size=SIZE)
        small, large = ([5.0, 5, 20, 20], 0), ([30.0, 20, 80, 90], 1)
        # presence and class as sure as can be, the box exactly on the large one
        box = torch.tensor([[55 / 96, 55 / 96, 50 / 96, 70 / 96]])
        raw = LocalizerRaw(torch.tensor([20.0]), box, torch.tensor([[-20.0, 20]]), SIZE)
        for order in ((small, large), (large, small)):
            parts = network.losses(raw, targets(list(order)))
            assert sum(parts.values()).item() == pytest.approx(0, abs=1e-5)  # type: ignore[union-attr]

    def test_a_picture_without_objects_teaches_presence_only(self) -> None:
        network = localizer(["a"], backbone=TINY, size=SIZE)
        raw = LocalizerRaw(torch.tensor([0.0]), torch.full((1, 4), 0.5), torch.zeros(1, 1), SIZE)
        parts = network.losses(raw, targets([]))
        assert parts["presence"].item() == pytest.approx(math.log(2))
        assert parts["box"] == parts["class"] == 0

    def test_the_score_is_presence_times_class(self) -> None:
        network = localizer(["a", "b"], backbone=TINY, size=(64, 96))
        raw = LocalizerRaw(
            torch.tensor([0.0]), torch.tensor([[0.5, 0.5, 0.5, 2.0]]), torch.zeros(1, 2), (64, 96)
        )
        outputs = network.deploy(raw)
        assert outputs["scores"].tolist() == [[[0.25, 0.25]]]
        assert outputs["boxes"].tolist() == [[[24, 0, 72, 64]]]  # cut at the edges


class TestSlidingWindow:
    def test_windows_lie_a_stride_apart_and_cover_the_picture(self) -> None:
        boxes = window_boxes((6, 6), 32, across=2)
        assert len(boxes) == 25
        assert boxes[0].tolist() == [0, 0, 32, 32]
        assert boxes[-1].tolist() == [64, 64, 96, 96]

    def test_a_window_is_classified_as_if_it_were_the_whole_picture(self) -> None:
        network = sliding_window(["a"], backbone=TINY, windows=[32], size=SIZE)
        network.backbone = Blind()  # type: ignore[assignment]  # cells that see nothing of their neighbours
        network.head = type(network.head)(3, 1, cells=2, dropout=0.0)
        picture = torch.rand(1, 3, *SIZE) * 255
        said = network(picture).logits[0]
        alone = network(picture[:, :, 32:64, 16:48]).logits[0]
        torch.testing.assert_close(said[2 * 5 + 1], alone[0])

    @pytest.mark.parametrize(
        ("windows", "message"),
        [
            ([32, 128], "does not fit"),
            ([24, 48], "multiple of 16"),
            ([64, 32], "multiples"),
            ([32, 80], "32"),
        ],
    )
    def test_other_windows_are_refused(self, windows: list[int], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            sliding_window(["a"], backbone=TINY, windows=windows, size=SIZE)

    def test_without_a_wish_the_windows_are_those_that_fit(self) -> None:
        assert sliding_window(["a"], backbone=TINY, size=(128, 200)).windows == (64, 128)
        with pytest.raises(ConfigError, match="64 px does not fit"):
            sliding_window(["a"], backbone=TINY, size=(48, 48))


class Blind(nn.Module):
    """A backbone whose cells of 16 px see only themselves."""

    channels = (3,)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, 16)]


class TestProposalsFromElsewhere:
    proposals = torch.tensor([[[10.0, 10, 50, 50], [40, 30, 90, 80], [0, 0, 0, 0]]])

    @pytest.mark.parametrize("build", [rcnn, fast_rcnn])
    def test_a_proposal_is_judged_alike_whatever_stands_beside_it(self, build: Any) -> None:
        network = build(["a", "b"], backbone=TINY, size=SIZE).eval()
        picture = torch.randint(0, 256, (1, 3, *SIZE), dtype=torch.uint8)
        with torch.no_grad():
            all_of_them = network(picture, proposals=self.proposals)
            one = network(picture, proposals=self.proposals[:, 1:2])
        torch.testing.assert_close(all_of_them.logits[:, 1:2], one.logits)
        assert all_of_them.present.tolist() == [[True, True, False]]

    @pytest.mark.parametrize("build", [rcnn, fast_rcnn])
    def test_training_looks_at_a_sample_with_the_object_in_it(self, build: Any) -> None:
        network = build(["a", "b"], backbone=TINY, size=SIZE, sampled=4)
        truth = targets([([60.0, 5, 90, 30], 1)])
        raw = network.eval()(torch.zeros(1, 3, *SIZE), truth, proposals=self.proposals)
        assert raw.boxes.shape == (1, 4, 4)
        assert [60, 5, 90, 30] in raw.boxes[0].tolist()
        assert set(network.losses(raw, truth)) == {"class", "box"}

    def test_a_crop_shows_sixteen_of_227_pixels_around_the_proposal(self) -> None:
        given = torch.tensor([[[16.0, 16, 211, 211]]])
        torch.testing.assert_close(with_context(given), torch.tensor([[[0.0, 0, 227, 227]]]))
        assert not with_context(torch.zeros(1, 1, 4)).any()

    @pytest.mark.parametrize("crop", [0, 48])
    def test_a_crop_is_a_multiple_of_the_stride(self, crop: int) -> None:
        with pytest.raises(ConfigError, match=f"multiples of 32 px, got {crop}"):
            rcnn(["a"], backbone=TINY, crop=crop)


class TestFasterRcnn:
    @pytest.mark.parametrize("fpn", [False, True])
    def test_there_is_an_anchor_for_every_cell_and_as_many_answers(self, fpn: bool) -> None:
        network = faster_rcnn(["a", "b"], backbone=TINY, size=SIZE, fpn=fpn, proposals=10).eval()
        with torch.no_grad():
            raw = network(torch.zeros(2, 3, *SIZE))
        cells = (144 + 36 + 9 + 4) * 3 if fpn else 36 * 12
        assert raw.anchors.shape == (cells, 4)
        assert raw.objectness.shape == (2, cells)
        assert raw.moves.shape == (2, cells, 4)
        assert raw.proposals.shape == raw.regions.boxes.shape == (2, 10, 4)
        assert ("neck" in dict(network.stages())) == fpn

    def test_proposals_are_sorted_and_gradients_do_not_flow_into_them(self) -> None:
        network = faster_rcnn(["a"], backbone=TINY, size=SIZE, proposals=10)
        raw = network(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
        assert (raw.proposal_scores.diff(dim=1) <= 0).all()
        assert not raw.proposals.requires_grad

    def test_the_second_stage_learns_from_the_objects_before_the_first_finds_them(self) -> None:
        network: FasterRcnn = faster_rcnn(["a", "b"], backbone=TINY, size=SIZE, proposals=10, sampled=12)
        truth = targets([([60.0, 5, 90, 30], 1)], [])
        raw = network(torch.zeros(2, 3, *SIZE), truth)
        assert [60, 5, 90, 30] in raw.regions.boxes[0].tolist()
        assert raw.regions.boxes.shape == (2, 10 + 1, 4)  # all there are
        assert set(network.losses(raw, truth)) == {"rpn_object", "rpn_box", "class", "box"}

    def test_any_backbone_of_timm_will_do(self) -> None:
        network = faster_rcnn(["a"], backbone="mobilenetv4_conv_small", size=(64, 64), fpn=True, proposals=5)
        assert network.deploy(network(torch.zeros(2, 3, 64, 64)))["scores"].shape == (2, 5, 1)

    def test_a_picture_of_another_size_is_taken_as_it_is(self) -> None:
        network = faster_rcnn(["a"], backbone=TINY, size=SIZE, proposals=5).eval()
        with torch.no_grad():
            raw = network(torch.zeros(1, 3, 64, 128))
        assert raw.regions.size == (64, 128)
        assert raw.anchors.shape == (4 * 8 * 12, 4)
