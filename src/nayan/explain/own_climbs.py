"""A network's own steps from coarse maps to finer ones: a table, and the checkerboard behind each of them."""

# C channels, (h, w) before, (H, W) after, f factor

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.story import Panel, Table
from nayan.core.types import Image
from nayan.explain import stamps
from nayan.explain.checkerboard import SEEN, Checker, measure, patterns
from nayan.explain.climbs import Climb
from nayan.explain.paint import Palette, colour, enlarge, fit, row, smooth
from nayan.explain.subject import Subject

DRAWN = 6
"""Most steps of a network that are drawn."""

MEASURES = ("pattern", "detail", "bilinear_detail")
"""Names of the shares that are measured of a step."""

_TILE_PX = 200


def steps_panel(climbs: list[Climb], subject: Subject) -> Panel:
    """Return the panel of the table of a network's own steps up."""
    title = "This network's steps up"
    if not climbs:
        return Panel(title, f"{type(subject.model).__name__} makes no map larger.", data={"steps": []})
    rows = tuple(
        (
            each.name,
            each.kind,
            f"{_x(each.before)} -> {_x(each.after)}",
            _overlap(each),
            "" if each.unevenness is None else percent(each.unevenness),
        )
        for each in climbs
    )
    return Panel(
        title,
        _steps_told(climbs),
        table=Table(("layer", "how", "size", "overlaps", "unevenness of its weights"), rows),
        data={
            "steps": [
                {
                    "layer": each.name,
                    "how": each.kind,
                    "factor": each.factor,
                    "before": list(each.before.shape),
                    "after": list(each.after.shape),
                    "unevenness": each.unevenness,
                }
                for each in climbs
            ]
        },
    )


def _steps_told(climbs: list[Climb]) -> str:
    told = f"It makes maps larger {len(climbs)} times" if len(climbs) > 1 else "It makes a map larger once"
    learnt = [(each.unevenness, each.name) for each in climbs if each.unevenness is not None]
    if not learnt:
        return f"{told}, by rules alone: nothing of it is learnt, so that no weights can make a checkerboard."
    most, name = max(learnt)
    return (
        f"{told}. The last column is what its weights make of a map of ones: the spread over the places of a "
        f"cell, 0 % being perfectly even; most in {name}, {percent(most)}. Random weights begin uneven."
    )


def _overlap(each: Climb) -> str:
    if not each.kernel:
        return ""
    return (
        "even" if each.kernel % each.stride == 0 else f"uneven: {each.stride} does not divide {each.kernel}"
    )


def measured_panels(climbs: list[Climb], result: NDArray[np.float32] | None) -> list[Panel]:
    """Return the panel of the checkerboard in a network's own maps; none where they are too small.

    Args:
        climbs: its steps up on a picture.
        result: (K, H, W) its answer, where that is a map.
    """
    large = [each for each in climbs if each.factor > 1 and min(each.after.shape[1:]) >= 4 * each.factor]
    if not large:
        return []
    found = [(each, measure(each.after, each.factor)) for each in large]
    last = None if result is None else measure(result, 2)
    worst, most = max(found, key=lambda one: one[1].pattern)
    steps = [_step(each, checker) for each, checker in found]
    rows = [
        (each["layer"], each["how"], each["factor"], *(percent(each[name]) for name in MEASURES))
        for each in steps
    ]
    if last is not None:
        rows.append(("(the answer)", "", 2, percent(last.pattern), percent(last.detail), ""))
    columns = ("layer", "how", "times", "repeats in every cell", "finer than its input", "by bilinear")
    answer = None if last is None else {"pattern": last.pattern, "detail": last.detail}
    panel = Panel(
        "The checkerboard in this network",
        "Measured on this picture, right behind each step. 'Repeats in every cell' is the share of the "
        "variance that is the same in every cell of the step. 'Finer than its input' is the share of "
        "the power at frequencies that the coarser map cannot hold, so that the step itself has made "
        "it: edges that it learnt to sharpen, or a checkerboard that shows in some places only; beside it "
        f"what bilinear interpolation of the same input has. {_verdict(worst, most, last)}",
        image=_rows(found[:DRAWN], result),
        table=Table(columns, tuple(rows)),
        data={"steps": steps, "answer": answer},
    )
    return [panel]


def _step(each: Climb, checker: Checker) -> dict[str, Any]:
    return {
        "layer": each.name,
        "how": each.kind,
        "factor": each.factor,
        "pattern": checker.pattern,
        "detail": checker.detail,
        "bilinear_detail": _by_bilinear(each),
        "phases": np.round(checker.phases, 5).tolist(),
    }


