import re
import xml.etree.ElementTree as ET

import pytest

from nayan.core.matrix import confusion_matrix


@pytest.mark.parametrize("classes", [1, 2, 12, 20, 40, 80])
def test_every_cell_that_holds_something_is_drawn_inside_the_picture(classes: int) -> None:
    counts = [[1] * classes for _ in range(classes)]
    root = ET.fromstring(confusion_matrix(counts, [f"class {n}" for n in range(classes)]))
    _, _, width, height = map(float, str(root.get("viewBox")).split())
    cells = [e for e in root.iter() if e.tag.endswith("rect") and e.get("fill-opacity")]
    assert len(cells) == classes**2
    assert all(float(str(e.get("x"))) + float(str(e.get("width"))) <= width for e in cells)
    assert all(float(str(e.get("y"))) + float(str(e.get("height"))) <= height for e in cells)


def test_without_a_background_a_cell_says_what_was_taken_for_what() -> None:
    svg = confusion_matrix([[3, 1], [0, 2]], ["cat", "dog"])
    assert "cat taken for dog: 1 of 4 (25.0%)" in svg
    assert "dog, recognised: 2 of 2 (100.0%)" in svg


def test_with_a_background_objects_are_missed_and_invented() -> None:
    svg = confusion_matrix([[3, 1, 4], [0, 2, 0], [5, 0, 0]], ["cat", "dog"], background="background")
    assert "cat missed: 4 of 8 (50.0%)" in svg
    assert "cat where there is none: 5 of 5 (100.0%)" in svg
    assert "cat taken for dog: 1 of 8" in svg
    assert re.findall(r"Confusion matrix of (\d+) classes", svg) == ["2"]


def test_names_are_text_and_shares_are_percentages() -> None:
    svg = confusion_matrix([[399, 1], [0, 1]], ["<b>", "a" * 60], shares=True)
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg
    assert ">&lt;1</text>" in svg
    assert "…" in svg
