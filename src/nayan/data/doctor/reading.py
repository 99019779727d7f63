"""Checks of what the reader had to mend, leave out or pass over: its notes, as findings with places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nayan.data.doctor.findings import Finding, Severity, counted
from nayan.data.doctor.snapshot import Snapshot
from nayan.data.readers import boxes

_PLACES = re.compile(r"\(((?:[^()]|\([^()]*\))*)\)$")  # the last parentheses of a note
_BETWEEN = re.compile(r", (?=[^,]*[.:])")  # a place names a file; what else follows a comma belongs to it
_COUNTED = re.compile(r"\b(\d[\d,]*) (?:box|picture|file|row)(?:es|s)?\b")


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of note that deserves more than a remark.

    Attributes:
        check: id of the check that passes it on.
        fault: how such a note begins, with `{boxes}` and the like for a number and its noun.
    """

    check: str
    severity: Severity
    fault: str
    advice: str

    def __call__(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Yield the notes of this kind; those of several splits that say the same become one."""
        alike: dict[str, list[str]] = {}
        for note in snapshot.notes:
            if kind_of(note, snapshot) is self:
                alike.setdefault(_COUNTED.sub("", _PLACES.sub("", note)), []).append(note)
        for notes in alike.values():
            places = tuple(dict.fromkeys(place for note in notes for place in _places(note)))
            count = sum(int(found[1].replace(",", "")) if (found := _COUNTED.search(n)) else 1 for n in notes)
            yield Finding(
                self.check, self.severity, "; ".join(dict.fromkeys(notes)), places, count,
                self.advice + _about_exif(self.check, snapshot),
            )  # fmt: skip

    def fits(self, note: str) -> bool:
        """Return whether a note is of this kind."""
        parts = map(re.escape, re.split(r"\{\w+\}", self.fault))
        return re.match(r"[\d,]+ \w+".join(parts), note) is not None


def kind_of(note: str, snapshot: Snapshot) -> Told | None:
    """Return what kind of fault a note tells; None for a mere remark, and for all notes on classes."""
    return next((told for told in TOLD if told.fits(note)), None) if snapshot.of_boxes else None


def remarks(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what else the reader did that its user may not expect."""
    for note in dict.fromkeys(snapshot.notes):
        if kind_of(note, snapshot) is None:
            yield Finding(
                "data.notes", "info", note, count=1, advice="Nothing to do if this is what you meant."
            )


def _places(note: str) -> tuple[str, ...]:
    """Return the first places that a note names.

    >>> _places("left out: 4 boxes without area (a.xml:3, b (1).xml:7, ...)")
    ('a.xml:3', 'b (1).xml:7')
    >>> _places("left out: 1 box without area (a.json:1, annotation 36)")
    ('a.json:1, annotation 36',)
    """
    found = _PLACES.search(note)
    places = _BETWEEN.split(found[1]) if found else []
    return tuple(place for place in places if place != "...")


def _about_exif(check: str, snapshot: Snapshot) -> str:
    """Return a sentence where boxes do not fit and pictures are stored turned, which may be why."""
    if check not in ("labels.outside", "labels.cut"):
        return ""
    turned = [p for p in snapshot.pictures if p.boxes is not None and p.info and p.info.orientation >= 5]
    if not turned:
        return ""
    return (
        f" {counted(len(turned), 'picture is', 'pictures are')} stored turned (EXIF), such as "
        f"{turned[0].id}: boxes that were drawn before turning do not fit upright."
    )


TOLD: tuple[Told, ...] = (
    Told(
        "labels.degenerate", "warning", boxes.EMPTY,
        "Remove them, or draw them again if there is an object: where they were, training sees background.",
    ),
    Told(
        "labels.outside", "warning", boxes.OUTSIDE,
        "Mend or remove them; many of them mean that the picture was resized or cropped after annotation.",
    ),
    Told(
        "labels.cut", "warning", boxes.CUT,
        "Fine for things that leave the picture; many of them mean that boxes and pictures do not belong "
        "together.",
    ),
    Told("labels.exchanged", "info", boxes.EXCHANGED, "Nothing to do here; other programs may refuse them."),
    Told(
        "labels.turned", "warning", boxes.TURNED,
        "Look at one of them with its boxes. nayan turned them; other programs may not: save the pictures "
        "upright and annotate what has moved.",
    ),
    Told(
        "labels.resized", "warning", boxes.RESIZED,
        "Look at one of them with its boxes; if they do not fit, the picture was changed after annotation.",
    ),
    Told("labels.as_text", "info", boxes.AS_TEXT, "Nothing to do here; other programs may refuse them."),
    Told(
        "labels.no_file", "info", "background, for want of a file of labels: {pictures}",
        "Fine if they show none of the classes. If they were never annotated, take them out: what they show "
        "would be learnt as background.",
    ),
    Told(
        "labels.left_out", "warning", "left out: ",
        "Mend what it names, or take it out, so that nothing is missing without your knowing.",
    ),
)  # fmt: skip
