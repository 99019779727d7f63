"""Where detectors look, and who learns what: what a look says is what the detector does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from looked import PROPOSALS, SIDE, SMALL, TRUTH, scene, small_detectors, subject
from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Boxes
from nayan.explain import explain
from nayan.explain.detection.anchors import explain_anchors
from nayan.explain.detection.assignment import explain_assignment
from nayan.explain.detection.levels import read_levels
from nayan.explain.detection.look import look_at
from nayan.explain.detection.proposals import explain_proposals


@pytest.fixture(scope="module")
def detectors() -> dict[str, nn.Module]:
    return small_detectors()


class TestLevels:
    @pytest.mark.parametrize("name", ["faster_rcnn", "faster_rcnn_fpn"])
    def test_the_grid_gives_back_the_anchors(self, detectors: dict[str, nn.Module], name: str) -> None:
        raw = look_at(subject(detectors[name])).raw
        levels = read_levels(raw, family=name)
        assert sum(level.count for level in levels) == len(raw.anchors)
        every = np.concatenate([level.boxes() for level in levels])
        assert np.allclose(every, raw.anchors.numpy(), atol=1e-3)
        assert [level.stride for level in levels] == ([16] if name == "faster_rcnn" else [8, 16, 32, 64])

    @pytest.mark.parametrize(("name", "strides"), [("yolo_v2", [32]), ("yolo_v3", [8, 16, 32])])
    def test_anchors_of_cells_have_the_shapes_of_their_level(
        self, detectors: dict[str, nn.Module], name: str, strides: list[int]
    ) -> None:
        raw = look_at(subject(detectors[name])).raw
        levels = read_levels(raw, family=name)
        assert [level.stride for level in levels] == strides
        for level in levels:
            boxes = level.boxes()
            assert np.allclose(boxes[:, 2:] - boxes[:, :2], raw.shapes.numpy()[level.rows()], atol=1e-3)
            assert np.allclose((boxes[:, 2:] + boxes[:, :2]) / 2, raw.points.numpy()[level.rows()], atol=1e-3)
            assert level.grid == (SIDE // int(level.stride),) * 2

    def test_points_have_no_shape_and_windows_are_told_by_their_side(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        levels = read_levels(look_at(subject(detectors["yolo"])).raw, family="yolo")
        assert [level.kind for level in levels] == ["point"] * 3
        assert not any(level.shapes.any() for level in levels)
        (first,) = read_levels(look_at(subject(detectors["yolo_v1"])).raw, family="yolo_v1")
        assert (first.kind, first.grid, len(first.shapes)) == ("box", (3, 3), 2)
        windows = read_levels(look_at(subject(detectors["sliding_window"])).raw, family="sliding_window")
        assert [level.name for level in windows] == ["windows of 32 px", "windows of 64 px"]
        assert [level.grid for level in windows] == [(5, 5), (2, 2)]

    def test_a_level_of_one_cell_reaches_as_far_as_its_anchors(self) -> None:
        raw = SimpleNamespace(
            anchors=torch.tensor([[-16.0, -16, 48, 48], [0, -16, 32, 48]]), levels=(2,), centerness=None
        )
        (level,) = read_levels(raw, family="x")
        assert (level.grid, level.stride, level.kind) == ((1, 1), 64, "anchor")

    def test_points_with_centerness_are_no_anchors(self) -> None:
        cells = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8]])
        (level,) = read_levels(
            SimpleNamespace(anchors=cells, levels=(2,), centerness=torch.zeros(1, 2)), family="fcos"
        )
        assert (level.kind, level.stride, level.shapes.tolist()) == ("point", 8, [[0, 0]])

    @pytest.mark.parametrize("name", ["localizer", "rcnn"])
    def test_a_detector_without_a_grid_is_refused(self, detectors: dict[str, nn.Module], name: str) -> None:
        given = {"inputs": PROPOSALS} if name == "rcnn" else {}
        with pytest.raises(ConfigError, match="looks at no grid"):
            explain_anchors(subject(detectors[name], **given))


class TestAnchors:
    def test_an_object_of_the_shape_of_an_anchor_is_reached_and_a_tiny_one_is_not(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        bare = subject(detectors["faster_rcnn_fpn"])
        raw = look_at(bare).raw
        anchor = raw.anchors.numpy()[[len(raw.anchors) // 4]]
        scale = SIDE / 120
        offset = (SIDE - round(80 * scale)) // 2
        placed = (anchor - [0, offset, 0, offset]) / scale
        truth = Boxes(np.concatenate((placed, [[60, 40, 62, 42]])).astype(np.float32), np.array([0, 1]))
        story = explain_anchors(subject(detectors["faster_rcnn_fpn"], truth=truth))
        assert story.panels[1].data["iou"][0] == pytest.approx(1, abs=1e-3)
        assert story.panels[1].data["reached"] == 1
        assert [row[-1] for row in story.panels[1].table.rows] == ["yes", "no"]

    def test_the_cell_is_the_one_at_the_chosen_pixel(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_anchors(subject(detectors["yolo_v2"]), at=(2, 2))
        assert story.panels[0].data["levels"][0]["cell"] == [16, 16]
        assert story.panels[0].data["total"] == 9 * 5
        assert len(story.panels) == 1
        with pytest.raises(ConfigError, match="lies outside the picture"):
            explain_anchors(subject(detectors["yolo_v2"]), at=(120, 2))

    def test_of_points_those_inside_an_object_are_counted(self, detectors: dict[str, nn.Module]) -> None:
        truth = Boxes(np.array([[0, 0, 120, 80], [0, 0, 2, 2]], np.float32), np.array([0, 1]))
        panel = explain_anchors(subject(detectors["yolo"], truth=truth)).panels[1]
        assert panel.data["points"] == [[96, 24, 3], [0, 0, 0]]  # 64 of 96 rows are picture
        assert panel.data["reached"] == 1

    def test_of_cells_those_that_have_to_find_too_many_are_red(self, detectors: dict[str, nn.Module]) -> None:
        near = np.array([[50, 30, 60, 40], [52, 32, 62, 42], [54, 34, 64, 44], [2, 2, 12, 12]], np.float32)
        panel = explain_anchors(
            subject(detectors["yolo_v1"], truth=Boxes(near, np.zeros(4, np.int64)))
        ).panels[1]
        assert [row[-1] for row in panel.table.rows] == [3, 3, 3, 1]
        assert panel.data["reached"] == 1


class TestAssignment:
    @pytest.mark.parametrize("name", ["yolo", "yolo_v1", "yolo_v3", "faster_rcnn_fpn", "sliding_window"])
    def test_the_learners_are_those_of_the_detector(self, detectors: dict[str, nn.Module], name: str) -> None:
        look = look_at(subject(detectors[name], truth=TRUTH))
        given = look.detector.assign(look.raw, look.targets())
        story = explain_assignment(subject(detectors[name], truth=TRUTH))
        data = story.panels[0].data
        first = [group for group in data["groups"] if group["name"] != "second stage"]
        assert sum(group["learn"] for group in first) == int(given.positive.sum())
        assert sum(group["background"] for group in first) == int(given.negative.sum())
        assert sum(group["candidates"] for group in first) == given.matched.shape[1]
        for row in range(2):
            own = [count for group, count in zip(data["groups"], data["learners"][row], strict=True)
                   if group["name"] != "second stage"]  # fmt: skip
            assert sum(own) == int((given.matched == row).sum())
        assert len(story.panels) == 1 + len(data["groups"])

    def test_both_stages_are_told(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_assignment(subject(detectors["faster_rcnn"], truth=TRUTH))
        assert [group["name"] for group in story.panels[0].data["groups"]] == ["stride 16", "second stage"]
        assert "true boxes themselves" in story.panels[0].text

    def test_who_is_learnt_by_nobody_is_named(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_assignment(subject(detectors["localizer"], truth=TRUTH))
        assert story.panels[0].data["nobody"] == ["2 dog"]
        assert "Nobody learns 2 dog" in story.panels[0].text

    def test_a_picture_of_the_background_teaches_only_that(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_assignment(subject(detectors["yolo"], truth=Boxes.none()))
        assert "all of it is background" in story.panels[0].text
        assert sum(group["learn"] for group in story.panels[0].data["groups"]) == 0

    def test_crowds_teach_nothing(self, detectors: dict[str, nn.Module]) -> None:
        crowd = Boxes(TRUTH.xyxy, TRUTH.labels, crowd=np.array([False, True]))
        assert explain_assignment(subject(detectors["yolo"], truth=crowd)).panels[0].data["objects"] == 1

    def test_proposals_are_drawn_where_there_is_no_grid(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_assignment(subject(detectors["rcnn"], truth=TRUTH, inputs=PROPOSALS))
        assert story.panels[0].data["groups"][0]["name"] == "proposals"
        assert story.panels[0].data["groups"][0]["candidates"] == 12

    def test_without_the_true_boxes_it_says_where_to_get_them(self, detectors: dict[str, nn.Module]) -> None:
        with pytest.raises(ConfigError, match="assignment needs the true boxes") as caught:
            explain(detectors["yolo"], what="assignment", preprocess=SMALL, image=scene())
        assert "--data DATA" in caught.value.hint
        with pytest.raises(ConfigError, match="needs the true boxes"):
            look_at(subject(detectors["yolo"])).targets()


class TestProposals:
    def test_what_is_left_are_the_proposals_of_the_network(self, detectors: dict[str, nn.Module]) -> None:
        raw = look_at(subject(detectors["faster_rcnn_fpn"])).raw
        there = int((raw.proposal_scores[0] > 0).sum())
        story = explain_proposals(subject(detectors["faster_rcnn_fpn"], truth=TRUTH), top=5)
        assert story.panels[0].data["after"] == there
        assert story.panels[0].data["before"] > there
        assert np.allclose(story.panels[1].data["boxes"], raw.proposals[0, :5].numpy(), atol=0.06)
        recall = story.panels[2].data
        assert all(a <= b for a, b in zip(recall["after"], recall["before"], strict=True))

    def test_selective_search_needs_no_network_and_finds_plain_rectangles(self) -> None:
        story = explain_proposals(subject(None, truth=TRUTH), count=40)
        assert story.panels[0].data["after"] <= 40
        assert story.panels[0].data["before"] > story.panels[0].data["after"]
        assert min(story.panels[2].data["after"]) > 0.7

    def test_a_detector_that_takes_proposals_shows_as_many_as_it_takes(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        story = explain_proposals(subject(detectors["rcnn"], inputs=PROPOSALS))
        assert story.panels[0].data["after"] == 12
        assert len(story.panels) == 2

    def test_a_detector_without_proposals_and_impossible_numbers_are_refused(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        with pytest.raises(ConfigError, match="Yolo works without proposals"):
            explain_proposals(subject(detectors["yolo"]))
        with pytest.raises(ConfigError, match="top = 0"):
            explain_proposals(subject(None), top=0)
        with pytest.raises(ConfigError, match="count = 0"):
            explain_proposals(subject(None), count=0)
        with pytest.raises(ConfigError, match="takes proposals beside the pixels"):
            look_at(subject(detectors["rcnn"]))
