"""Every error that nayan raises on purpose.

    NayanError                       exit code 1
    ├── ConfigError(ValueError)      2  unknown or contradictory option; names the nearest key
    ├── DataError(ValueError)        3  a data set or file is not what it claims
    │   ├── FormatError              3  cannot be parsed: path, line, reason
    │   └── LabelError               3  parsed, but impossible: class out of range, box outside
    ├── ShapeError(ValueError)       4  expected (N, 4), got (4,)
    ├── NotFound(LookupError)        2  option value, task, format or class; 4 for a model
    ├── WeightsError                 4  weights cannot be had, or belong to another architecture
    ├── BundleError                  4  wrong version, missing part, a digest or the self-test failed
    ├── ExportError                  5  parity between the network and its export does not hold
    ├── MissingExtra(ImportError)    1  pip install "nayan[train]"
    └── Stopped                      1  training cannot go on (NaN, disk full); names what was kept

A message says what was found and what was expected; the hint says what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NayanError(Exception):
    """Any error that nayan raises on purpose.

    Args:
        message: what was found and what was expected, with the file and line where there is one.
        hint: what to do about it, in one sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(NayanError, ValueError):
    """An option is unknown, impossible or contradicts another."""

    exit_code = 2


class DataError(NayanError, ValueError):
    """A data set or one of its files is not what it claims to be."""

    exit_code = 3


class FormatError(DataError):
    """A file cannot be parsed."""


class LabelError(DataError):
    """A label was parsed but is impossible."""


class ShapeError(NayanError, ValueError):
    """An array has another shape than the one that is needed."""

    exit_code = 4


class NotFound(NayanError, LookupError):
    """A name stands in no table; the message names the nearest ones.

    Args:
        kind: what was looked for: "model", "task", "format", "class", ...
        name: the name that was asked for.
        known: the names that would have been found.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        choices = sorted(known)
        near = difflib.get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
        guess = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        if not guess and len(choices) <= 12:
            guess = f"known: {', '.join(choices)}"
        super().__init__(f"no {kind} is named {name!r}", hint=" ".join(p for p in (guess, hint) if p))
        self.kind = kind
        self.name = name
        self.near = tuple(near)
        self.exit_code = 4 if kind == "model" else 2


class WeightsError(NayanError):
    """Weights cannot be fetched, or do not fit the architecture."""

    exit_code = 4


class BundleError(NayanError):
    """A bundle is incomplete, changed, of another version, or fails its own self-test."""

    exit_code = 4


class ExportError(NayanError):
    """The exported network does not give the answers of the trained one."""

    exit_code = 5


class MissingExtra(NayanError, ImportError):
    """A feature needs packages that the base install leaves out."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed", hint=f'pip install "nayan[{extra}]"')


class Stopped(NayanError):
    """Training cannot go on; the message says why and what was kept."""
