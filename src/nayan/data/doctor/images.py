"""Checks of single pictures: can they be read, and is there something to see?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median
from typing import Any

from nayan.data.doctor.findings import Finding, Severity, counted, listed
from nayan.data.doctor.snapshot import BLANK_CONTRAST, Picture, Snapshot, ids

SMALL_SIDE = 32  # px; what the smallest photographic networks need after five halvings
USELESS_SIDE = 8  # px
ODD_ASPECT = 10.0
DARK_LEVEL = 60.0  # the lightest 1 % of a dark picture begins below it
BRIGHT_LEVEL = 200.0  # the darkest 1 % of a bright picture ends above it
BLURRED = 0.6  # see Look.sharpness
GRAY_SPREAD = 10.0  # gray levels by which compression may part the channels of a gray picture

# What Pillow calls the content, and the endings that promise it.
_ENDINGS = {
    "JPEG": {"jpg", "jpeg", "jpe", "jfif", "mpo"},
    "MPO": {"jpg", "jpeg", "mpo"},
    "PNG": {"png", "apng"},
    "GIF": {"gif"},
    "BMP": {"bmp", "dib"},
    "WEBP": {"webp"},
    "TIFF": {"tif", "tiff"},
    "AVIF": {"avif", "avifs"},
    "HEIF": {"heic", "heif", "hif"},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A check that looks at one picture at a time.

    Attributes:
        one, many: the rest of the sentences after "1 picture " and "3 pictures ".
        detail: what is reported for each picture; a value that is None means that the rule does not apply.
    """

    check: str
    severity: Severity
    one: str
    many: str
    advice: str
    detail: Callable[[Picture], Any]

    def __call__(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Yield one finding that names every picture to which the rule applies."""
        found = {p.id: value for p in snapshot.pictures if (value := self.detail(p)) is not None}
        if found:
            paths = tuple(found)
            says = self.one if len(found) == 1 else self.many
            message = f"{counted(len(found), 'picture')} {says}: {listed(paths)}"
            yield Finding(
                self.check, self.severity, message, paths, len(paths), self.advice, {"found": found}
            )


def tiny(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the pictures that are too small to learn from, measured by what is usual in this data set."""
    shortest = {p.id: min(p.look.size) for p in snapshot.pictures if p.look}
    usual = median(shortest.values()) if shortest else 0
    small = {name: side for name, side in shortest.items() if side < SMALL_SIDE}
    bad = {n: side for n, side in small.items() if side < USELESS_SIDE or side * 2 <= usual}
    if bad:
        yield Finding(
            "images.tiny", "warning",
            f"{counted(len(bad), 'picture is', 'pictures are')} too small (from {min(bad.values())} px on "
            f"the shorter side, where {usual:.0f} px are usual): {listed(tuple(bad))}",
            tuple(bad), len(bad),
            "Get them in their original size or take them out; scaled up they show nothing.",
            {"found": bad, "usual": usual},
        )  # fmt: skip
    elif small:
        yield Finding(
            "images.tiny", "info",
            f"{counted(len(small), 'picture is', 'pictures are')} smaller than {SMALL_SIDE} px; {usual:.0f} "
            "px are usual here",
            tuple(small), len(small),
            "Use a network for small pictures, such as lenet; others scale them up to their own minimum.",
            {"found": small, "usual": usual},
        )  # fmt: skip


def gray_mixed(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the gray pictures among coloured ones, or the coloured among gray: whichever are fewer."""
    seen = [(p, p.look) for p in snapshot.pictures if p.look and p.look.contrast >= BLANK_CONTRAST]
    gray = [p for p, look in seen if look.colour <= GRAY_SPREAD]
    coloured = [p for p, look in seen if look.colour > GRAY_SPREAD]
    if not gray or not coloured:
        return
    few, name = (gray, "gray") if len(gray) <= len(coloured) else (coloured, "coloured")
    by_class: dict[str, int] = {}
    for picture in few:
        if picture.label is not None:
            by_class[picture.label] = by_class.get(picture.label, 0) + 1
    yield Finding(
        "images.gray_mixed", "info",
        f"{counted(len(few), 'picture')} of {len(seen):,} {'is' if len(few) == 1 else 'are'} {name}: "
        f"{listed(ids(few))}",
        ids(few), len(few),
        "Fine when every class has some of both; otherwise the network may learn the colour in place of the "
        "thing.",
        {"minority": name, "by_class": by_class},
    )  # fmt: skip


def _fault(kind: str) -> Callable[[Picture], Any]:
    return lambda p: p.fault.reason if p.fault and p.fault.kind == kind else None


def _aspect(p: Picture) -> float | None:
    if p.look is None:
        return None
    aspect = max(p.look.size) / min(p.look.size)
    return round(aspect, 1) if aspect > ODD_ASPECT else None


def _wrong_extension(p: Picture) -> str | None:
    if p.info is None:
        return None
    ending = PurePosixPath(p.id).suffix.lower().removeprefix(".")
    promised = any(ending in endings for endings in _ENDINGS.values())
    expected = _ENDINGS.get(p.info.format)
    if not ending or expected is None or ending in expected or not promised:
        return None
    return p.info.format


def _rotated(p: Picture) -> int | None:
    return p.info.orientation if p.info and p.info.orientation != 1 else None


def _unusual_mode(p: Picture) -> str | None:
    if p.info is None or p.look is None:
        return None
    if p.info.frames > 1:
        return f"{p.info.frames} frames: the first is read"
    return _READ_AS.get(p.info.mode)


_READ_AS = {
    "CMYK": "CMYK: converted to RGB, with its colour profile where it has one",
    "YCCK": "YCCK: converted to RGB",
    "LAB": "CIE Lab: converted to RGB",
    "HSV": "HSV: converted to RGB",
    "P": "palette: its colours are looked up",
    "PA": "palette with transparency: laid on white",
    "RGBA": "transparency: laid on white",
    "RGBa": "transparency: laid on white",
    "LA": "gray with transparency: laid on white",
    "La": "gray with transparency: laid on white",
    "I": "more than 8 bits: scaled to 8",
    "I;16": "16 bits: scaled to 8",
    "I;16B": "16 bits: scaled to 8",
    "I;16L": "16 bits: scaled to 8",
    "F": "floating point: scaled to 8 bits",
}


def _blank(p: Picture) -> float | None:
    return round(p.look.contrast, 2) if p.look and p.look.contrast < BLANK_CONTRAST else None


def _dark(p: Picture) -> float | None:
    if p.look is None or p.look.contrast < BLANK_CONTRAST or p.look.lightest >= DARK_LEVEL:
        return None
    return round(p.look.lightest, 1)


def _bright(p: Picture) -> float | None:
    if p.look is None or p.look.contrast < BLANK_CONTRAST or p.look.darkest <= BRIGHT_LEVEL:
        return None
    return round(p.look.darkest, 1)


def _blurred(p: Picture) -> float | None:
    if p.look is None or p.look.contrast < BLANK_CONTRAST or min(p.look.size) < SMALL_SIDE:
        return None
    return round(p.look.sharpness, 2) if p.look.sharpness < BLURRED else None


RULES = (
    Rule(
        "images.broken", "error", "cannot be decoded", "cannot be decoded",
        "Fetch them again from where they came, or take them out.",
        _fault("broken"),
    ),
    Rule(
        "images.empty_file", "error", "holds no byte at all", "hold no byte at all",
        "A download or copy did not finish: fetch them again, or take them out.",
        _fault("empty_file"),
    ),
    Rule(
        "images.not_a_picture", "error", "is named as a picture but holds something else",
        "are named as pictures but hold something else",
        "Often an error page that was saved in a picture's place: fetch them again, or take them out.",
        _fault("not_a_picture"),
    ),
    Rule(
        "images.bomb", "error", "declares a size that no memory holds, and was not decoded",
        "declare a size that no memory holds, and were not decoded",
        "Take them out; where the size is real, cut or scale them first.",
        _fault("bomb"),
    ),
    Rule(
        "images.odd_aspect", "warning", f"is more than {ODD_ASPECT:g} times as long as wide",
        f"are more than {ODD_ASPECT:g} times as long as wide",
        "Little is left of them in a square: cut them into pieces, or take them out.",
        _aspect,
    ),
    Rule(
        "images.wrong_extension", "info", "has an ending that belongs to another format",
        "have an ending that belongs to another format",
        "nayan goes by the content; rename them if other programs are to read them.",
        _wrong_extension,
    ),
    Rule(
        "images.exif_rotated", "info", "is stored turned or mirrored, with a note that says so (EXIF)",
        "are stored turned or mirrored, with a note that says so (EXIF)",
        "nayan turns them upright; boxes or masks drawn by a program that does not will not fit.",
        _rotated,
    ),
    Rule(
        "images.unusual_mode", "info", "is not plain 8-bit RGB or gray", "are not plain 8-bit RGB or gray",
        "They are read as the details say; look at one of them if the colours matter.",
        _unusual_mode,
    ),
    Rule(
        "images.blank", "warning", "shows one even colour", "show one even colour",
        "There is nothing to learn from them: take them out.",
        _blank,
    ),
    Rule(
        "images.dark", "warning", "is almost black", "are almost black",
        "Look at them: if you cannot tell what they show, neither can the network.",
        _dark,
    ),
    Rule(
        "images.bright", "warning", "is almost white", "are almost white",
        "Look at them: if you cannot tell what they show, neither can the network.",
        _bright,
    ),
    Rule(
        "images.blurred", "warning", "has no sharp edge anywhere", "have no sharp edge anywhere",
        "Keep them only if the pictures to be predicted are as blurred; otherwise take them out.",
        _blurred,
    ),
)  # fmt: skip
