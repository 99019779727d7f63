"""What the report says about a detector, from documents and from a run that was evaluated."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nayan.core.errors import DataError, FormatError
from nayan.core.image import open_image
from nayan.core.story import Story
from nayan.core.types import Boxes, Dataset, Sample
from nayan.report.evaluation import write_evaluation
from nayan.report.html import write_report
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.detection.draw import LOST
from nayan.tasks.detection.findings import panels, summary, told_mistakes
from nayan.tasks.detection.metric import DetectionMetric

PREPROCESS = Preprocess((320, 320), "letterbox")
PLACEMENT = PREPROCESS.placement((640, 640))


def invented(seed: int, classes: int, *, noise: float = 4.0, side: float = 60) -> tuple[Boxes, Boxes]:
    """Return detections and objects of a picture; every fourth object is not found."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 500, (8, 2))
    xyxy = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    labels = rng.integers(0, classes, 8)
    found = (xyxy[2:] + rng.normal(0, noise, (6, 4))).astype(np.float32)
    named = labels[2:].copy()
    named[0] = (named[0] + 1) % classes
    return Boxes(found, named, rng.uniform(0.3, 1, 6).astype(np.float32)), Boxes(xyxy, labels)


def document(
    *, pictures: int = 60, classes: int = 3, empty: bool = True, noise: float = 4.0, side: float = 60, **more
) -> dict:
    metric = DetectionMetric([f"class {n}" for n in range(classes)])
    for seed in range(pictures):
        found, truth = invented(seed, classes, noise=noise, side=side)
        metric.update([found], [truth])
    if empty:
        metric.update([Boxes.none()], [Boxes.none()])
    thresholds = [0.25] * classes
    placements = [PLACEMENT] * (pictures + empty)
    details = metric.details(calibration={"thresholds": thresholds}, placements=placements)
    return {"split": "test", "imgsz": 320, "metrics": metric.compute(), "details": details, **more}


def test_the_verdict_names_scores_extremes_and_the_costliest_mistake() -> None:
    first, second, third = summary(document()).verdict
    assert first.startswith("On the 61 test pictures its AP50 is ")
    assert "of the 480 objects" in first
    assert "weakest at “class" in second
    assert third.startswith("What costs it most is ")
    assert "points higher" in third


def test_a_flawless_detector_has_no_costliest_mistake() -> None:
    metric = DetectionMetric(["cat"])
    truth = Boxes(np.array([[0, 0, 50, 50]], np.float32), np.zeros(1, np.int64))
    metric.update([Boxes(truth.xyxy, truth.labels, np.ones(1, np.float32))], [truth])
    made = summary({"split": "test", "metrics": metric.compute(), "details": metric.details()})
    assert len(made.verdict) == 1
    assert made.tiles[0].value == "100.0 %"


def test_key_figures_have_bars() -> None:
    tiles = summary(document()).tiles
    assert [tile.label for tile in tiles] == ["AP50", "mAP 50-95", "Found", "Right"]
    assert all(tile.level is not None and 0 <= tile.level <= 1 for tile in tiles)


def test_nothing_shown_has_no_share_that_is_right() -> None:
    made = document()
    for row in made["details"]["per_class"]:
        row |= {"shown": 0, "precision": None, "recall": 0.0}
    told = summary(made)
    assert [tile.label for tile in told.tiles] == ["AP50", "mAP 50-95", "Found"]
    assert "finds 0 % of the 480 objects." in told.verdict[0]


def test_worries_name_what_the_scores_rest_on() -> None:
    few = " ".join(summary(document(pictures=3, classes=2, empty=False, split="val")).worries)
    assert "also chose the best epoch" in few
    assert "3 val pictures are few" in few
    assert "tested on fewer than 20 objects" in few
    assert "Every val picture shows an object" in few
    assert summary(document(pictures=120)).worries == ()


def test_classes_that_are_hardly_found_or_never_tested_are_worries() -> None:
    made = document(noise=60)
    made["details"]["per_class"].append({**made["details"]["per_class"][0], "label": "ghost", "objects": 0})
    told = " ".join(summary(made).worries)
    assert "hardly found at all (AP50 below 20 %)" in told
    assert "“ghost” was never tested: nothing is known about it." in told


def test_many_small_classes_are_counted_not_listed() -> None:
    worry = next(w for w in summary(document(pictures=6, classes=12)).worries if "fewer than" in w)
    assert "more classes were tested on fewer than 20 objects" in worry


def test_small_objects_bring_advice() -> None:
    made = document(side=20)
    assert any("train with `--imgsz 5" in worry for worry in summary(made).worries)
    sizes = next(panel for panel in panels(made) if panel.title == "Large and small")
    assert "100 % of the objects are smaller than 16 px" in sizes.text
    made["tile"] = 640
    sizes = next(panel for panel in panels(made) if panel.title == "Large and small")
    assert "at `--imgsz 320` in tiles of 640 px, and the share" in sizes.text
    assert any("or with a smaller `--tile`." in worry for worry in summary(made).worries)
    made.pop("imgsz")
    assert not any("--imgsz" in worry for worry in summary(made).worries)
    assert "--imgsz" not in next(panel for panel in panels(made) if panel.title == "Large and small").text


