"""One line of text that changes when a data set does, so that a model can say what it was trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from nayan.core.errors import DataError
from nayan.core.types import Boxes, Caption, Dataset, Label, MaskSource, Target

PREFIX_BYTES = 4096


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256, as 64 hex digits, of what is in a data set; not of where it lies or its order.

    Hashed are the names of the classes in their order, then for each sample in the order of the ids:
    the id, its ground truth, the size of its file and the first 4096 bytes of it; where it has no file of its
    own, the shape and all pixels. Of a class its number is hashed; of boxes their classes, coordinates, crowd
    marks and areas, in their order; of captions their texts; of a mask the size and first bytes of its file,
    or the text of what it is drawn from. A picture that was changed after its first 4096 bytes, without a
    change of size, is not noticed: that is the price of not reading everything.

    Raises:
        DataError: if a file cannot be read.
    """
    digest = hashlib.sha256()
    for name in dataset.classes:
        _add(digest, name.encode())
    for sample in sorted(dataset.samples, key=lambda sample: sample.id):
        _add(digest, sample.id.encode())
        for part in _target_parts(sample.target):
            _add(digest, part)
        if sample.path is None:
            image = sample.load()
            _add(digest, str(image.shape).encode())
            _add(digest, np.ascontiguousarray(image).tobytes())
            continue
        for part in _file_parts(sample.path):
            _add(digest, part)
    return digest.hexdigest()


def _file_parts(path: Path) -> list[bytes]:
    """Return the size and the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return [str(path.stat().st_size).encode(), file.read(PREFIX_BYTES)]
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}", hint="run `nayan doctor DATA`"
        ) from error


def _target_parts(target: Target) -> list[bytes]:
    """Return what is hashed of a ground truth; numbers in the byte order of no particular machine."""
    if isinstance(target, MaskSource):
        own = [] if target.path is None else _file_parts(target.path)
        return [b"mask", target.outlines.encode(), *own]
    if isinstance(target, Caption):
        return [b"caption", *(text.encode() for text in target.texts)]
    if not isinstance(target, Boxes):
        return [str(target.index if isinstance(target, Label) else None).encode()]
    numbers = [target.labels.astype("<i8").tobytes(), target.xyxy.astype("<f4").tobytes()]
    crowd = b"" if target.crowd is None or not target.crowd.any() else target.crowd.tobytes()
    areas = b"" if target.areas is None else target.areas.astype("<f4").tobytes()
    return [b"boxes", *numbers, crowd, areas]


def _add(digest: hashlib._Hash, part: bytes) -> None:
    """Add one part with its length before it, so that no two lists of parts look the same."""
    digest.update(len(part).to_bytes(8, "big"))
    digest.update(part)
