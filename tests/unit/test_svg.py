import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nayan.core.svg import Frame, document, element, escape, label, shorten, text_width, ticks


@given(st.text())
def test_any_text_gives_well_formed_xml(text: str) -> None:
    drawing = document([label(text, 1, 2, data_name=text)], width=10, height=10, title=text)
    root = ET.fromstring(drawing)
    assert root.tag.endswith("svg")
    assert [child.tag.rpartition("}")[2] for child in root] == ["title", "text"]


def test_markup_in_a_name_stays_text() -> None:
    assert escape("</svg><script>") == "&lt;/svg&gt;&lt;script&gt;"


def test_a_name_cannot_turn_the_reading_direction() -> None:
    assert escape("a\u202egnp.exe") == "a�gnp.exe"


def test_attributes_that_are_none_are_left_out() -> None:
    assert element("line", x1=0, stroke_width=1.5, class_="axis", fill=None) == (
        '<line x1="0" stroke-width="1.5" class="axis"/>'
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.45, [0, 0.1, 0.2, 0.3, 0.4]),
        (0, 12, [0, 2.5, 5, 7.5, 10]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0, 9.9, [0, 2, 4, 6, 8]),
        (0, 47, [0, 10, 20, 30, 40]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_within_and_are_few(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert len(found) <= 7
    assert all(low - 1e-6 * span <= t <= low + span * (1 + 1e-6) for t in found)


@given(st.text(min_size=1), st.integers(20, 200))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert text_width(shorten(text, width)) <= width


def test_east_asian_characters_are_wide() -> None:
    assert text_width("花花") > text_width("ab")


def test_a_frame_puts_the_low_corner_at_the_bottom_left() -> None:
    frame = Frame((1, 3), (0, 10), (50, 20, 150, 120))
    assert (frame.x(1), frame.y(0)) == (50, 120)
    assert (frame.x(2), frame.y(10)) == (100, 20)
    assert "50%" in "".join(Frame((0, 1), (0, 1), (0, 0, 9, 9)).rows([0.5], percent=True))
    assert ">2<" in "".join(frame.columns([2.0]))
