"""Predictions as labels to begin from: what our readers and pycocotools make of the files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage
from pycocotools.coco import COCO

from nayan.api import using
from nayan.cli import main
from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Boxes
from nayan.data.convert import convert
from nayan.data.readers import recognise
from nayan.runtime import bundle
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.detection.prelabels import prelabels
from nayan.tasks.records import prelabeller, row_columns

CLASSES = ("car", "rose, red")
Run = Callable[..., tuple[int, str, str]]


def picture(path: Path, *, red: tuple[int, int, int, int] | None = None) -> Path:
    """Write a gray picture of 40 x 60 with a red patch."""
    pixels = np.full((40, 60, 3), 60, np.uint8)
    if red is not None:
        x1, y1, x2, y2 = red
        pixels[y1:y2, x1:x2] = (240, 20, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(pixels).save(path)
    return path


def decode(raw: Mapping[str, Any], placements: Sequence[Placement], **_args: Any) -> list[Boxes]:
    """Return the red patch of each (h, w, 3) input as the second class, with the score 0.75."""
    found = []
    for pixels, placed in zip(raw["pixels"], placements, strict=True):
        rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100))
        if not len(rows):
            found.append(Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)))
            continue
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        scale = np.array([placed.scale[1], placed.scale[0]] * 2, np.float32)
        found.append(Boxes((box / scale)[None], np.ones(1, np.int64), np.array([0.75], np.float32)))
    return found


def detector(task: str = "detection") -> Predictor:
    spec = Spec(task, "squares", {}, CLASSES, Preprocess((40, 60), "stretch"))
    return Predictor(spec, lambda pixels: {"pixels": pixels}, decode)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line in `tmp_path` on the detector of red patches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(using, "load", lambda *_, **__: detector())
    monkeypatch.setattr(bundle, "open_bundle", lambda _: detector())

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def record(source: str, *boxes: list[float], label: str = "car") -> dict[str, Any]:
    rows = [{"label": label, "score": 0.5, "box": box} for box in boxes]
    return {"source": source, "size": [40, 60], "predictions": rows}


# coco


def test_the_printed_document_is_read_back_by_our_reader_with_every_box(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "photos/a/1.png", red=(10, 4, 25, 30))
    picture(tmp_path / "photos/b/1.png", red=(0, 0, 7, 9))
    picture(tmp_path / "photos/empty.png")
    code, text, _ = run("predict", "m", "photos", "--format", "coco")
    assert code == 0
    (tmp_path / "found.json").write_text(text, encoding="utf-8")
    read = recognise(tmp_path / "found.json").reader.read(tmp_path / "found.json", "all")
    assert (read.format, read.classes) == ("coco", CLASSES)
    assert {sample.id: sample.target.xyxy.tolist() for sample in read.samples} == {
        "photos/a/1.png": [[10, 4, 25, 30]],
        "photos/b/1.png": [[0, 0, 7, 9]],
        "photos/empty.png": [],
    }
    assert [sample.target.labels.tolist() for sample in read.samples] == [[], [1], [1]]


def test_the_document_has_what_annotation_tools_and_pycocotools_look_for(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "one.png", red=(10, 4, 25, 30))
    document = json.loads(run("predict", "m", "one.png", "--format", "coco")[1])
    assert document["images"] == [{"id": 1, "file_name": "one.png", "height": 40, "width": 60}]
    assert [(c["id"], c["name"]) for c in document["categories"]] == [(1, "car"), (2, "rose, red")]
    assert document["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 4, 15, 26], "area": 390, "iscrowd": 0,
         "score": 0.75}
    ]  # fmt: skip
    (tmp_path / "found.json").write_text(json.dumps(document), encoding="utf-8")
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "found.json"))
        again = truth.loadRes(document["annotations"])  # the same list is a list of results
    assert again.getAnnIds(catIds=[2]) == [1]


def test_written_into_a_folder_it_still_leads_to_the_pictures_and_converts(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "photos/1.png", red=(10, 4, 25, 30))
    code, _, err = run("predict", "m", tmp_path / "photos", "--format", "coco", "--out", "seen/first")
    assert code == 0
    assert "written: seen/first/predictions.coco.json" in err
    document = json.loads((tmp_path / "seen/first/predictions.coco.json").read_text(encoding="utf-8"))
    assert document["images"][0]["file_name"] == "../../photos/1.png"
    report = convert(tmp_path / "seen/first", tmp_path / "new", "yolo")
    assert report.after == {"all": {"rose, red": 1}}
    assert [path.name for path in (tmp_path / "seen/first").iterdir()] == ["predictions.coco.json"]


def test_each_entry_stands_on_a_line_of_its_own() -> None:
    (text,) = prelabels([record("a.jpg", [0, 0, 1, 2])], CLASSES, format="coco", folder=Path()).values()
    assert sum('"file_name"' in line for line in text.splitlines()) == 1
    assert sum('"bbox"' in line for line in text.splitlines()) == 1


# yolo


def test_labels_are_fractions_with_a_score_and_lie_in_folders_of_their_own(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "photos/a/1.png", red=(15, 10, 45, 30))
    picture(tmp_path / "photos/b/1.png")
    before = sorted(tmp_path.rglob("*.png"))
    code, text, err = run("predict", "m", "photos", "--format", "yolo")
    assert (code, Path(text.strip())) == (0, Path("runs/predict/data.yaml"))
    assert "labels, 2 files" in err
    out = tmp_path / "runs/predict"
    assert yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8")) == {
        "names": dict(enumerate(CLASSES))
    }
    assert (out / "labels/a/1.txt").read_text(encoding="utf-8") == "1 0.5 0.5 0.5 0.5 0.75\n"
    assert (out / "labels/b/1.txt").read_text(encoding="utf-8") == ""
    assert sorted(tmp_path.rglob("*.png")) == before


def test_labels_that_lie_there_already_are_not_overwritten(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "one.png", red=(15, 10, 45, 30))
    words = ("predict", "m", "one.png", "--format", "yolo", "--out", "seen")
    assert run(*words)[2] == "written: seen/labels, 1 file\n"
    (tmp_path / "seen/labels/one.txt").write_text("0 0.5 0.5 1 1\n", encoding="utf-8")
    (tmp_path / "seen/data.yaml").unlink()
    code, out, err = run(*words)
    assert (code, out) == (3, "")
    assert "labels are never overwritten" in err
    assert (tmp_path / "seen/labels/one.txt").read_text(encoding="utf-8") == "0 0.5 0.5 1 1\n"


def test_pictures_that_differ_only_in_their_suffix_have_labels_of_their_own() -> None:
    files = prelabels(
        [record("p/1.jpg", [0, 0, 6, 4]), record("p/1.png"), record("p/2.png")],
        CLASSES,
        format="yolo",
        folder=Path(),
    )
    assert list(files) == ["data.yaml", "labels/1.jpg.txt", "labels/1.png.txt", "labels/2.png.txt"]
    assert [bool(text) for text in files.values()] == [True, True, False, False]


# both


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_a_picture_named_twice_is_listed_once_and_a_broken_one_not_at_all(format: str) -> None:
    records = [record("p/1.jpg", [0, 0, 6, 4]), record("p/../p/1.jpg", [0, 0, 6, 4])]
    broken = {"source": "p/2.jpg", "error": "is no picture"}
    alone = prelabels(records[:1], CLASSES, format=format, folder=Path())
    assert prelabels([*records, broken], CLASSES, format=format, folder=Path()) == alone


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(NotFound, match="no format is named 'voc'"):
        prelabels([], CLASSES, format="voc", folder=Path())


def test_a_model_without_boxes_is_refused_before_it_has_looked_at_a_picture(
    colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for format in ("coco", "yolo"):
        out = tmp_path / format
        words = ["predict", str(colour_bundle), "none.png", "--format", format, "--out", str(out)]
        assert main(words) == 2
        said = capsys.readouterr()
        assert f"--format {format} is for boxes, this model is for classification" in said.err
        assert not said.out
        assert not out.exists()
    with pytest.raises(ConfigError, match="is for boxes"):
        prelabeller(detector("classification").spec, "coco")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "--format", "coco"], "--format coco is for pictures"),
        (["a.png", "--format", "yolo", "--json"], "--json and --format yolo contradict each other"),
        (["a.png", "--format", "coco", "--stock", "s.csv"], "--format coco has no place for --stock"),
    ],
)
def test_what_labels_cannot_hold_is_a_contradiction(run: Run, words: list[str], message: str) -> None:
    code, out, err = run("predict", "m", *words)
    assert (code, out) == (2, "")
    assert message in err


# tables


def test_the_columns_of_a_table_are_those_of_the_task_whatever_was_found(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "red.png", red=(15, 10, 45, 30))
    picture(tmp_path / "empty.png")
    head = "source,height,width,rank,label,score,x1,y1,x2,y2,error"
    _, text, _ = run("predict", "m", "red.png", "empty.png", "--format", "csv")
    assert text.splitlines() == [
        head, 'red.png,40,60,1,"rose, red",0.750000,15.0,10.0,45.0,30.0,', "empty.png,40,60,,,,,,,,"
    ]  # fmt: skip
    assert run("predict", "m", "empty.png", "--format", "csv")[1].splitlines()[0] == head
    assert row_columns(detector("classification").spec) == ("label", "score")
