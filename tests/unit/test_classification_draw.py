import xml.etree.ElementTree as ET

import numpy as np
import pytest

from nayan.core import lettering
from nayan.core.errors import ShapeError
from nayan.core.story import Story
from nayan.core.types import ClassScores, Label
from nayan.tasks.classification.draw import annotate, grid, panels, sheet, summary
from nayan.tasks.classification.metric import ClassificationMetric

SURE = ClassScores(np.array([0.75, 0.25], np.float32))


def evaluation(
    truths: list[int], guesses: list[int], *, classes: int = 3, score: float = 0.9, **more
) -> dict:
    """An evaluation document of pictures with these true classes, guessed with one score."""
    metric = ClassificationMetric([f"class {i}" for i in range(classes)])
    for truth, guess in zip(truths, guesses, strict=True):
        row = np.full(classes, (1 - score) / max(1, classes - 1), np.float32)
        row[guess] = score
        metric.update([ClassScores(row)], [Label(truth)])
    details = metric.details(calibration={"temperature": more.pop("temperature", None)})
    return {"split": "test", "metrics": metric.compute(), "details": details, **more}


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (4, 600), (600, 4), (40, 30), (480, 640)])
def test_every_size_of_picture_gets_a_legible_label(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 250, np.uint8)
    painted = annotate(image, SURE, ["a rather long name of a class", "b"])
    assert painted.dtype == np.uint8
    assert painted.shape[1] >= 224
    assert painted.shape[0] >= 74
    band = painted[-20:]
    assert (band < 120).any(), "a dark band"
    assert (band > 200).any(), "bright letters"
    assert (image == 250).all(), "the picture itself is not painted on"


def test_a_large_picture_keeps_its_size_and_gets_larger_letters() -> None:
    image = np.full((900, 1200, 3), 250, np.uint8)
    painted = annotate(image, SURE, ["a", "b"])
    assert painted.shape == image.shape
    assert (painted[:-110] == 250).all()
    assert (painted[-60] != 250).any()


def test_a_certain_answer_is_written_as_100_percent() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    certain = annotate(image, ClassScores(np.array([1.0, 0.0], np.float32)), ["a", "b"])
    nearly = annotate(image, ClassScores(np.array([0.99, 0.01], np.float32)), ["a", "b"])
    assert (certain != nearly).any()


def test_names_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 scores need as many names, got 1"):
        annotate(np.zeros((9, 9, 3), np.uint8), SURE, ["a"])


def test_letters_that_no_font_has_are_replaced_not_boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "FONTS", ("no-such-font.ttf",))
    lettering._system_font.cache_clear()
    image = np.zeros((300, 300, 3), np.uint8)
    try:
        accents, plain = (annotate(image, SURE, [name, "b"]) for name in ("café", "cafe"))
        foreign, marks = (annotate(image, SURE, [name, "b"]) for name in ("花", "?"))
    finally:
        lettering._system_font.cache_clear()
    np.testing.assert_array_equal(accents, plain)
    np.testing.assert_array_equal(foreign, marks)


def test_letters_that_a_font_of_the_system_has_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = pytest.importorskip("matplotlib").get_data_path() + "/fonts/ttf/DejaVuSans.ttf"
    monkeypatch.setattr(lettering, "FONTS", (fonts,))
    lettering._system_font.cache_clear()
    image = np.zeros((300, 300, 3), np.uint8)
    try:
        known, missing = annotate(image, SURE, ["é ж", "b"]), annotate(image, SURE, ["花", "b"])
    finally:
        lettering._system_font.cache_clear()
    assert (known != annotate(image, SURE, ["e ?", "b"])).any()
    np.testing.assert_array_equal(missing, annotate(image, SURE, ["?", "b"]))


def test_a_sheet_names_the_class_of_each_picture() -> None:
    images = [np.zeros((20, 20, 3), np.uint8)] * 2
    expected = grid(images, ["bee", ""])
    np.testing.assert_array_equal(sheet(images, [Label(1), None], ["ant", "bee"]), expected)


def test_the_verdict_names_score_interval_majority_and_confusion() -> None:
    found = summary(
        evaluation([0] * 60 + [1] * 40 + [2] * 20, [0] * 60 + [1] * 30 + [0] * 10 + [2] * 18 + [1] * 2)
    )
    text = " ".join(found.verdict)
    assert "On the 120 test pictures it is right in 90.0 % of cases (95 % interval 8" in text
    assert "always answering “class 0”, the most frequent class, would be right in 50.0 %" in text
    assert "to take “class 1” for “class 0”: 10 times, 25 % of the pictures of that class" in text
    assert "then “class 2” for “class 1”" in text
    assert "taken at their word (they are off by 0.0 points" in text
    assert next(tile.value for tile in found.tiles) == "90.0 %"
    assert found.worries == ()


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0.95, "roughly right, a little too high"),
        (0.85, "a little too low"),
        (0.5, "too unsure"),
        (1.0, "too sure"),
    ],
)
def test_the_verdict_says_which_way_the_probabilities_err(score: float, words: str) -> None:
    truths = [0] * 90 + [1] * 10 if score != 1.0 else [0] * 80 + [1] * 20
    found = summary(evaluation(truths, [0] * 100, classes=3, score=score))
    assert words in " ".join(found.verdict)


