"""How maps are made larger: the arithmetic of a transposed convolution, and what it does in a network.

Sources: see `stamps` and `checkerboard`; the networks' own ways up are in `nayan.parts.upsample`.
"""

# C channels, (h, w) before, (H, W) after, f factor

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nayan.core.story import Panel, Story, Table
from nayan.core.types import Image
from nayan.explain import stamps
from nayan.explain.checkerboard import SEEN, Checker, measure, patterns
from nayan.explain.climbs import Climb, watching
from nayan.explain.paint import colour, enlarge, fit, grid, number_grid, row, smooth
from nayan.explain.record import evaluating, first_tensor
from nayan.explain.stages import device_of, pixel_batch
from nayan.explain.subject import Subject

INPUT = np.array([[1.0, 2.0], [3.0, 4.0]])
KERNEL = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
UNEQUAL = np.array([[0.6, 1.2], [1.3, 0.9]])
"""A 2x2 kernel as it may be learnt: nothing overlaps, but the four places of a cell are not alike."""

DRAWN = 6
"""Most steps of a network that are drawn."""

_CELL = 38
_TILE_PX = 200


def explain_upsampling(subject: Subject) -> Story:
    """Show how maps are made larger, by hand and in the subject's network.

    Args:
        subject: needs a network; with a picture the checkerboard in its own maps is measured.
    """
    panels = [_stamping(), _overlapping(), _beside(), _on_a_picture()]
    climbs, result = _climbs_of(subject)
    panels.append(_steps(climbs, subject))
    if subject.image is not None and climbs:
        panels += _measured(climbs, result)
    return Story("How maps are made larger", panels)


def _stamping() -> Panel:
    """Return the panel of every stamp of a small grid, and their sum."""
    size = (INPUT.shape[0], INPUT.shape[1])
    total = stamps.transposed(INPUT, KERNEL, stride=2)
    high = float(total.max())
    pictures, captions = [_numbers(INPUT, high), _numbers(KERNEL, high)], ["input", "kernel"]
    for at, value in np.ndenumerate(INPUT):
        place = (int(at[0]), int(at[1]))
        alone = stamps.stamp(float(value), KERNEL, at=place, size=size, stride=2)
        pictures.append(_numbers(alone, high))
        captions.append(f"{value:g} stamps {value:g} x kernel")
    pictures.append(_numbers(total, high))
    captions.append("all stamps added up")
    middle = stamps.told_sum(INPUT, KERNEL, stride=2, at=(2, 2))
    edge = stamps.told_sum(INPUT, KERNEL, stride=2, at=(2, 1))
    first = row(pictures[:2], captions=captions[:2])
    second = row(pictures[2:], captions=captions[2:])
    return Panel(
        "A transposed convolution, stamp by stamp",
        "Every pixel of the input multiplies the whole kernel and stamps it into the output; the next "
        "pixel's stamp lies stride = 2 further on. Where stamps overlap they add up. So 2x2 pixels become "
        "(2 - 1)*2 + 3 = 5 rows and columns. Row 2, column 2 (from 0) lies under all four stamps: "
        f"{middle}. Row 2, column 1 under two: {edge}.",
        image=_stacked([first, second]),
        data={"input": INPUT.tolist(), "kernel": KERNEL.tolist(), "output": total.tolist(), "stride": 2},
    )


def _overlapping() -> Panel:
    """Return the panel of how many stamps meet in each pixel, for several kernels."""
    size = (4, 4)
    pictures, captions, data = [], [], {}
    for side in (2, 3, 4):
        count = stamps.meetings(size, side, 2)
        pictures.append(
            number_grid(count, tints=colour(count, low=0, high=5, palette="viridis"), cell_px=28, font_px=13)
        )
        even = "even" if side % 2 == 0 else "a checkerboard"
        captions.append(f"kernel {side}, stride 2: {even}")
        data[f"kernel {side}"] = count.tolist()
    return Panel(
        "Why a checkerboard",
        "A map of ones and a kernel of ones: every number is how many stamps meet in a pixel. With kernel 3 "
        "and stride 2 they are 4, 2, 2 and 1, over and over: whatever the weights are, they must learn "
        "against it. Where the stride divides the kernel (2 and 4) as many meet everywhere but at the "
        "border, which padding cuts off. That makes an even map possible, not certain: the four places of a "
        "cell still have weights of their own.",
        image=row(pictures, captions=captions),
        data=data,
    )


