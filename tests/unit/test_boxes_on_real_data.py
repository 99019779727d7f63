"""Boxes of the real packs: what the doctor says of them, looked at by eye before it was written down here."""

from __future__ import annotations

from pathlib import Path

import pytest

from nayan.data.convert import convert
from nayan.data.doctor import Diagnosis, Finding, diagnose
from nayan.data.readers import READERS
from nayan.data.splits import open_splits

pytestmark = pytest.mark.data

PACKS = ("bccd", "fridge-stock", "plates", "ppe-cctv", "traffic")


def warned(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.check: finding for finding in diagnosis.findings if finding.severity != "info"}


def test_of_the_blood_cells_only_the_two_boxes_without_area_are_blamed(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "detect-bccd")
    assert {name: sum(counts.values()) for name, counts in diagnosis.boxes.items()} == {
        "Platelets": 361, "RBC": 4153, "WBC": 372,
    }  # fmt: skip
    assert list(warned(diagnosis)) == ["labels.degenerate"]
    places = warned(diagnosis)["labels.degenerate"].paths
    assert sorted(place.partition(":")[0] for place in places) == [
        "Annotations/BloodImage_00338.xml", "Annotations/BloodImage_00343.xml",
    ]  # fmt: skip


def test_the_drives_of_the_plates_are_found_in_all_splits(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "detect-plates")
    assert list(warned(diagnosis)) == ["splits.leakage_group"]
    assert warned(diagnosis)["splits.leakage_group"].count == 4
    small = diagnose(data_packs / "detect-plates", imgsz=320, only=["sizes"])
    assert "--imgsz 512" in warned(small)["sizes.objects"].advice


def test_of_the_workers_rare_classes_and_specks_are_named(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "detect-ppe-cctv")
    found = warned(diagnosis)
    assert list(found) == ["balance.missing_in_split", "balance.few", "labels.tiny"]
    assert set(found["balance.few"].details["counts"]) == {"blur_clothes", "blur_head", "self_clothes"}
    assert found["labels.tiny"].count == 3
    nested = next(f for f in diagnosis.findings if f.check == "labels.nested").details["pairs"]
    assert {("helmet", "person"), ("safety_clothes", "person")} <= {(p["inner"], p["outer"]) for p in nested}


@pytest.mark.parametrize("pack", ["traffic", "fridge-stock"])
def test_of_the_traffic_and_the_fridge_nothing_is_blamed(data_packs: Path, pack: str) -> None:
    assert warned(diagnose(data_packs / f"detect-{pack}")) == {}


@pytest.mark.parametrize(
    ("pack", "summary"),
    [
        ("bccd", "voc (3 classes, train 205, val 87, test 72; 4,886 boxes)"),
        ("fridge-stock", "csv_boxes (8 classes, train 21, val 4, test 5; 225 boxes)"),
        ("plates", "yolo (1 class, train 100, val 25, test 25; 186 boxes)"),
        ("ppe-cctv", "coco (7 classes, train 111, val 30, test 30; 675 boxes)"),
        ("traffic", "coco (2 classes, train 67, val 12, test 18; 434 boxes)"),
    ],
)
def test_every_pack_is_ready_to_train_on(data_packs: Path, pack: str, summary: str) -> None:
    splits = open_splits(data_packs / f"detect-{pack}")
    assert splits.summary == summary
    assert not splits.made


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "csv_boxes", "labelme", "cvat", "label_studio"])
def test_no_format_loses_a_box_of_a_real_pack(data_packs: Path, tmp_path: Path, to: str) -> None:
    for pack in ("traffic", "fridge-stock"):
        report = convert(data_packs / f"detect-{pack}", tmp_path / pack, to)
        assert report.after == report.before


def test_drives_and_cameras_stay_together_when_they_are_drawn_again(data_packs: Path, tmp_path: Path) -> None:
    heap = READERS["yolo"].read(data_packs / "detect-plates", "all")
    READERS["coco"].write({"all": heap}, tmp_path / "coco")
    splits = open_splits(tmp_path / "coco")
    assert splits.made
    # The longest drive has most of the pictures and is cut; the others are whole.
    assert any("'dayride_type1_001_mp4_t' has 104 of 150 pictures: it was cut" in n for n in splits.notes)
    whole = {s.id for part in (splits.train, splits.val, splits.test) for s in part.samples}
    assert len(whole) == 150
    places: dict[str, set[str]] = {}
    for part in (splits.train, splits.val, splits.test):
        for sample in part.samples:
            if "dayride_type1_001" not in sample.id:
                places.setdefault(sample.id.rpartition("_t_")[0].rpartition("/")[2], set()).add(part.split)
    assert len(places) == 3
    assert all(len(found) == 1 for found in places.values())
