"""The list of a bundle's files with their sizes and digests, and the check that it is true.

`manifest.json` carries a digest of itself and has exactly one valid spelling, so that a change of any bit
in any file of a bundle, this one included, is noticed before the rest is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.errors import BundleError

MANIFEST = "manifest.json"
FORMAT = "nayan-bundle"
FORMAT_VERSION = 1

SPEC = "spec.json"
GOLDEN = "golden.npz"
WEIGHTS = "weights.safetensors"
ONNX = "model.onnx"
OPENVINO = ("model.xml", "model.bin")

LAYOUTS: tuple[frozenset[str], ...] = tuple(
    frozenset({SPEC, GOLDEN, *graph, *weights})
    for graph in ((ONNX,), OPENVINO)
    for weights in ((WEIGHTS,), ())
)
"""Which files may lie together: a description, a golden example, one graph, and the weights where it can be
trained on or exported again. No other name is ever opened."""

_MAX_MANIFEST = 64 * 1024
_CHANGED = "the bundle was changed or damaged after it was made; copy it again, or export it again"


@dataclass(frozen=True, slots=True)
class Digest:
    """Size in bytes and SHA-256 (64 hexadecimal digits) of one file."""

    bytes: int
    sha256: str


def digest_bytes(data: bytes) -> Digest:
    """Return the digest of bytes in memory."""
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def digest_file(path: Path) -> Digest:
    """Return the digest of a file, read in blocks."""
    with path.open("rb") as file:
        return Digest(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())


def manifest_text(files: Mapping[str, Digest], *, nayan: str) -> str:
    """Return the one valid text of a manifest.

    Args:
        files: every file of the bundle but the manifest.
        nayan: version of the package that makes the bundle.
    """
    record = {
        "files": {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in files.items()},
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "nayan": nayan,
    }
    return _canonical({**record, "sha256": _self_digest(record)})


def read_manifest(folder: Path) -> dict[str, Digest]:
    """Read a bundle's manifest and check it against itself; the files that it lists are not touched.

    Raises:
        BundleError: if it is missing, a link, no manifest, of a newer version, changed, or lists files that
            do not belong in a bundle.
    """
    path = folder / MANIFEST
    if regular_size(path) > _MAX_MANIFEST:
        raise BundleError(f"{path}: a manifest has at most {_MAX_MANIFEST} bytes", hint=_CHANGED)
    text = path.read_bytes()
    try:
        record = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not a manifest: {error}", hint=_CHANGED) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BundleError(f"{path}: not the manifest of a nayan bundle", hint=_CHANGED)
    _check_version(path, record.get("format_version"))
    claimed = record.pop("sha256", None)
    if claimed != _self_digest(record) or _canonical({**record, "sha256": claimed}).encode("utf-8") != text:
        raise BundleError(f"{path}: its own digest does not hold", hint=_CHANGED)
    return _files(path, record.get("files"))


def check_files(folder: Path, files: Mapping[str, Digest]) -> None:
    """Check that a folder holds exactly these files, unchanged.

    Names and sizes are compared before any content is read.

    Raises:
        BundleError: naming the first file that is missing, too many, a link, or changed.
    """
    expected = {*files, MANIFEST}
    found = {entry.name for entry in folder.iterdir()}
    for name in sorted(expected - found):
        raise BundleError(f"{folder}: {name} is missing", hint=_CHANGED)
    for name in sorted(found - expected):
        raise BundleError(
            f"{folder}: {name!r} does not belong to the bundle", hint="move it elsewhere, then try again"
        )
    for name, digest in files.items():
        size = regular_size(folder / name)
        if size != digest.bytes:
            raise BundleError(
                f"{folder / name}: {size} bytes, but the manifest says {digest.bytes}", hint=_CHANGED
            )
    for name, digest in files.items():
        if digest_file(folder / name) != digest:
            raise BundleError(
                f"{folder / name}: its content does not have the digest of the manifest", hint=_CHANGED
            )


def regular_size(path: Path) -> int:
    """Return the size of a regular file in bytes.

    Raises:
        BundleError: if it is missing, a link, a folder, a pipe or a device.
    """
    try:
        facts = path.lstat()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}", hint=_CHANGED) from error
    if not stat.S_ISREG(facts.st_mode):
        raise BundleError(
            f"{path}: a bundle holds plain files only, this is a link or something else",
            hint="replace it by a copy of the file",
        )
    return facts.st_size


def _check_version(path: Path, version: Any) -> None:
    if type(version) is not int or version < 1:
        raise BundleError(
            f"{path}: the format version is {version!r}, expected a number from 1", hint=_CHANGED
        )
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{path}: the bundle has format version {version}, this nayan reads up to {FORMAT_VERSION}",
            hint="pip install --upgrade nayan",
        )


def _files(path: Path, record: Any) -> dict[str, Digest]:
    if not isinstance(record, dict) or frozenset(record) not in LAYOUTS:
        found = ", ".join(sorted(map(repr, record))) if isinstance(record, dict) else repr(record)
        raise BundleError(
            f"{path}: lists {found or 'no files'}, expected {SPEC}, {GOLDEN}, a graph ({ONNX}, or "
            f"{' and '.join(OPENVINO)}) and perhaps {WEIGHTS}",
            hint="this is not a bundle that nayan made",
        )
    files = {}
    for name, entry in record.items():
        size, sha256 = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        if (
            type(size) is not int
            or size < 0
            or not isinstance(sha256, str)
            or set(entry) != {"bytes", "sha256"}
        ):
            raise BundleError(
                f"{path}: {name}: expected its bytes and sha256, found {entry!r}", hint=_CHANGED
            )
        files[name] = Digest(size, sha256)
    return files


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def _self_digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(record).encode("ascii")).hexdigest()
