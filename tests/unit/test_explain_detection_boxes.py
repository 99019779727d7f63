"""From candidates to detections, and where one box comes from; what these looks draw."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from looked import NAMES, PROPOSALS, SIDE, SMALL, TRUTH, scene, small_detectors, subject
from torch import nn

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Boxes
from nayan.explain import explain
from nayan.explain.detection.cam import box_cam, explain_box_cam
from nayan.explain.detection.candidates import explain_candidates
from nayan.explain.detection.easel import Easel, easel_for
from nayan.explain.detection.look import Look, look_at
from nayan.explain.detection.nms import explain_nms
from nayan.explain.detection.suppression import found_of, iou_of, limit_of, pairs_of
from nayan.explain.plot import Curve, counts_svg, funnel_svg
from nayan.explain.subject import Subject
from nayan.parts.assignment import Assignment
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.detection.decode import decode


@pytest.fixture(scope="module")
def detectors() -> dict[str, nn.Module]:
    return small_detectors()


def made_look(boxes: np.ndarray, scores: np.ndarray, truth: Boxes | None = None) -> Look:
    return Look(None, None, boxes, scores, Placement((100, 100), (1.0, 1.0), (0.0, 0.0)), truth)


def crowded(seed: int, *, own_boxes: bool = False) -> Look:
    """Return a look at a hundred boxes in a few places, with three classes."""
    rng = np.random.default_rng(seed)
    shape = (100, 3, 4) if own_boxes else (100, 4)
    corner = rng.choice([5.0, 40.0, 70.0], (*shape[:-1], 2)) + rng.normal(0, 4, (*shape[:-1], 2))
    boxes = np.concatenate((corner, corner + rng.uniform(15, 30, (*shape[:-1], 2))), axis=-1)
    return made_look(boxes.astype(np.float32), rng.random((100, 3), np.float32))


class TestSuppression:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("own_boxes", [False, True])
    def test_what_is_kept_is_what_decode_gives(self, seed: int, own_boxes: bool) -> None:
        look = crowded(seed, own_boxes=own_boxes)
        for agnostic in (False, True):
            pairs = pairs_of(look, np.full(3, 0.3, np.float32), iou=0.5, agnostic=agnostic)
            raw = {"boxes": look.boxes[None], "scores": look.scores[None]}
            (expected,) = decode(raw, [look.placement], conf=0.3, iou=0.5, agnostic=agnostic)
            kept = pairs.as_boxes(pairs.kept)
            assert np.array_equal(kept.scores, expected.scores)
            assert np.array_equal(kept.labels, expected.labels)
            assert len(kept) < len(pairs)

    def test_each_suppressed_box_names_a_better_one_of_its_class_that_stays_and_overlaps_it(self) -> None:
        pairs = pairs_of(crowded(1), np.full(3, 0.3, np.float32), iou=0.5)
        gone = np.flatnonzero(pairs.suppressed)
        assert len(gone) > 20
        for row in gone:
            by = pairs.by[row]
            assert by < row
            assert not pairs.suppressed[by]
            assert pairs.labels[by] == pairs.labels[row]
            exact = iou_matrix(pairs.xyxy[[row]], pairs.xyxy[[by]])[0, 0]
            assert pairs.overlap[row] == pytest.approx(exact)
            assert exact > 0.5

    def test_it_names_the_first_of_several(self) -> None:
        boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 4], [0, 0, 10, 6]], np.float32)
        pairs = pairs_of(
            made_look(boxes, np.array([[0.9], [0.8], [0.7]], np.float32)), np.zeros(1, np.float32), iou=0.45
        )
        assert pairs.by.tolist() == [-1, -1, 0]
        assert pairs.overlap[2] == pytest.approx(0.6)

    def test_what_lies_outside_or_beyond_the_limit_is_neither_kept_nor_suppressed(self) -> None:
        boxes = np.array([[0, 0, 9, 9], [200, 200, 220, 220], [50, 50, 60, 60]], np.float32)
        look = made_look(boxes, np.array([[0.9], [0.8], [0.7]], np.float32))
        pairs = pairs_of(look, np.zeros(1, np.float32), iou=0.5)
        assert pairs.kept.tolist() == [True, False, True]
        assert not pairs.suppressed.any()
        assert pairs_of(look, np.zeros(1, np.float32), iou=0.5, max_det=1).kept.tolist() == [
            True,
            False,
            False,
        ]

    def test_thresholds_are_asked_for_or_fitted_or_usual(self) -> None:
        look = crowded(0)
        assert limit_of(look, {}, 0.4).told == "score at least 0.4"
        assert limit_of(look, {}, None).told == "score at least 0.25"
        fitted = limit_of(look, {"thresholds": [0.1, 0.5, 0.3]}, None)
        assert np.allclose(fitted.least, [0.1, 0.5, 0.3])
        assert "fitted on validation (0.10 to 0.50)" in fitted.told

    def test_where_nothing_is_sure_the_best_are_looked_at_and_that_is_said(self) -> None:
        look = made_look(np.zeros((150, 4), np.float32), np.linspace(0, 0.1, 150, dtype=np.float32)[:, None])
        limit = limit_of(look, {}, None)
        assert "are the best 100" in limit.told
        assert "the best score is 0.100" in limit.told
        assert (look.scores >= limit.least).sum() == 100
        assert limit_of(look, {}, 0.25).least[0] == 0.25  # what is asked for is not changed

    def test_thresholds_outside_of_their_range_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"conf = 1\.5"):
            limit_of(crowded(0), {}, 1.5)
        with pytest.raises(ConfigError, match=r"iou = -0\.1"):
            iou_of({}, -0.1)
        assert (iou_of({}, None), iou_of({"iou": 0.3}, None), iou_of({"iou": 0.3}, 0.7)) == (0.6, 0.3, 0.7)

    def test_objects_found_and_found_again_are_counted(self) -> None:
        truth = Boxes(np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.array([0, 1]))
        found = Boxes(
            np.array([[0, 0, 10, 9], [0, 0, 9, 10], [50, 50, 60, 60], [80, 80, 90, 90]], np.float32),
            np.array([0, 0, 0, 1]),
            np.array([0.9, 0.8, 0.7, 0.6], np.float32),
        )
        assert found_of(found, truth) == (1, 1)  # the third has another class, the fourth no object
        assert found_of(found, Boxes.none()) == (0, 0)
        assert found_of(Boxes.none(), truth) == (0, 0)


class TestCandidatesAndNms:
    def test_the_counts_add_up(self, detectors: dict[str, nn.Module]) -> None:
        data = explain_candidates(subject(detectors["yolo"], truth=TRUTH), conf=0.0).panels[0].data
        assert data["candidates"] == 144 + 36 + 9
        assert data["scored"] == data["candidates"] * 2
        assert data["kept"] + data["suppressed"] + data["left_out"] == data["scored"]
        assert data["suppressed"] > 0

    def test_the_step_in_use_is_among_the_other_thresholds(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_nms(subject(detectors["yolo"], truth=TRUTH), conf=0.0, iou=0.5)
        in_use = next(row for row in story.panels[-1].data["sweep"] if row["IoU"] == 0.5)
        assert in_use["kept"] == story.panels[0].data["after"]
        kept = [row["kept"] for row in story.panels[-1].data["sweep"]]
        assert kept[0] < kept[-1]
        assert {"objects found", "found again"} <= set(in_use)

    def test_the_busiest_place_is_that_of_the_box_with_most_losers(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        story = explain_nms(subject(detectors["yolo"]), conf=0.0, iou=0.3)
        gone = story.panels[1].data["suppressed"]
        counts = {each["by"]: sum(other["by"] == each["by"] for other in gone) for each in gone}
        place = story.panels[2].data
        assert len(place["members"]) == max(counts.values()) == counts[place["winner"]]

    def test_where_nothing_overlaps_that_is_said(self, detectors: dict[str, nn.Module]) -> None:
        story = explain_nms(subject(detectors["localizer"]), conf=0.0)
        assert "nothing is suppressed" in story.panels[1].text
        assert len(story.panels) == 3

    def test_fitted_thresholds_of_each_class_are_used(self, detectors: dict[str, nn.Module]) -> None:
        args = {"thresholds": [0.0, 1.0], "iou": 0.4}
        data = explain_candidates(subject(detectors["yolo"], decode_args=args)).panels[0].data
        assert data["scored"] == data["candidates"]
        assert (data["conf"], data["iou"]) == ([0.0, 1.0], 0.4)

    def test_a_classifier_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="this look is for detectors, and Linear is none"):
            explain_nms(subject(nn.Linear(2, 2)))


class CornerFinder(nn.Module):
    """A detector of two places: it scores how bright the upper left and the lower right quarter are."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.AvgPool2d(8))
        self.head = nn.Flatten()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.maps(images).mean(1) / 255  # (B, 12, 12)

    def stages(self) -> list[tuple[str, nn.Module]]:
        return [("backbone", self.maps), ("head", self.head)]

    def deploy(self, raw: torch.Tensor) -> dict[str, torch.Tensor]:
        half = raw.shape[1] // 2
        scores = torch.stack((raw[:, :half, :half].mean((1, 2)), raw[:, half:, half:].mean((1, 2))), 1)
        boxes = torch.tensor([[0.0, 0, 48, 48], [48, 48, 96, 96]]).expand(len(raw), -1, -1)
        return {"boxes": boxes, "scores": scores[..., None]}

    def losses(self, _raw: object, _targets: object) -> dict[str, torch.Tensor]:
        return {}

    def assign(self, raw: torch.Tensor, _targets: object) -> Assignment:
        return Assignment(torch.full((len(raw), 2), -1), torch.zeros(len(raw), 2))