def _verdict(worst: Climb, most: Checker, last: Checker | None) -> str:
    if most.pattern < SEEN:
        told = f"No step leaves a pattern worth a word: at most {percent(most.pattern)}, in {worst.name}."
    else:
        told = f"The strongest pattern, {percent(most.pattern)}, lies behind {worst.name}."
    if last is None:
        return told
    return (
        f"{told} Of the answer, {percent(last.pattern)} repeats in every cell of 2x2 pixels, and "
        f"{percent(last.detail)} is finer than two pixels; its row, the last, shows whether edges or a board."
    )


def _by_bilinear(each: Climb) -> float:
    """Return the share of fine detail in a bilinear enlargement of the same input."""
    large = np.stack([stamps.bilinear(channel.astype(np.float64), each.factor) for channel in each.before])
    return measure(large, each.factor).detail


def _rows(found: list[tuple[Climb, Checker]], answer: NDArray[np.float32] | None) -> Image:
    """Return for each step its input, its output, a part of that close up, its spectrum; last the answer."""
    lines = []
    for each, checker in found:
        channel = int(_patterned(each.after, each.factor).argmax())
        strongest = each.before[int(each.before.std(axis=(1, 2)).argmax())]
        tiles, captions = _seen(each.after[channel], 16 * each.factor, checker)
        captions[0] = f"out: channel {channel}"
        lines.append(row([map_image(strongest), *tiles], captions=[f"into {each.name}"[-34:], *captions]))
    if answer is not None:
        channel = int(answer.std(axis=(1, 2)).argmax())
        tiles, captions = _seen(answer[channel], 32, measure(answer, 2))
        captions[0] = f"the answer: class {channel}"
        blank = np.full_like(tiles[0], 255)
        lines.append(row([blank, *tiles], captions=["", *captions]))
    return stacked(lines)


def _seen(values: NDArray[np.float32], side: int, checker: Checker) -> tuple[list[Image], list[str]]:
    """Return pictures of an (H, W) map, its liveliest part close up, and the spectrum, with captions."""
    side = min(side, *values.shape)
    top, left = _liveliest(values, side)
    close = values[top : top + side, left : left + side]
    spectrum = np.log10(checker.spectrum + checker.spectrum.max() * 1e-6 + 1e-12)
    tiles = [map_image(values), map_image(close), map_image(spectrum, "magma")]
    return tiles, ["", f"{side}x{side} of it", "spectrum, log"]


def _patterned(maps: NDArray[np.float32], factor: int) -> NDArray[np.float64]:
    """Return (C,): the pattern's share in each channel; of channels without one, how much they vary."""
    shares = patterns(maps, factor)
    spread = maps.std(axis=(1, 2)).astype(np.float64)
    return np.asarray(np.where(spread > 0.05 * maps.std(), shares, 0.0) + 1e-9 * spread, np.float64)


def _liveliest(values: NDArray[np.float32], side: int) -> tuple[int, int]:
    """Return (top, left) of the window that varies most, of windows half a side apart."""
    step = max(1, side // 2)
    places = [
        (top, left)
        for top in range(0, values.shape[0] - side + 1, step)
        for left in range(0, values.shape[1] - side + 1, step)
    ]
    return max(places, key=lambda p: float(values[p[0] : p[0] + side, p[1] : p[1] + side].std()))


def map_image(values: NDArray[np.floating], palette: Palette = "viridis") -> Image:
    """Return (h, w) numbers in colour, their longer side `_TILE_PX`: with hard edges, or averaged."""
    if max(values.shape) > 2 * _TILE_PX:
        return fit(colour(values, palette=palette), _TILE_PX)
    scale = _TILE_PX / max(values.shape)
    size = (max(1, round(values.shape[0] * scale)), max(1, round(values.shape[1] * scale)))
    if scale >= 1:
        return enlarge(colour(values, palette=palette), size)
    return colour(smooth(values, size), palette=palette)


def stacked(pictures: list[Image]) -> Image:
    """Return pictures below each other on white."""
    width = max(each.shape[1] for each in pictures)
    return np.concatenate(
        [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in pictures]
    )


def _x(maps: NDArray[np.float32]) -> str:
    return "x".join(map(str, maps.shape))


def percent(share: float) -> str:
    """Return a share in hundredths.

    >>> percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"
