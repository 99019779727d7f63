"""Masks fit their pictures or are refused, and are written as they are."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from masked import SIZE, halves, masked, masks_of
from PIL import Image

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.types import VOID, Boxes, Dataset, MaskSource, Sample, SemanticMask
from nayan.data import mask_truth
from nayan.data.classes import match_classes
from nayan.data.convert import convert
from nayan.data.doctor import diagnose
from nayan.data.fingerprint import fingerprint
from nayan.data.readers import READERS
from nayan.data.readers.masks import MasksReader
from nayan.data.splits import open_splits, read_split, write_splits

READER = MasksReader()


def turned_picture(path: Path, orientation: int = 6) -> None:
    """Write a picture that is stored 32 wide and 24 high, and shown 24 wide and 32 high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(path, exif=exif)


def test_a_mask_of_half_the_size_is_enlarged_without_new_values(tmp_path: Path) -> None:
    data = READER.read(
        masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": halves(0, 1, 2, size=(12, 16))}), "all"
    )
    ids = masks_of(data)["images/a.jpg"]
    assert ids.shape == SIZE
    assert set(ids.ravel().tolist()) == {0, 1, 2}
    assert "made as large as their pictures, without new values: 1 mask, such as masks/a.png" in data.notes


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": halves(0, 1, size=(24, 40))})
    with pytest.raises(FormatError, match=r"a\.png: is 40 x 24, but its picture a\.jpg is 32 x 24 pixels"):
        READER.read(root, "all")


def test_a_mask_of_the_picture_before_its_exif_orientation_is_turned_with_it(tmp_path: Path) -> None:
    turned_picture(tmp_path / "images/a.jpg")
    data = READER.read(masked(tmp_path, {"masks/a.png": halves(0, 255)}), "all")
    ids = masks_of(data)["images/a.jpg"]
    assert ids.shape == data.samples[0].load().shape[:2] == (32, 24)
    assert ids[0].tolist() == [0] * 24  # the left of what is stored is the top of what is shown
    assert ids[-1].tolist() == [1] * 24
    assert any("turned with the EXIF orientation of their pictures" in note for note in data.notes)


def test_a_mask_of_the_upright_picture_stays_as_it_is(tmp_path: Path) -> None:
    turned_picture(tmp_path / "images/a.jpg")
    data = READER.read(masked(tmp_path, {"masks/a.png": halves(0, 255, size=(32, 24))}), "all")
    assert masks_of(data)["images/a.jpg"][0].tolist() == [0] * 12 + [1] * 12
    assert len(data.notes) == 1


def test_a_picture_that_cannot_be_read_leaves_the_mask_as_it_is(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": "no picture", "masks/a.png": halves(0, 1)})
    assert masks_of(READER.read(root, "all"))["images/a.jpg"].shape == SIZE


def test_masks_are_read_when_asked_for_and_not_before(tmp_path: Path) -> None:
    data = READER.read(masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": halves(0, 1)}), "all")
    (tmp_path / "masks/a.png").unlink()
    with pytest.raises(FormatError, match="no such file"):
        data.samples[0].target.load()


def test_names_that_are_easily_mixed_up_are_told(tmp_path: Path) -> None:
    files = {"images/a.jpg": 1, "masks/a.png": halves(0, 1, 2), "classes.txt": "road\ncar\nCar\n"}
    assert any("are they one?" in note for note in READER.read(masked(tmp_path, files), "all").notes)


def data_of(ids: np.ndarray, classes: tuple[str, ...] = ("background", "cat"), id: str = "a.png") -> Dataset:
    picture = partial(np.zeros, (*ids.shape, 3), np.uint8)
    target = MaskSource(partial(SemanticMask, ids.astype(np.uint8)))
    return Dataset((Sample(id, picture, target),), classes, Path("x"), "x")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("a", "void"), "'void' would be read as void"),
        (("a", " b"), "' b' is empty, has spaces around it"),
        (("a", ""), "'' is empty"),
    ],
)
def test_names_that_would_not_come_back_are_not_written(tmp_path: Path, classes: tuple, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        READER.write({"all": data_of(halves(0, 1), classes)}, tmp_path / "new")


@pytest.mark.parametrize("target", [Boxes.none(), None])
def test_only_masks_are_written_as_masks(tmp_path: Path, target: Boxes | None) -> None:
    data = data_of(halves(0, 1))
    other = Dataset((Sample("a.png", data.samples[0].load, target),), data.classes, data.root, "x")
    for format in ("masks", "coco_masks", "yolo_masks"):
        with pytest.raises(LabelError, match=r"a\.png: the picture has no mask"):
            READERS[format].write({"all": other}, tmp_path / format)


@pytest.mark.parametrize("format", ["coco", "folder"])
def test_masks_are_not_written_as_boxes_or_classes(tmp_path: Path, format: str) -> None:
    with pytest.raises(LabelError, match=r"a\.png: the picture has a mask, not"):
        READERS[format].write({"all": data_of(halves(0, 1))}, tmp_path / "new")


@pytest.mark.parametrize("format", ["coco_masks", "yolo_masks"])
def test_outlines_cannot_say_void_and_begin_with_the_background(tmp_path: Path, format: str) -> None:
    with pytest.raises(LabelError, match="void pixels, which no outline can say"):
        READERS[format].write({"all": data_of(halves(0, 1, VOID))}, tmp_path / "void")
    with pytest.raises(LabelError, match="masks of outlines begin with 'background'"):
        READERS[format].write({"all": data_of(halves(0, 1), ("road", "sky"))}, tmp_path / "road")


def test_labelme_masks_are_only_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only read"):
        READERS["labelme_masks"].write({"all": data_of(halves(0, 1))}, tmp_path / "new")


def test_pictures_of_one_stem_get_masks_of_their_own(tmp_path: Path) -> None:
    root = masked(tmp_path / "old", {"x/images/a.jpg": 1, "x/masks/a.png": halves(0, 1),
                                     "y/images/a.png": 2, "y/masks/a.png": halves(1, 0)})  # fmt: skip
    data = READER.read(root, "all")
    flat = Dataset(
        tuple(Sample(f"masks/a{s.path.suffix}", s.load, s.target, s.path) for s in data.samples),
        data.classes, data.root, "x",
    )  # fmt: skip
    READER.write({"train": flat}, tmp_path / "new")
    back = masks_of(READER.read(tmp_path / "new", "train"))
    assert [ids[0, 0] for ids in back.values()] == [1, 0]
    assert sorted(back) == ["images/train/a-png.png", "images/train/a.jpg"]


def test_conversion_proves_every_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"images/{n}.jpg": n for n in range(3)} | {
        f"masks/{n}.png": halves(0, 1, n % 2) for n in range(3)
    }
    root = masked(tmp_path / "old", files)
    report = convert(root, tmp_path / "new", "coco_masks")
    assert report.before == report.after
    assert sum(report.after["all"].values()) == 3 * SIZE[0] * SIZE[1]
    assert report.pictures == {"all": 3}
    back = convert(tmp_path / "new", tmp_path / "back", "masks")
    assert back.before == report.after
    original = mask_truth.mask_of
    changed = iter([False] * 3 + [True] * 3)

    def moved(sample: Sample) -> SemanticMask:
        mask = original(sample)
        return SemanticMask(np.ascontiguousarray(mask.ids[:, ::-1])) if next(changed) else mask

    monkeypatch.setattr(mask_truth, "mask_of", moved)
    with pytest.raises(DataError, match="the picture is missing in the copy, or has another mask"):
        convert(root, tmp_path / "wrong", "masks")
    assert not (tmp_path / "wrong").exists()