def _beside() -> Panel:
    """Return the panel of the same numbers by rules."""
    values = np.array([[0.0, 8.0], [8.0, 16.0]])
    kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
    by = {
        "nearest": stamps.nearest(values, 2),
        "bilinear": stamps.bilinear(values, 2),
        "transposed, kernel 4": stamps.transposed(values, kernel, stride=2, padding=1),
    }
    pictures = [_numbers(values, 16), *(_numbers(each, 16) for each in by.values())]
    return Panel(
        "Rules beside it",
        "Nearest repeats a number; it is a transposed convolution with a 2x2 kernel of ones. Bilinear mixes "
        "the four nearest centres by 9, 3, 3 and 1 sixteenths; it is one with the 4x4 kernel of 1, 3, 3, 1 "
        "times 1, 3, 3, 1, sixteenths, stride 2 and padding 1. Only at the border they differ: beyond it lie "
        "zeros for the convolution, and the border's own numbers for the rule.",
        image=row(pictures, captions=["input", *by]),
        data={name: np.round(each, 4).tolist() for name, each in by.items()},
    )


def _on_a_picture() -> Panel:
    """Return the panel of a soft disc made eight times as large in three steps."""
    y, x = np.mgrid[:14, :14] - 6.5
    disc = 1 / (1 + np.exp(1.3 * (np.hypot(y, x) - 4.2)))
    by = {
        "kernel 3, all equal": (np.full((3, 3), 4 / 9), 0),
        "kernel 2, unequal": (UNEQUAL, 0),
        "kernel 2, all equal (nearest)": (np.ones((2, 2)), 0),
        "kernel 4, of bilinear": (np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16, 1),
    }
    pictures, captions, shares = [_map_image(disc)], ["14x14"], {}
    for name, (kernel, padding) in by.items():
        large = disc
        for _ in range(3):
            large = stamps.transposed(large, kernel, stride=2, padding=padding)
        shares[name] = measure(large[None], 2).pattern
        pictures.append(_map_image(large))
        captions.append(f"{name}: {_percent(shares[name])}")
    return Panel(
        "The same in three steps",
        "A soft disc made twice as large three times over, as decoders do. The number is the share of the "
        "variance that is the same in every cell of 2x2 pixels: a checkerboard. Kernel 3 makes one by its "
        "overlaps, kernel 2 where its four weights differ; equal ones repeat pixels, which is blocky but not "
        "a checkerboard.",
        image=grid(pictures, captions=captions, columns=len(pictures), gap=10),
        data={"pattern": shares},
    )


def _climbs_of(subject: Subject) -> tuple[list[Climb], NDArray[np.float32] | None]:
    """Return the network's steps up, on its picture or on a gray one, and its answer where that is a map."""
    model = subject.model
    if subject.image is not None:
        pixels = pixel_batch(subject, model)
    else:
        size = (1, subject.preprocess.channels, *subject.preprocess.size)
        pixels = torch.full(size, 128.0, device=device_of(model))
    with evaluating(model), torch.no_grad(), watching(model) as climbs:
        answer = first_tensor(model(pixels))
    if answer is None or answer.ndim != 4 or answer.shape[2:] != pixels.shape[2:]:
        return climbs, None
    return climbs, answer[0].float().cpu().numpy()


