"""What `nayan predict` found in pictures: as text, JSON, CSV or annotations, printed and written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.cli.output import Common
from nayan.cli.video import slot_text

Records = Sequence[Mapping[str, Any]]

_CORNERS = ("x1", "y1", "x2", "y2")
_SHOWN = 6  # values of a vector in a line


VECTORS = "embeddings.npz"


@dataclass(frozen=True, slots=True)
class Rendering:
    """How predictions are shown.

    Attributes:
        format: "json", "csv", "npz", "coco", "yolo", or None for plain text.
        columns: of the table for CSV, those of a row.
        prelabel: for COCO and YOLO: from records and the folder for the files to the text of each file.
    """

    format: str | None
    columns: Sequence[str] = ()
    prelabel: Callable[[Records, Path], dict[str, str]] | None = None

    def text(self, records: Records, folder: Path | None) -> str:
        """Return what is printed: one document, or the file to begin with where it is no text, or many."""
        if self.format == "npz":
            return str((folder or Path()) / VECTORS)
        if self.format == "yolo":
            return str((folder or Path()) / "data.yaml")
        if self.format is None:
            return "\n".join(line for record in records if "error" not in record for line in _lines(record))
        return next(iter(self.files(records, Path()).values())).rstrip("\n")

    def files(self, records: Records, folder: Path) -> dict[str, str]:
        """Return the text of each file by its path below `folder`; JSON where no format was asked for."""
        if self.prelabel is not None:
            return self.prelabel(records, folder)
        if self.format == "csv":
            return {"predictions.csv": _csv(records, self.columns)}
        return {"predictions.json": Common(json=True).output(records, "").text + "\n"}

    def write(self, records: Records, folder: Path) -> str:
        """Write the files and return what to say of it."""
        if self.format == "npz":
            return f"written: {_write_vectors(records, folder / VECTORS)}"
        files = self.files(records, folder)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if len(files) == 1:
            return f"written: {folder / next(iter(files))}"
        labels = len(files) - 1
        return f"written: {folder / 'labels'}, {labels} file{'' if labels == 1 else 's'}"


def _write_vectors(records: Records, path: Path) -> Path:
    """Write `source` (N,) and `embedding` (N, D) float32 of the pictures that were read; return the path."""
    import numpy as np

    known = [record for record in records if "error" not in record]
    vectors = np.array([record["predictions"][0]["embedding"] for record in known], np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, source=np.array([record["source"] for record in known]), embedding=vectors)
    return path


def _lines(record: Mapping[str, Any]) -> list[str]:
    """Return one picture as text, and each slot of its stock below.

    >>> _lines({"source": "a.jpg", "predictions": [{"label": "rose", "score": 0.98}]})
    ['a.jpg: rose 0.98']
    >>> _lines({"source": "a.jpg", "predictions": [{"label": "sky", "score": 0.98, "share": 0.4}]})
    ['a.jpg: sky 40 %']
    >>> _lines({"source": "a.jpg", "predictions": [{"embedding": [0.6, 0.8]}]})
    ['a.jpg: 2 values: 0.600 0.800']
    >>> _lines({"source": "a.jpg", "predictions": [{"picture": [480, 640]}]})
    ['a.jpg: a picture of 640 x 480 px']
    """
    shown = ", ".join(map(_row, record["predictions"]))
    first = f"{record['source']}: {shown or 'nothing above the threshold'}"
    return [first, *(f"  {slot_text(slot)}" for slot in record.get("stock", ()))]


def _row(row: Mapping[str, Any]) -> str:
    """Return a row as text: a class with how sure or large it is, the beginning of a vector, or a size."""
    if "picture" in row:
        height, width = row["picture"]
        return f"a picture of {width} x {height} px"
    if "embedding" not in row:
        return f"{row['label']} {_amount(row)}"
    values = row["embedding"]
    few = " ".join(f"{value:.3f}" for value in values[:_SHOWN])
    return f"{len(values)} values: {few}{' ...' if len(values) > _SHOWN else ''}"


def _amount(row: Mapping[str, Any]) -> str:
    """Return how sure a row is, or how much of the picture it is of."""
    if "share" not in row:
        return f"{row['score']:.2f}"
    area = f" ({row['area_mm2']:.4g} mm²)" if "area_mm2" in row else ""
    number = f", {row['count']:,} of them" if "count" in row else ""
    return f"{100 * row['share']:.2g} %{area}{number}"


def _csv(records: Records, columns: Sequence[str]) -> str:
    """Return one row a prediction; a picture without any, or with an error, has one row all the same."""
    text = io.StringIO()
    columns = _spread(columns, records)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "height", "width", "rank", *columns, "error"])
    for record in records:
        height, width = record.get("size") or ("", "")
        rows = record.get("predictions") or [{}]
        for rank, row in enumerate(rows, start=1):
            values = [_cell(row, column) for column in columns]
            error = record.get("error", "")
            writer.writerow([record["source"], height, width, rank if row else "", *values, error])
    return text.getvalue()


def _spread(columns: Sequence[str], records: Records) -> Sequence[str]:
    """Return the columns with one for each value of a vector: e0, e1, ... in place of "embedding"."""
    if "embedding" not in columns:
        return columns
    vectors = (row["embedding"] for record in records for row in record.get("predictions", ()))
    return tuple(f"e{number}" for number in range(len(next(vectors, ()))))


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """Return what stands in a column of the table, "" where the row does not have it."""
    if column in _CORNERS and "box" in row:
        return row["box"][_CORNERS.index(column)]
    if "embedding" in row:
        return f"{row['embedding'][int(column[1:])]:.6f}"
    if column == "picture" and row:
        return "x".join(map(str, row["picture"]))  # height x width
    value = row.get(column, "")
    return f"{value:.6f}" if column in ("score", "share") and row else value