def test_a_copy_with_a_picture_more_is_refused() -> None:
    data = data_of(halves(0, 1))
    once = mask_truth.mask_truth({"all": data}, by_pixels=True)
    twice = Dataset((*data.samples, Sample("b.png", *_parts(data.samples[0]))), data.classes, data.root, "x")
    with pytest.raises(DataError, match="the copy has 1 pictures more"):
        mask_truth.compare_masks(once, mask_truth.mask_truth({"all": twice}, by_pixels=True))


def _parts(sample: Sample) -> tuple:
    return sample.load, sample.target


def test_splits_are_written_as_masks(tmp_path: Path) -> None:
    files = {f"images/{n}.jpg": n for n in range(8)} | {
        f"masks/{n}.png": halves(0, 1, n % 2) for n in range(8)
    }
    splits = open_splits(masked(tmp_path / "old", files))
    write_splits(splits, tmp_path / "new")
    assert READER.splits(tmp_path / "new") == ("train", "val", "test")
    assert len(read_split(tmp_path / "new", targets=("MaskSource",))) == len(splits.test)


def test_a_single_class_leaves_nothing_to_tell_apart(tmp_path: Path) -> None:
    files = {f"images/{n}.jpg": n for n in range(4)} | {f"masks/{n}.png": halves(5) for n in range(4)}
    with pytest.raises(DataError, match="every pixel would be of it"):
        open_splits(masked(tmp_path, files))


def test_classes_are_matched_by_name_and_void_stays(tmp_path: Path) -> None:
    matched = match_classes(data_of(halves(0, 1, VOID)), ("cat", "dog", "background"))
    assert matched.classes == ("cat", "dog", "background")
    assert matched.samples[0].target.load().ids[0, ::11].tolist() == [2, 0, VOID]


def test_the_fingerprint_follows_the_masks(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": halves(0, 1)})
    before = fingerprint(READER.read(root, "all"))
    masked(tmp_path, {"masks/a.png": halves(0, 1, 1)})
    assert fingerprint(READER.read(root, "all")) != before


def test_look_alikes_of_masks_stay_together(tmp_path: Path) -> None:
    files = {f"images/{n}.png": n // 2 for n in range(12)} | {
        f"masks/{n}.png": halves(0, 1) for n in range(12)
    }
    splits = open_splits(masked(tmp_path, files))
    stems = [
        {int(s.path.stem) // 2 for s in part.samples} for part in (splits.train, splits.val, splits.test)
    ]
    assert not stems[0] & stems[1] | stems[0] & stems[2] | stems[1] & stems[2]


def test_the_doctor_does_not_call_masks_unlisted_pictures(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": halves(0, 1)})
    assert "files.unlisted" not in [finding.check for finding in diagnose(root).findings]
