"""Tables of facts about pictures: types of columns, faults, and which row is of which picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from nayan.core.errors import DataError, FormatError
from nayan.data.facts import read_facts


def table(folder: Path, text: str) -> Path:
    path = folder / "items.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_column_is_of_numbers_or_truths_only_where_all_its_cells_are(tmp_path: Path) -> None:
    facts = read_facts(
        table(
            tmp_path,
            "image,price,sku,organic,size,note\n"
            "a.jpg,2,007,true,1e3,3\n"
            "b.jpg,2.5,12,False,-.5,three\n"
            "c.jpg,,13,,,\n",
        )
    )
    assert facts.columns == ("price", "sku", "organic", "size", "note")
    assert facts.rows["a.jpg"] == {"price": 2, "sku": "007", "organic": True, "size": 1000.0, "note": "3"}
    assert facts.rows["b.jpg"]["price"] == 2.5
    assert facts.rows["b.jpg"]["organic"] is False
    assert facts.rows["c.jpg"] == {"sku": "13"}


def test_a_row_is_found_by_the_place_beside_the_table_the_absolute_path_or_the_name(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    there = (tmp_path / "far.jpg").as_posix()
    facts = read_facts(table(tmp_path / "tables", f"Image Path;id\n../near.jpg;1\n{there};2\nitem 3;3\n"))
    assert facts.of(tmp_path / "near.jpg", "near.jpg") == {"id": 1}
    assert facts.of(tmp_path / "far.jpg", "far.jpg") == {"id": 2}
    assert facts.of(tmp_path / "other.jpg", "item 3") == {"id": 3}
    assert facts.of(tmp_path / "other.jpg", "other.jpg") is None


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", DataError, "the table is empty"),
        ("name,price\na.jpg,1\n", DataError, "none of the columns 'name', 'price' names the files"),
        ("image,,x\na.jpg,1,2\n", FormatError, r"items\.csv:1: .*one has no name"),
        ("image,x,x\na.jpg,1,2\n", FormatError, "two have the same"),
        ("image,x\na.jpg,1,2\n", FormatError, r"items\.csv:2: 3 cells, the header has 2"),
        ("image,x\na.jpg,1\n./a.jpg,2\n", DataError, r"items\.csv:3: 'a\.jpg' is there twice"),
        ('image,x\na.jpg,"1\n', FormatError, r"items\.csv:2: "),
    ],
)
def test_a_table_that_makes_no_sense_says_where(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_facts(table(tmp_path, text))
