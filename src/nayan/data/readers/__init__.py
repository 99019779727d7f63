"""One module a format, each reading and writing it; and which of them a folder is written in."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import ConfigError, DataError, FormatError
from nayan.core.image import looks_like_picture
from nayan.core.registry import Catalog
from nayan.data.formats import DRAWN, target_of
from nayan.data.pictures import entries, has_picture, walk
from nayan.data.readers.base import Reader, Sniff
from nayan.data.readers.captions import CaptionsReader
from nayan.data.readers.coco import CocoReader
from nayan.data.readers.coco_masks import CocoMasksReader
from nayan.data.readers.csv import CsvReader
from nayan.data.readers.csv_boxes import CsvBoxesReader
from nayan.data.readers.cvat import CvatReader
from nayan.data.readers.domains import DomainsReader
from nayan.data.readers.folder import PICTURE_FOLDERS, FolderReader, class_names
from nayan.data.readers.identities import IdentitiesReader
from nayan.data.readers.idx import IdxReader
from nayan.data.readers.items import ItemsReader
from nayan.data.readers.label_studio import LabelStudioReader
from nayan.data.readers.labelme import LabelmeReader
from nayan.data.readers.labelme_masks import LabelmeMasksReader
from nayan.data.readers.masks import MasksReader
from nayan.data.readers.pairs import PairsReader
from nayan.data.readers.pictures import PicturesReader
from nayan.data.readers.voc import VocReader
from nayan.data.readers.yolo import YoloReader
from nayan.data.readers.yolo_masks import YoloMasksReader

READERS: Catalog[Reader] = Catalog(
    "format",
    [
        FolderReader(),
        CsvReader(),
        IdxReader(),
        CocoReader(),
        YoloReader(),
        VocReader(),
        CsvBoxesReader(),
        LabelmeReader(),
        CvatReader(),
        LabelStudioReader(),
        MasksReader(),
        CocoMasksReader(),
        YoloMasksReader(),
        LabelmeMasksReader(),
        IdentitiesReader(),
        PairsReader(),
        ItemsReader(),
        CaptionsReader(),
        DomainsReader(),
        PicturesReader(),
    ],
)
"""Every format by its name."""

_READABLE = 0.5
_CLOSE = 0.05
_SEEN = 10_000  # files looked at to describe a folder that no reader knows


@dataclass(frozen=True, slots=True)
class Recognition:
    """Which format a data set has.

    Attributes:
        reader: reads it.
        reason: what the decision rests on, as the end of "..., because".
        scores: {name of the format: 0 to 1}; empty where the user named the format.
    """

    reader: Reader
    reason: str
    scores: Mapping[str, float]


def recognise(root: Path, format: str | None = None, *, targets: Collection[str] = ()) -> Recognition:
    """Find the reader that fits a folder or file, from names and headers alone.

    Args:
        root: the data set.
        format: name of a reader, where the user knows better.
        targets: names of the types in `core.types` that are wanted, such as ("MaskSource",); () for any. Of a
            format of outlines (`DRAWN`) it decides whether these become boxes, which is usual, or masks.
            Where identities are wanted and no format says more, classes are taken for them. Where no truth is
            needed ("None"), data of any format will do: one of the wanted kinds first, mere pictures last.

    Raises:
        DataError: if the path does not exist, is empty, or has pictures but no classes.
        FormatError: if no reader knows it; the message says what was seen.
        ConfigError: if two readers fit equally well.
        NotFound: if no format has that name.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: there is no such file or folder", hint=_nearest(root))
    if format is not None:
        return Recognition(READERS[_wanted(format, targets)], "the format was given", {})
    if root.is_dir() and not any(entries(root)):
        raise DataError(
            f"{root}: the folder is empty", hint="put a folder of pictures for each class into it"
        )
    readers = [reader for reader in READERS if _fits(reader.name, targets)]
    sniffs = {reader.name: reader.sniff(root) for reader in readers}
    readable = [name for name, sniff in sniffs.items() if sniff.score >= _READABLE]
    if not readable:
        raise _others(root, targets) or _unknown(root, sniffs)
    most = max(_tells(name, targets) for name in readable)
    ranked = sorted(
        ((name, sniff) for name, sniff in sniffs.items() if _tells(name, targets) == most),
        key=lambda item: -item[1].score,
    )
    (best, first), (other, second) = ranked[0], ranked[1] if len(ranked) > 1 else ("", Sniff(0.0, ""))
    if first.score - second.score <= _CLOSE:
        raise ConfigError(
            f"{root}: could be {best} ({first.reason}) or {other} ({second.reason})",
            hint=f"say which: --format {best} or --format {other}",
        )
    scores = {name: sniff.score for name, sniff in sniffs.items()}
    return Recognition(READERS[best], first.reason, scores)


