import numpy as np
import pytest

from nayan.core import lettering
from nayan.core.errors import ShapeError
from nayan.core.lettering import fitted, width_of
from nayan.core.sheet import grid


def test_a_contact_sheet_has_a_cell_a_picture() -> None:
    images = [np.full((h, w, 3), 90, np.uint8) for h, w in [(10, 10), (300, 200), (50, 400), (1, 1)]]
    sheet = grid(images, ["one", "two", "three", ""], columns=3, side=100)
    captions = round(1.7 * 11)
    assert sheet.shape == (2 * (100 + captions + 5) + 5, 3 * 105 + 5, 3)
    assert (sheet[55, 55] == 90).all()
    assert grid(images[:2], ["", ""], columns=9, side=100).shape == (110, 215, 3)


def test_a_contact_sheet_of_nothing_is_one_white_pixel() -> None:
    assert grid([], []).tolist() == [[[255, 255, 255]]]


def test_captions_must_be_as_many_as_pictures() -> None:
    with pytest.raises(ShapeError, match="1 pictures need as many captions, got 0"):
        grid([np.zeros((2, 2, 3), np.uint8)], [])


def test_text_is_cut_to_its_room() -> None:
    assert fitted("cat", 200, 16) == "cat"
    cut = fitted("a name that is far too long", 100, 16)
    assert cut.endswith("...")
    assert width_of(cut, 16) <= 100


def test_letters_that_no_font_has_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "FONTS", ("no-such-font.ttf",))
    lettering._system_font.cache_clear()
    try:
        assert fitted("café 花", 200, 16) == "cafe ?"
    finally:
        lettering._system_font.cache_clear()
