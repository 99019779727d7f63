"""IDX, the format of MNIST: one file of all gray pictures and one of all labels, each perhaps gzipped.

    train-images-idx3-ubyte.gz   00 00 08 03 | N | rows | cols | N * rows * cols bytes, row by row
    train-labels-idx1-ubyte.gz   00 00 08 01 | N | N bytes
    t10k-images-idx3-ubyte.gz    (t10k = test; val- and validation- likewise; sizes are big-endian, 32 bits)
    labels.txt                   names of the classes, one a line; without it they are "0" to "9"

Source: LeCun, Cortes and Burges (1998), The MNIST database of handwritten digits, "File formats".
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.types import Dataset, Image, Label, Sample
from nayan.data.pictures import entries, normal
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_new,
    check_split,
    class_notes,
    label_of,
    read_text,
    split_of,
)

_NAME = re.compile(
    r"(?:(?P<prefix>.+)[-_.])?(?P<what>images|labels)[-_.]idx(?P<ndim>[13])[-_.]ubyte(?:\.gz)?", re.I
)
_CLASS_FILES = ("labels.txt", "classes.txt")
_UNSIGNED_BYTE = 0x08
_DEFLATE_LIMIT = 1032  # no deflate stream grows by more
_DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """Loads one picture of an array; pickles only that picture."""

    gray: NDArray[np.uint8]  # (H, W)

    def __call__(self, at_least: Any = None) -> Image:  # noqa: ARG002 - a small picture is never decoded smaller
        return np.repeat(self.gray[:, :, None], 3, axis=2)


class IdxReader:
    """The files of MNIST and its relatives."""

    name = "idx"
    summary = "MNIST's train-images-idx3-ubyte[.gz] with its labels, and t10k-*, val-*"

    def sniff(self, root: Path) -> Sniff:
        """Say whether there are files with the names of MNIST."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file, not a folder with images and labels")
        found = sorted(file.name for file in entries(root)[1] if _NAME.fullmatch(file.name))
        if not found:
            return Sniff(0.0, "no file is named like train-images-idx3-ubyte")
        images = [name for name in found if "images" in name.lower()]
        if not images or len(images) == len(found):
            return Sniff(
                0.5, f"{found[0]} is there, but its partner of {'labels' if images else 'images'} is not"
            )
        return Sniff(0.95, f"{', '.join(images)} and the files of their labels are there")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that files are named after (t10k is the test split).

        Raises:
            FormatError: if a file lacks its partner.
        """
        return tuple(split for split in SPLITS if split in _pairs(root))

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split, decoded to RGB one by one when they are loaded.

        Raises:
            FormatError: if a file is truncated, too long, or not IDX; if the counts disagree.
            LabelError: if a label is outside the classes.
            NotFound: if there is no such split.
        """
        pairs = _pairs(root)
        names = tuple(name for name in (*SPLITS, "all") if name in pairs)
        check_split(split, [name for name in names if name != "all"])
        classes = _classes(root)
        samples: list[Sample] = []
        for name in names if split == "all" else (split,):
            images, labels = _read_pair(*pairs[name], classes=classes)
            samples += [
                Sample(f"{name}/{number:05d}", _Plane(image), Label(label))
                for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True))
            ]
        notes = tuple(class_notes(samples, classes, split))
        return Dataset(tuple(samples), classes, root, self.name, split=split, notes=notes)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write gzipped files and `labels.txt`; the split "all" gives `images-idx3-ubyte.gz`.

        Raises:
            DataError: if the folder is not empty, or the pictures are not gray and of one size.
            LabelError: if a picture has no class, or there are more than 256 classes.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        for split, data in splits.items():
            if len(data.classes) > 256:
                raise LabelError(
                    f"{data.root}: {len(data.classes)} classes, a byte counts to 256", hint="use folder"
                )
            for name in data.classes:
                if name != name.strip() or not name or "\n" in name or "\r" in name:
                    raise LabelError(
                        f"the class {name!r} does not fit on a line of labels.txt", hint="rename it"
                    )
            prefix = {"all": "", "test": "t10k-"}.get(split, f"{split}-")
            planes, size = _gray_planes(data)
            labels = bytes(data.classes.index(label_of(sample, data.classes)) for sample in data.samples)
            _write(root / f"{prefix}images-idx3-ubyte.gz", (len(data), *size), planes)
            _write(root / f"{prefix}labels-idx1-ubyte.gz", (len(data),), labels)
            names = "".join(f"{name}\n" for name in data.classes)
            (root / _CLASS_FILES[0]).write_text(names, encoding="utf-8")


