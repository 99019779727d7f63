"""Each check of boxes finds the fault that was planted for it, and nothing in clean data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from boxed import Box, coco, many, picture, sharp

from nayan.cli.doctor import diagnosis_text
from nayan.core.errors import ConfigError
from nayan.data.doctor import Diagnosis, Finding, diagnose
from nayan.data.sides import choose_side
from nayan.data.splits import read_split
from nayan.training.looks import look_at

Pictures = dict[str, tuple[int, list[Box]]]
Plant = Callable[[Pictures], object]
NEW = "train/new.png"


def found(diagnosis: Diagnosis, check: str) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.check == check]


def bad(diagnosis: Diagnosis) -> list[str]:
    return [finding.check for finding in diagnosis.findings if finding.severity != "info"]


def clean() -> dict[str, Pictures]:
    return {"train": many(24), "valid": many(24, start=100), "test": many(24, start=200)}


def new(*boxes: Box) -> Plant:
    """Return what adds a picture with these boxes to train."""
    return lambda train: train.update({"new.png": (999, list(boxes))})


def test_clean_boxes_give_no_error_and_no_warning(tmp_path: Path) -> None:
    diagnosis = diagnose(coco(tmp_path, clean()))
    assert [finding.check for finding in diagnosis.findings] == ["sizes.objects"]
    assert diagnosis.exit_code(strict=True) == 0
    assert diagnosis.splits == {"train": 24, "val": 24, "test": 24}
    counts = {"cat": dict.fromkeys(diagnosis.splits, 24), "dog": dict.fromkeys(diagnosis.splits, 12)}
    assert diagnosis.boxes == diagnosis.classes == counts
    json.dumps(diagnosis.to_json(), allow_nan=False)


PLANTED: list[tuple[str, str, int, tuple[str, ...], Plant]] = [
    ("labels.degenerate", "warning", 1, (), new(("cat", (5, 5, 0, 9)), ("dog", (2, 2, 30, 30)))),
    ("labels.outside", "warning", 1, (), new(("cat", (130, 5, 9, 9)))),
    ("labels.cut", "warning", 1, (), new(("cat", (90, 5, 60, 39)))),
    ("labels.tiny", "warning", 2, (NEW,), new(("cat", (5, 5, 0.4, 9)), ("dog", (50, 5, 20, 0.5)))),
    ("labels.huge", "warning", 1, (NEW,), new(("cat", (0, 0, 120, 100)))),
    ("labels.long", "warning", 1, (NEW,), new(("cat", (0, 5, 110, 2)))),
    ("labels.repeated", "warning", 1, (NEW,), new(("cat", (0, 5, 50, 50)), ("cat", (0, 5, 50, 50.2)))),
    ("labels.two_classes", "warning", 1, (NEW,), new(("cat", (0, 5, 50, 50)), ("dog", (0, 5, 50, 50.2)))),
    (
        "labels.copied", "warning", 3, ("train/001.png", "train/one.png", "train/three.png"),
        lambda train: train.update({f"{n}.png": (901 + len(n), train["001.png"][1]) for n in ("one", "three")}),  # noqa: E501
    ),
    (
        "labels.crowded", "info", 1, (NEW,),
        new(*(("cat", (x * 10.0, y * 9.0, 9.0, 8.0)) for x in range(11) for y in range(10))),
    ),
    ("balance.background", "info", 1, (NEW,), new()),
    ("splits.leakage_group", "warning", 1, ("train/clip_501.png", "valid/clip_602.png"),
     lambda train: train.update(many(1, start=501, name="clip_{:02d}.png"))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "severity", "count", "paths", "plant"), PLANTED, ids=[r[0] for r in PLANTED]
)
def test_a_planted_fault_is_found_by_its_check_and_nothing_else_is_blamed(
    tmp_path: Path, check: str, severity: str, count: int, paths: tuple[str, ...], plant: Plant
) -> None:
    splits = clean()
    plant(splits["train"])
    if check == "splits.leakage_group":
        splits["valid"] |= many(1, start=602, name="clip_{:02d}.png")
    diagnosis = diagnose(coco(tmp_path, splits))
    (finding,) = found(diagnosis, check)
    assert (finding.severity, finding.count) == (severity, count)
    assert set(paths) <= set(finding.paths)
    assert finding.advice
    assert bad(diagnosis) == ([check] if severity != "info" else [])
    json.dumps(diagnosis.to_json(), allow_nan=False)


def test_what_the_reader_left_out_is_told_with_its_place(tmp_path: Path) -> None:
    splits = clean()
    for split in ("train", "valid"):
        splits[split]["new.png"] = (999 + len(split), [("cat", (5, 5, 0, 9)), ("dog", (2, 2, 30, 30))])
    (finding,) = found(diagnose(coco(tmp_path, splits)), "labels.degenerate")
    assert finding.count == 2
    assert [path.partition(":")[0] for path in finding.paths] == [
        "train/_annotations.coco.json", "valid/_annotations.coco.json",
    ]  # fmt: skip


def test_the_classes_and_places_of_bad_boxes_are_named(tmp_path: Path) -> None:
    splits = clean()
    new(("cat", (5, 5, 0.4, 9)), ("dog", (50, 5, 20, 0.5)), ("dog", (60, 50, 20, 0.3)))(splits["train"])
    (finding,) = found(diagnose(coco(tmp_path, splits), imgsz=640), "labels.tiny")
    assert (
        finding.message
        == "3 boxes are less than 3 px wide or high at --imgsz 640: train/new.png (cat, 2 x dog)"
    )
    assert finding.details["found"]["train/new.png"][0] == {"class": "cat", "box": [5.0, 5.0, 5.4, 14.0]}
    (larger,) = found(diagnose(tmp_path, imgsz=960, only=["labels.tiny"]), "labels.tiny")
    assert larger.message.startswith("1 box is less than 3 px wide or high at --imgsz 960: ")
    with pytest.raises(ConfigError, match="--imgsz 16: a detector takes 32 px or more"):
        diagnose(tmp_path, imgsz=16)


def test_other_faults_of_files_are_warnings_too(tmp_path: Path) -> None:
    root = coco(tmp_path, clean())
    (root / "train/001.png").unlink()
    (finding,) = found(diagnose(root), "labels.left_out")
    assert finding.severity == "warning"
    assert finding.paths[0].startswith("train/_annotations.coco.json:")


def edit(root: Path, change: Callable[[dict[str, list[dict[str, object]]]], object]) -> Path:
    table = root / "train/_annotations.coco.json"
    document = json.loads(table.read_text())
    change(document)
    table.write_text(json.dumps(document, indent=1))
    return root


def test_a_resized_picture_is_told_and_numbers_as_text_are_a_remark(tmp_path: Path) -> None:
    root = coco(tmp_path, clean())
    edit(
        root,
        lambda d: (d["images"][3].update(width=121), d["annotations"][0].update(bbox=["1", "2", "30", "30"])),
    )
    diagnosis = diagnose(root)
    assert bad(diagnosis) == ["labels.resized"]
    assert found(diagnosis, "labels.as_text")[0].severity == "info"


def test_boxes_drawn_before_the_picture_was_turned_are_told(tmp_path: Path) -> None:
    root = coco(tmp_path, clean())
    image = sharp(1)
    exif = image.getexif()
    exif[0x0112] = 6  # stored lying: upright it is 100 wide and 120 high
    image.save(root / "train/000.png", exif=exif)
    diagnosis = diagnose(root)
    assert found(diagnosis, "labels.turned")[0].count == 1
    assert bad(diagnosis) == ["labels.turned"]


def test_boxes_that_fit_only_a_turned_picture_are_explained(tmp_path: Path) -> None:
    rows = "filename,class,xmin,ymin,xmax,ymax\n"
    for number in range(12):
        picture(tmp_path / f"{number:02d}.png", number + 1)
        rows += f"{number:02d}.png,cat,{number},5,40,50\n"
    image = sharp(50)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    (tmp_path / "labels.csv").write_text(rows + "turned.png,cat,70,20,118,60\n")
    diagnosis = diagnose(tmp_path)
    (finding,) = found(diagnosis, "labels.cut")
    assert finding.count == 1
    assert "1 picture is stored turned (EXIF), such as turned.png" in finding.advice


def test_pictures_of_labels_that_are_not_there_are_a_remark(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    for number in range(12):
        picture(tmp_path / f"images/{number:02d}.png", number)
        if number:
            (tmp_path / f"labels/{number:02d}.txt").write_text(f"0 0.5 0.5 0.4 0.{30 + number}\n")
    diagnosis = diagnose(tmp_path)
    assert found(diagnosis, "labels.no_file")[0].count == 1
    assert found(diagnosis, "balance.background")[0].paths == ("images/00.png",)
    assert bad(diagnosis) == []
    assert not found(diagnosis, "files.non_pictures")


def test_background_that_is_most_of_the_data_is_a_warning(tmp_path: Path) -> None:
    splits = clean()
    splits["train"] |= {f"e{i}x.png": (700 + i, []) for i in range(73)}
    (finding,) = found(diagnose(coco(tmp_path, splits)), "balance.background")
    assert (finding.severity, finding.count) == ("warning", 73)
    assert finding.message.startswith("73 of 145 pictures show the background only")


def test_pictures_without_annotations_are_named(tmp_path: Path) -> None:
    root = edit(coco(tmp_path, clean()), lambda d: [d["images"][1].pop(key) for key in ("width", "height")])
    (root / "train/001.png").write_bytes(b"broken")
    (finding,) = found(diagnose(root), "labels.unlabelled")
    assert finding.paths == ("train/001.png",)


def test_classes_without_boxes_few_boxes_and_other_numbers_are_told_apart(tmp_path: Path) -> None:
    splits = clean()
    splits["train"]["rare.png"] = (800, [("fox", (1, 1, 30, 30))])
    splits["train"] |= {
        f"p{i}x.png": (801 + i, [("cat", (j, i, 20 + i, 20)) for j in range(0, 90, 6)]) for i in range(6)
    }
    diagnosis = diagnose(coco(tmp_path, splits, ("cat", "dog", "fox", "owl")), only=["balance"])
    assert "'owl'" in found(diagnosis, "balance.empty_class")[0].message
    assert found(diagnosis, "balance.few")[0].details == {"counts": {"fox": 1}}
    assert found(diagnosis, "balance.few")[0].message.startswith(
        "1 class has fewer than 10 boxes to learn from"
    )
    assert "'cat' has 114 times as many boxes as 'fox'" in found(diagnosis, "balance.ratio")[0].message
    assert {f.split for f in found(diagnosis, "balance.missing_in_split")} == {"val", "test"}


def test_one_class_is_no_fault_of_boxes(tmp_path: Path) -> None:
    splits = {"train": many(12, ("plate",)), "valid": many(12, ("plate",), start=50)}
    assert bad(diagnose(coco(tmp_path, splits, ("plate",)))) == []


def test_a_class_that_lies_in_another_is_a_remark(tmp_path: Path) -> None:
    pictures = {}
    for i in range(12):
        person: Box = ("person", (i, 5, 40, 80 + i % 3))
        pictures[f"{i:02d}.png"] = (
            i + 1,
            [person, ("helmet", (i + 5, 6, 20, 18 + i % 2)), ("dog", (60 + i, 5, 30, 40))],
        )
    diagnosis = diagnose(coco(tmp_path, {"all": pictures}, ("person", "helmet", "dog")))
    assert found(diagnosis, "labels.nested")[0].details["pairs"] == [
        {"inner": "helmet", "outer": "person", "share": 1.0}
    ]
    assert bad(diagnosis) == []


def test_the_same_picture_with_other_boxes_is_a_warning(tmp_path: Path) -> None:
    splits = clean()
    splits["train"]["again.png"] = (1, [("cat", (3, 3, 30, 30))])  # the picture of 000.png
    diagnosis = diagnose(coco(tmp_path, splits))
    assert bad(diagnosis) == ["duplicates.exact", "duplicates.other_boxes"]
    splits["train"]["again.png"] = (1, splits["train"]["000.png"][1])
    shutil.rmtree(tmp_path / "train")
    assert bad(diagnose(coco(tmp_path, splits))) == [
        "duplicates.exact"
    ]  # the same boxes: no copied annotation


def test_a_picture_that_no_annotation_names_is_a_warning(tmp_path: Path) -> None:
    root = coco(tmp_path, clean())
    picture(root / "stray.png", 555)
    (finding,) = found(diagnose(root), "files.unlisted")
    assert "does not list" in finding.message


def test_crowds_are_left_out_of_what_is_said_about_boxes(tmp_path: Path) -> None:
    splits = clean()
    new(("cat", (0, 0, 120, 100)), ("dog", (5, 5, 40, 30)))(splits["train"])
    root = edit(coco(tmp_path, splits), lambda d: d["annotations"][-2].update(iscrowd=1))
    assert bad(diagnose(root)) == []


@pytest.mark.parametrize(
    ("side", "size", "imgsz", "severity", "advice"),
    [
        (40.0, (200, 240), 320, "info", "That is large enough"),
        (40.0, (200, 240), 640, "info", "`--imgsz 320` is enough"),
        (
            10.0,
            (960, 1280),
            640,
            "warning",
            "Cut the pictures (1280 px on their longer side) with `--tile 640`",
        ),
        (24.0, (960, 1280), 640, "warning", "Train with `--imgsz 960`"),
        (9.0, (400, 480), 480, "warning", "take larger ones, or train with `--imgsz 960`"),
        (2.0, (400, 480), 480, "warning", "take larger ones, or train with `--imgsz 960`, which enlarges"),
    ],
)
def test_small_objects_come_with_the_input_that_they_need(
    tmp_path: Path, side: float, size: tuple[int, int], imgsz: int, severity: str, advice: str
) -> None:
    rows = {f"{i}x.png": (i, [("cat", (5.0 + 7 * i, 9.0 + 11 * i, side, side))]) for i in range(4)}
    diagnosis = diagnose(coco(tmp_path, {"all": rows}, ("cat",), size), imgsz=imgsz, only=["sizes"])
    (finding,) = diagnosis.findings
    assert finding.severity == severity
    assert advice in finding.advice
    assert finding.details["median"] == pytest.approx(side * imgsz / max(size))
    assert finding.details["longer_side"] == max(size)
    assert set(finding.details["under"]) == {"320", "416", "640", str(imgsz)}


@pytest.mark.parametrize("side", [4.0, 12.0, 40.0])
def test_sizes_are_judged_at_the_input_that_training_would_choose(tmp_path: Path, side: float) -> None:
    rows = {f"{i}x.png": (i, [("cat", (5.0 + 7 * i, 9.0 + 11 * i, side, side))]) for i in range(4)}
    far = {f"{i}x.png": (i, [("cat", (5.0, 9.0, 2.0, 2.0))]) for i in range(10, 18)}
    root = coco(tmp_path, {"train": rows, "valid": far}, ("cat",), (400, 480))
    (finding,) = diagnose(root, only=["sizes"]).findings
    data = read_split(root, "train")
    chosen, _ = choose_side([sample.target for sample in data.samples], look_at(data).sizes)
    assert finding.details["imgsz"] == chosen
    assert chosen == {4.0: 640, 12.0: 640, 40.0: 320}[side]


def test_nothing_is_said_of_sizes_where_there_are_no_boxes(tmp_path: Path) -> None:
    root = coco(tmp_path, {"all": {"a.png": (1, []), "b.png": (2, [])}})
    assert diagnose(root, only=["sizes", "labels.tiny", "labels.nested", "labels.copied"]).findings == ()


def test_the_table_shows_boxes_and_pictures_of_each_class_in_each_split(tmp_path: Path) -> None:
    text = diagnosis_text(diagnose(coco(tmp_path, clean())))
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("class"))
    assert lines[at].split() == ["class", "train", "train", "val", "val", "test", "test"]
    assert lines[at + 1].split() == ["boxes", "pictures"] * 3
    assert lines[at + 2].split() == ["cat", "24", "24", "24", "24", "24", "24"]
    assert lines[at + 4].split() == ["all", "36", "36", "36"]


def test_a_table_of_one_class_has_no_sum(tmp_path: Path) -> None:
    text = diagnosis_text(diagnose(coco(tmp_path, {"all": many(12, ("plate",))}, ("plate",))))
    assert "\n  all" not in text


def test_numbered_pictures_of_the_same_scene_in_two_splits_are_a_leak(tmp_path: Path) -> None:
    x = np.linspace(0, 2 * np.pi, 120)
    for number in range(24):
        wave = 127 + 60 * np.sin(x + number / 5)[None] + 60 * np.cos(x[:100] + number / 3)[:, None]
        split = "train" if number % 3 else "val"
        path = tmp_path / f"images/{split}/img_{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.repeat(wave.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)).save(path)
        label = tmp_path / f"labels/{split}/img_{number:04d}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(f"0 0.5 0.5 0.3 0.{20 + number}\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\ntrain: images/train\nval: images/val\n")
    (finding,) = diagnose(tmp_path, only=["splits.leakage_group"]).findings
    assert "(frames of one clip) lies in more than one split: 'img' (train 16, val 8)" in finding.message
