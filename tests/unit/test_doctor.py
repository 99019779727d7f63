"""Each check of the doctor finds the fault that was planted for it, and nothing in clean data."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest

from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.data.doctor import CHECKS, Check, Diagnosis, Finding, diagnose
from nayan.data.doctor.checks import run
from nayan.data.doctor.images import BLURRED
from nayan.data.doctor.look import look_at
from nayan.data.doctor.snapshot import Snapshot

CLASSES = ("apple", "pear")
PER_CLASS = {"train": 10, "val": 10}
IN_ALL = {"train": 20, "val": 20}
Plant = Callable[[Path], object]


def picture(seed: int, size: tuple[int, int] = (64, 64)) -> PIL.Image.Image:
    """A coloured pattern with sharp edges; another one for each seed. The size is (width, height)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return PIL.Image.fromarray(blocks).resize(size, PIL.Image.Resampling.NEAREST)


def flat(level: int, spread: int = 0) -> PIL.Image.Image:
    pixels = np.full((64, 64, 3), level, np.uint8)
    pixels[::9, :, :] += np.uint8(spread)
    return PIL.Image.fromarray(pixels)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("doctor") / "clean"
    seed = 0
    for split, count in PER_CLASS.items():
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                picture(seed := seed + 1).save(root / split / name / f"{number}.png")
    return root


@pytest.fixture
def data(clean: Path, tmp_path: Path) -> Path:
    """A copy of the clean data to plant faults in."""
    return Path(shutil.copytree(clean, tmp_path / "data"))