def test_the_verdict_tells_what_the_temperature_did() -> None:
    document = evaluation([0, 1] * 60, [0, 1] * 60, temperature=2.0, calibration={"temperature": 2.0})
    assert "before they were calibrated with a temperature of 2.00" in " ".join(summary(document).verdict)
    titles = [panel.title for panel in panels(document)]
    assert titles[-2:] == ["Before calibration", "After calibration"]


def test_the_calibration_before_may_come_from_the_document() -> None:
    fitted = {"temperature": 1.5, "ece_before": 0.2}
    document = evaluation([0, 1] * 60, [0, 1] * 60, calibration=fitted)
    assert "20.0 before" in " ".join(summary(document).verdict)
    assert panels(document)[-1].text.startswith("Error 10.0 %. All logits are divided by 1.50. Of all")
    assert panels(evaluation([0], [0]))[-1].title == "Can its confidence be believed?"


def test_few_pictures_untested_classes_and_perfection_are_worries() -> None:
    found = summary(evaluation([0] * 10 + [1] * 5, [0] * 10 + [1] * 5))
    text = " ".join(found.worries)
    assert "15 test pictures are few" in text
    assert "right in 81.9 % of cases would manage that once in twenty times" in text
    assert "“class 2” was never tested: nothing is known about it." in text
    assert "“class 1” was tested on fewer than 10 pictures" in text
    assert "interval" not in found.verdict[0], "an interval without width tells nothing"
    assert "It makes no mistake at all on them." in found.verdict


def test_many_small_classes_are_counted_not_listed() -> None:
    found = summary(evaluation(list(range(7)), [0] * 7, classes=7))
    assert "“class 0”, “class 1”, “class 2” and 4 more classes were tested on fewer" in " ".join(
        found.worries
    )


def test_a_score_no_better_than_guessing_is_a_worry() -> None:
    found = summary(evaluation([0] * 90 + [1] * 20 + [2] * 10, [0] * 120))
    text = " ".join(found.worries)
    assert "not certain that this is better than always answering “class 0”" in text
    assert "rare classes fare much worse" in text


def test_validation_pictures_flatter() -> None:
    assert "chose the best epoch" in summary({**evaluation([0], [0]), "split": "val"}).worries[0]


def test_a_single_mistake_is_made_once() -> None:
    found = summary(evaluation([0, 0, 1], [0, 1, 1], classes=6))
    assert "“class 0” for “class 1”: once, 50 %" in found.verdict[1]
    assert "Top-5 accuracy" in [tile.label for tile in found.tiles]


def test_without_pictures_or_metrics_the_summary_says_little_and_breaks_nothing() -> None:
    assert summary({}).verdict == ()
    assert summary(evaluation([], [])).worries == ("The test split holds no pictures to judge by.",)
    assert panels({}) == panels(evaluation([], [])) == []
    bare = summary({"split": "test", "metrics": {"accuracy": 0.5}})
    assert bare.verdict == ("On test pictures it is right in 50.0 % of cases.",)
    assert bare.worries == ()


def test_panels_are_well_formed_drawings_and_json() -> None:
    worst = [
        {
            "id": "a/1.jpg",
            "truth": "x",
            "predicted": "y",
            "score": 0.9,
            "truth_score": 0.05,
            "picture": "gallery/1.jpg",
        },
        {"id": "a/2.jpg", "truth": "x", "predicted": "y", "score": 0.8},
    ]
    document = evaluation([0, 0, 1, 2], [0, 1, 1, 0], thresholds=[0.5, 0.25, 1], worst=worst)
    found = panels(document)
    assert [p.title for p in found] == [
        "Confusion matrix",
        "Row by row, in per cent",
        "What it mixes up",
        "Class by class",
        "Can its confidence be believed?",
        "The worst mistakes",
    ]
    for panel in found:
        if panel.svg:
            ET.fromstring(panel.svg)
    assert found[3].table is not None
    assert found[3].table.rows[0] == ("class 0", 2, 0.5, 0.5, 0.5, 0.5)
    assert found[3].table.rows[2] == ("class 2", 1, None, 0.0, 0.0, 1.0)
    pictures = found[-1].data["pictures"]
    assert pictures[0]["title"] == "y, 90 % sure"
    assert pictures[0]["text"] == "but it shows x (5 %)"
    assert pictures[1]["file"] is None
    Story("evaluation", found).to_json()


@pytest.mark.parametrize("classes", [2, 15, 30, 60, 100])
def test_a_confusion_matrix_of_any_number_of_classes_can_be_drawn(classes: int) -> None:
    truths = list(range(classes))
    guesses = [*truths[:-2], truths[-1], truths[-2]]
    first, second = panels(evaluation(truths, guesses, classes=classes))[:2]
    root = ET.fromstring(first.svg)
    cells = [e for e in root.iter() if e.tag.endswith("rect") and e.get("fill-opacity") is not None]
    assert len(cells) == min(classes, 80)
    assert (second.data.get("folded") is True) == (classes > 12)
    assert ("Only the 80 classes" in first.text) == (classes > 80)
    assert f"class {classes - 1} taken for class {classes - 2}: 1 of 1 (100.0%)" in first.svg


def test_a_small_share_is_not_rounded_to_zero() -> None:
    shares = panels(evaluation([0] * 400, [0] * 399 + [1]))[1].svg
    assert "&lt;1" in shares
