"""Where a YOLO data set keeps its pictures, its labels and the names of its classes.

`data.yaml` is read as text without meaning: `yes` stays a name, and nothing in it is ever executed, least
of all its entry `download`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import looks_like_picture
from nayan.data.pictures import entries, has_picture, normal
from nayan.data.readers.base import SPLITS, read_text, split_of

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
"""Files with one class a line."""

_YAMLS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_NOTHING = ("", "~", "null", "none")


@dataclass(frozen=True, slots=True)
class Layout:
    """What there is to read.

    Attributes:
        base: the folder that ids are relative to.
        sources: {split or "all": folders of pictures and lists of them}.
        classes: their names; () where no file tells them.
        declared: the file that tells them, or that should.
        keypoints: whether rows go on with key points after the box.
        tops: folders that the entries of lists may be relative to.
        notes: what was passed over.
    """

    base: Path
    sources: Mapping[str, list[Path]]
    classes: tuple[str, ...]
    declared: Path
    keypoints: bool = False
    tops: tuple[Path, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits among the sources, in their usual order."""
        return tuple(split for split in SPLITS if split in self.sources)


def find_layout(root: Path) -> Layout:
    """Return the layout of a folder, or of the data set that a YAML file describes.

    Raises:
        FormatError: if the YAML file cannot be understood, or none of its folders exists.
        LabelError: if a name stands twice.
        DataError: if there is no picture.
    """
    base = root if root.is_dir() else root.parent
    table = find_yaml(root)
    if table is None:
        sources = _by_folders(base)
        classes, declared = _named(base)
        return Layout(base, sources, classes, declared)
    document = read_yaml(table)
    classes, declared = _yaml_names(document, table), table
    if not classes:
        classes, declared = _named(base)
    tops = tuple(dict.fromkeys([table.parent / document.get("path", ""), table.parent]))
    sources, notes = _by_yaml(document, table, tops)
    if "download" in document:
        notes.append(f"{table.name}: `download` is not run")
    return Layout(
        base, sources or _by_folders(base), classes, declared, "kpt_shape" in document, tops, tuple(notes)
    )


def find_yaml(root: Path) -> Path | None:
    """Return the YAML file that describes the data set, None where there is none.

    Raises:
        FormatError: if there are several, and none has a usual name.
    """
    if not root.is_dir():
        return root
    files = entries(root)[1]
    usual = [file for name in _YAMLS for file in files if file.name.lower() == name]
    if usual:
        return usual[0]
    found = [file for file in files if file.suffix.lower() in (".yaml", ".yml") and _has_names(file)]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise FormatError(f"{root}: several files have `names`: {names}", hint="name one of them as DATA")
    return found[0] if found else None


def _has_names(file: Path) -> bool:
    try:
        return "names" in read_yaml(file)
    except FormatError:
        return False


