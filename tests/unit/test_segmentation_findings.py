"""What the report says about a segmenter, from documents and from a run that was evaluated."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nayan.core.errors import FormatError
from nayan.core.story import Story
from nayan.core.types import VOID, Dataset, MaskSource, Sample, SemanticMask
from nayan.report.evaluation import write_evaluation
from nayan.report.html import write_report
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.segmentation.draw import panels, summary
from nayan.tasks.segmentation.metric import SegmentationMetric
from nayan.tasks.segmentation.worries import share_at_borders

SIZE = (36, 48)


def invented(seed: int, classes: int, *, inside: float = 0.1, shift: int = 1) -> tuple[SemanticMask, ...]:
    """Return what was found on a picture, and the truth: areas that are shifted, some mixed up."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, classes, (3, 4))
    truth = np.kron(blocks, np.ones((12, 12), int)).astype(np.uint8)
    taken = np.where(random.random((3, 4)) < inside, (blocks + 1) % classes, blocks)
    found = np.roll(np.kron(taken, np.ones((12, 12), int)), shift, axis=1).astype(np.uint8)
    found[:, :shift] = truth[:, :shift]
    return SemanticMask(found), SemanticMask(truth)


def document(
    pairs: list[tuple[SemanticMask, ...]],
    names: list[str],
    *,
    thresholds: tuple[float, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    metric = SegmentationMetric(names)
    metric.update([found for found, _ in pairs], [truth for _, truth in pairs])
    details = metric.details(calibration={"thresholds": list(thresholds)})
    return {"split": "test", "imgsz": 320, "metrics": metric.compute(), "details": details, **more}


def usual(pictures: int = 60, classes: int = 4, **more: Any) -> dict[str, Any]:
    pairs = [invented(seed, classes) for seed in range(pictures)]
    return document(pairs, [f"class {n}" for n in range(classes)], **more)


def binary(pictures: int = 60, *, thresholds: tuple[float, ...] = (0.43,), **more: Any) -> dict[str, Any]:
    pairs = [invented(seed, 2) for seed in range(pictures)]
    return document(pairs, ["background", "cell"], thresholds=thresholds, **more)


def titles(evaluation: dict[str, Any]) -> list[str]:
    return [panel.title for panel in panels(evaluation)]


def told(evaluation: dict[str, Any]) -> str:
    return " ".join(summary(evaluation).worries)


def test_the_verdict_names_scores_extremes_confusions_and_where_they_lie() -> None:
    first, second, third, fourth = summary(usual()).verdict
    assert first.startswith("On the 60 test pictures the areas that it finds overlap the true ones by ")
    assert "mean IoU of 4 classes; 95 % interval " in first
    assert "of all pixels have the right class; to call every pixel “class" in first
    assert second.startswith("It is best at “class")
    assert third.startswith("Its largest confusion is “class")
    assert "of the wrong pixels lie near a border between two classes: there" in fourth


def test_one_class_over_a_background_is_judged_by_its_own_overlap() -> None:
    made = summary(binary())
    assert "what it takes for “cell” overlaps the truth by" in made.verdict[0]
    assert "; Dice " in made.verdict[0]
    assert not any("best at" in sentence for sentence in made.verdict)
    labels = ["IoU of “cell”", "Dice of “cell”", "Mean IoU", "Pixel accuracy", "Boundary F1"]
    assert [tile.label for tile in made.tiles] == labels
    row = next(panel for panel in panels(binary()) if panel.title == "The scores")
    assert "A pixel is “cell” from a probability of 0.43 on" in row.text


def test_key_figures_have_bars_and_intervals() -> None:
    tiles = summary(usual()).tiles
    assert [tile.label for tile in tiles] == ["Mean IoU", "Pixel accuracy", "Boundary F1"]
    assert all(tile.level is not None and 0 <= tile.level <= 1 and " to " in tile.note for tile in tiles)
    assert all(tile.note == "" for tile in summary(usual(1)).tiles)


def test_a_flawless_segmenter_has_nothing_mixed_up() -> None:
    pairs = [(truth, truth) for _, truth in (invented(seed, 3) for seed in range(60))]
    made = document(pairs, ["a", "b", "c"])
    assert summary(made).verdict[-1] == "Not one pixel is wrong."
    assert summary(made).worries == ()
    assert "What it mixes up" not in titles(made)
    assert "At borders and inside" not in titles(made)
    assert share_at_borders(made["details"]) is None


def test_where_confusions_are_many_and_small_none_is_called_large() -> None:
    random = np.random.default_rng(0)
    pairs = [
        tuple(SemanticMask(random.integers(0, 12, SIZE, dtype=np.uint8)) for _ in range(2)) for _ in range(50)
    ]
    assert "No confusion stands out: the largest, “" in " ".join(
        summary(document(pairs, [f"class {n}" for n in range(12)])).verdict
    )


def test_one_confusion_alone_has_no_second() -> None:
    truth = np.zeros(SIZE, np.uint8)
    truth[:, 24:] = 1
    found = np.zeros(SIZE, np.uint8)
    found[:, 30:] = 1
    made = document([(SemanticMask(found), SemanticMask(truth))] * 2, ["road", "sky"])
    assert (
        "Its largest confusion is “sky” taken for “road”, 100 % of the wrong pixels." in summary(made).verdict
    )


def test_worries_name_what_the_scores_rest_on() -> None:
    few = told(usual(4, split="val"))
    assert "These pictures also chose the best epoch, so" in few
    assert "4 val pictures are few: another 4 could" in few
    assert "One val picture tells" in told(usual(1, split="val"))
    assert "also chose the best epoch and the threshold, so" in told(binary(split="val"))


def test_classes_that_are_rare_never_found_or_never_there_are_worries() -> None:
    pairs = [invented(seed, 2, inside=0.0, shift=0) for seed in range(60)]
    for number, (found, truth) in enumerate(pairs[:20]):
        truth.ids[:1, :4] = 2
        found.ids[:1, :4] = 2 if number < 3 else 0
        if number < 3:
            truth.ids[-1:, :4] = found.ids[-1:, :4] = 3
        truth.ids[5, :8] = 4
    pairs[0][0].ids[20, 20] = 5
    words = told(document(pairs, ["road", "sky", "pole", "sign", "wire", "<ghost>", "nowhere"]))
    assert "“wire” was never found, though it is there." in words
    assert "“pole” was hardly found (IoU below 20 %)." in words
    assert "“<ghost>” and “nowhere” were never tested: nothing is known about them, and what was" in words
    assert "“sign” was tested on fewer than 5 pictures: its scores say little." in words
    assert "“pole”, “sign” and “wire” cover less than 1 % of the pixels each, yet count as much" in words
    assert "Try `--balance loss`" in words
    alone = [(found, SemanticMask(np.where(truth.ids == 2, 2, 0).astype(np.uint8))) for found, truth in pairs]
    one = told(document(alone, ["road", "sky", "pole", "sign", "wire", "<ghost>", "nowhere"]))
    assert "“pole” covers less than 1 % of the pixels, yet counts as much" in one


def test_rare_classes_that_fare_as_well_as_others_are_no_worry() -> None:
    pairs = [invented(seed, 2, inside=0.0) for seed in range(60)]
    for found, truth in pairs:
        found.ids[:1, :4] = truth.ids[:1, :4] = 2
    assert "--balance" not in told(document(pairs, ["road", "sky", "pole"]))


def test_a_class_that_is_neither_there_nor_found_does_not_count() -> None:
    made = usual(60, 3)
    nowhere = {"label": "ghost", "pictures": 0, "pixels": 0, "share": 0.0, "interval": None}
    scores = dict.fromkeys(("iou", "dice", "precision", "recall", "boundary_f1"))
    made["details"]["per_class"].append({**nowhere, **scores})
    assert "“ghost” was never tested: nothing is known about it." in told(made)


def test_scores_that_are_hardly_known_ask_for_more_pictures() -> None:
    made = usual()
    made["details"]["intervals"]["miou"] = [0.41, 0.52]
    assert "The mean IoU is known no better than that it lies between 41.0 and 52.0 %: test" in told(made)
    made = usual()
    made["details"]["per_class"][1]["interval"] = [0.3, 0.6]
    assert "The IoU of “class 1” is known no better than to within 20 points: test on more" in told(made)
    made["details"]["per_class"][2]["interval"] = [0.3, 0.6]
    assert "test on more pictures of them." in told(made)


def test_mistakes_at_borders_bring_other_advice_than_those_inside() -> None:
    edges = document([invented(seed, 3, inside=0.0) for seed in range(60)], ["a", "b", "c"])
    assert "100 % of the wrong pixels lie near borders" in told(edges)
    assert "(`--imgsz` above 320, where they are larger)" in told(edges)
    edges.pop("imgsz")
    assert "--imgsz" not in told(edges)
    areas = document([invented(seed, 3, inside=0.3, shift=0) for seed in range(60)], ["a", "b", "c"])
    assert "% of the wrong pixels lie inside of areas, away from every border" in told(areas)
    mixed = document([invented(seed, 3, inside=0.06) for seed in range(60)], ["a", "b", "c"])
    assert "near borders" not in told(mixed)
    assert "inside of areas" not in told(mixed)


def test_one_answer_for_all_pixels_may_be_as_good() -> None:
    pairs = [(SemanticMask(np.zeros(SIZE, np.uint8)), invented(seed, 2)[1]) for seed in range(60)]
    assert "It is not certain that this is better than calling every pixel “" in told(
        document(pairs, ["road", "sky"])
    )
    assert "not certain" not in told(document([(truth, truth) for _, truth in pairs], ["road", "sky"]))


def test_pixels_outside_of_the_crop_are_a_worry_and_a_column() -> None:
    pairs = [invented(seed, 3) for seed in range(60)]
    for found, _ in pairs:
        found.ids[:, :4] = VOID
    made = document(pairs, ["a", "b", "c"])
    assert "8.3 % of the pixels were not looked at" in told(made)
    matrix = next(panel for panel in panels(made) if panel.title == "Confusion matrix")
    assert "(nothing)" in matrix.text
    assert "a missed" in matrix.svg


def test_pictures_of_void_alone_are_counted() -> None:
    nothing = SemanticMask(np.full(SIZE, VOID, np.uint8))
    pairs = [invented(seed, 3) for seed in range(60)]
    assert "1 test picture has nothing in the mask" in told(
        document([*pairs, (nothing,) * 2], ["a", "b", "c"])
    )
    made = document([*pairs, *[(nothing,) * 2] * 2], ["a", "b", "c"])
    assert "2 test pictures have nothing in the mask but void" in told(made)


@pytest.mark.parametrize(("threshold", "extreme"), [(0.03, True), (0.5, False), (0.97, True)])
def test_a_threshold_near_the_ends_is_a_worry(threshold: float, extreme: bool) -> None:
    assert ("The fitted threshold of “cell”" in told(binary(thresholds=(threshold,)))) is extreme


def test_panels_are_well_formed_drawings_and_json() -> None:
    mixed = [
        {"truth": "road", "found": "sky", "share": 0.2},
        {"truth": "sky", "found": "car", "share": 0.001},
    ]
    worst = [{"id": "a.jpg", "accuracy": 0.72, "mixed": mixed, "picture": "1.jpg"}, {"accuracy": 0.9}]
    found = panels(usual(worst=worst))
    assert [panel.title for panel in found] == [
        "Overlap by class",
        "At borders and inside",
        "Confusion matrix",
        "What it mixes up",
        "Picture by picture",
        "The scores",
        "Class by class",
        "The worst pictures",
    ]
    for panel in found:
        if panel.svg:
            ET.fromstring(panel.svg)
    first, second = found[-1].data["pictures"]
    assert first["title"] == "28 % of its pixels wrong"
    assert first["text"] == "“road” taken for “sky” (20 %), “sky” taken for “car” (under 1 %)"
    assert second["text"] == ""
    json.dumps(Story("evaluation", found).to_json(), allow_nan=False)


@pytest.mark.parametrize("classes", [1, 11, 90])
def test_any_number_of_classes_can_be_drawn(classes: int) -> None:
    pairs = [invented(seed, classes) for seed in range(30)]
    made = {panel.title: panel for panel in panels(document(pairs, [f"class {n}" for n in range(classes)]))}
    for panel in made.values():
        if panel.svg:
            ET.fromstring(panel.svg)
    assert ("Only the 80 classes" in made["Confusion matrix"].text) == (classes == 90)
    assert ("Only the 40 weakest of " in made["Overlap by class"].text) == (classes == 90)
    assert (made["Confusion matrix"].data.get("layout") == "half") == (classes == 1)


def test_what_a_document_lacks_is_left_out() -> None:
    assert summary({}).verdict == ()
    assert panels({}) == []
    bare = summary({"metrics": {"miou": 0.5}})
    assert bare.verdict == (
        "On the evaluated pictures the areas that it finds overlap the true ones by 50.0 % (IoU).",
    )
    assert bare.worries == ()
    nothing = SegmentationMetric(["cat"])
    empty = {"split": "val", "metrics": nothing.compute(), "details": nothing.details()}
    assert summary(empty).worries == ("The masks of the val split hold no pixel to judge by.",)
    assert panels(empty) == []
    made = usual()
    for name in ("border", "inside", "picture_miou", "intervals"):
        made["details"].pop(name)
    made["metrics"] = {"miou": 0.5}
    assert titles(made) == [
        "Overlap by class", "Confusion matrix", "What it mixes up", "The scores", "Class by class",
    ]  # fmt: skip
    assert len(summary(made).verdict) == 3
    assert [tile.label for tile in summary(made).tiles] == ["Mean IoU"]
    made["metrics"] = {}
    assert "The scores" not in titles(made)


def refuse(*_: object) -> np.ndarray:
    raise FormatError("broken.png is truncated")


def test_the_report_of_a_segmenter_is_one_page_with_its_worst_pictures(tmp_path: Path) -> None:
    pairs = [invented(seed, 3) for seed in range(3)]
    samples = [
        Sample(
            f"{n}.png", lambda *_: np.full((*SIZE, 3), 120, np.uint8), MaskSource(lambda truth=truth: truth)
        )  # type: ignore[misc]
        for n, (_, truth) in enumerate(pairs)
    ]
    samples.append(Sample("broken.png", refuse, MaskSource(lambda: pairs[0][1])))
    answers = iter([found for found, _ in pairs])
    spec = Spec("segmentation", "unet", {}, ("<b>cat</b>", "dog", "sky"), Preprocess(SIZE, "stretch"))
    predictor = SimpleNamespace(
        spec=spec, calls=1, predict_pixels=lambda pixels, _: [next(answers) for _ in pixels]
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    data = Dataset(tuple(samples), spec.classes, tmp_path, "masks", "test")
    scores = write_evaluation(tmp_path, predictor, data, calibration={})  # type: ignore[arg-type]
    made = json.loads((tmp_path / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert made["metrics"] == scores
    assert len(made["worst"]) == 3
    assert made["worst"][0]["accuracy"] <= made["worst"][1]["accuracy"]
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 3
    assert "<b>cat</b>" not in text
    assert "the areas that it finds overlap the true ones by" in text
    assert "cannot be read: 1 (broken.png)" in text
