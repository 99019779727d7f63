import xml.etree.ElementTree as ET

import pytest

from nayan.tasks.segmentation.figures import BAR_PX, lost_bars, overlap_bars, picture_histogram


def shapes(svg: str, name: str) -> list[ET.Element]:
    return [each for each in ET.fromstring(svg).iter() if each.tag.endswith(f"}}{name}")]


def bars(svg: str) -> list[float]:
    """Return the widths of all bars; the boxes of the legend are 7 px high."""
    return [float(str(each.get("width"))) for each in shapes(svg, "rect") if each.get("height") != "7"]


def test_bars_are_as_long_as_the_overlap_with_its_interval_over_them() -> None:
    rows = [
        {"label": "road", "iou": 0.8, "interval": [0.7, 0.9]},
        {"label": "<sky>", "iou": 0.4, "interval": None},
    ]
    svg = overlap_bars(rows, mean=0.6, title="IoU")
    assert bars(svg) == pytest.approx([0.8 * BAR_PX, 0.4 * BAR_PX])
    assert len(shapes(svg, "path")) == 2, "one line, and what sets it off"
    assert "road: IoU 80.0%, 95% interval 70.0% to 90.0%" in svg
    assert "&lt;sky&gt;: IoU 40.0%</title>" in svg


def test_many_rows_are_lower() -> None:
    def height(number: int) -> float:
        rows = [{"label": f"class {n}", "iou": 0.5, "interval": None} for n in range(number)]
        return float(str(ET.fromstring(overlap_bars(rows, mean=0.5, title="IoU")).get("viewBox")).split()[3])

    assert height(40) < 2 * height(20)


def test_names_that_are_too_long_are_cut_and_told_whole_on_demand() -> None:
    name = "a very long name indeed " * 4
    svg = overlap_bars([{"label": name, "iou": 0.5, "interval": None}], mean=0.5, title="IoU")
    assert "…</text>" in svg
    assert f"<title>{name}</title>" in svg
    width = float(str(ET.fromstring(svg).get("viewBox")).split()[2])
    assert width < 500


def test_lost_pixels_are_split_into_inside_and_near_a_border() -> None:
    rows = [
        {"label": "all pixels", "near": 0.1, "inside": 0.1},
        {"label": "road", "near": 0.1, "inside": 0.3},
        {"label": "ghost", "near": None, "inside": None},
    ]
    svg = lost_bars(rows, title="Lost")
    assert bars(svg) == pytest.approx([0.25 * BAR_PX, 0.25 * BAR_PX, 0.75 * BAR_PX, 0.25 * BAR_PX])
    assert "road: 40.0% of its pixels lost, 10.0% near a border, 30.0% inside" in svg
    assert [each.text for each in shapes(svg, "text")].count("-") == 1
    (first,) = [each for each in shapes(svg, "text") if each.text == "all pixels"]
    assert first.get("font-weight") == "600"


def test_nothing_lost_still_has_an_axis() -> None:
    svg = lost_bars([{"label": "all pixels", "near": 0.0, "inside": 0.0}], title="Lost")
    assert bars(svg) == [0.0, 0.0]
    assert ">4%</text>" in svg


def test_pictures_are_counted_by_their_overlap() -> None:
    svg = picture_histogram([0.05, 0.62, 0.65, 1.0], median=0.635, title="Pictures")
    assert "2 pictures with an IoU of 60% to 70%" in svg
    assert "1 picture with an IoU of 90% to 100%" in svg
    assert len(shapes(svg, "rect")) == 3
    assert ">median 64%</text>" in svg


@pytest.mark.parametrize(("median", "anchor"), [(0.3, None), (0.97, "end")])
def test_the_median_is_named_where_there_is_room(median: float, anchor: str | None) -> None:
    (text,) = [
        each
        for each in shapes(picture_histogram([median], median=median, title="Pictures"), "text")
        if str(each.text).startswith("median")
    ]
    assert text.get("text-anchor") == anchor
