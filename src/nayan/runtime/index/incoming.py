"""What is refused before anything is stored."""

# N rows, D dimensions

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nayan.core.errors import DataError, ShapeError
from nayan.runtime.index.contract import Metadata, Value, Vectors

_LARGEST = 2**63 - 1  # what a database keeps as a whole number


def check_rows(
    ids: Sequence[str],
    vectors: Vectors,
    *,
    dim: int,
    metadata: Sequence[Metadata] | None = None,
    stamps: Sequence[str] | None = None,
) -> list[tuple[str, str, Metadata]]:
    """Return (id, stamp, metadata) of each row, if all of them can be stored.

    Raises:
        ShapeError: if the vectors are not (N, D), or the lists are not as long.
        DataError: if a name is empty or there twice, a number not finite, a value of metadata none that can
            be kept.
    """
    shape = np.shape(vectors)
    if shape != (len(ids), dim):
        raise ShapeError(
            f"vectors of shape {shape}, expected ({len(ids)}, {dim}) for {len(ids)} names",
            hint="embed with the model that the index was made with",
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise DataError(
            f"{ids[row]}: its vector holds numbers that are not finite", hint="embed its picture again"
        )
    noted = [{}] * len(ids) if metadata is None else metadata
    seen = [""] * len(ids) if stamps is None else stamps
    check_metadata(ids, noted)
    if len(seen) != len(ids):
        raise ShapeError(f"{len(seen)} stamps for {len(ids)} names")
    for id, stamp in zip(ids, seen, strict=True):
        if not id or not (_is_text(id) and _is_text(stamp)):
            raise DataError(
                f"{id!r} with the stamp {stamp!r} cannot be a name", hint="names are text, and not empty"
            )
    return [(id, stamp, dict(fields)) for id, stamp, fields in zip(ids, seen, noted, strict=True)]


def check_metadata(ids: Sequence[str], metadata: Sequence[Metadata]) -> None:
    """Raise DataError if a name is there twice or a value cannot be kept, ShapeError if one is missing."""
    if len(metadata) != len(ids):
        raise ShapeError(f"metadata of {len(metadata)} rows for {len(ids)} names")
    if len(set(ids)) != len(ids):
        twice = next(id for at, id in enumerate(ids) if id in ids[:at])
        raise DataError(f"{twice}: is there twice", hint="give each name once; a later call may replace it")
    for id, fields in zip(ids, metadata, strict=True):
        for name, value in fields.items():
            if not (isinstance(name, str) and name and _is_text(name) and _can_be_kept(value)):
                raise DataError(
                    f"{id}: metadata {name!r} = {value!r} cannot be kept",
                    hint="fields are text, values text, finite numbers, true, false or nothing",
                )


def _can_be_kept(value: Value) -> bool:
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and -_LARGEST <= value <= _LARGEST)


def _is_text(text: str) -> bool:
    """Return whether a database can keep it: no NUL, no halves of characters as odd file names have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
