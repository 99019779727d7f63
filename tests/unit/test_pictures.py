"""Sources of pictures: files, folders, patterns, lists."""

from pathlib import Path

import pytest
from drawn import draw, pixels

from nayan.core.errors import ConfigError, DataError
from nayan.data.pictures import find_pictures


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw(tmp_path, {"p/b.png": 1, "p/a.png": 2, "p/sub/c.png": 3, "p/.hidden/x.png": 4, "p/n.txt": "x"})
    draw(tmp_path, {"one [1].png": 5, "empty/n.txt": "x"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources: str | Path, stdin: list[str] | None = None) -> list[str]:
    return [sample.id for sample in find_pictures(sources, stdin)]


def test_a_folder_gives_its_pictures_at_any_depth_in_order(photos: Path) -> None:
    assert names("p") == ["p/a.png", "p/b.png", "p/sub/c.png"]
    assert names(photos / "p" / "sub") == [f"{photos.as_posix()}/p/sub/c.png"]


def test_files_and_patterns_come_in_the_order_of_the_sources_and_once(photos: Path) -> None:
    assert names("p/sub/c.png", "p/*.png", "p") == ["p/sub/c.png", "p/a.png", "p/b.png"]
    assert names("p/**/c.*") == ["p/sub/c.png"]
    assert names("one [1].png") == ["one [1].png"]
    [sample] = find_pictures(["p/a.png"])
    assert sample.path == Path("p/a.png")
    assert (sample.load() == pixels(2)).all()


def test_a_dash_reads_one_path_a_line(photos: Path) -> None:
    assert names("-", stdin=["p/b.png\n", "\n", "p/sub\r\n"]) == ["p/b.png", "p/sub/c.png"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("p/z.png", r"p/z\.png: there is no such file or folder"),
        ("empty", r"empty: the folder holds no picture"),
        ("p/*.gif", r"p/\*\.gif: no picture matches"),
        ("*", r"\*: no picture matches"),
    ],
)
def test_a_source_without_pictures_is_named(photos: Path, source: str, message: str) -> None:
    (photos / "one [1].png").unlink()
    with pytest.raises(DataError, match=message):
        names("p/a.png", source)


def test_a_missing_line_is_named_by_its_number(photos: Path) -> None:
    with pytest.raises(DataError, match=r"standard input, line 2: gone\.png: there is no such file"):
        names("-", stdin=["p/a.png", "gone.png"])


def test_nothing_to_read_is_an_error(photos: Path) -> None:
    with pytest.raises(ConfigError, match="no source given"):
        names()
    with pytest.raises(ConfigError, match="needs paths on standard input"):
        names("-")
    with pytest.raises(DataError, match="standard input named no picture"):
        names("-", stdin=["\n"])