def read_yaml(file: Path) -> dict[str, Any]:
    """Return a mapping of text, lists and mappings.

    Raises:
        FormatError: if it is anything else, with the line.
    """
    try:
        document = yaml.load(read_text(file), Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FormatError(f"{file}:{line}: is no YAML: {error.problem}", hint="correct the line") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise FormatError(f"{file}: is no YAML: {error}", hint="write it anew") from error
    if not isinstance(document, dict):
        raise FormatError(f"{file}:1: holds no `key: value` lines", hint="expected train:, val: and names:")
    if not isinstance(document.get("path", ""), str):
        raise FormatError(f"{place_of(file, 'path')}: path is no text", hint="name one folder")
    return document


def place_of(file: Path, key: str) -> str:
    """Return "file:line" of a key at the top of a YAML file."""
    lines = read_text(file).splitlines()
    found = (
        number for number, line in enumerate(lines, start=1) if re.match(rf"['\"]?{key}['\"]?\s*:", line)
    )
    return f"{file}:{next(found, 1)}"


def _yaml_names(document: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    names = document.get("names", [])
    place = place_of(file, "names")
    if isinstance(names, dict):
        expected = [str(number) for number in range(len(names))]
        if sorted(names) != sorted(expected):
            raise FormatError(
                f"{place}: the numbers of the names are {', '.join(map(str, list(names)[:20]))}, expected "
                f"0 to {len(names) - 1}",
                hint="number the classes from 0 without gaps",
            )
        names = [names[number] for number in expected]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise FormatError(f"{place}: names is neither a list of names nor numbers with names")
    count = document.get("nc", str(len(names)))
    if names and count != str(len(names)):
        found = f"{count:.20}" if isinstance(count, str) else "no number"
        raise FormatError(
            f"{place_of(file, 'nc')}: nc is {found}, but there are {len(names)} names",
            hint="correct nc, or remove it: the names say it",
        )
    return _unique([normal(name) for name in names], place)


def _unique(names: list[str], place: str) -> tuple[str, ...]:
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise LabelError(f"{place}: the class {twice[0]!r} stands twice", hint="give each a name of its own")
    return tuple(names)


def _named(base: Path) -> tuple[tuple[str, ...], Path]:
    """Return the names of `classes.txt` or its like, and that file."""
    for folder in (base, base / "labels", *(sub / "labels" for sub in entries(base)[0])):
        for name in NAME_FILES:
            file = folder / name
            if file.is_file():
                names = [line.strip() for line in read_text(file).splitlines()]
                while names and not names[-1]:
                    names.pop()
                if "" in names:
                    raise FormatError(f"{file}:{names.index('') + 1}: the name of the class is missing")
                return _unique([normal(name) for name in names], str(file)), file
    return (), base / NAME_FILES[0]


def _by_yaml(
    document: Mapping[str, Any], file: Path, tops: Iterable[Path]
) -> tuple[dict[str, list[Path]], list[str]]:
    sources: dict[str, list[Path]] = {}
    notes: list[str] = []
    asked: list[str] = []
    for key, value in document.items():
        split = split_of(key)
        values = value if isinstance(value, list) else [value]
        if split is None or all(isinstance(one, str) and one.lower() in _NOTHING for one in values):
            continue
        for one in values:
            if not isinstance(one, str):
                raise FormatError(f"{place_of(file, key)}: {key} is no folder, list of folders or .txt file")
            asked.append(one)
            found, guessed = _resolve(one, tops)
            if found is None:
                notes.append(f"left out: {key}: {one}, which does not exist ({place_of(file, key)})")
                continue
            if guessed:
                notes.append(f"{key}: {one} does not exist here, taken for {found}")
            sources.setdefault(split, []).append(found)
    if asked and not sources:
        raise FormatError(
            f"{place_of(file, 'train')}: none of {', '.join(asked)} exists",
            hint="write the folders relative to the file, such as train: images/train",
        )
    return {split: sources[split] for split in SPLITS if split in sources}, notes


def _resolve(name: str, tops: Iterable[Path]) -> tuple[Path | None, bool]:
    """Return what an entry names, and whether that was guessed from the end of a path of another machine.

    `../train/images` beside `train/images` is what one popular exporter writes, so leading dots may go.
    """
    name = name.replace("\\", "/")
    for spelling in dict.fromkeys((name, re.sub(r"^(\.{1,2}/)+", "", name))):
        for top in tops:
            if (top / spelling).exists():
                return top / spelling, False
    windows = PureWindowsPath(name)
    if windows.root:
        for length in (3, 2, 1):
            for top in tops:
                path = top.joinpath(*windows.parts[1:][-length:])
                if path.exists() and path != top:
                    return path, True
    return None, False


def _by_folders(base: Path) -> dict[str, list[Path]]:
    """Return the folders like `images/train`, `train/images` or `train`, else `images` or `base` itself."""
    images = base / "images"
    for top, below in ((images, ""), (base, "images"), (base, "")):
        found: dict[str, list[Path]] = {}
        for folder in entries(top)[0] if top.is_dir() else []:
            split, inner = split_of(folder.name), folder / below
            if split and inner.is_dir() and has_picture(inner):
                found.setdefault(split, []).append(inner)
        if found:
            return {split: found[split] for split in SPLITS if split in found}
    whole = images if images.is_dir() and has_picture(images) else base
    if not has_picture(whole):
        raise DataError(
            f"{base}: there is no picture", hint="put the pictures into images/, as data.yaml says"
        )
    return {"all": [whole]}


def label_folder(pictures: Path, base: Path) -> Path:
    """Return where the labels of a folder of pictures lie: its twin below `labels`, else beside them.

    >>> label_folder(Path("d/images/train"), Path("d")).as_posix()
    'd/labels/train'
    """
    inside = pictures.is_relative_to(base)
    start = len(base.parts) if inside else 0
    for at in reversed(range(start, len(pictures.parts))):
        if pictures.parts[at].lower() == "images":
            return Path(*pictures.parts[:at], "labels", *pictures.parts[at + 1 :])
    return pictures


def stems(folder: Path) -> set[str]:
    """Return the names of the pictures of a folder without their suffix."""
    return {file.stem for file in entries(folder)[1] if looks_like_picture(file)}
