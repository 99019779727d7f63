"""Checks of files, folders and class names, and of data that no reader can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from nayan.data.doctor.findings import Finding, Severity, counted, listed
from nayan.data.doctor.snapshot import FileEntry, Snapshot
from nayan.data.readers.base import split_of

# Folders that programs leave behind, and names that mean "to be sorted later".
_LEFT_BEHIND = {
    ".ipynb_checkpoints", "__macosx", "__pycache__", "@eadir", ".git", ".svn", ".thumbnails", "$recycle.bin",
    "lost+found", ".trash", ".trashes",
}  # fmt: skip
_ANNOTATIONS = (".json", ".xml", ".txt", ".yaml", ".yml", ".csv", ".tsv")  # whose faults the reader tells
_UNSORTED = {
    "new folder",
    "untitled folder",
    "neuer ordner",
    "tmp",
    "temp",
    "old",
    "backup",
    "unsorted",
    "trash",
}


def unrecognised(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that no reader knows what the data are."""
    yield from _troubles(snapshot, "unrecognised")


def unreadable_data(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that the reader cannot make sense of a table or a split."""
    yield from _troubles(snapshot, "unreadable")


def unreadable(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield files that the system does not let us open: permissions, links to nothing."""
    found = {file.path: file.problem for file in snapshot.files if file.problem}
    found |= {p.id: p.fault.reason for p in snapshot.pictures if p.fault and p.fault.kind == "unreadable"}
    if found:
        yield Finding(
            "files.unreadable", "error",
            f"{counted(len(found), 'file or folder', 'files or folders')} cannot be opened: "
            f"{listed(tuple(found))}",
            tuple(found), len(found),
            "Give yourself the permission to read them (chmod u+r), or mend the links.", {"found": found},
        )  # fmt: skip


def non_pictures(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield files that are no pictures and are passed over; tables and annotations are not."""
    tables = _ANNOTATIONS if snapshot.of_boxes else (".csv", ".tsv") if snapshot.format == "csv" else ()
    others = (f for f in _visible(snapshot) if not (f.is_picture or f.path.lower().endswith(tables)))
    yield from _of_files(
        "files.non_pictures", "info", others,
        "that can be no picture, passed over",
        "Nothing to do, unless one of them was meant to be a picture.",
    )  # fmt: skip


def unlisted(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that lie in the folder but do not belong to the data set."""
    if not snapshot.format:
        return
    says = "with a picture that belongs to no class, left out"
    advice = "Move them into their classes' folders (or name them in the table), with an ending such as .jpg."
    if snapshot.of_boxes or any(picture.captions for picture in snapshot.pictures):
        says = "with a picture that the data set does not list, left out"
        advice = "Annotate them and name them where the others are named, or take them out."
    listed_not = (f for f in _visible(snapshot) if f.is_picture)
    yield from _of_files("files.unlisted", "warning", listed_not, says, advice)


def hidden(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield hidden pictures, which are passed over."""
    yield from _of_files(
        "files.hidden", "info", (f for f in snapshot.files if f.is_hidden and f.is_picture),
        "hidden but named as a picture, passed over",
        "Nothing to do, unless they belong to the data: then rename them without the leading dot.",
    )  # fmt: skip


def case_clash(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield paths that differ in upper and lower case alone."""
    spellings: dict[str, list[str]] = {}
    for path in (*(file.path for file in snapshot.files), *snapshot.folders):
        spellings.setdefault(path.casefold(), []).append(path)
    names = {
        path
        for group in spellings.values()
        for path in group
        # Of two clashing folders every file below would clash too: one finding for the folders is enough.
        if len({PurePosixPath(p).parent for p in group}) == 1 and len(group) > 1
    }
    if names:
        found = tuple(sorted(names))
        yield Finding(
            "files.case_clash", "warning",
            f"{counted(len(found), 'path')} differ only in upper and lower case: {listed(found)}",
            found, len(found),
            "Rename them: on Windows and macOS one would overwrite the other.",
        )  # fmt: skip


def near_names(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield classes whose names are one name in two spellings: case, spaces, dashes, a plural."""
    plain = {
        name: " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
        for name in snapshot.classes
    }
    known = set(plain.values())
    groups: dict[str, list[str]] = {}
    for name, key in plain.items():
        singular = next(
            (key.removesuffix(end) for end in ("s", "es") if key.removesuffix(end) in known - {key}), key
        )
        groups.setdefault(singular, []).append(name)
    same = [group for group in groups.values() if len(group) > 1]
    if same:
        named = [" = ".join(map(repr, group)) for group in same]
        yield Finding(
            "labels.near_names", "warning",
            f"{counted(len(same), 'class seems', 'classes seem')} to stand under two names: {listed(named)}",
            count=len(same), advice="Give both one name if they are one class.", details={"groups": same},
        )  # fmt: skip


def suspicious_folders(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield folders and classes that do not look like classes."""
    folders = [f for f in snapshot.folders if PurePosixPath(f).name.lower() in _LEFT_BEHIND]
    classes = [
        name
        for name in snapshot.classes
        if name.lower() in _LEFT_BEHIND | _UNSORTED or name.startswith(".") or split_of(name)
    ]
    if classes:
        yield Finding(
            "labels.suspicious_folders", "warning",
            f"{counted(len(classes), 'class does', 'classes do')} not look like one: {listed(classes)}",
            tuple(classes), len(classes),
            "Move or rename the folder if it is not a class; training would learn it as one.",
        )  # fmt: skip
    if folders:
        yield Finding(
            "labels.suspicious_folders", "info",
            f"{counted(len(folders), 'folder')} that other programs left behind: {listed(folders)}",
            tuple(folders), len(folders), "Nothing to do; delete them if you like.",
        )  # fmt: skip


def _troubles(snapshot: Snapshot, kind: str) -> Iterator[Finding]:
    for trouble in snapshot.troubles:
        if trouble.kind == kind:
            advice = trouble.hint or "Mend what the message names, or choose the reader with `--format`."
            yield Finding(
                f"data.{kind}", "error", trouble.message, count=1, advice=advice, split=trouble.split
            )


def _visible(snapshot: Snapshot) -> Iterator[FileEntry]:
    return (f for f in snapshot.files if not (f.is_sample or f.is_hidden or f.problem))


def _of_files(
    check: str, severity: Severity, files: Iterable[FileEntry], says: str, advice: str
) -> Iterator[Finding]:
    paths = tuple(file.path for file in files)
    if paths:
        message = f"{counted(len(paths), 'file')} {says}: {listed(paths)}"
        yield Finding(check, severity, message, paths, len(paths), advice)
