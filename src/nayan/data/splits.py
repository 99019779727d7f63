"""Training, validation and test pictures of any data set; made without copying where they do not exist.

A split that nayan makes is seeded, keeps the share of every class, and never parts pictures that are
the same or of one group (a clip, a camera, a patient): a copy of a training picture among the test
pictures would make the score a lie.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.core.types import Boxes, Caption, Dataset, Sample
from nayan.data.identities import as_identities, has_roles, identity_parts, of_own_classes, searched
from nayan.data.partition import draw_splits
from nayan.data.readers import Recognition, recognise
from nayan.data.readers.base import (
    SPLITS,
    check_outside,
    check_split,
    classes_in,
    counted,
    has_boxes,
    has_identities,
    has_masks,
    kind_of,
    label_of,
)
from nayan.data.readers.csv import write_table
from nayan.data.readers.folder import FolderReader
from nayan.data.readers.identities import IdentitiesReader
from nayan.data.readers.items import ItemsReader
from nayan.data.readers.pictures import PicturesReader

_NOUNS = {
    "Boxes": "boxes",
    "MaskSource": "masks",
    "Caption": "captions",
    "Domain": "domains",
    "None": "pictures without classes",
}
"""What data hold that are kept in formats of their own, by the type of their truth."""


@dataclass(frozen=True, slots=True)
class Splits:
    """A data set ready to train on.

    Attributes:
        train: never empty; has every class that the others have.
        val: never empty.
        test: None where the data has none.
        recognition: which format it is, and why.
        notes: what its user should know, one sentence each.
        made: whether nayan drew the validation pictures itself.
    """

    train: Dataset
    val: Dataset
    test: Dataset | None
    recognition: Recognition
    notes: tuple[str, ...]
    made: bool

    @property
    def summary(self) -> str:
        """What was recognised, such as "folder (5 classes, train 500, val 100, test 125)"."""
        parts = [part for part in (self.train, self.val, self.test) if part is not None]
        counts = ", ".join(f"{part.split} {len(part)}" for part in parts)
        if has_boxes(self.train.samples):
            targets = (sample.target for part in parts for sample in part.samples)
            boxes = sum(len(target) for target in targets if isinstance(target, Boxes))
            counts += f"; {boxes:,} boxes"
        captions = [s.target for p in parts for s in p.samples if isinstance(s.target, Caption)]
        if captions:
            counts += f"; {sum(len(each.texts) for each in captions):,} captions"
        if self.train.classes:
            counts = f"{counted(self.train.classes, 'class')}, {counts}"
        return f"{self.recognition.reader.name} ({counts})"


def open_splits(
    root: Path,
    *,
    format: str | None = None,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
    group: str | None = None,
    targets: Collection[str] = (),
) -> Splits:
    """Read a data set as train, val and test; draw those that it does not have from its training pictures.

    With train and val on disk nothing is drawn. With train and test, val is taken from train. With
    train alone, or no splits at all, val and test are drawn. Nothing on disk changes. In data with boxes or
    masks, pictures of which nothing is known are left out; one of the background has an empty annotation.
    Where no truth is needed, one that is not wanted is left aside.

    Args:
        root: folder or file.
        format: name of a reader; None to recognise it.
        val_fraction: share of each class for validation, in (0, 0.5).
        test_fraction: share of each class for testing, in [0, 0.5); 0 for none.
        seed: the same seed and pictures give the same splits.
        group: which pictures are never parted when splits are drawn: "auto" (the same as None), "none",
            "folder" or a regular expression; see `draw_splits`.
        targets: names of the types in `core.types` that are wanted, such as ("MaskSource",); () for any. It
            decides whether outlines become boxes or masks, see `recognise`. With ("Identity",), and of
            formats that hold them, splits are by identity: see `data.identities`. With "None" no truth is
            needed.

    Raises:
        DataError: if the data has no training pictures, no targets, no box to learn from, or a single class
            for whole pictures.
        LabelError: if a class has a single picture, or none to train on.
        ConfigError: if a fraction is impossible, or `group` is given where nothing is drawn.
    """
    if not 0 < val_fraction < 0.5 or not 0 <= test_fraction < 0.5:
        raise ConfigError(
            f"val_fraction {val_fraction}, test_fraction {test_fraction}: each is less than half",
            hint="use 0 < val_fraction < 0.5 and 0 <= test_fraction < 0.5",
        )
    found = recognise(Path(root), format, targets=targets)
    names = found.reader.splits(Path(root))
    if names and "train" not in names:
        raise DataError(
            f"{root}: has {' and '.join(names)}, but no train", hint="name the training folder train/"
        )
    ready = {name: found.reader.read(Path(root), name) for name in names or ("all",)}
    ready = {name: _as_wanted(data, targets) for name, data in ready.items()}
    notes = [note for data in ready.values() for note in data.notes]
    if "Identity" in targets or any(has_identities(data.samples) for data in ready.values()):
        if group is not None:
            raise ConfigError(
                f"--group {group}: whole identities are drawn, which no group parts", hint="leave --group out"
            )
        parts = identity_parts(ready, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
        train, val, test = (parts.splits.get(name) for name in ("train", "val", "test"))
        assert train is not None
        assert val is not None
        told = tuple(dict.fromkeys((*notes, *parts.notes)))
        return Splits(train, val, test, found, told, made=parts.made)
    notes += _without_unknown(ready)
    base = ready["train"] if names else ready["all"]
    if "None" not in targets:
        _check_learnable(base)
    made = "val" not in ready
    if made:
        fraction = 0.0 if "test" in ready else test_fraction
        drawn, why = draw_splits(
            base, val_fraction=val_fraction, test_fraction=fraction, seed=seed, group=group or "auto"
        )
        ready = {**ready, **drawn}
        notes += why
    elif group is not None:
        raise ConfigError(
            f"--group {group}: {root} has its own {', '.join(ready)}, so nothing is drawn",
            hint="leave --group out, or point at data without splits",
        )
    _check_classes(ready)
    return Splits(
        ready["train"], ready["val"], ready.get("test"), found, tuple(dict.fromkeys(notes)), made=made
    )


def read_split(
    root: Path, split: str | None = None, *, format: str | None = None, targets: Collection[str] = ()
) -> Dataset:
    """Read the pictures to evaluate on: the named split, or test, else val, else everything.

    Args:
        root: folder or file.
        split: its name; None to choose.
        format: name of a reader; None to recognise it.
        targets: as `open_splits` takes them.

    Raises:
        NotFound: if the data has no such split.
        DataError: if it cannot be read.
    """
    reader = recognise(Path(root), format, targets=targets).reader
    names = reader.splits(Path(root))
    if split is None:
        split = next((name for name in ("test", "val") if name in names), "all")
    check_split(split, names)
    data = _as_wanted(reader.read(Path(root), split), targets)
    if "Identity" not in targets:
        return data
    data = as_identities(data)
    if split in ("val", "test") and has_roles({split: data}):  # its queries are looked for in the gallery
        before = SPLITS[: SPLITS.index(split)]
        parts = [as_identities(reader.read(Path(root), name)).samples for name in before if name in names]
        gallery = replace(data, samples=tuple(sample for part in parts for sample in part))
        data = searched(data, gallery, split=split)
    return of_own_classes(data)


def write_splits(splits: Splits, out: Path, *, link: bool = False) -> Path:
    """Write down which picture belongs to which split: as a table, or as folders.

    Args:
        splits: what `open_splits` returned.
        out: a new file ending in .csv for a table with the columns file, label, split, which is a
            data set of its own; else a new folder for `train/daisy/1.jpg`, ... Boxes, masks, captions
            and domains are written in their own format into a new folder; identities with pairs or roles.
        link: for folders of classes: share the files (hard links) instead of copying them, where the
            disk can.

    Raises:
        ConfigError: if `out` lies in the data set, or a table is wanted of anything but classes.
        DataError: if `out` exists, the format is only read, or a table is wanted of pictures that have no
            files of their own.
    """
    out = Path(out)
    parts = {part.split: part for part in (splits.train, splits.val, splits.test) if part is not None}
    check_outside(out, splits.train.root)
    kind = kind_of(splits.train.samples)
    if kind in _NOUNS:
        writer = PicturesReader() if kind == "None" else splits.recognition.reader
        if out.suffix.lower() == ".csv":
            raise ConfigError(
                f"{out}: a table of classes cannot hold {_NOUNS[kind]}",
                hint=f"name a folder; it is written as {writer.name}, as the data is",
            )
        writer.write(parts, out)
        return out
    if has_roles(parts):
        if out.suffix.lower() == ".csv":
            raise ConfigError(f"{out}: a table of splits has no place for roles", hint="name a folder")
        ItemsReader().write(parts, out)
        return out
    if out.suffix.lower() != ".csv":
        with_pairs = has_identities(splits.train.samples) and splits.recognition.reader.name != "folder"
        if with_pairs:
            IdentitiesReader().write(parts, out)
        else:
            FolderReader().write(parts, out, link=link)
        return out
    return _write_table(parts, out)


def _write_table(parts: Mapping[str, Dataset], out: Path) -> Path:
    if out.exists():
        raise DataError(f"{out}: exists, and nothing is ever overwritten", hint="name a new file")
    base = out.parent.resolve()
    rows = []
    for split, data in parts.items():
        for sample in data.samples:
            if sample.path is None:
                raise DataError(
                    f"{sample.id}: is part of a larger file, a table cannot name it",
                    hint="name a folder as OUT",
                )
            file = Path(os.path.relpath(sample.path.resolve(), base)).as_posix()
            rows.append((file, label_of(sample, data.classes), split))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(rows, out)
    return out


def _as_wanted(data: Dataset, targets: Collection[str]) -> Dataset:
    """Return the data without its truth where none is needed and this one is of no use; else as it is."""
    kind = kind_of(data.samples)
    if "None" not in targets or kind in targets:
        return data
    samples = tuple(replace(sample, target=None) for sample in data.samples)
    notes = (f"left aside: the {_NOUNS.get(kind, 'identities')}; the pictures alone are taken",)
    return replace(data, samples=samples, classes=(), notes=notes, info={})


def _without_unknown(ready: dict[str, Dataset]) -> list[str]:
    """Take pictures without a target out of data with boxes or masks, in place; return notes that say so."""
    notes = []
    for split, data in ready.items():
        known = tuple(sample for sample in data.samples if sample.target is not None)
        if len(known) < len(data) and (has_boxes(known) or has_masks(known)):
            first = next(sample.id for sample in data.samples if sample.target is None)
            gone = len(data) - len(known)
            notes.append(
                f"{split}: {gone} {'picture' if gone == 1 else 'pictures'} without annotations left out, "
                f"such as {first}"
            )
            ready[split] = replace(data, samples=known)
    return notes


def _check_learnable(base: Dataset) -> None:
    """Raise DataError unless there is something to tell apart, to find or to say."""
    if all(sample.target is None for sample in base.samples):
        raise DataError(
            f"{base.root}: none of {counted(base.samples, 'picture')} to train on has a class or boxes or "
            "a mask",
            hint="annotate them, or check that the annotations lie where the format wants them; "
            "--task generate learns from pictures alone",
        )
    if kind_of(base.samples) == "Caption":
        return
    if has_boxes(base.samples):
        if not any(classes_in(sample.target) for sample in base.samples):
            raise DataError(
                f"{base.root}: there is not one box in {counted(base.samples, 'picture')} to train on",
                hint="run `nayan doctor DATA`; it names annotations that were left out",
            )
    elif len(base.classes) < 2:
        raise DataError(
            f"{base.root}: there is a single class, {base.classes[0]!r}; "
            + ("every pixel would be of it" if has_masks(base.samples) else "a classifier needs two or more"),
            hint="name the background as a class too; void is none"
            if has_masks(base.samples)
            else "add pictures of another class",
        )


def _check_classes(splits: dict[str, Dataset]) -> None:
    """Raise LabelError if a split has a class that cannot be learned; masks are not read for that."""
    if kind_of(splits["train"].samples) in ("MaskSource", "Caption", "None"):
        return
    classes = splits["train"].classes
    boxes = has_boxes(splits["train"].samples)
    trained = {index for sample in splits["train"].samples for index in classes_in(sample.target)}
    for split, data in splits.items():
        for sample in data.samples:
            unseen = _unseen(sample, classes, trained, boxes=boxes)
            if unseen:
                known = [name for number, name in enumerate(classes) if number in trained]
                raise LabelError(
                    f"{data.root}: class {unseen!r} has {'boxes' if boxes else 'pictures'} in {split} "
                    f"({sample.id}), but none in train",
                    hint=f"add some to train, or remove the class; train has {', '.join(known[:20])}",
                )


def _unseen(sample: Sample, classes: Sequence[str], trained: Container[int], *, boxes: bool) -> str:
    """Return the name of a class of the picture that training does not see, "" if there is none."""
    if not boxes:
        label_of(sample, classes)  # refuses a picture without a class
    return next((classes[index] for index in classes_in(sample.target) if index not in trained), "")
