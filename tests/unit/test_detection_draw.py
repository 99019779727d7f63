import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.core.types import Boxes
from nayan.tasks.detection.draw import LOST, annotate, colour_of, mistake, sheet

GRAY = np.full((300, 400, 3), 128, np.uint8)


def boxes(*rows: list[float], labels: list[int] | None = None, scores: list[float] | None = None) -> Boxes:
    return Boxes(
        np.array(rows, np.float32).reshape(-1, 4),
        np.array(labels if labels is not None else [0] * len(rows), np.int64),
        None if scores is None else np.array(scores, np.float32),
    )


def painted_at(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return the (row, column) of every pixel of a colour."""
    return np.argwhere((picture == colour).all(axis=2))


def test_the_line_lies_on_the_edge_of_the_box_and_the_picture_is_not_changed() -> None:
    picture = annotate(GRAY, boxes([100, 150, 300, 250]), ["cat"])
    assert picture.shape == GRAY.shape
    assert (GRAY == 128).all()
    for y, x in [(200, 100), (200, 299), (249, 200)]:
        assert tuple(picture[y, x]) == colour_of(0)
    assert tuple(picture[200, 200]) == (128, 128, 128)
    assert tuple(picture[200, 99]) == (20, 24, 30), "a dark border"


def test_no_boxes_leave_the_picture_as_it_is() -> None:
    np.testing.assert_array_equal(annotate(GRAY, Boxes.none(), ["cat"]), GRAY)


@pytest.mark.parametrize(
    "box", [[0, 0, 400, 300], [380, 280, 400, 300], [-50, -50, 5, 5], [395, 0, 460, 20], [50, 60, 50, 60]]
)
@pytest.mark.parametrize("size", [(300, 400), (12, 30), (1, 1), (1200, 900)])
def test_boxes_and_names_at_every_border_and_in_every_picture_can_be_painted(
    box: list[float], size: tuple[int, int]
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    picture = annotate(image, boxes(box, scores=[0.5]), ["a rather long name of a class " * 3])
    assert picture.shape == image.shape
    assert (picture != image).any()


def test_names_cover_no_other_name_and_the_surest_keeps_its_own() -> None:
    one = annotate(GRAY, boxes([100, 100, 180, 160], labels=[1], scores=[0.9]), ["cat", "dog"])
    many = boxes(*[[100, 100, 180, 160]] * 30, labels=[0] * 29 + [1], scores=[0.5] * 29 + [0.9])
    crowded = annotate(GRAY, many, ["cat", "dog"])
    assert len(painted_at(crowded, colour_of(1))) > 0.5 * len(painted_at(one, colour_of(1)))


def test_lines_and_letters_grow_with_the_picture() -> None:
    small, large = (
        painted_at(
            annotate(
                np.zeros((side, side, 3), np.uint8), boxes([0.2 * side] * 2 + [0.8 * side] * 2), ["cat"]
            ),
            colour_of(0),
        )
        for side in (300, 1200)
    )
    assert len(large) > 8 * len(small)


def test_a_label_without_a_name_is_refused() -> None:
    with pytest.raises(ShapeError, match="labels 2 to 2 need as many names, got 1"):
        annotate(GRAY, boxes([0, 0, 9, 9], labels=[2]), ["cat"])


def test_twenty_one_classes_have_colours_of_their_own() -> None:
    colours = [colour_of(label) for label in range(21)]
    assert len(set(colours)) == 21
    assert all(0 <= value <= 255 for colour in colours for value in colour)
    assert colour_of(21) == colour_of(0)


def test_a_sheet_shows_the_boxes_of_pictures_of_any_size() -> None:
    images = [GRAY, np.full((20, 10, 3), 200, np.uint8), GRAY[:, :200]]
    targets = [boxes([100, 100, 300, 200]), boxes(), None]
    plain = sheet(images, [None] * 3, ["cat"])
    shown = sheet(images, targets, ["cat"])
    assert shown.shape == plain.shape
    assert len(painted_at(shown, colour_of(0))) > 200
    assert not len(painted_at(plain, colour_of(0)))


def record(*drawn: tuple[list[int], str, str]) -> dict:
    return {"boxes": [{"box": box, "label": label, "kind": kind, "score": 0.5} for box, label, kind in drawn]}


def test_a_mistake_is_painted_at_one_size_with_what_is_wrong() -> None:
    large = np.full((1200, 1600, 3), 128, np.uint8)
    picture = mistake(large, record(([400, 400, 800, 800], "cat", "missed")), ["cat"])
    assert picture.shape == (420, 560, 3)
    rows = painted_at(picture, LOST)
    assert len(rows) > 200
    assert rows[:, 1].min() == pytest.approx(140, abs=2)
    assert not len(painted_at(mistake(large, record(), ["cat"]), LOST))


@pytest.mark.parametrize("kind", ["class", "place", "duplicate", "both", "background"])
def test_wrong_detections_stand_out_more_than_right_ones(kind: str) -> None:
    box = [100, 100, 300, 200]
    wrong = mistake(GRAY, record((box, "dog", kind)), ["cat", "dog"])
    right = mistake(GRAY, record((box, "dog", "right")), ["cat", "dog"])
    assert len(painted_at(wrong, colour_of(1))) > 1.3 * len(painted_at(right, colour_of(1))) > 0


def test_objects_and_crowds_are_dashed() -> None:
    for kind in ("object", "crowd"):
        picture = mistake(GRAY, record(([100, 100, 300, 200], "cat", kind)), ["cat"])
        changed = (picture != 128).any(axis=2)
        edge = changed[140, 141:419]
        assert 0.3 < edge.mean() < 0.7