def _pairs(root: Path) -> dict[str, tuple[Path, Path]]:
    """Return {split, or "all" for files without one: (images, labels)}."""
    found: dict[str, dict[str, Path]] = {}
    for file in entries(root)[1]:
        match = _NAME.fullmatch(file.name)
        if match is None:
            continue
        word = re.split(r"[-_.]", match["prefix"] or "all")[-1].lower()
        split = {"t10k": "test", "all": "all"}.get(word) or split_of(word)
        if split is None:
            raise FormatError(
                f"{file}: {word!r} names no split", hint="rename it to train-, val- or t10k-..."
            )
        previous = found.setdefault(split, {}).setdefault(match["what"].lower(), file)
        if previous != file:
            raise FormatError(
                f"{root}: {previous.name} and {file.name} are both the {match['what']} of {split}",
                hint="keep one of them, or put each data set into a folder of its own",
            )
    for split, files in found.items():
        if len(files) == 1:
            what, file = next(iter(files.items()))
            partner = "labels" if what == "images" else "images"
            raise FormatError(
                f"{file}: the {partner} of {split} are missing", hint=f"add its file of {partner}"
            )
    if not found:
        raise FormatError(
            f"{root}: no file is named like train-images-idx3-ubyte", hint="see `nayan convert --help`"
        )
    return {split: (files["images"], files["labels"]) for split, files in found.items()}


def _read_pair(
    images_file: Path, labels_file: Path, *, classes: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = _read(images_file, 3), _read(labels_file, 1)
    if len(images) != len(labels):
        raise FormatError(
            f"{images_file.name} holds {len(images)} pictures, but {labels_file.name} {len(labels)} labels",
            hint="the two files do not belong together, or one is incomplete",
        )
    outside = np.flatnonzero(labels >= len(classes))
    if len(outside):
        raise LabelError(
            f"{labels_file}: label {labels[outside[0]]} at position {outside[0]}, "
            f"but there are {len(classes)} classes (0-{len(classes) - 1})",
            hint="put the names of all classes, one a line, into labels.txt beside it",
        )
    return images, labels


def _read(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes; reads no more than its header announces."""
    size = path.stat().st_size
    is_gzip = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as stream:
            shape = _read_header(stream, path, ndim)
            expected = math.prod(shape)
            if expected > size * (_DEFLATE_LIMIT if is_gzip else 1):
                raise FormatError(
                    f"{path}: announces {expected} bytes, more than its {size} bytes can hold",
                    hint="the file is truncated or damaged; fetch it again",
                )
            payload = stream.read(expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(
            f"{path}: the gzip stream is damaged: {error}", hint="fetch the file again"
        ) from error
    if len(payload) != expected:
        found = "more" if len(payload) > expected else f"only {len(payload)}"
        raise FormatError(
            f"{path}: announces {expected} bytes of {' x '.join(map(str, shape))}, holds {found}",
            hint="the file is truncated or damaged; fetch it again",
        )
    return np.frombuffer(payload, np.uint8).reshape(shape)


def _read_header(stream: BinaryIO | gzip.GzipFile, path: Path, ndim: int) -> tuple[int, ...]:
    header = stream.read(4 + 4 * ndim)
    if len(header) < 4 + 4 * ndim:
        raise FormatError(
            f"{path}: ends within its header ({len(header)} bytes)", hint="fetch the file again"
        )
    if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, ndim)):
        raise FormatError(
            f"{path}: starts with {header[:4].hex(' ')}, expected 00 00 08 {ndim:02x} "
            f"(unsigned bytes in {ndim} dimension{'s' if ndim > 1 else ''})",
            hint="is it another file, or compressed without the suffix .gz?",
        )
    shape = struct.unpack(f">{ndim}I", header[4:])
    if 0 in shape:
        raise FormatError(f"{path}: is empty ({' x '.join(map(str, shape))})", hint="fetch the file again")
    return shape


def _classes(root: Path) -> tuple[str, ...]:
    for name in _CLASS_FILES:
        if (root / name).is_file():
            names = [normal(line.strip()) for line in read_text(root / name).splitlines() if line.strip()]
            if len(set(names)) < len(names) or not names:
                raise LabelError(
                    f"{root / name}: the names of classes are missing or not unique", hint="one a line"
                )
            return tuple(names)
    return _DIGITS


def _gray_planes(data: Dataset) -> tuple[bytes, tuple[int, int]]:
    """Return the pixels of all pictures, one after the other, and their common (height, width)."""
    planes = bytearray()
    size: tuple[int, int] | None = None
    hint = "convert to folder or csv, which keep every picture as it is"
    for sample in data.samples:
        image = sample.load()
        if (image != image[:, :, :1]).any():
            raise DataError(f"{sample.id}: is in colour, IDX holds gray pictures", hint=hint)
        size = size or (image.shape[0], image.shape[1])
        if image.shape[:2] != size:
            found = f"{image.shape[0]} x {image.shape[1]}"
            raise DataError(f"{sample.id}: is {found}, the first picture {size[0]} x {size[1]}", hint=hint)
        planes += image[:, :, 0].tobytes()
    if size is None:
        raise DataError(f"{data.root}: the split {data.split!r} has no picture to write", hint="leave it out")
    return bytes(planes), size


def _write(path: Path, shape: tuple[int, ...], payload: bytes) -> None:
    header = bytes((0, 0, _UNSIGNED_BYTE, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(gzip.compress(header + payload, mtime=0))
