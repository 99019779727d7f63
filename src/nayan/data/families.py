r"""Which pictures belong together by their names: versions, tiles, frames, and groups that a user names.

    street_jpg.rf.3f2a91c0.jpg       augmented versions of one picture (Roboflow; also _aug2, _flip, _rot90)
    scan_x512_y1024.png              tiles of one picture (also scan_tile_7; the names of SAHI and DOTA)
    ride_mp4_t_0522.jpg              frames of one clip: a word such as mp4 or frame, or neighbours that
                                     look more alike than pictures that are far apart in the numbering
    cam(\d+)_                         a pattern of the user's, with one group
    folder                           the folder that a picture lies in

A number at the end of a name says little: `digit_0001.png` is no frame of a film. So without such a word
the pictures themselves are asked.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.data.readers.base import counted, split_of

Kind = Literal["augmented", "tiles", "clip", "group"]

Thumbnails = Sequence[NDArray[np.uint8] | None]
"""(16, 16) gray values of each picture; None for one that cannot be decoded."""

LONGEST = 1 / 3
"""Share of all pictures above which a clip is cut: kept whole, it would leave too little to test on."""

_PIECES = 20  # a clip that is cut gets pieces of at most a twentieth of all pictures
_ROBOFLOW = re.compile(r"(.+)\.rf\.[0-9A-Za-z]{8,}$")
_AUGMENTED = re.compile(
    r"(.+?)[ _-](?:aug(?:mented)?|h?v?flip(?:ped)?|rot(?:ated?)?|mirror(?:ed)?)[ _-]?\d*$", re.IGNORECASE
)
_TILE = (
    re.compile(r"(.+?)[ _-](?:tile|patch|slice)s?[ _-]?\d+(?:[ _x-]\d+)*$", re.IGNORECASE),
    re.compile(r"(.+?)[ _-](?:x|r|row)[ _-]?\d+[ _-]?(?:y|c|col)[ _-]?\d+$", re.IGNORECASE),
    re.compile(r"(.+?)__\d+(?:\.\d+)?__\d+___\d+$"),  # DOTA: name__scale__x___y
)
_SAHI = re.compile(r"(.+?)_(\d+)_(\d+)_(\d+)_(\d+)$")  # name_x1_y1_x2_y2
_NUMBERED = re.compile(r"(.*?)(\d{1,12})$")
_SUFFIX_IN_NAME = re.compile(r"[._](?:jpe?g|png|bmp|webp)$", re.IGNORECASE)
_FILM = re.compile(
    r"(?:^|[^a-z])(?:frames?|mp4|avi|mov|mkv|webm|video|vid|clip|seq(?:uence)?)(?![a-z])", re.IGNORECASE
)
_FRAMES = 8  # pictures from which on their looks say whether they are a film
_ALIKE = 0.6  # median difference of neighbours to that of pictures far apart; 1 without any order
_STILL = 1.0  # gray levels; smaller differences are rounding


@dataclass(frozen=True, slots=True)
class Family:
    """Pictures that must not be parted.

    Attributes:
        kind: why.
        name: what their names have in common.
        members: positions, two or more; frames in the order of their numbers.
    """

    kind: Kind
    name: str
    members: tuple[int, ...]


def by_name(ids: Sequence[str], thumbnails: Thumbnails) -> list[Family]:
    """Return versions, tiles and clips that the names give away.

    Args:
        ids: names of the pictures, with forward slashes; folders named after splits or `images` are no
            part of them, so that versions of one picture are found in all splits.
        thumbnails: what decides about numbered names; () to go by the names alone.
    """
    names = [_bare(id) for id in ids]
    families: list[Family] = []
    for kind, base_of in _VERSIONS:
        names, found = _with_base(names, base_of)
        families += [Family(kind, name, members) for name, members in found.items()]
    clips: dict[str, list[tuple[int, int]]] = {}
    for position, name in enumerate(names):
        if match := _NUMBERED.match(name):
            clips.setdefault(match[1], []).append((int(match[2]), position))
    for prefix, numbered in clips.items():
        frames = [position for _, position in sorted(numbered)]
        if len(frames) > 1 and (_FILM.search(prefix) or _is_film(frames, thumbnails)):
            families.append(Family("clip", prefix.rstrip(" _-"), tuple(frames)))
    return families


def by_rule(ids: Sequence[str], rule: str) -> list[Family]:
    """Return the groups that the user names.

    Args:
        ids: names of the pictures, with forward slashes.
        rule: "folder", or a regular expression that is searched for in each id; its first group, or all
            of it where it has none, is the name of the picture's group. A picture without it stands alone.

    Raises:
        ConfigError: if the pattern is no regular expression, has several groups, fits no picture, or if
            all pictures are of one group.
    """
    if rule == "folder":
        keys: list[str | None] = [str(PurePosixPath(id).parent) for id in ids]
    else:
        pattern = _compiled(rule)
        keys = [match[pattern.groups] if (match := pattern.search(id)) else None for id in ids]
        if not any(key is not None for key in keys):
            raise ConfigError(
                f"--group {rule}: fits no picture; the first is {ids[0]!r}",
                hint="the pattern is searched for in names such as this one",
            )
    groups: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        if key is not None:
            groups.setdefault(key, []).append(position)
    if len(groups) == 1 and None not in keys:
        raise ConfigError(
            f"--group {rule}: all {counted(ids, 'picture')} are of one group, {next(iter(groups))!r}",
            hint="pictures of one group are never parted; give a pattern that tells more apart",
        )
    return [Family("group", name, tuple(members)) for name, members in groups.items() if len(members) > 1]


def cut(family: Family, ids: Sequence[str], *, limit: int) -> list[Family]:
    """Return a clip in pieces of at most `limit` frames, cut at its longest pauses, the middle first."""
    numbers = [int(match[2]) if (match := _NUMBERED.match(_bare(ids[i]))) else 0 for i in family.members]
    waiting, pieces = [(0, len(numbers))], []
    while waiting:
        start, stop = waiting.pop()
        if stop - start <= limit:
            pieces.append(Family("clip", family.name, family.members[start:stop]))
            continue
        middle = (start + stop) / 2
        at = max(range(start + 1, stop), key=lambda i: (numbers[i] - numbers[i - 1], -abs(i - middle)))
        waiting += [(at, stop), (start, at)]
    return pieces


def shortened(families: Iterable[Family], ids: Sequence[str]) -> tuple[list[Family], list[str]]:
    """Return the families with clips cut that hold too much of the data, and sentences that say so."""
    result: list[Family] = []
    notes: list[str] = []
    for family in families:
        if family.kind != "clip" or len(family.members) <= max(2, LONGEST * len(ids)):
            result.append(family)
            continue
        pieces = cut(family, ids, limit=max(2, len(ids) // _PIECES))
        result += [piece for piece in pieces if len(piece.members) > 1]
        notes.append(
            f"the clip {family.name!r} has {len(family.members)} of {len(ids)} pictures: it was cut at its "
            f"longest pauses into {len(pieces)} pieces, whose ends may look alike"
        )
    return result, notes


def _compiled(rule: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ConfigError(
            f"--group {rule}: is no regular expression: {error}",
            hint=r"for example --group '(cam\d+)_', --group folder, or --group auto",
        ) from error
    if pattern.groups > 1:
        raise ConfigError(
            f"--group {rule}: has {pattern.groups} groups in parentheses, expected one",
            hint="write (?:...) for those that only hold the pattern together",
        )
    return pattern


def _bare(id: str) -> str:
    """Return the part of an id that names the picture, without split, `images/` and suffix.

    >>> _bare("images/train/cam1/street_jpg.rf.3f2a91c0.jpg")
    'cam1/street_jpg.rf.3f2a91c0'
    """
    path = PurePosixPath(id)
    folders = [part for part in path.parts[:-1] if not split_of(part) and part.lower() != "images"]
    return "/".join([*folders, path.stem])


def _original(name: str) -> str | None:
    for pattern in (_ROBOFLOW, _AUGMENTED):
        if match := pattern.match(name):
            return _SUFFIX_IN_NAME.sub("", match[1])
    return None


def _tiled(name: str) -> str | None:
    """Return the name of the picture that a tile was cut from.

    >>> _tiled("roof_0_512_640_1152"), _tiled("192_168_2_39_13")
    ('roof', None)
    """
    if match := _SAHI.match(name):
        x1, y1, x2, y2 = map(int, match.groups()[1:])
        return match[1] if x1 < x2 and y1 < y2 else None
    return next((match[1] for pattern in _TILE if (match := pattern.match(name))), None)


def _with_base(
    names: Sequence[str], base_of: Callable[[str], str | None]
) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Return the names without what makes them versions, and the members of each family of two or more.

    A picture that has the bare name itself is the original, and belongs to its versions.
    """
    bases = [base_of(name) for name in names]
    known = {base for base in bases if base is not None}
    shorter = [name if base is None else base for name, base in zip(names, bases, strict=True)]
    members: dict[str, list[int]] = {}
    for position, name in enumerate(shorter):
        members.setdefault(name, []).append(position)
    return shorter, {
        name: tuple(group) for name, group in members.items() if name in known and len(group) > 1
    }


def _is_film(frames: Sequence[int], thumbnails: Thumbnails) -> bool:
    """Return whether pictures in this order show a scene that changes slowly."""
    seen = [thumbnails[position] for position in frames] if thumbnails else []
    known = [picture.astype(np.float32) for picture in seen if picture is not None]
    if len(known) < _FRAMES:
        return False
    half = len(known) // 2
    near = np.median([np.abs(a - b).mean() for a, b in itertools.pairwise(known)])
    far = np.median([np.abs(a - b).mean() for a, b in zip(known, known[half:], strict=False)])
    return bool(near <= _ALIKE * far or far <= _STILL)


_VERSIONS: tuple[tuple[Kind, Callable[[str], str | None]], ...] = (
    ("augmented", _original),
    ("tiles", _tiled),
)