def corners() -> Subject:
    image = np.full((96, 96, 3), 40, np.uint8)
    image[:48, :48] = 200
    image[48:, 48:] = 120
    return Subject(CornerFinder(), Preprocess((96, 96), "stretch"), ("bright",), image)


class TestCam:
    def test_the_heat_of_a_box_lies_where_its_score_comes_from(self) -> None:
        first, second = (box_cam(corners(), candidate=number, label=0) for number in (0, 1))
        assert (first.layer, first.heat.shape, first.channels) == ("backbone", (12, 12), 3)
        assert first.heat[:6, :6].min() == 1
        assert first.heat.sum() == pytest.approx(36)
        assert second.heat[6:, 6:].sum() == second.heat.sum() == pytest.approx(36)

    def test_it_is_gradient_times_activation_of_each_cell(self) -> None:
        given = corners()
        given.image[0:8, 0:8] = 255
        heat = box_cam(given, candidate=0, label=0).heat
        assert heat[0, 0] == 1
        assert heat[1, 1] == pytest.approx(200 / 255, abs=1e-3)  # the gradient is the same for all cells

    def test_boxes_are_counted_by_falling_score(self) -> None:
        best = explain_box_cam(corners(), steps=0)
        other = explain_box_cam(corners(), box=2, steps=0)
        assert best.panels[0].data["box"] == [0, 0, 48, 48]
        assert other.panels[0].data["box"] == [48, 48, 96, 96]
        assert best.panels[0].data["inside"] > 0.95
        with pytest.raises(
            ConfigError, match="--box 3: the detector finds 2 boxes in this picture"
        ) as caught:
            explain_box_cam(corners(), box=3)
        assert "from 1 (the surest) to 2" in caught.value.hint

    def test_a_map_that_is_true_passes_the_test(self) -> None:
        trust = explain_box_cam(corners(), steps=6).panels[1]
        assert trust.data["deletion_auc"] < trust.data["random_deletion_auc"] - 0.02
        assert "Score of bright" in trust.svg

    def test_classes_and_layers_are_chosen_by_name(self, detectors: dict[str, nn.Module]) -> None:
        given = subject(detectors["yolo"])
        story = explain_box_cam(given, class_name="dog", layer="neck", steps=0)
        assert story.panels[0].data["label"] == "dog"
        assert story.panels[0].data["layer"].startswith("neck")
        with pytest.raises(NotFound, match="no layer is named 'nek'"):
            explain_box_cam(given, layer="nek")
        with pytest.raises(NotFound, match="no class is named 'dgo'"):
            explain_box_cam(given, class_name="dgo")
        with pytest.raises(ConfigError, match="no map that was looked at moves the score"):
            explain_box_cam(given, layer="head.sides")

    def test_of_several_passes_the_one_that_saw_the_window_is_taken(
        self, detectors: dict[str, nn.Module]
    ) -> None:
        given = subject(detectors["sliding_window"])
        look = look_at(given)
        first = box_cam(given, candidate=0, label=0)
        last = box_cam(given, candidate=len(look.scores) - 1, label=0)
        assert "#2" not in first.layer
        assert last.layer.endswith("#2")  # the second pass sees the picture at half its size

    def test_a_crop_has_its_heat_in_its_proposal(self, detectors: dict[str, nn.Module]) -> None:
        given = subject(detectors["rcnn"], inputs=PROPOSALS)
        look = look_at(given)
        candidate = int(look.scores.max(axis=1).argmax())
        cam = box_cam(given, candidate=candidate, label=int(look.scores[candidate].argmax()))
        x1, _, x2, y2 = look.raw.boxes[0, candidate].tolist()
        assert cam.place[0] < x1
        assert cam.place[3] > y2
        assert cam.place[2] - cam.place[0] == pytest.approx((x2 - x1) / (1 - 32 / 227))
        heat = cam.spread((SIDE, SIDE))
        left, top, right, bottom = np.rint(cam.place).astype(int).clip(0, SIDE).tolist()
        heat[top:bottom, left:right] = 0
        assert not heat.any()
        assert len(explain_box_cam(given).panels) == 1  # the test would run every crop again and again

    def test_the_verb_takes_a_detector_and_a_box_is_refused_for_a_classifier(self) -> None:
        story = explain(
            corners().model, what="cam", preprocess=corners().preprocess, image=corners().image,
            options={"box": 2, "steps": 0},
        )  # fmt: skip
        assert story.title == "Where does class 0 0.47 come from?"
        plain = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten(), nn.Linear(4 * 92 * 92, 3))
        with pytest.raises(ConfigError, match="--box 1 is for detectors"):
            explain(plain, what="cam", preprocess=SMALL, image=scene(), options={"box": 1})

    def test_looking_leaves_the_detector_alone(self, detectors: dict[str, nn.Module]) -> None:
        network = detectors["faster_rcnn_fpn"].train()
        explain_box_cam(subject(network), steps=1)
        assert all(module.training for module in network.modules())
        assert all(parameter.grad is None for parameter in network.parameters())
        assert not any(module._forward_hooks for module in network.modules())
        network.eval()


