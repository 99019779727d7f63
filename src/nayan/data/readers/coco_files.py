"""Which files of a folder are COCO's, which split each is of, and where its pictures lie."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath

from nayan.core.errors import DataError, FormatError
from nayan.data.pictures import entries
from nayan.data.readers.base import SPLITS, split_of

_HEAD_BYTES = 65536
_LIST = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')


def find_tables(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Return {split or "all": file of annotations} in the order of the splits, and what was left out.

    Raises:
        DataError: if there is none.
        FormatError: if it is unclear which one is meant.
    """
    found = [(path, split) for path, split in _candidates(root) if _looks_like_coco(path)]
    if not found:
        raise DataError("no .json file has the lists images, annotations and categories")
    instances = [item for item in found if item[0].name.startswith("instances")]
    chosen = instances or found
    if any(split for _, split in chosen):
        chosen = [item for item in chosen if item[1]]
    by_split: dict[str, Path] = {}
    for path, split in chosen:
        first = by_split.setdefault(split or "all", path)
        if first is not path:
            raise FormatError(
                f"{root}: {first.name} and {path.name} could both be the annotations of "
                f"{split or 'all pictures'}",
                hint="name one of them as DATA, or move the other away",
            )
    notes = [
        f"left out: {path.name}, another file of annotations"
        for path, _ in found
        if path not in by_split.values()
    ]
    return {split: by_split[split] for split in (*SPLITS, "all") if split in by_split}, notes


def _candidates(root: Path) -> Iterable[tuple[Path, str]]:
    """Yield (JSON file, split that it or its folder is named after, "" for none)."""
    if not root.is_dir():
        if root.suffix.lower() == ".json":
            yield root, ""
        return
    folders, files = entries(root)
    for folder in folders:
        if folder.name.lower() == "annotations":
            files += entries(folder)[1]
        elif split := split_of(folder.name):
            yield from ((file, split) for file in entries(folder)[1] if file.suffix.lower() == ".json")
    yield from ((file, _split_in(file.stem)) for file in files if file.suffix.lower() == ".json")


def _split_in(name: str) -> str:
    """Return the split that a word of a name stands for.

    >>> _split_in("instances_val2017"), _split_in("labels")
    ('val', '')
    """
    named = [split_of(word) for word in re.split(r"[^a-z]+", name.lower())]
    return next((split for split in named if split), "")


def _looks_like_coco(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return False
    return head.lstrip().startswith("{") and _LIST.search(head) is not None


def folder_of_ids(root: Path, table: Path) -> Path:
    """Return the folder that ids are relative to."""
    if root.is_dir():
        return root
    return table.parent.parent if table.parent.name.lower() == "annotations" else table.parent


def picture_folders(root: Path, table: Path, split: str) -> list[Path]:
    """Return the folders in which a table's pictures may lie, the most likely first."""
    top = folder_of_ids(root, table)
    split = _split_in(table.stem) if split == "all" else split
    tops = [folder for folder in (top, top / "images") if folder.is_dir()]
    named = [sub for top in tops for sub in entries(top)[0] if split and _split_in(sub.name) == split]
    starts = [table.parent, table.parent / "images", *tops, *named, *(sub / "images" for sub in named)]
    return [folder for folder in dict.fromkeys(starts) if folder.is_dir()]


def find_picture(name: str, starts: Sequence[Path]) -> Path | None:
    """Return the picture that an entry names; of a path of another machine the last part alone."""
    for start in starts:  # nearly always; strings, for there may be very many
        if os.path.isfile(joined := os.path.join(start, name)):  # noqa: PTH113, PTH118
            return Path(joined)
    spellings = [name.replace("\\", "/")]
    windows = PureWindowsPath(name)
    if windows.drive or windows.root:
        spellings.append(windows.name)
    forms = [
        *spellings,
        *(unicodedata.normalize(form, each) for each in spellings for form in ("NFC", "NFD")),
    ]
    paths = (start / form for form in forms for start in starts)
    return next((path for path in paths if path.is_file()), None)