def _steps(climbs: list[Climb], subject: Subject) -> Panel:
    """Return the panel of the table of the network's own steps up."""
    if not climbs:
        return Panel(
            "This network's steps up",
            f"{type(subject.model).__name__} makes no map larger.",
            data={"steps": []},
        )
    rows = tuple(
        (
            each.name,
            each.kind,
            f"{_x(each.before)} -> {_x(each.after)}",
            _overlap(each),
            "" if each.unevenness is None else _percent(each.unevenness),
        )
        for each in climbs
    )
    uneven = [each for each in climbs if each.unevenness is not None]
    told = f"It makes maps larger {len(climbs)} times" if len(climbs) > 1 else "It makes a map larger once"
    if uneven:
        worst = max(uneven, key=lambda each: each.unevenness or 0.0)
        told += (
            ". The last column is what its weights make of a map of ones: the spread over the places of a "
            f"cell, 0 % being perfectly even; most in {worst.name}, {_percent(worst.unevenness or 0.0)}. "
            "Random weights begin uneven."
        )
    else:
        told += (
            ", by rules alone: nothing in its way up is learnt, so that no weights can make a checkerboard."
        )
    return Panel(
        "This network's steps up",
        told,
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


def _overlap(each: Climb) -> str:
    if not each.kernel:
        return ""
    return (
        "even" if each.kernel % each.stride == 0 else f"uneven: {each.stride} does not divide {each.kernel}"
    )


def _measured(climbs: list[Climb], result: NDArray[np.float32] | None) -> list[Panel]:
    """Return the panels of the checkerboard in the network's own maps."""
    large = [each for each in climbs if each.factor > 1 and min(each.after.shape[1:]) >= 4 * each.factor]
    found = [(each, measure(each.after, each.factor), _by_bilinear(each)) for each in large]
    if not found:
        return []
    rows = [
        (
            each.name,
            each.kind,
            each.factor,
            _percent(checker.pattern),
            _percent(checker.detail),
            _percent(by_rule),
        )
        for each, checker, by_rule in found
    ]
    data = [
        {
            "layer": each.name,
            "factor": each.factor,
            "pattern": checker.pattern,
            "detail": checker.detail,
            "bilinear_detail": by_rule,
            "phases": np.round(checker.phases, 5).tolist(),
        }
        for each, checker, by_rule in found
    ]
    last = None if result is None else measure(result, 2)
    if last is not None:
        rows.append(("(the answer)", "", 2, _percent(last.pattern), _percent(last.detail), ""))
    worst, most, _ = max(found, key=lambda one: one[1].pattern)
    columns = ("layer", "how", "times", "repeats in every cell", "finer than its input", "by bilinear")
    return [
        Panel(
            "The checkerboard in this network",
            "Measured on this picture, right behind each step. 'Repeats in every cell' is the share of the "
            "variance that is the same in every cell of the step. 'Finer than its input' is the share of "
            "the power at frequencies that the coarser map cannot hold, so that the step itself has made "
            "it: edges that it learnt to sharpen, or a checkerboard; beside it what bilinear interpolation "
            f"of the same input has. {_verdict(worst, most, last)}",
            image=_rows([(each, checker) for each, checker, _ in found[:DRAWN]]),
            table=Table(columns, tuple(rows)),
            data={
                "steps": data,
                "answer": None if last is None else {"pattern": last.pattern, "detail": last.detail},
            },
        )
    ]


def _verdict(worst: Climb, most: Checker, last: Checker | None) -> str:
    if most.pattern < SEEN:
        told = f"No step leaves a pattern worth a word: at most {_percent(most.pattern)}, in {worst.name}."
    else:
        told = f"The strongest pattern, {_percent(most.pattern)}, lies behind {worst.name}."
    if last is None:
        return told
    if last.pattern >= SEEN:
        return f"{told} {_percent(last.pattern)} of it is still in the answer."
    return f"{told} In the answer {_percent(last.pattern)} is left of it."


def _by_bilinear(each: Climb) -> float:
    """Return the share of fine detail in a bilinear enlargement of the same input."""
    large = np.stack([stamps.bilinear(channel.astype(np.float64), each.factor) for channel in each.before])
    return measure(large, each.factor).detail


def _rows(found: list[tuple[Climb, Checker]]) -> Image:
    """Return for each step: its input, its output, a part of that close up, and the spectrum."""
    lines = []
    for each, checker in found:
        channel = int(_patterned(each.after, each.factor).argmax())
        out = each.after[channel]
        side = min(16 * each.factor, *out.shape)
        top, left = _liveliest(out, side)
        close = out[top : top + side, left : left + side]
        spectrum = np.log10(checker.spectrum + checker.spectrum.max() * 1e-6 + 1e-12)
        strongest = each.before[int(each.before.std(axis=(1, 2)).argmax())]
        tiles = [_map_image(strongest), _map_image(out), _map_image(close), _map_image(spectrum, "magma")]
        lines.append(
            row(
                tiles,
                captions=[
                    f"into {each.name}"[-34:],
                    f"out: channel {channel}",
                    f"{side}x{side} of it",
                    "spectrum, log",
                ],
            )
        )
    return _stacked(lines)


def _patterned(maps: NDArray[np.float32], factor: int) -> NDArray[np.float64]:
    """Return (C,): the pattern's share in each channel; of channels without one, how much they vary."""
    shares = patterns(maps, factor)
    spread = maps.std(axis=(1, 2)).astype(np.float64)
    return np.where(spread > 0.05 * maps.std(), shares, 0.0) + 1e-9 * spread


def _liveliest(values: NDArray[np.float32], side: int) -> tuple[int, int]:
    """Return (top, left) of the window that varies most, of windows half a side apart."""
    step = max(1, side // 2)
    places = [
        (top, left)
        for top in range(0, values.shape[0] - side + 1, step)
        for left in range(0, values.shape[1] - side + 1, step)
    ]
    return max(places, key=lambda p: float(values[p[0] : p[0] + side, p[1] : p[1] + side].std()))


def _map_image(values: NDArray[np.floating], palette: str = "viridis") -> Image:
    painted = colour(values, palette="magma" if palette == "magma" else "viridis")
    if max(values.shape) > 2 * _TILE_PX:
        return fit(painted, _TILE_PX)
    scale = _TILE_PX / max(values.shape)
    size = (max(1, round(values.shape[0] * scale)), max(1, round(values.shape[1] * scale)))
    if scale >= 1:
        return enlarge(painted, size)
    return colour(smooth(values, size), palette="magma" if palette == "magma" else "viridis")


def _numbers(values: NDArray[np.float64], high: float) -> Image:
    tints = colour(np.nan_to_num(values), palette="signed", low=-1.6 * high, high=1.6 * high)
    return number_grid(values, tints=tints, cell_px=_CELL, font_px=14)


def _stacked(pictures: list[Image]) -> Image:
    """Return pictures below each other on white."""
    width = max(each.shape[1] for each in pictures)
    return np.concatenate(
        [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in pictures]
    )


def _x(maps: NDArray[np.float32]) -> str:
    return "x".join(map(str, maps.shape))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
