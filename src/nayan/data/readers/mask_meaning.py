"""What the values of a data set's masks mean: a table says so, or else the values themselves.

    values                               without a table they are
    0 and 255, or 0 and 1                background and foreground
    0 and 255 with values between        the same, parted at 128 (JPEG masks, soft edges)
    0, 1, 2, ... K, perhaps 255          classes by their numbers; 255 is void: neither learnt nor judged
    numbers with gaps                    classes in the order of the numbers
    colours                              classes in the order of the colours

What was decided is a sentence for the user and `info["mapping"]` of the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nayan.core.errors import FormatError, LabelError
from nayan.core.types import VOID
from nayan.data.readers.base import counted
from nayan.data.readers.mask_tables import Row, Table, voc_colour
from nayan.data.readers.mask_values import Kind, Seen, ValueMap

BINARY = ("background", "foreground")
MOST_CLASSES = 255
"""Classes are stored in 8 bits, of which 255 is void."""

_MOST_COLOURS = 64  # that nobody names; more come from soft edges or from a photograph
_DARK, _LIGHT = 64, 192  # gray levels that are still black or white, after compression
_BETWEEN = 0.1  # share of the pixels that may lie between them: edges
_WHITISH = 240
_FEW = 12
_WHITE_OF_16_BITS = 65535
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Meaning:
    """What was decided.

    Attributes:
        classes: names, in the order of their numbers.
        values: from the values of a file to these.
        note: says so.
    """

    classes: tuple[str, ...]
    values: ValueMap
    note: str

    @property
    def info(self) -> dict[str, Any]:
        """The mapping for `Dataset.info`, JSON-serialisable."""
        names = {value: _named(number, self.classes) for value, number in self.values.ids}
        written = {_written(value, self.values.kind): name for value, name in names.items()}
        return {"kind": self.values.kind, "values": written, "note": self.note}


def decide(seen: Sequence[Seen], table: Table | None) -> Meaning:
    """Return what the values mean.

    Args:
        seen: what the masks hold.
        table: of the classes; None without one.

    Raises:
        FormatError: if they cannot be numbers of classes, or a value is not in the table; with a file.
        LabelError: if there are more classes than a mask can hold.
    """
    if table is not None:
        _check_number(table.classes, table.source)
    kind = _kind(seen, table)
    firsts: dict[int, Seen] = {}
    counts: dict[int, int] = {}
    for each in seen:
        for value, count in _of_kind(each, kind).items():
            counts[value] = counts.get(value, 0) + count
            firsts.setdefault(value, each)
    lossy = next((each for each in seen if each.lossy), None)
    if table is not None:
        return _by_table(counts, table, kind, firsts=firsts, lossy=lossy)
    if kind == "colours":
        return _by_colours(counts, firsts, lossy)
    return _by_values(counts, kind, lossy=lossy)


def _kind(seen: Sequence[Seen], table: Table | None) -> Kind:
    """Return whether numbers, gray levels or colours count; where they agree, the numbers do."""
    colours = {colour for each in seen for colour in each.colours}
    has_colour = any(colour != (colour & 0xFF) * 0x010101 for colour in colours)
    named = {row.colour for row in table.rows if row.colour is not None} if table else set()
    if any(each.coloured for each in seen):
        return "colours" if has_colour else "gray"
    indexed = [each for each in seen if each.palette is not None]
    if not indexed or (len(indexed) < len(seen) and not has_colour):
        return "gray" if indexed else "ids"
    if named and colours <= named:
        return "colours"
    meant: dict[int, int] = {}
    for each in indexed:
        for value, colour in (each.palette or {}).items():
            if meant.setdefault(value, colour) != colour:  # every file numbers its colours anew
                return "colours" if has_colour else "gray"
    return "ids"


def _of_kind(each: Seen, kind: Kind) -> dict[int, int]:
    if kind == "ids":
        return dict(each.counts)
    colours = each.colours
    return colours if kind == "colours" else {colour & 0xFF: count for colour, count in colours.items()}


# ---- with a table ----------------------------------------------------------------------------------


def _by_table(
    counts: dict[int, int], table: Table, kind: Kind, *, firsts: dict[int, Seen], lossy: Seen | None
) -> Meaning:
    if kind != "colours" and _binary_for(table, counts, lossy):
        return _binary(counts, kind, table.classes, table.source)
    table = _fitted(table, counts, kind)
    numbers = {name: number for number, name in enumerate(table.classes)}
    ids = {
        value: VOID if row.is_void else numbers[row.name]
        for row in table.rows
        if (value := row.colour if kind == "colours" else row.id) is not None
    }
    voids = [row.name for row in table.rows if row.is_void]
    if kind != "colours" and ids.setdefault(VOID, VOID) == VOID and VOID in counts and not voids:
        voids = ["the value 255"]
    odd = sorted(set(counts) - set(ids))
    nearest = kind == "colours" and lossy is not None and bool(odd) and bool(ids)
    values = ValueMap(kind, tuple(sorted(ids.items())), nearest=nearest)
    if odd and not nearest:
        raise _unknown(odd, counts, table, values, firsts)
    note = f"masks: {_WHAT[kind]} are the {counted(table.classes, 'class')} of {table.source}"
    note += f"; void (neither learnt nor judged): {', '.join(dict.fromkeys(voids))}" if voids else ""
    note += "; JPEG changed colours, the nearest one counts" if nearest else ""
    return Meaning(table.classes, values, note)


def _binary_for(table: Table, counts: dict[int, int], lossy: Seen | None) -> bool:
    """Return whether masks are black and white, though the table gives its one or two names other numbers."""
    found = set(counts) - ({VOID} if 1 in counts else set())
    return (
        len(table.classes) <= 2 and _is_binary(counts, lossy) and not found <= {row.id for row in table.rows}
    )


def _fitted(table: Table, counts: dict[int, int], kind: Kind) -> Table:
    """Return the table with what it leaves unsaid, where the values of the masks tell what that is."""
    found = set(counts)
    rows = table.rows
    if kind == "colours":
        if any(row.colour is not None for row in rows):
            return table
        painted = tuple(replace(row, colour=voc_colour(row.id)) for row in rows)
        fits = found <= {row.colour for row in painted}
        return (
            replace(table, rows=painted, source=f"{table.source}, in the palette of VOC") if fits else table
        )
    if found <= {VOID, *(row.id for row in rows)}:
        return table
    if table.only_lines and max(found - {VOID}) == len(rows):
        shifted = (Row("background", 0), *(replace(row, id=row.id + 1) for row in rows))
        return replace(table, rows=shifted, source=f"{table.source} after the background, which is 0")
    gray = tuple(replace(row, id=(row.colour or 0) & 0xFF) for row in rows)
    are_gray = all(row.colour == row.id * 0x010101 for row in gray)
    return replace(table, rows=gray) if are_gray and found <= {row.id for row in gray} else table


def _unknown(
    odd: list[int], counts: dict[int, int], table: Table, values: ValueMap, firsts: dict[int, Seen]
) -> FormatError:
    first = max(odd, key=lambda value: counts[value])
    path = firsts[first].path
    if not values.ids:
        return FormatError(
            f"{path}: the mask is in colours ({_listed(f'#{value:06x}' for value in odd)}), of which "
            f"{table.source} says nothing",
            hint="add them: a classes.csv with the columns name,r,g,b",
        )
    more = f" and {len(odd) - 1} other values" if len(odd) > 1 else ""
    says = f"stands for no class of {table.source} ({counts[first]:,} pixels)"
    return FormatError(
        f"{path}: {values.shown(first)}{more} {says}",
        hint=f"add it to {table.source}, or correct the masks; known are "
        + ", ".join(values.shown(value) for value, _ in values.ids[:20]),
    )


# ---- without one -----------------------------------------------------------------------------------


def _by_values(counts: dict[int, int], kind: Kind, *, lossy: Seen | None) -> Meaning:
    if _is_binary(counts, lossy):
        return _binary(counts, kind, (), "")
    if lossy is not None:
        raise FormatError(
            f"{lossy.path}: is a JPEG, whose compression changes the numbers of classes "
            f"({len(counts)} different values were found)",
            hint="save the masks as PNG; only masks of black and white can be read from JPEG",
        )
    values = sorted(counts)
    numbers = [value for value in values if value != VOID] if _has_void(values) else values
    _check_number(numbers, "the masks")
    ids = {value: number for number, value in enumerate(numbers)}
    classes = tuple(map(str, numbers))
    note = f"masks: the numbers {_listed(numbers)} are {counted(numbers, 'class')}, named after them"
    if numbers != list(range(len(numbers))):
        note += ", counted without gaps"
    if len(numbers) < len(values):
        note += "; 255 is void (neither learnt nor judged)"
    ids.setdefault(VOID, VOID)
    note += "; a classes.csv (id,name) beside them would name them"
    return Meaning(classes, ValueMap(kind, tuple(sorted(ids.items()))), note)


def _has_void(values: Sequence[int]) -> bool:
    """Return whether 255 lies apart from numbers that are close together.

    >>> _has_void([0, 1, 2, 255]), _has_void([0, 127, 255]), _has_void([0, 2, 3, 255])
    (True, False, True)
    """
    others = [value for value in values if value != VOID]
    return VOID in values and bool(others) and max(others) + 1 <= 2 * len(others) and max(others) < VOID


def _is_binary(counts: dict[int, int], lossy: Seen | None) -> bool:
    """Return whether the values are black and white, or 0 and 1."""
    values = set(counts)
    if values <= {0, 1, VOID} or values <= {0, _WHITE_OF_16_BITS}:
        return True
    if max(values) > VOID or max(values) < _LIGHT or min(values) >= _DARK:
        return False
    if lossy is None and len(values) <= _FEW and not any(_WHITISH <= value < VOID for value in values):
        return False  # soft edges have more values, and numbers of classes do not end just below 255
    between = sum(count for value, count in counts.items() if _DARK <= value < _LIGHT)
    return between <= _BETWEEN * sum(counts.values()) and _ends(counts)


def _ends(counts: dict[int, int]) -> bool:
    """Return whether most pixels of either end are as dark, or as light, as can be."""
    dark = sum(count for value, count in counts.items() if value < _DARK)
    light = sum(count for value, count in counts.items() if value >= _LIGHT)
    near_black = sum(count for value, count in counts.items() if value <= VOID - _WHITISH)
    near_white = sum(count for value, count in counts.items() if value >= _WHITISH)
    return 2 * near_black >= dark and 2 * near_white >= light


def _binary(counts: dict[int, int], kind: Kind, named: Sequence[str], source: str) -> Meaning:
    """Return the meaning of black and white.

    Args:
        counts: {value: pixels}.
        kind: of the values.
        named: what a table calls them: both, or the foreground alone.
        source: that table.
    """
    classes = (named[0], named[1]) if len(named) > 1 else ("background", named[0]) if named else BINARY
    said = f", named by {source}" if source else ""
    if max(counts) <= VOID and set(counts) - {0, 1, VOID}:
        values = ValueMap("threshold", ((0, 0), (VOID, 1)))
        note = f"masks: gray levels from 128 on are {classes[1]!r}, below {classes[0]!r}{said}"
        return Meaning(classes, values, f"{note}; values between come from compression or soft edges")
    top = 1 if 1 in counts else max(VOID, *counts)
    note = f"masks: 0 is {classes[0]!r}, {top} is {classes[1]!r}{said}"
    if top == 1:
        note += "; 255 is void (neither learnt nor judged)" if VOID in counts else ""
        return Meaning(classes, ValueMap(kind, ((0, 0), (1, 1), (VOID, VOID))), note)
    return Meaning(classes, ValueMap(kind, ((0, 0), (top, 1))), note)


def _by_colours(counts: dict[int, int], firsts: dict[int, Seen], lossy: Seen | None) -> Meaning:
    if lossy is not None or len(counts) > _MOST_COLOURS:
        path = lossy.path if lossy is not None else firsts[max(counts)].path
        what = "is a JPEG, whose compression changes colours" if lossy is not None else "is one of the masks"
        raise FormatError(
            f"{path}: {what}; {len(counts):,} different colours were found, and nothing says which of them "
            "are classes",
            hint="save the masks as PNG without soft edges, or add a classes.csv (name,r,g,b)",
        )
    colours = sorted(counts)
    classes = tuple(f"#{colour:06x}" for colour in colours)
    note = (
        f"masks: the colours {_listed(classes)} are {counted(classes, 'class')}, in their order; "
        "a classes.csv (name,r,g,b) beside them would name them"
    )
    ids = tuple((colour, number) for number, colour in enumerate(colours))
    return Meaning(classes, ValueMap("colours", ids), note)


# ---- words -----------------------------------------------------------------------------------------

_WHAT = {"ids": "the numbers", "gray": "the gray levels", "colours": "the colours"}


def _check_number(classes: Sequence[Any], source: str) -> None:
    if len(classes) > MOST_CLASSES:
        raise LabelError(
            f"{source}: {len(classes):,} classes; a mask holds at most {MOST_CLASSES}",
            hint="if the masks number objects, not classes, they are no semantic masks",
        )


def _named(number: int, classes: Sequence[str]) -> str:
    return "void" if number == VOID else classes[number]


def _written(value: int, kind: Kind) -> str:
    return f"#{value:06x}" if kind == "colours" else str(value)


def _listed(values: Iterable[Any]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown[:_SHOWN]) + (f", ... ({len(shown)})" if len(shown) > _SHOWN else "")
