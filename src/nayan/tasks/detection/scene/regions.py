"""Lines and zones: read from the command line and from YAML files, and laid over a picture.

Coordinates are pixels of the upright picture, or fractions of its width and height where none is above 1.
"""

# P points, V corners of a polygon

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, FormatError
from nayan.core.types import Size

Points = NDArray[np.float64]
Anchor = Literal["bottom", "centre"]
"""Which point of a box says where its object is: the middle of its lower edge, where people and cars stand,
or its centre."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line that objects cross; "in" is from its left to its right, looking from its start to its end.

    Attributes:
        name: of its events.
        points: (2, 2) start and end as (x, y).
    """

    name: str
    points: Points

    def sides(self, points: Points) -> Points:
        """Return the (P,) distances in px of (P, 2) points; above 0 on the right side, where "in" leads."""
        start, end = self.points
        along = (end - start) / np.hypot(*(end - start))
        distances: Points = (points - start) @ np.array([-along[1], along[0]])
        return distances

    def places(self, points: Points) -> Points:
        """Return where (P, 2) points lie along the line: 0 at its start, 1 at its end."""
        start, end = self.points
        along = end - start
        shares: Points = (points - start) @ along / (along @ along)
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A part of the picture in which objects stay.

    Attributes:
        name: of its events.
        points: (V, 2) corners of a polygon as (x, y), at least three.
    """

    name: str
    points: Points

    @property
    def area(self) -> float:
        """Area in px^2."""
        x, y = self.points.T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)

    @property
    def thickness(self) -> float:
        """How far about a point inside can be from the border, in px: an eighth of the side of a square."""
        around = np.hypot(*(self.points - np.roll(self.points, -1, axis=0)).T).sum()
        return 0.5 * self.area / float(around)

    def depths(self, points: Points) -> Points:
        """Return the (P,) distances in px of (P, 2) points from the border; above 0 inside."""
        start, end = self.points, np.roll(self.points, -1, axis=0)
        along = end - start
        length = np.maximum((along**2).sum(axis=1), 1e-12)
        shift = points[:, None] - start  # (P, V, 2)
        share = ((shift * along).sum(axis=2) / length).clip(0, 1)
        distance = np.hypot(*np.moveaxis(shift - share[..., None] * along, 2, 0)).min(axis=1)
        # Even-odd rule: a ray to the right crosses the border an odd number of times from inside.
        y = points[:, 1, None]
        spans = (start[:, 1] > y) != (end[:, 1] > y)
        rise = np.where(along[:, 1] == 0, 1.0, along[:, 1])
        crossing = start[:, 0] + (y - start[:, 1]) / rise * along[:, 0]
        inside = (spans & (points[:, 0, None] < crossing)).sum(axis=1) % 2 == 1
        depths: Points = np.where(inside, distance, -distance)
        return depths


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is watched.

    Attributes:
        lines: with names of their own.
        zones: the same.
        anchor: where an object is.
    """

    lines: tuple[Line, ...] = ()
    zones: tuple[Zone, ...] = ()
    anchor: Anchor = "bottom"

    def __post_init__(self) -> None:
        if self.anchor not in get_args(Anchor):
            raise ConfigError(f"anchor {self.anchor!r}: expected bottom or centre")
        names = [line.name for line in self.lines] + [zone.name for zone in self.zones]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(
                f"two lines or zones are named {twice[0]!r}", hint="give each a name of its own"
            )

    def in_pixels(self, size: Size) -> Scene:
        """Return the scene for pictures of a (height, width).

        Raises:
            ConfigError: if a line or zone lies wholly outside of the picture.
        """
        return Scene(
            tuple(Line(line.name, to_pixels(line.points, size, line.name)) for line in self.lines),
            tuple(Zone(zone.name, to_pixels(zone.points, size, zone.name)) for zone in self.zones),
            self.anchor,
        )


def anchors(boxes: NDArray[Any], anchor: Anchor) -> Points:
    """Return the (N, 2) points at which the objects of (N, 4) xyxy boxes are.

    >>> anchors(np.array([[0, 0, 10, 40]]), "bottom").tolist()
    [[5.0, 40.0]]
    """
    boxes = boxes.astype(np.float64)
    y = boxes[:, 3] if anchor == "bottom" else (boxes[:, 1] + boxes[:, 3]) / 2
    return np.stack(((boxes[:, 0] + boxes[:, 2]) / 2, y), axis=1)


def parse_line(text: str, number: int = 1) -> Line:
    """Return the line of `x1,y1,x2,y2[:name]`; without a name it is called after its number.

    >>> parse_line("0.1,0.5,0.9,0.5:gate").name
    'gate'
    """
    numbers, name = _split(text, "line", "0.1,0.5,0.9,0.5:gate")
    return make_line(name or f"line{number}", numbers, where=f"--line {text}")


def parse_zone(text: str, number: int = 1) -> Zone:
    """Return the zone of `x,y,x,y,x,y[,...][:name]`; four numbers are the corners of a rectangle.

    >>> parse_zone("10,10,50,40").points.tolist()
    [[10.0, 10.0], [50.0, 10.0], [50.0, 40.0], [10.0, 40.0]]
    """
    numbers, name = _split(text, "zone", "0.1,0.5,0.9,0.5,0.9,0.9:queue")
    return make_zone(name or f"zone{number}", numbers, where=f"--zone {text}")


