"""Words of what reports tell: shares, names, and lists of names."""

from __future__ import annotations

from collections.abc import Sequence

from nayan.core.svg import shorten

NAME_PX = 260
"""Longer names are cut in sentences."""


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; one that is not 0 is never shown as 0.

    >>> percent(0.9123), percent(0.0001), percent(0.0)
    ('91.2 %', 'under 0.1 %', '0.0 %')
    """
    if 0 < share < 0.5 * 10 ** -(2 + digits):
        return f"under {10**-digits:g} %"
    return f"{100 * share:.{digits}f} %"


def between(interval: Sequence[float] | None) -> str:
    """Return an interval as text; "" where it is not known, or no wider than a point.

    >>> between([0.391, 0.452]), between(None)
    ('39.1 to 45.2 %', '')
    """
    if not interval or interval[0] == interval[1]:
        return ""
    return f"{100 * interval[0]:.1f} to {percent(interval[1])}"


def quoted(name: str) -> str:
    """Return a name between quotation marks, cut where it is very long.

    >>> quoted("road")
    '“road”'
    """
    return f"“{shorten(name, NAME_PX)}”"


def several(names: Sequence[str], *, noun: str = "classes") -> str:
    """Return at least one name as a list, of many the first three and how many more there are.

    Args:
        names: of classes, or of whatever `noun` says.
        noun: plural, after the number of those that are not named.

    >>> several(["a"]), several(["a", "b"]), several(list("abcde"))
    ('“a”', '“a” and “b”', '“a”, “b”, “c” and 2 more classes')
    """
    shown = [quoted(name) for name in names]
    if len(shown) == 1:
        return shown[0]
    if len(shown) > 4:
        shown = [*shown[:3], f"{len(shown) - 3} more {noun}"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def only(count: int, done: str) -> str:
    """Return that so few pictures were looked at, or whatever was `done` with them.

    >>> only(1, "judged"), only(7, "looked at")
    ('Only one picture was judged', 'Only 7 pictures were looked at')
    """
    return f"Only one picture was {done}" if count == 1 else f"Only {count:,} pictures were {done}"


def pictures_of(count: int | None, split: str) -> str:
    """Return "the 40 test pictures".

    >>> pictures_of(1, "test"), pictures_of(None, "val")
    ('the one test picture', 'the val pictures')
    """
    if count == 1:
        return f"the one {split} picture"
    return f"the {count:,} {split} pictures" if count else f"the {split} pictures"
