"""What the doctor says: findings, and the diagnosis that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]

_ORDER = ("error", "warning", "info")
_NAMED = 3  # paths that a message names; all of them stand in `paths`


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: id of the check, "family.name".
        severity: "error": training or its scores would be wrong; "warning": look at it before you
            train; "info": good to know.
        message: what was found, naming up to three paths.
        paths: all of them, relative to the data set's root, with forward slashes.
        count: how many pictures, groups, classes or files are meant.
        advice: what to do, in one or two sentences.
        details: the same facts for a program, JSON-serialisable.
        split: the split that is meant, None for all of them.
    """

    check: str
    severity: Severity
    message: str
    paths: tuple[str, ...] = ()
    count: int = 0
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that the doctor knows about one data set.

    Attributes:
        data: the folder or file, as it was given.
        format: name of the reader; "" where none recognises the data.
        reason: why this reader was taken, or why none was.
        splits: {split: number of pictures}.
        classes: {class: {split: number of pictures that show it}}.
        boxes: {class: {split: number of boxes}}; {} where whole pictures have classes.
        findings: errors first, then warnings, then what is good to know.
        seconds: time spent.
    """

    data: str
    format: str
    reason: str
    splits: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    seconds: float
    boxes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def exit_code(self, strict: bool = False) -> int:
        """Return 3 when there is an error, with `strict` also when there is a warning, else 0."""
        fatal = ("error", "warning") if strict else ("error",)
        return 3 if any(finding.severity in fatal for finding in self.findings) else 0

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as a JSON-serialisable document."""
        return {
            "schema_version": 1,
            "data": self.data,
            "format": self.format,
            "reason": self.reason,
            "splits": dict(self.splits),
            "classes": {name: dict(counts) for name, counts in self.classes.items()},
            "boxes": {name: dict(counts) for name, counts in self.boxes.items()},
            "summary": {
                severity: sum(finding.severity == severity for finding in self.findings)
                for severity in _ORDER
            },
            "findings": [
                {
                    "check": finding.check,
                    "severity": finding.severity,
                    "message": finding.message,
                    "split": finding.split,
                    "count": finding.count,
                    "paths": list(finding.paths),
                    "advice": finding.advice,
                    "details": dict(finding.details),
                }
                for finding in self.findings
            ],
            "seconds": round(self.seconds, 3),
        }


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings with errors first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "picture"), counted(1200, "class", "classes")
    ('1 picture', '1,200 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return the first names and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED:,} more" if len(names) > _NAMED else shown
