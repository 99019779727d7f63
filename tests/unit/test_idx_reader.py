"""MNIST's files: read as they are meant, refused when they are not what they say."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Dataset, Label, Sample
from nayan.data.readers.idx import IdxReader

READER = IdxReader()


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(
    root: Path, prefix: str = "train-", *, labels: tuple[int, ...] = (3, 1, 4), suffix: str = ""
) -> np.ndarray:
    root.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(len(prefix)).integers(0, 256, (len(labels), 5, 4), dtype=np.uint8)
    pack = gzip.compress if suffix else bytes
    (root / f"{prefix}images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (root / f"{prefix}labels-idx1-ubyte{suffix}").write_bytes(pack(idx(np.array(labels, np.uint8))))
    return images


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pictures_and_labels_are_read_by_split(tmp_path: Path, suffix: str) -> None:
    images = write_pair(tmp_path, "train-", suffix=suffix)
    write_pair(tmp_path, "t10k-", labels=(9,), suffix=suffix)
    write_pair(tmp_path, "validation-", labels=(7, 7), suffix=suffix)
    assert READER.splits(tmp_path) == ("train", "val", "test")
    assert READER.sniff(tmp_path).score >= 0.9
    data = READER.read(tmp_path, "train")
    assert data.classes == tuple("0123456789")
    assert [sample.target for sample in data.samples] == [Label(3), Label(1), Label(4)]
    assert [sample.id for sample in data.samples] == ["train/00000", "train/00001", "train/00002"]
    picture = data.samples[1].load((100, 100))
    assert picture.shape == (5, 4, 3)
    assert (picture == images[1][:, :, None]).all()
    everything = READER.read(tmp_path, "all")
    assert [sample.target.index for sample in everything.samples] == [3, 1, 4, 7, 7, 9]


def test_a_sample_travels_to_another_process_without_the_whole_array(tmp_path: Path) -> None:
    write_pair(tmp_path, labels=(1,) * 2000)
    sample = READER.read(tmp_path, "train").samples[5]
    frozen = pickle.dumps(sample)
    assert len(frozen) < 2000
    assert (pickle.loads(frozen).load() == sample.load()).all()


@pytest.mark.parametrize("name", ["labels.txt", "classes.txt"])
def test_class_names_stand_in_a_file_beside(tmp_path: Path, name: str) -> None:
    write_pair(tmp_path, "emnist-letters-train-", labels=(0, 1, 11))
    (tmp_path / name).write_text("".join(f"class {i}\n" for i in range(12)))
    data = READER.read(tmp_path, "train")
    assert data.classes[11] == "class 11"
    assert data.samples[2].target == Label(11)


def test_files_without_a_split_have_none(tmp_path: Path) -> None:
    write_pair(tmp_path, "")
    assert READER.splits(tmp_path) == ()
    assert len(READER.read(tmp_path, "all")) == 3
    with pytest.raises(NotFound, match="no split is named 'train'"):
        READER.read(tmp_path, "train")


def test_what_is_no_idx_folder_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert READER.sniff(tmp_path).score == 0
    assert READER.sniff(tmp_path / "notes.txt").score == 0
    with pytest.raises(FormatError, match="no file is named like train-images-idx3-ubyte"):
        READER.read(tmp_path, "all")


@pytest.mark.parametrize("what", ["images-idx3", "labels-idx1"])
def test_a_missing_partner_is_named(tmp_path: Path, what: str) -> None:
    write_pair(tmp_path)
    (tmp_path / f"train-{what}-ubyte").unlink()
    assert "partner" in READER.sniff(tmp_path).reason
    with pytest.raises(FormatError, match=f"the {what[:6]} of train are missing"):
        READER.read(tmp_path, "all")


def test_two_files_for_one_part_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "twice")
    write_pair(tmp_path / "twice", suffix=".gz")
    with pytest.raises(FormatError, match="are both the images of train"):
        READER.read(tmp_path / "twice", "all")
    write_pair(tmp_path / "odd", "extra-")
    with pytest.raises(FormatError, match="'extra' names no split"):
        READER.read(tmp_path / "odd", "all")


HEADER = bytes((0, 0, 8, 3)) + struct.pack(">3I", 3, 5, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + bytes(59), r"announces 60 bytes of 3 x 5 x 4, holds only 59"),
        (HEADER + bytes(61), r"announces 60 bytes of 3 x 5 x 4, holds more"),
        (HEADER[:9], r"ends within its header \(9 bytes\)"),
        (b"\x89PNG" + HEADER, r"starts with 89 50 4e 47, expected 00 00 08 03"),
        (bytes((0, 0, 13, 3)) + HEADER[4:], r"starts with 00 00 0d 03"),
        (HEADER[:4] + struct.pack(">3I", 2**31, 2**31, 2**31), r"more than its 16 bytes can hold"),
        (HEADER[:4] + struct.pack(">3I", 0, 5, 4), r"is empty \(0 x 5 x 4\)"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    write_pair(tmp_path, suffix=suffix)
    packed = gzip.compress(content) if suffix else content
    (tmp_path / f"train-images-idx3-ubyte{suffix}").write_bytes(packed)
    message = message.replace("its 16 bytes", f"its {len(packed)} bytes")
    with pytest.raises(FormatError, match=rf"train-images-idx3-ubyte\S*: .*{message}"):
        READER.read(tmp_path, "train")


@pytest.mark.parametrize("cut", [5, 40])
def test_a_damaged_gzip_stream_is_refused(tmp_path: Path, cut: int) -> None:
    write_pair(tmp_path, suffix=".gz")
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(FormatError, match="the gzip stream is damaged"):
        READER.read(tmp_path, "train")
    file.write_bytes(b"no gzip at all, though its name says so")
    with pytest.raises(FormatError, match="the gzip stream is damaged"):
        READER.read(tmp_path, "train")


def test_counts_and_labels_must_fit(tmp_path: Path) -> None:
    write_pair(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.array([1, 2], np.uint8)))
    with pytest.raises(FormatError, match="holds 3 pictures, but train-labels-idx1-ubyte 2 labels"):
        READER.read(tmp_path, "train")
    labels.write_bytes(idx(np.array([1, 2, 10], np.uint8)))
    with pytest.raises(LabelError, match=r"label 10 at position 2, but there are 10 classes \(0-9\)"):
        READER.read(tmp_path, "train")


@pytest.mark.parametrize("text", ["a\na\n", "\n"])
def test_class_names_must_be_there_and_differ(tmp_path: Path, text: str) -> None:
    write_pair(tmp_path)
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(LabelError, match="missing or not unique"):
        READER.read(tmp_path, "train")


def dataset(*images: np.ndarray, classes: tuple[str, ...] = ("a",)) -> Dataset:
    samples = tuple(Sample(str(i), lambda image=image: image, Label(0)) for i, image in enumerate(images))
    return Dataset(samples, classes, Path("data"), "folder")


GRAY = np.full((4, 4, 3), 7, np.uint8)
RED = np.array([[[200, 0, 0]]], np.uint8)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (dataset(RED), DataError, "0: is in colour, IDX holds gray pictures"),
        (dataset(GRAY, GRAY[:2]), DataError, "1: is 2 x 4, the first picture 4 x 4"),
        (dataset(), DataError, "has no picture to write"),
        (dataset(GRAY, classes=("a\nb",)), LabelError, "does not fit on a line"),
        (dataset(GRAY, classes=tuple(map(str, range(257)))), LabelError, "257 classes, a byte counts to 256"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(
    tmp_path: Path, data: Dataset, error: type[DataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        READER.write({"all": data}, tmp_path / "out")