def tree_hash(root: Path) -> str:
    parts = [
        f"{p.relative_to(root)} {p.stat().st_mtime_ns} {hashlib.sha256(p.read_bytes()).hexdigest()}"
        for p in sorted(root.rglob("*"))
        if p.is_file()
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def only(diagnosis: Diagnosis, check: str) -> Finding:
    found = [finding for finding in diagnosis.findings if finding.check == check]
    assert len(found) == 1, found
    return found[0]


def bad(diagnosis: Diagnosis) -> list[str]:
    return [finding.check for finding in diagnosis.findings if finding.severity != "info"]


def test_clean_data_give_no_error_and_no_warning(clean: Path) -> None:
    diagnosis = diagnose(clean)
    assert [finding.check for finding in diagnosis.findings] == ["splits.missing"]  # no test split: a remark
    assert diagnosis.exit_code() == diagnosis.exit_code(strict=True) == 0
    assert diagnosis.format == "folder"
    assert diagnosis.splits == IN_ALL
    assert diagnosis.classes == dict.fromkeys(CLASSES, PER_CLASS)


def jpeg(path: Path, image: PIL.Image.Image, **options: object) -> None:
    image.save(path, "JPEG", **options)


def truncated(root: Path) -> None:
    file = io.BytesIO()
    picture(900, (400, 300)).save(file, "JPEG")
    (root / "train/apple/planted.jpg").write_bytes(file.getvalue()[:-3000])


def bomb(root: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    pixels = bytes(4) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (root / "train/apple/planted.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + pixels)


def turned(root: Path) -> None:
    image = picture(901)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(root / "train/apple/planted.png", exif=exif)


def animated(root: Path) -> None:
    picture(902).save(root / "train/apple/planted.gif", save_all=True, append_images=[picture(903)])


def copied(source: str, target: str) -> Plant:
    return lambda root: shutil.copyfile(root / source, root / target)


def compressed(source: str, target: str) -> Plant:
    return lambda root: jpeg(root / target, PIL.Image.open(root / source), quality=80)


A = "train/apple/planted"
PLANTED: list[tuple[str, str, str, Plant]] = [
    ("images.broken", "error", f"{A}.jpg", truncated),
    ("images.empty_file", "error", f"{A}.jpg", lambda r: (r / f"{A}.jpg").touch()),
    ("images.not_a_picture", "error", f"{A}.jpg", lambda r: (r / f"{A}.jpg").write_text("<html>404</html>")),
    ("images.bomb", "error", f"{A}.png", bomb),
    ("images.tiny", "warning", f"{A}.png", lambda r: picture(904, (20, 20)).save(r / f"{A}.png")),
    ("images.odd_aspect", "warning", f"{A}.png", lambda r: picture(905, (900, 64)).save(r / f"{A}.png")),
    ("images.wrong_extension", "info", f"{A}.jpg", lambda r: picture(906).save(r / f"{A}.jpg", "PNG")),
    ("images.exif_rotated", "info", f"{A}.png", turned),
    ("images.unusual_mode", "info", f"{A}.jpg", lambda r: jpeg(r / f"{A}.jpg", picture(907).convert("CMYK"))),
    ("images.unusual_mode", "info", f"{A}.gif", animated),
    ("images.blank", "warning", f"{A}.png", lambda r: flat(128).save(r / f"{A}.png")),
    ("images.dark", "warning", f"{A}.png", lambda r: flat(4, 30).save(r / f"{A}.png")),
    ("images.bright", "warning", f"{A}.png", lambda r: flat(215, 30).save(r / f"{A}.png")),
    (
        "images.blurred", "warning", f"{A}.png",
        lambda r: picture(908).filter(PIL.ImageFilter.GaussianBlur(4)).save(r / f"{A}.png"),
    ),
    ("images.gray_mixed", "info", f"{A}.png", lambda r: picture(909).convert("L").save(r / f"{A}.png")),
    ("duplicates.exact", "warning", f"{A}.png", copied("train/apple/0.png", f"{A}.png")),
    ("duplicates.conflict", "error", f"{A}.png", copied("train/pear/0.png", f"{A}.png")),
    ("duplicates.near", "info", f"{A}.jpg", compressed("train/apple/0.png", f"{A}.jpg")),
    ("duplicates.near_conflict", "warning", f"{A}.jpg", compressed("train/pear/0.png", f"{A}.jpg")),
    ("splits.leakage_exact", "error", f"{A}.png", copied("val/apple/0.png", f"{A}.png")),
    ("splits.leakage_near", "warning", f"{A}.jpg", compressed("val/apple/0.png", f"{A}.jpg")),
    ("files.non_pictures", "info", f"{A}.txt", lambda r: (r / f"{A}.txt").write_text("notes")),
    ("files.hidden", "info", "train/.planted.png", copied("train/pear/0.png", "train/.planted.png")),
    ("files.case_clash", "warning", "train/apple/Planted.png", lambda r: [
        picture(910 + i).save(r / f"train/apple/{name}.png") for i, name in enumerate(("planted", "Planted"))
    ]),
    ("files.unlisted", "warning", "train/planted.png", lambda r: picture(912).save(r / "train/planted.png")),
    ("files.unreadable", "error", f"{A}.jpg", lambda r: (r / f"{A}.jpg").symlink_to("nowhere.jpg")),
    ("files.unreadable", "error", f"{A}.txt", lambda r: (r / f"{A}.txt").symlink_to("nowhere.txt")),
    ("files.unreadable", "error", f"{A}.jpg", lambda r: os.mkfifo(r / f"{A}.jpg")),
    (
        "labels.suspicious_folders", "info", "train/.ipynb_checkpoints",
        lambda r: (r / "train/.ipynb_checkpoints").mkdir(),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "severity", "path", "plant"), PLANTED, ids=[f"{row[0]}-{i}" for i, row in enumerate(PLANTED)]
)
def test_a_planted_fault_is_found_by_its_check_and_nothing_else_is_blamed(
    data: Path, check: str, severity: str, path: str, plant: Plant
) -> None:
    plant(data)
    diagnosis = diagnose(data)
    finding = only(diagnosis, check)
    assert (finding.severity, path in finding.paths) == (severity, True)
    assert finding.count >= 1
    assert finding.advice
    assert bad(diagnosis) == ([check] if severity != "info" else [])
    assert diagnosis.exit_code() == (3 if severity == "error" else 0)
    assert diagnosis.exit_code(strict=True) == (0 if severity == "info" else 3)
    json.dumps(diagnosis.to_json(), allow_nan=False)


def test_a_sharp_thing_before_a_soft_background_and_a_sharp_thing_in_fog_are_not_blurred() -> None:
    soft = picture(1, (200, 200)).filter(PIL.ImageFilter.GaussianBlur(8))
    assert look_at(np.asarray(soft)).sharpness < BLURRED
    before = soft.copy()
    before.paste(picture(2, (40, 40)), (80, 80))
    assert look_at(np.asarray(before)).sharpness > BLURRED
    fog = PIL.Image.blend(picture(2, (200, 200)), PIL.Image.new("RGB", (200, 200), "white"), 0.8)
    assert look_at(np.asarray(fog)).sharpness > BLURRED


def test_nothing_in_the_data_is_changed(data: Path) -> None:
    truncated(data)
    turned(data)
    before = tree_hash(data)
    diagnose(data)
    assert tree_hash(data) == before


def add_class(root: Path, name: str, *, counts: dict[str, int], seed: int = 1000) -> None:
    for split, count in counts.items():
        (root / split / name).mkdir(parents=True)
        for _ in range(count):
            seed += 1
            picture(seed).save(root / split / name / f"{seed}.png")


def test_a_class_that_only_val_has_is_an_error_and_one_that_only_train_has_a_warning(data: Path) -> None:
    add_class(data, "plum", counts={"val": 10})
    add_class(data, "quince", counts={"train": 10}, seed=2000)
    found = [f for f in diagnose(data, skip=["splits"]).findings if f.check == "balance.missing_in_split"]
    assert [(f.severity, f.split, f.details["classes"]) for f in found] == [
        ("error", "val", ["plum"]),
        ("warning", "val", ["quince"]),
    ]


def test_a_class_with_few_pictures_in_train_is_named_with_its_number(data: Path) -> None:
    add_class(data, "plum", counts={"train": 9, "val": 10})
    finding = only(diagnose(data), "balance.few")
    assert finding.details == {"counts": {"plum": 9}}
    assert "'plum' (9)" in finding.message


def test_a_class_that_outnumbers_another_more_than_ten_times_is_a_warning(data: Path) -> None:
    add_class(data, "plum", counts={"train": 101})
    finding = only(diagnose(data, only=["balance.ratio"]), "balance.ratio")
    assert (finding.details["largest"], finding.details["smallest"]) == ("plum", "apple")


def test_other_shares_of_the_classes_in_val_are_a_warning(data: Path) -> None:
    for number, path in enumerate(sorted((data / "train/pear").iterdir())):
        if number > 1:
            path.unlink()
    add_class(data, "plum", counts={"train": 40})
    finding = only(diagnose(data, only=["splits.skew"]), "splits.skew")
    assert (finding.split, set(finding.details["shares"])) == ("val", {"pear", "plum"})


def test_data_without_splits_get_a_remark_and_data_without_train_a_warning(data: Path) -> None:
    assert only(diagnose(data / "train"), "splits.missing").message == "the data are not split"
    shutil.rmtree(data / "train")
    diagnosis = diagnose(data)
    assert only(diagnosis, "splits.missing").severity == "warning"
    assert bad(diagnosis) == ["splits.missing"]


def test_a_table_with_one_class_is_an_error(data: Path) -> None:
    rows = "".join(f"train/apple/{number}.png,apple\n" for number in range(10))
    (data / "labels.csv").write_text("file,label\n" + rows)
    diagnosis = diagnose(data, format="csv")
    assert only(diagnosis, "balance.single_class").severity == "error"
    assert diagnosis.classes == {"apple": {"all": 10}}
    assert not [finding for finding in diagnosis.findings if finding.check == "files.non_pictures"]


@pytest.mark.parametrize(
    ("name", "twin"), [("Pear", "pear"), ("red_pear", "red pear"), ("pears", "pear"), ("boxes", "box")]
)
def test_class_names_in_two_spellings_are_a_warning(data: Path, name: str, twin: str) -> None:
    add_class(data, name, counts=PER_CLASS)
    if twin != "pear":
        add_class(data, twin, counts=PER_CLASS, seed=2000)
    finding = only(diagnose(data, only=["labels"]), "labels.near_names")
    assert sorted(finding.details["groups"][0]) == sorted([name, twin])


def test_a_class_named_like_a_leftover_is_a_warning(data: Path) -> None:
    add_class(data, "New Folder", counts=PER_CLASS)
    finding = only(diagnose(data, only=["labels"]), "labels.suspicious_folders")
    assert (finding.severity, finding.paths) == ("warning", ("New Folder",))


def test_pictures_that_are_all_small_are_a_remark_only(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / CLASSES[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture(number, (28, 28)).save(path)
    diagnosis = diagnose(tmp_path)
    finding = only(diagnosis, "images.tiny")
    assert (finding.severity, finding.count) == ("info", 20)
    assert bad(diagnosis) == []


def test_a_coloured_picture_among_gray_ones_is_named(data: Path) -> None:
    for path in data.rglob("*.png"):
        PIL.Image.open(path).convert("L").save(path)
    picture(0).save(data / "train/pear/0.png")
    finding = only(diagnose(data), "images.gray_mixed")
    assert finding.paths == ("train/pear/0.png",)
    assert finding.details == {"minority": "coloured", "by_class": {"pear": 1}}


def test_a_folder_that_no_reader_knows_is_examined_picture_by_picture(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    picture(1).convert("L").save(tmp_path / "gray.png")
    (tmp_path / "b.png").write_bytes(b"")
    shutil.copyfile(tmp_path / "a.png", tmp_path / "c.png")
    diagnosis = diagnose(tmp_path)
    assert diagnosis.format == ""
    assert diagnosis.splits == {"all": 4}
    assert only(diagnosis, "data.unrecognised").severity == "error"
    assert only(diagnosis, "images.empty_file").paths == ("b.png",)
    assert only(diagnosis, "duplicates.exact").paths == ("a.png", "c.png")
    assert only(diagnosis, "images.gray_mixed").details["by_class"] == {}


def test_a_table_that_cannot_be_read_is_an_error_and_its_pictures_are_examined(data: Path) -> None:
    (data / "labels.csv").write_text("file,label\nmissing.png,apple\ntrain/pear/0.png,pear\n")
    truncated(data)
    diagnosis = diagnose(data, format="csv")
    assert only(diagnosis, "data.unreadable").severity == "error"
    assert "missing.png" in only(diagnosis, "data.unreadable").message
    assert only(diagnosis, "images.broken").paths == (f"{A}.jpg",)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path)
    assert bad(diagnosis) == ["data.unrecognised", "data.empty"]


def test_what_the_reader_says_is_passed_on(data: Path) -> None:
    (data / "extra").mkdir()
    picture(5).save(data / "extra/x.png")
    assert "extra/" in only(diagnose(data), "data.notes").message


def test_mnist_files_have_no_findings_about_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
    (tmp_path / "images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    (tmp_path / "labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + (20).to_bytes(4, "big") + bytes([0, 1] * 10)
    )
    (tmp_path / "labels.txt").write_text("zero\none\n")
    diagnosis = diagnose(tmp_path)
    assert bad(diagnosis) == []
    assert diagnosis.classes == {"zero": {"all": 10}, "one": {"all": 10}}


def test_a_linked_folder_that_contains_itself_is_entered_once(data: Path) -> None:
    (data / "train/apple/loop").symlink_to(data / "train/apple", target_is_directory=True)
    assert diagnose(data).splits["train"] == 20


def test_versioned_folders_are_not_searched(data: Path) -> None:
    (data / ".git").mkdir()
    picture(5).save(data / ".git/x.png")
    assert not [f for f in diagnose(data, only=["files"]).findings if f.check == "files.hidden"]


def test_a_folder_that_cannot_be_listed_does_not_stop_the_rest(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A test may run as root, whom no permission stops.
    locked, listing = data / "train/.locked", Path.iterdir
    locked.mkdir()

    def refuse(path: Path) -> object:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert only(diagnose(data), "files.unreadable").details["found"] == {"train/.locked": "Permission denied"}


def test_a_missing_folder_an_unknown_format_and_an_unknown_check_are_refused(clean: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        diagnose(clean / "nowhere")
    with pytest.raises(NotFound, match="no format is named 'foldr'"):
        diagnose(clean, format="foldr")
    with pytest.raises(
        ConfigError, match=r"no check is named 'images\.blured'\ndid you mean 'images\.blurred'"
    ):
        diagnose(clean, only=["images.blured"])
    with pytest.raises(ConfigError, match="families of checks: balance, captions, data, domains, duplicates"):
        diagnose(clean, skip=["xyz"])


def test_selecting_no_check_is_refused(clean: Path) -> None:
    with pytest.raises(ConfigError, match="no check is left to run"):
        diagnose(clean, only=["images"], skip=["images"])


def test_a_family_or_an_id_can_be_left_out(data: Path) -> None:
    truncated(data)
    copied("val/apple/0.png", f"{A}.png")(data)
    assert bad(diagnose(data, skip=["splits", "images.broken"])) == []
    assert bad(diagnose(data, only=["images"])) == ["images.broken"]


def test_a_check_that_crashes_is_an_error_and_the_others_go_on() -> None:
    def crash(snapshot: object) -> list[Finding]:
        raise TypeError("as planned")

    found = list(run([Check("images.broken", crash), CHECKS["data.empty"]], Snapshot(Path("data"))))
    assert [(f.check, f.severity) for f in found] == [("images.broken", "error"), ("data.empty", "error")]
    assert found[0].message == "this check crashed: TypeError: as planned"


def test_progress_counts_every_picture_up_to_the_last(clean: Path) -> None:
    seen: list[tuple[int, int]] = []
    diagnose(clean, threads=2, only=["data"], on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 40) for done in range(1, 41)]


def test_the_number_of_threads_does_not_change_the_findings(data: Path) -> None:
    truncated(data)
    assert diagnose(data, threads=1).findings == diagnose(data, threads=4).findings


def test_the_document_counts_its_findings_by_severity(data: Path) -> None:
    truncated(data)
    document = diagnose(data).to_json()
    assert document["schema_version"] == 1
    assert document["summary"] == {"error": 1, "warning": 0, "info": 1}
    assert [finding["severity"] for finding in document["findings"]] == ["error", "info"]


def test_the_guide_explains_every_check() -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/doctor.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", guide, re.MULTILINE)) == sorted(CHECKS.names)
