import re
import xml.etree.ElementTree as ET

import pytest

from nayan.tasks.detection.anatomy import KINDS
from nayan.tasks.detection.figures import anatomy_bars, precision_recall, size_histogram

FALLING = [1.0] * 50 + [0.5] * 30 + [0.0] * 21


def shapes(svg: str, name: str) -> list[ET.Element]:
    return [each for each in ET.fromstring(svg).iter() if each.tag.endswith(f"}}{name}")]


def test_few_classes_have_a_colour_a_name_and_a_dot_at_their_threshold() -> None:
    curves = {"cat": FALLING, "<dog>": FALLING}
    svg = precision_recall(curves, mean=FALLING, points={"cat": (0.6, 0.5)}, title="PR")
    assert len(shapes(svg, "path")) == 3
    assert len(shapes(svg, "circle")) == 1
    assert "cat at its threshold: recall 60.0%, precision 50.0%" in svg
    assert ">&lt;dog&gt;</text>" in svg
    assert "mean of the classes" in svg


def test_many_classes_are_thin_lines_under_their_mean() -> None:
    curves = {f"class {n}": FALLING for n in range(30)}
    svg = precision_recall(curves, mean=FALLING, points={"class 3": (0.6, 0.5)}, title="PR")
    assert len(shapes(svg, "path")) == 31
    assert ">each class</text>" in svg
    assert ">class 3</text>" not in svg


def test_one_class_has_no_mean() -> None:
    svg = precision_recall({"cat": FALLING}, mean=FALLING, points={}, title="PR")
    assert len(shapes(svg, "path")) == 1
    assert "mean of the classes" not in svg


def test_a_curve_ends_at_the_last_recall_that_is_reached() -> None:
    (path,) = shapes(precision_recall({"cat": FALLING}, mean=FALLING, points={}, title="PR"), "path")
    assert len(re.findall("[ML]", str(path.get("d")))) == 80
    (nothing,) = shapes(precision_recall({"cat": [0.0] * 101}, mean=[], points={}, title="PR"), "path")
    assert len(re.findall("[ML]", str(nothing.get("d")))) == 1


def test_long_names_stay_inside_the_legend() -> None:
    curves = {f"{'very ' * 20}long {n}": FALLING for n in range(4)}
    svg = precision_recall(curves, mean=FALLING, points={}, title="PR")
    height = float(str(ET.fromstring(svg).get("viewBox")).split()[3])
    lines = [float(str(each.get("y"))) for each in shapes(svg, "text")]
    assert max(lines) < height
    assert "…" in svg


@pytest.mark.parametrize("gain", [0.0, 0.004, 0.3])
def test_bars_are_as_long_as_the_gain(gain: float) -> None:
    anatomy = [{"kind": kind, "count": 3, "gain": gain if kind == "class" else 0.0} for kind in KINDS]
    svg = anatomy_bars(anatomy, title="Mistakes")
    widths = [float(str(each.get("width"))) for each in shapes(svg, "rect")]
    assert len(widths) == len(KINDS)
    assert widths[0] == pytest.approx(max(1.5, 288 * gain / max(0.05, gain)), abs=0.01)
    assert f"+{100 * gain:.1f}" in svg
    assert "wrong class: 3 times" in svg


def test_objects_by_size_are_split_into_found_and_not() -> None:
    bins = [
        {"low": 0, "high": 16, "count": 4, "found": 1},
        {"low": 16, "high": 32, "count": 0, "found": 0},
        {"low": 32, "high": None, "count": 2, "found": 2},
    ]
    svg = size_histogram(bins, small_px=16, title="Sizes")
    assert "0 to 16 px: 1 of 4 found (25%)" in svg
    assert "32 px and more: 2 of 2 found (100%)" in svg
    assert ">25%</text>" in svg
    bars = [each for each in shapes(svg, "rect") if each.get("rx") is None]
    assert len(bars) == 4