def _fits(format: str, targets: Collection[str]) -> bool:
    """Return whether a format may be chosen: it has what is wanted; masks are drawn only where they are."""
    kind = target_of(format)
    if kind in targets:
        return True
    if not targets or "None" in targets:
        return format not in DRAWN.values() and kind != "None"
    return kind == "Label" and "Identity" in targets


def _tells(format: str, targets: Collection[str]) -> int:
    """Return how much a format tells of what is wanted: 2 what no class can say, 1 something, 0 nothing."""
    kind = target_of(format)
    return 0 if kind == "None" else 2 if kind in targets and kind != "Label" else 1


def _wanted(format: str, targets: Collection[str]) -> str:
    """Return the format that a user means who names one of outlines and wants masks."""
    drawn = DRAWN.get(format, format)
    return drawn if target_of(drawn) in targets and target_of(format) not in targets else format


def _others(root: Path, targets: Collection[str]) -> DataError | None:
    """Return the error about data that are recognised, but are not of the kind that is wanted."""
    try:
        found = recognise(root) if targets else None
    except DataError:
        return None
    if found is None:
        return None
    nouns = {
        "Label": "one class a picture",
        "Boxes": "boxes",
        "MaskSource": "masks",
        "Identity": "identities",
        "Caption": "captions",
        "Domain": "two domains",
        "None": "pictures alone",
    }
    return DataError(
        f"{root}: holds {nouns[target_of(found.reader.name)]} ({found.reader.name}: {found.reason}), wanted "
        f"{' or '.join(nouns.get(target, target) for target in targets)}",
        hint="choose another --task, or name the format: --format",
    )


def _nearest(root: Path) -> str:
    siblings = [path.name for path in root.parent.iterdir()] if root.parent.is_dir() else []
    near = difflib.get_close_matches(root.name, siblings, n=1)
    return f"did you mean {root.parent / near[0]}?" if near else "check the path"


def _unknown(root: Path, sniffs: Mapping[str, Sniff]) -> DataError:
    """Return the error that says what lies in `root` and what would have been understood."""
    formats = "; ".join(f"{name}: {READERS[name].summary}" for name in sniffs)
    if not root.is_dir():
        return FormatError(f"{root}: is a file that no format knows", hint=f"known formats: {formats}")
    seen: Counter[str] = Counter()
    for file in itertools.islice(walk(root), _SEEN):
        seen["picture" if looks_like_picture(file) else file.suffix.lower() or "file without suffix"] += 1
    found = ", ".join(f"{count} x {kind}" for kind, count in seen.most_common(5)) or "no files"
    if not seen["picture"]:
        return FormatError(f"{root}: holds no picture ({found})", hint=f"known formats: {formats}")
    reasons = "; ".join(f"not {name}, because {sniff.reason}" for name, sniff in sniffs.items())
    holding = [folder for folder in entries(root)[0] if has_picture(folder)]
    if not holding:
        return DataError(
            f"{root}: found {seen['picture']} x picture, but nothing says their classes ({reasons})",
            hint="put each class into a folder of its own, or add a table labels.csv with the columns "
            "file,label; --task generate learns from pictures alone; `nayan predict` needs no classes",
        )
    inner = [folder for folder in holding if READERS["folder"].sniff(folder).score >= _READABLE]
    classes = class_names(root)
    if len(classes) == 1 and not inner and classes[0].lower() not in PICTURE_FOLDERS:
        return DataError(
            f"{root}: there is a single class, {classes[0]!r}; a classifier needs two or more",
            hint="add a folder with pictures of another class; --task generate learns from one, or none",
        )
    hint = f"did you mean {inner[0]}?" if len(inner) == 1 else f"known formats: {formats}"
    return FormatError(f"{root}: no format fits {found} ({reasons})", hint=hint)
