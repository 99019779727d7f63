"""Tables as plain text."""

from __future__ import annotations

import itertools
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

_NARROWEST = 10  # columns of the terminal to which a column of a table may shrink
_UNLIMITED = 100_000  # into a file or a pipe every row is one line


def aligned(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, indent: str = "") -> str:
    """Return a table as plain text: columns of numbers to the right, everything else to the left.

    Args:
        columns: headings; a line break in one makes a second line of headings.
        rows: as many cells each; None is an empty one.
        indent: before every line.

    >>> print(aligned(["layer", "params"], [["conv", 156], ["fc", 48120]]))
    layer  params
    conv      156
    fc     48,120
    """
    body = [list(row) for row in rows]
    numeric = [_is_numeric([row[i] for row in body]) for i in range(len(columns))]
    headings = itertools.zip_longest(*(name.split("\n") for name in columns), fillvalue="")
    cells = [*map(list, headings), *([_cell(value) for value in row] for row in body)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (
        indent
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def fitted(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int | None = None) -> str:
    """Return a table no wider than the terminal where that can be: wide cells go on in further lines.

    Columns without any value are left out.

    Args:
        columns: headings.
        rows: as for `aligned`.
        width: in characters; by default that of the terminal, or none into a file or a pipe.

    >>> print(fitted(["name", "what it is"], [["lenet", "the first digit reader"]], width=20))
    name   what it is
    lenet  the first
           digit reader
    """
    width = width or _terminal_width()
    kept = [i for i in range(len(columns)) if any(row[i] not in (None, "") for row in rows)]
    headings = [columns[i] for i in kept]
    body = [[row[i] for i in kept] for row in rows]
    limits = [max(map(_length, column)) for column in zip(headings, *body, strict=True)]
    while sum(limits) + 2 * (len(limits) - 1) > width and max(limits) > _NARROWEST:
        limits[limits.index(max(limits))] -= 1
    broken = ["\n".join(textwrap.wrap(name, limit)) for name, limit in zip(headings, limits, strict=True)]
    return aligned(broken, _wrapped(body, limits))


def _terminal_width() -> int:
    terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    return max(60, shutil.get_terminal_size((120 if terminal else _UNLIMITED, 24)).columns)


def _length(cell: Any) -> int:
    return len(f"{cell:,}") if isinstance(cell, int) else len(str(cell))


def _wrapped(rows: Sequence[Sequence[Any]], limits: Sequence[int]) -> list[list[Any]]:
    """Return rows in which no text is longer than its column's limit; the rest stands in rows below."""
    result: list[list[Any]] = []
    for row in rows:
        cells = [
            textwrap.wrap(cell, limit) or [""] if isinstance(cell, str) else [cell]
            for cell, limit in zip(row, limits, strict=True)
        ]
        height = max(map(len, cells))
        result += [[cell[line] if line < len(cell) else None for cell in cells] for line in range(height)]
    return result


def _is_numeric(column: Sequence[Any]) -> bool:
    """Return whether a column holds numbers and nothing else but empty cells."""
    kinds = {type(value) for value in column if value not in (None, "")}
    return bool(kinds) and kinds <= {int, float}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
