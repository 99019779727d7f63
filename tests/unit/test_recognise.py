"""Which format a folder has, and what is said when it has none."""

from pathlib import Path

import pytest
from drawn import draw

from nayan.core.errors import ConfigError, DataError, FormatError, NotFound
from nayan.data.formats import FORMATS
from nayan.data.readers import READERS, recognise

TABLE = "file,label\n1.png,a\n2.png,b\n"


def test_the_layout_tells_the_format_and_why(tmp_path: Path) -> None:
    found = recognise(draw(tmp_path, {"a/1.png": 1, "b/1.png": 2}))
    assert found.reader.name == "folder"
    assert found.reason == "2 folders hold pictures of one class each"
    assert found.scores["folder"] > found.scores["csv"]


def test_the_names_that_help_lists_are_those_of_the_readers() -> None:
    assert READERS.names == FORMATS


def test_the_user_may_name_the_format(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/1.png": 2})
    assert recognise(tmp_path, "csv").reader is READERS["csv"]
    with pytest.raises(NotFound, match="did you mean 'folder'"):
        recognise(tmp_path, "folders")


def test_two_formats_that_fit_alike_ask_for_a_decision(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/2.png": 2, "labels.csv": "file,label\na/1.png,x\nb/2.png,y\n"})
    with pytest.raises(ConfigError, match=r"could be folder .* or csv .*\n.*--format folder or --format csv"):
        recognise(tmp_path)


def test_a_misspelt_path_is_answered_with_the_nearest(tmp_path: Path) -> None:
    draw(tmp_path, {"flowers/a/1.png": 1})
    with pytest.raises(DataError, match=r"flower: there is no such file or folder\ndid you mean .*flowers\?"):
        recognise(tmp_path / "flower")
    with pytest.raises(DataError, match="check the path"):
        recognise(tmp_path / "nowhere" / "x")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder is empty"):
        recognise(tmp_path)


def test_pictures_without_classes_say_what_to_do(tmp_path: Path) -> None:
    draw(tmp_path, {"1.png": 1, "2.png": 2})
    with pytest.raises(
        DataError, match=r"found 2 x picture, but nothing says their classes(.|\n)*labels\.csv"
    ):
        recognise(tmp_path)


@pytest.mark.parametrize(
    "files", [("a/1.png", "a/2.png"), ("train/a/1.png", "val/a/1.png"), ("a/1.png", "1.png")]
)
def test_a_single_class_is_refused(tmp_path: Path, files: tuple[str, ...]) -> None:
    draw(tmp_path, dict.fromkeys(files, 1))
    with pytest.raises(DataError, match="a single class, 'a'; a classifier needs two or more"):
        recognise(tmp_path)


def test_a_folder_around_the_data_set_is_seen_through(tmp_path: Path) -> None:
    draw(tmp_path, {"images/a/1.png": 1, "images/b/1.png": 2})
    with pytest.raises(FormatError, match=r"did you mean .*images\?"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": "x", "sub/b.json": "x", "README": "x"}, r"holds no picture \(1 x .*(\.txt|\.json)"),
        ({"sub/": ""}, r"holds no picture \(no files\)"),
        ({"train/1.png": 1, "test/1.png": 2, "train/x.json": "x"}, r"no format fits 2 x picture, 1 x \.json"),
        (
            {"images/1.png": 1, "labels/1.txt": "x"},
            r"no format fits .*the folders images are not named after",
        ),
    ],
)
def test_an_unknown_layout_says_what_was_seen_and_what_is_known(
    tmp_path: Path, files: dict[str, int | str], message: str
) -> None:
    if "sub/" in files:
        (tmp_path / "sub").mkdir()
    else:
        draw(tmp_path, files)
    with pytest.raises(FormatError, match=rf"{message}(.|\n)*known formats: folder: .*csv: .*idx: "):
        recognise(tmp_path)


def test_a_file_that_no_format_knows_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"data.bin": "x"})
    with pytest.raises(FormatError, match="is a file that no format knows"):
        recognise(tmp_path / "data.bin")
