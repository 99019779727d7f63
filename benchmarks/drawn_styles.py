"""Three styles that nobody painted: brush strokes, leaded glass and a woodcut, all drawn by rules."""

# (S, S) size of a picture while it is drawn, twice as large as it becomes

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

SIDE, TWICE = 512, 2
NIGHT = np.array(
    [
        (18, 32, 84),
        (28, 60, 130),
        (44, 96, 170),
        (90, 150, 205),
        (170, 205, 225),
        (240, 226, 150),
        (235, 180, 60),
    ]
)
WINDOW = np.array(
    [
        (196, 30, 40),
        (236, 120, 30),
        (246, 200, 60),
        (24, 90, 160),
        (16, 140, 150),
        (40, 130, 70),
        (230, 225, 205),
        (90, 40, 110),
    ]
)


def strokes(seed: int = 3) -> PillowImage.Image:
    """Return thick strokes of night colours that follow a wind with five whirls, bright at their centres."""
    rng = np.random.default_rng(seed)
    side = SIDE * TWICE
    centres, spins = rng.uniform(0.1, 0.9, (5, 2)) * side, rng.choice([-1, 1], 5)
    radii = rng.uniform(0.12, 0.3, 5) * side

    def wind(place: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        away = place - centres
        distance = np.hypot(*away.T) + 1e-6
        pull = np.exp(-((distance / radii) ** 2) / 2)
        around = np.stack([-away[:, 1], away[:, 0]], 1) / distance[:, None]
        blown = (spins[:, None] * around * pull[:, None]).sum(0)
        blown += 0.35 * np.array([1, 0.25 * np.sin(place[0] / side * 7)])
        return blown / np.hypot(*blown), float(pull.max())

    canvas = PillowImage.new("RGB", (side, side), tuple(NIGHT[1].tolist()))
    pen = ImageDraw.Draw(canvas)
    for _ in range(9000):
        place = rng.uniform(-0.05, 1.05, 2) * side
        bright = 3.2 * max(0.0, wind(place)[1] - 0.45) / 0.55
        shade = 2.2 + 1.6 * np.sin(place[1] / side * 9 + place[0] / side * 4) + bright + rng.normal(0, 0.8)
        colour = (NIGHT[int(np.clip(shade, 0, 6))] + rng.normal(0, 8, 3)).clip(0, 255)
        points = [tuple(place)]
        for _ in range(int(rng.integers(4, 9))):
            place = place + wind(place)[0] * 6 * TWICE
            points.append(tuple(place))
        pen.line(
            points, fill=tuple(colour.astype(int).tolist()), width=int(rng.uniform(7, 14)), joint="curve"
        )
    return canvas.resize((SIDE, SIDE), PillowImage.Resampling.LANCZOS)


def glass(seed: int = 1, *, panes: int = 150) -> PillowImage.Image:
    """Return panes of coloured glass, each the cell of a random point, with lead between them."""
    rng = np.random.default_rng(seed)
    side = SIDE * TWICE
    y, x = np.mgrid[:side, :side]
    nearest, second = np.full((side, side), np.inf), np.full((side, side), np.inf)
    pane = np.zeros((side, side), np.int64)
    for number, (column, row) in enumerate(rng.uniform(0, side, (panes, 2))):
        distance = np.hypot(x - column, y - row)
        is_nearest = distance < nearest
        second = np.where(is_nearest, nearest, np.minimum(second, distance))
        pane, nearest = np.where(is_nearest, number, pane), np.minimum(nearest, distance)
    colours = WINDOW[rng.integers(0, len(WINDOW), panes)] + rng.normal(0, 10, (panes, 3))
    glow = 1.12 - 0.35 * np.minimum(1, nearest / (side / 12))[..., None]
    picture = colours[pane] * glow
    picture[second - nearest < 5 * TWICE] = (22, 20, 24)
    return _finished(picture)


def woodcut(seed: int = 2) -> PillowImage.Image:
    """Return waves of ink on ochre paper, as thick as a landscape of hills says, and red where it is high."""
    side = SIDE * TWICE
    y, x = np.mgrid[:side, :side] / side
    waves = ((1, 1.3, 0.7, 0.1, 0.2), (0.6, 2.9, 1.4, 0.5, 0.8), (0.4, 4.7, 2.2, 0.3, 0.1))
    height = np.zeros((side, side))
    for size, across, down, first, other in waves:
        bent = 3 * np.sin(2 * np.pi * (down * y + other))
        height += size * np.sin(2 * np.pi * (across * x + first) + bent)
    line = np.abs((y * 46 + 1.4 * height) % 1 - 0.5) * 2
    thick = 0.42 + 0.28 * np.sin(2 * np.pi * (1.1 * x - 0.4 * y)) + 0.06 * height
    grain = np.random.default_rng(seed).random((side, side, 1))
    paper = np.array([236, 214, 170]) * (1 - 0.06 * grain)
    ground = np.where((height > 1)[..., None], (200, 70, 50), paper)
    return _finished(np.where((line < thick)[..., None], (32, 40, 58), ground))


STYLES: dict[str, Callable[[], PillowImage.Image]] = {"strokes": strokes, "glass": glass, "woodcut": woodcut}


def _finished(picture: NDArray[np.float64]) -> PillowImage.Image:
    pixels = picture.clip(0, 255).astype(np.uint8)
    return PillowImage.fromarray(pixels).resize((SIDE, SIDE), PillowImage.Resampling.LANCZOS)