def make_line(name: str, numbers: Sequence[float], *, where: str) -> Line:
    """Return a line of four numbers; `where` they come from is named in errors."""
    points = _points(numbers, where)
    if len(points) != 2 or np.array_equal(points[0], points[1]):
        raise ConfigError(f"{where}: a line has two different points x1,y1,x2,y2, got {len(points)} points")
    return Line(name, points)


def make_zone(name: str, numbers: Sequence[float | str], *, where: str) -> Zone:
    """Return a zone of the numbers of its corners, or of left, top, right, bottom; see `make_line`."""
    points = _points(numbers, where)
    if len(points) == 2:
        (left, top), (right, bottom) = points
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    zone = Zone(name, points)
    if len(points) < 3 or zone.area == 0:
        raise ConfigError(
            f"{where}: a zone needs at least three corners x,y that enclose an area, or left,top,right,bottom"
        )
    return zone


def read_scene(path: Path) -> Scene:
    """Read lines, zones and the anchor from a YAML file.

    Expected are `anchor`, `lines` and `zones`; each of the latter is a mapping from names to lists of numbers
    or of [x, y] pairs:

        anchor: bottom
        lines:
          gate: [0.1, 0.5, 0.9, 0.5]
        zones:
          queue: [[10, 200], [400, 200], [400, 380]]

    Raises:
        FormatError: if the file cannot be read or says something else.
        ConfigError: if a line or zone is impossible.
    """
    record = read_mapping(path, {"anchor", "lines", "zones"})
    lines = [make_line(name, values, where=where) for name, values, where in _regions(path, record, "lines")]
    zones = [make_zone(name, values, where=where) for name, values, where in _regions(path, record, "zones")]
    return Scene(tuple(lines), tuple(zones), record.get("anchor", "bottom"))


def gather(
    lines: Sequence[str], zones: Sequence[str], *, file: Path | None = None, anchor: Anchor | None = None
) -> Scene:
    """Return the scene of a file, if there is one, with further lines and zones given as text.

    Args:
        lines: as for `parse_line`.
        zones: as for `parse_zone`.
        file: as for `read_scene`.
        anchor: goes before the file's; "bottom" where neither says.
    """
    scene = Scene() if file is None else read_scene(file)
    more_lines = [parse_line(text, number) for number, text in enumerate(lines, start=1)]
    more_zones = [parse_zone(text, number) for number, text in enumerate(zones, start=1)]
    return Scene((*scene.lines, *more_lines), (*scene.zones, *more_zones), anchor or scene.anchor)


def read_mapping(path: Path, keys: set[str]) -> dict[str, Any]:
    """Read a YAML file that may have some keys and no others.

    Raises:
        FormatError: if it cannot be read, is no mapping, or has another key.
    """
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise FormatError(f"{path}: cannot be read as YAML: {text}") from error
    if not isinstance(record, dict):
        found = type(record).__name__
        raise FormatError(f"{path}: expected the keys {', '.join(sorted(keys))}, found a {found}")
    unknown = [str(key) for key in record if key not in keys]
    if unknown:
        raise FormatError(f"{path}: unknown key {unknown[0]!r}; expected {', '.join(sorted(keys))}")
    return record


def to_pixels(points: Points, size: Size, name: str) -> Points:
    """Return points in pixels: fractions (none above 1) are multiplied by the (height, width) of the picture.

    Raises:
        ConfigError: if all of it lies outside.
    """
    height, width = size
    placed: Points = points * (width, height) if points.max() <= 1 else points
    if (placed.max(axis=0) < 0).any() or (placed.min(axis=0) > (width, height)).any():
        raise ConfigError(
            f"{name} lies outside of the picture of {width} x {height} px",
            hint="give x before y, in pixels or as fractions from 0 to 1",
        )
    return placed


def _split(text: str, what: str, example: str) -> tuple[list[float], str]:
    numbers, _, name = text.partition(":")
    try:
        return [float(number) for number in numbers.split(",")], name.strip()
    except ValueError as error:
        raise ConfigError(
            f"--{what} {text}: expected numbers between commas, then a name after a colon",
            hint=f"such as --{what} {example}",
        ) from error


def _points(numbers: Any, where: str) -> Points:
    try:
        values = np.asarray(numbers, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: expected numbers, got {numbers!r}") from error
    if len(values) % 2 or not np.isfinite(values).all() or (values < 0).any():
        raise ConfigError(f"{where}: expected pairs x,y from 0, got {len(values)} numbers")
    return values.reshape(-1, 2)


def _regions(path: Path, record: dict[str, Any], key: str) -> list[tuple[str, Any, str]]:
    entries = record.get(key) or {}
    if not isinstance(entries, dict):
        raise FormatError(f"{path}: {key} must map names to points, found a {type(entries).__name__}")
    text = path.read_text(encoding="utf-8").splitlines()
    found = []
    for name, values in entries.items():
        pattern = re.compile(rf"\s*['\"]?{re.escape(str(name))}['\"]?\s*:")
        line = next((n for n, row in enumerate(text, start=1) if pattern.match(row)), 1)
        found.append((str(name), values, f"{path}:{line}: {name}"))
    return found
