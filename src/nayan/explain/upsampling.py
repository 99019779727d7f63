"""How maps are made larger: the arithmetic of a transposed convolution, and what it does in a network.

Sources: see `stamps` and `checkerboard`; the networks' own ways up are in `nayan.parts.upsample`.
"""

# C channels, (h, w) before, (H, W) after, f factor

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from nayan.core.story import Panel, Story
from nayan.core.types import Image
from nayan.explain import stamps
from nayan.explain.checkerboard import measure
from nayan.explain.climbs import Climb, watching
from nayan.explain.own_climbs import map_image, measured_panels, percent, stacked, steps_panel
from nayan.explain.paint import colour, grid, number_grid, row
from nayan.explain.record import evaluating, first_tensor
from nayan.explain.stages import device_of, pixel_batch
from nayan.explain.subject import Subject

INPUT = np.array([[1.0, 2.0], [3.0, 4.0]])
KERNEL = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
UNEQUAL = np.array([[0.6, 1.2], [1.3, 0.9]])
"""A 2x2 kernel as it may be learnt: nothing overlaps, but the four places of a cell are not alike."""

_CELL = 38


def explain_upsampling(subject: Subject) -> Story:
    """Show how maps are made larger, by hand and in the subject's network.

    Args:
        subject: needs a network; with a picture the checkerboard in its own maps is measured.
    """
    panels = [_stamping(), _overlapping(), _beside(), _on_a_picture()]
    climbs, result = _climbs_of(subject)
    panels.append(steps_panel(climbs, subject))
    if subject.image is not None and climbs:
        panels += measured_panels(climbs, result)
    return Story("How maps are made larger", panels)


@cache
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
        image=stacked([first, second]),
        data={"input": INPUT.tolist(), "kernel": KERNEL.tolist(), "output": total.tolist(), "stride": 2},
    )


@cache
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


@cache
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


@cache
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
    pictures, captions, shares = [map_image(disc)], ["14x14"], {}
    for name, (kernel, padding) in by.items():
        large = disc
        for _ in range(3):
            large = stamps.transposed(large, kernel, stride=2, padding=padding)
        shares[name] = measure(large[None], 2).pattern
        pictures.append(map_image(large))
        captions.append(f"{name}: {percent(shares[name])}")
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


def _numbers(values: NDArray[np.float64], high: float) -> Image:
    tints = colour(np.nan_to_num(values), palette="signed", low=-1.6 * high, high=1.6 * high)
    return number_grid(values, tints=tints, cell_px=_CELL, font_px=14)