class TestEasel:
    def test_the_gray_border_is_left_out_and_corners_keep_their_place(self) -> None:
        easel = easel_for(subject(None), side=240)
        assert easel.image.shape == (160, 240, 3)
        assert easel.corner == (0, 16)
        assert easel.place(np.array([[0.0, 16, 96, 80]])).tolist() == [[0, 0, 240, 160]]

    def test_gray_networks_see_gray_pictures(self) -> None:
        gray = Subject(
            None, Preprocess((96, 96), "letterbox", mean=(0.5,), std=(0.5,), channels=1), NAMES, scene()
        )
        assert np.ptp(easel_for(gray).image, axis=2).max() == 0

    def test_what_is_drawn_is_where_it_belongs(self) -> None:
        blank = Easel(np.zeros((50, 60, 3), np.uint8), (2.0, 2.0), (10.0, 0.0))
        red, box = (255, 0, 0), np.array([[15.0, 5, 25, 15]])
        drawn = blank.outlined(box, [red]).image
        assert drawn[10, 10:30, 0].min() > 200
        assert drawn[15:25, 15:25].max() == 0
        filled = blank.filled(box, [red], alphas=[0.5]).image
        assert abs(int(filled[20, 20, 0]) - 128) <= 2
        assert filled[5, 5].max() == 0
        assert blank.dotted(np.array([[20.0, 10]]), [red], radius=3).image[20, 20].tolist() == [255, 0, 0]

    def test_a_part_keeps_its_places_and_one_outside_of_the_picture_is_its_border(self) -> None:
        board = np.zeros((50, 60, 3), np.uint8)
        board[10:30, 10:30] = 255
        easel = Easel(board, (2.0, 2.0), (10.0, 0.0))
        part = easel.cut(np.array([15.0, 5, 25, 15], np.float32), margin=0.5, side=80)
        x1, y1, x2, y2 = part.place(np.array([[15.0, 5, 25, 15]]))[0].round().astype(int).tolist()
        assert part.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 250
        assert part.image[: y1 - 3].max() < 5
        assert min(easel.cut(np.array([500.0, 500, 510, 510], np.float32)).image.shape) > 0


class TestPlots:
    def test_counts_are_dots_on_lines_and_the_setting_in_use_is_marked(self) -> None:
        curve = Curve("kept <b>", [0.3, 0.6, 0.9], [4, 7, 9])
        root = ET.fromstring(counts_svg([curve], title="t & u", x_label="IoU", mark=0.6, marked="in use"))
        space = "{http://www.w3.org/2000/svg}"
        assert len(root.findall(f"{space}circle")) == 3
        assert "in use" in "".join(root.itertext())
        away = counts_svg([curve], title="t", x_label="IoU", mark=0.1, marked="in use")
        assert "in use" not in away

    def test_counts_of_nothing_are_drawn_too(self) -> None:
        ET.fromstring(counts_svg([Curve("none", [0, 1], [0, 0])], title="t", x_label="x"))

    def test_a_funnel_has_a_bar_for_each_step_in_falling_widths(self) -> None:
        root = ET.fromstring(
            funnel_svg([("all", 1000, "a"), ("some", 30, "b"), ("none", 0, "c")], title="What is left")
        )
        widths = [float(bar.get("width")) for bar in root.iter("{http://www.w3.org/2000/svg}rect")][1::2]
        assert widths[0] > widths[1] > widths[2] > 0