def test_panels_are_well_formed_drawings_and_json() -> None:
    worst = [
        {"id": "a.jpg", "wrong": {"missed": 2, "background": 1}, "objects": 5, "picture": "gallery/1.jpg"},
        {"id": "b.jpg", "wrong": {"class": 1}, "objects": 1},
        {"id": "c.jpg", "wrong": {"background": 3}, "objects": 0},
    ]
    found = panels(document(worst=worst))
    assert [panel.title for panel in found] == [
        "Precision and recall, IoU 0.5",
        "Precision and recall, IoU 0.75",
        "What goes wrong",
        "Large and small",
        "Confusion matrix",
        "What it mixes up",
        "Class by class",
        "The numbers of COCO",
        "The worst pictures",
    ]
    for panel in found:
        if panel.svg:
            ET.fromstring(panel.svg)
    pictures = found[-1].data["pictures"]
    assert [(each["title"], each["text"]) for each in pictures] == [
        ("2 missed, 1 invented", "of 5 objects"),
        ("1 misnamed", "of one object"),
        ("3 invented", "there is nothing in it"),
    ]
    json.dumps(Story("evaluation", found).to_json(), allow_nan=False)


def test_kinds_that_nobody_knows_are_not_told() -> None:
    assert told_mistakes({"haunted": 2, "duplicate": 1}) == "1 found twice"


@pytest.mark.parametrize("classes", [1, 12, 90])
def test_matrices_of_any_number_of_classes_can_be_drawn(classes: int) -> None:
    made = {panel.title: panel for panel in panels(document(pictures=30, classes=classes))}
    ET.fromstring(made["Confusion matrix"].svg)
    assert ("Only the 80 classes" in made["Confusion matrix"].text) == (classes == 90)
    assert (made["Confusion matrix"].data.get("layout") == "half") == (classes == 1)


def test_what_a_document_lacks_is_left_out() -> None:
    assert summary({}).verdict == ()
    assert panels({}) == []
    bare = summary({"metrics": {"map50": 0.5}})
    assert bare.verdict == ("On evaluated pictures its AP50 is 50.0 %.",)
    assert bare.worries == ()
    nothing = DetectionMetric(["cat"])
    empty = {"split": "val", "metrics": nothing.compute(), "details": nothing.details()}
    assert summary(empty).worries == ("The val split holds no objects to judge by.",)
    assert panels(empty) == []
    made = document()
    made["details"] |= {"curves": {}, "anatomy": [], "sizes": None, "confusions": []}
    assert [panel.title for panel in panels(made)] == [
        "Confusion matrix",
        "Class by class",
        "The numbers of COCO",
    ]
    assert len(summary(made).verdict) == 2


def file_sample(path: Path, truth: Boxes) -> Sample:
    return Sample(path.name, lambda *_: open_image(path), truth, path)


def refuse(*_: object) -> np.ndarray:
    raise FormatError("broken.png is truncated")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Evaluate pictures of which two hold mistakes."""
    pairs = [invented(seed, 2) for seed in range(3)]
    samples = [
        Sample(f"{n}.png", lambda *_: np.full((640, 640, 3), 120, np.uint8), truth)
        for n, (_, truth) in enumerate(pairs)
    ]
    Image.new("RGB", (640, 640), (120, 120, 120)).save(tmp_path / "0.png")
    samples[0] = file_sample(tmp_path / "0.png", pairs[0][1])
    samples.append(Sample("broken.png", refuse, Boxes.none()))
    answers = iter([found for found, _ in pairs])
    spec = Spec("detection", "yolo", {}, ("<b>cat</b>", "dog"), PREPROCESS)
    predictor = SimpleNamespace(
        spec=spec, calls=1, predict_pixels=lambda pixels, _: [next(answers) for _ in pixels]
    )
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    data = Dataset(tuple(samples), spec.classes, tmp_path, "coco", "test")
    write_evaluation(folder, predictor, data, calibration={"thresholds": [0.4, 0.4]})  # type: ignore[arg-type]
    (folder / "model" / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    return folder


def test_a_picture_without_ground_truth_cannot_be_judged_by(tmp_path: Path) -> None:
    samples = (Sample("a.png", refuse, Boxes.none()), Sample("b.png", refuse))
    predictor = SimpleNamespace(spec=Spec("detection", "yolo", {}, ("cat", "dog"), PREPROCESS))
    data = Dataset(samples, ("cat", "dog"), tmp_path, "coco", "test")
    with pytest.raises(DataError, match=r"1 of 2 pictures of the test split have no .*is b\.png"):
        write_evaluation(tmp_path, predictor, data, calibration={})  # type: ignore[arg-type]


def test_an_evaluated_run_shows_its_worst_pictures_with_their_mistakes_painted(run: Path) -> None:
    made = json.loads((run / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert made["imgsz"] == 320
    assert made["details"]["sizes"]["median"] == pytest.approx(30, abs=0.01)
    assert made["failures"] == [{"id": "broken.png", "error": "broken.png is truncated"}]
    assert len(made["worst"]) == 3
    painted = np.asarray(Image.open(run / "evaluation" / made["worst"][0]["picture"]).convert("RGB"))
    assert painted.shape == (560, 560, 3)
    red = np.abs(painted.astype(int) - LOST).max(axis=2) < 60
    assert red.sum() > 100, "missed objects are painted red"


def test_the_report_of_a_detector_is_one_page_with_a_large_gallery(run: Path) -> None:
    text = write_report(run).read_text(encoding="utf-8")
    assert '<div class="gallery large">' in text
    assert text.count("data:image/jpeg") == 3
    assert "<b>cat</b>" not in text.replace("&lt;b&gt;cat&lt;/b&gt;", "")
    assert "its AP50 is" in text
