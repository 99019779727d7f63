"""What `nayan augment` cannot do is refused before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError, LabelError, NotFound
from tiny_runs import draw_signs


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    root = draw_signs(tmp_path / "signs")
    (root / "val").rename(root / "test")
    return root


def one_left(root: Path) -> None:
    for number in range(1, 8):
        (root / "train" / "dot" / f"{number}.png").unlink()


def two_left_of_which_one_validates(root: Path) -> None:
    for number in range(2, 8):
        (root / "train" / "dot" / f"{number}.png").unlink()


def no_test(root: Path) -> None:
    (root / "test").rename(root / "val")


@pytest.mark.parametrize(
    ("spoil", "error", "told"),
    [
        (one_left, LabelError, "dot"),
        (two_left_of_which_one_validates, LabelError, "the class 'dot' has one training picture or none"),
        (no_test, DataError, "has train and val, but no test"),
    ],
)
def test_data_that_cannot_answer_are_refused_and_nothing_is_left(
    signs: Path, tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], told: str
) -> None:
    spoil(signs)
    with pytest.raises(error, match=told):
        nayan.augment(signs, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_without_classes_and_pictures_with_boxes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for number in range(6):
        Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(plain / f"{number}.png")
    assert main(["augment", str(plain), "--out", str(tmp_path / "out")]) == 3
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    names = [{"id": 0, "name": "sign"}]
    pictures = [{"id": n, "file_name": f"{n}.png", "width": 16, "height": 16} for n in range(6)]
    found = [{"id": n, "image_id": n, "category_id": 0, "bbox": [2, 2, 9, 9], "area": 81} for n in range(6)]
    document = {"images": pictures, "annotations": found, "categories": names}
    (boxes / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    for path in plain.iterdir():
        (boxes / path.name).write_bytes(path.read_bytes())
    assert main(["augment", str(boxes), "--out", str(tmp_path / "out")]) == 3
    assert "wanted one class a picture" in capsys.readouterr().err
    with pytest.raises(LabelError, match="augmenting takes one class a picture, the data have Boxes"):
        nayan.augment(boxes, out=tmp_path / "out", format="coco")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["dcgan", "super_resolution"])
def test_a_network_that_cannot_be_asked_for_a_class_is_refused(
    signs: Path, tmp_path: Path, model: str
) -> None:
    with pytest.raises(ConfigError, match=f"{model} draws no classes that one can ask for"):
        nayan.augment(signs, out=tmp_path / "out", model=model)
    with pytest.raises(NotFound, match="no model is named 'conditonal_gan'"):
        nayan.augment(signs, out=tmp_path / "out", model="conditonal_gan")


def test_impossible_options_are_refused_by_name(signs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="--seeds 1: how sure"):
        nayan.augment(signs, out=out, seeds=1)
    with pytest.raises(ConfigError, match="share and per_class contradict each other"):
        nayan.augment(signs, out=out, share=1.0, per_class=3)
    with pytest.raises(ConfigError, match="0 drawn pictures are wanted"):
        nayan.augment(signs, out=out, per_class=0)
    with pytest.raises(ConfigError, match=r"confidence 1\.5"):
        nayan.augment(signs, out=out, confidence=1.5)
    with pytest.raises(ConfigError, match=r"more than 200,000"):
        nayan.augment(signs, out=out, per_class=100_000)
    assert not out.exists()


def test_a_folder_with_something_else_is_not_written_to(signs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"out exists and is not empty"):
        nayan.augment(signs, out=out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    with pytest.raises(ConfigError, match="lies in"):
        nayan.augment(signs, out=signs / "out")
    assert not (signs / "out").exists()
