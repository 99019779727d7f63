"""One line of text that changes when a data set does, so that a model can say what it was trained on."""

from __future__ import annotations

import hashlib

import numpy as np

from nayan.core.errors import DataError
from nayan.core.types import Dataset, Label

PREFIX_BYTES = 4096


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256, as 64 hex digits, of what is in a data set; not of where it lies or its order.

    Hashed are the names of the classes in their order, then for each sample in the order of the ids:
    the id, the number of its class, the size of its file and the first 4096 bytes of it; where it
    has no file of its own, the shape and all pixels. A picture that was changed after its first 4096
    bytes, without a change of size, is not noticed: that is the price of not reading everything.

    Raises:
        DataError: if a file cannot be read.
    """
    digest = hashlib.sha256()
    for name in dataset.classes:
        _add(digest, name.encode())
    for sample in sorted(dataset.samples, key=lambda sample: sample.id):
        _add(digest, sample.id.encode())
        _add(digest, str(sample.target.index if isinstance(sample.target, Label) else None).encode())
        if sample.path is None:
            image = sample.load()
            _add(digest, str(image.shape).encode())
            _add(digest, np.ascontiguousarray(image).tobytes())
            continue
        try:
            with sample.path.open("rb") as file:
                _add(digest, str(sample.path.stat().st_size).encode())
                _add(digest, file.read(PREFIX_BYTES))
        except OSError as error:
            raise DataError(
                f"{sample.path}: cannot be read: {error.strerror}", hint="run `nayan doctor DATA`"
            ) from error
    return digest.hexdigest()


def _add(digest: hashlib._Hash, part: bytes) -> None:
    """Add one part with its length before it, so that no two lists of parts look the same."""
    digest.update(len(part).to_bytes(8, "big"))
    digest.update(part)
