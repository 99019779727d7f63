"""Why are two pictures near one another? Which regions match, and whether that is true."""

# (m, n) map, P = m n positions

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

from nayan.core.errors import ConfigError
from nayan.core.image import open_image
from nayan.core.story import Panel, Story
from nayan.core.types import Image
from nayan.explain.cam import STEPS, trust_panel
from nayan.explain.embedding.matching import Match, match_pictures, strongest_links, vectors_of
from nayan.explain.faithfulness import measure_score_faithfulness
from nayan.explain.paint import INK, PAPER, as_rgb, fit, font, overlay, row, smooth
from nayan.explain.record import evaluating
from nayan.explain.stages import pixel_batch
from nayan.explain.subject import Subject

_PICTURE_PX = 300
_GAP_PX = 90
LINKS = 8
"""Pairs of positions that are drawn."""
LINES = (
    (255, 176, 0), (0, 158, 115), (86, 180, 233), (213, 94, 0),
    (204, 121, 167), (240, 228, 66), (0, 114, 178), (150, 150, 150),
)  # fmt: skip
"""Okabe, Ito (2008): colours that also the colour-blind tell apart."""


def explain_pair(
    subject: Subject, *, other: Image | Path | None = None, steps: int | None = None, seed: int = 0
) -> Story:
    """Show which regions of two pictures make them similar to a network, and test whether that is true.

    Args:
        subject: needs a network that gives vectors, and a picture.
        other: the second picture, upright RGB, or its file.
        steps: points of the deletion and insertion curves; 0 leaves the test out.
        seed: of the random orders that they are compared with.

    Raises:
        ConfigError: if the second picture is missing, or the network gives no vectors.
        DataError: if its file cannot be read.
    """
    if other is None:
        raise ConfigError(
            "pair compares two pictures, and the second is missing",
            hint="nayan explain MODEL IMAGE --what pair --other IMAGE",
        )
    picture = open_image(other) if isinstance(other, Path) else other
    subjects = (subject, replace(subject, image=picture))
    model = subject.model
    first, second = (pixel_batch(each, model) for each in subjects)
    match = match_pictures(model, first, second)
    shown = [fit(as_rgb(each.pixels()), _PICTURE_PX) for each in subjects]
    panels = [_heat_panel(match, shown, subject)]
    if match.links is not None:
        panels.append(_link_panel(match, shown))
    count = STEPS if steps is None else steps
    if count:
        for heat, here, there, name in (
            (match.heats[0], first, second, "the first picture"),
            (match.heats[1], second, first, "the second picture"),
        ):
            with evaluating(model):
                tested = measure_score_faithfulness(
                    _similarity_to(model, there), here, heat=heat, steps=count, seed=seed
                )
            panel = trust_panel(tested, name, what="similarity")
            panels.append(replace(panel, title=f"Is it faithful to {name}?"))
    return Story("Which regions match?", panels)


def _similarity_to(model: nn.Module, other: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what is tested: the cosine similarity to the other picture, below 0 counted as 0."""
    with torch.no_grad():
        fixed = F.normalize(vectors_of(model(other)).float(), dim=1)[0]

    def score(pixels: Tensor) -> Tensor:
        return (F.normalize(vectors_of(model(pixels)).float(), dim=1) @ fixed).clamp(0, 1)

    return score


def _heat_panel(match: Match, shown: list[Image], subject: Subject) -> Panel:
    cosine = match.similarity
    distance = float(np.sqrt(max(0.0, 2 - 2 * cosine)))
    thresholds = subject.decode_args.get("thresholds")
    verdict = ""
    if thresholds:
        same = "the same" if distance <= thresholds[0] else "different"
        verdict = f" Up to {thresholds[0]:.3f} pictures are taken for the same, so these are {same}."
    cells = "x".join(str(side) for side in match.heats[0].shape)
    if match.method == "sum":
        told = f"The vector is a sum over the {cells} positions of {match.layer}, and so the similarity is: "
        told += "what the positions of either picture add to it makes up all of it, and bright ones add most."
        told += _told_concentration(match)
    else:
        told = "The vector of this network is no sum over positions, so patches were covered one at a time "
        told += (
            f"while the other picture stayed: bright is where the similarity falls most ({cells} patches)."
        )
    heats = [_relative(heat) for heat in match.heats]
    painted = [
        overlay(picture, np.clip(smooth(heat, (picture.shape[0], picture.shape[1])), 0, 1))
        for picture, heat in zip(shown, heats, strict=True)
    ]
    return Panel(
        f"Similarity {cosine:.3f}, distance {distance:.3f}",
        f"The cosine similarity is 1 for equal directions and 0 where nothing is alike.{verdict} {told}",
        image=row(
            [shown[0], *painted, shown[1]], captions=["first", "what matches", "what matches", "second"]
        ),
        data={
            "similarity": cosine,
            "distance": distance,
            "method": match.method,
            "layer": match.layer,
            "heats": [np.round(heat, 6).tolist() for heat in match.heats],
        },
    )


def _told_concentration(match: Match) -> str:
    """Say on how few positions half of what speaks for the similarity lies."""
    counts = []
    for heat in match.heats:
        positive = np.sort(heat[heat > 0])[::-1]
        counts.append(
            int(np.searchsorted(np.cumsum(positive), positive.sum() / 2) + 1) if len(positive) else 0
        )
    size = match.heats[0].size
    return (
        f" Half of it comes from {counts[0]} of {size} positions of the first and {counts[1]} of the second."
    )


def _relative(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the heat with its largest value as 1; what speaks against the similarity is 0."""
    positive = np.clip(heat, 0, None)
    return np.asarray(positive / (positive.max() or 1.0), np.float32)


def _link_panel(match: Match, shown: list[Image]) -> Panel:
    assert match.links is not None  # only then it is asked for
    links = strongest_links(match.links, count=LINKS)
    share = sum(value for *_, value in links) / match.similarity if match.similarity > 0 else 0.0
    shapes = [heat.shape for heat in match.heats]
    places = [[divmod(link[side], shapes[side][1]) for link in links] for side in (0, 1)]
    text = f"The {len(links)} pairs of positions that add most to the similarity, each position once, the "
    text += f"strongest first. Together they are {share:.1%} of it; of {match.links.size:,} pairs, "
    text += f"{len(links) / match.links.size:.1%} would be their even share. A position sees more of the "
    text += "picture than its cell (`--what receptive`)."
    return Panel(
        "What matches what",
        text,
        image=_linked(shown, places, shapes, [value for *_, value in links]),
        data={
            "links": [
                {"first": list(first), "second": list(second), "adds": round(value, 6)}
                for first, second, (*_, value) in zip(*places, links, strict=True)
            ]
        },
    )


def _linked(
    shown: list[Image],
    places: list[list[tuple[int, int]]],
    shapes: list[tuple[int, ...]],
    values: list[float],
) -> Image:
    """Return the two pictures side by side with a line between the middles of cells that match."""
    height = max(picture.shape[0] for picture in shown)
    offset = shown[0].shape[1] + _GAP_PX
    canvas = PillowImage.new("RGB", (offset + shown[1].shape[1], height), color=PAPER)
    for picture, left in zip(shown, (0, offset), strict=True):
        canvas.paste(PillowImage.fromarray(picture), (left, 0))
    pen = ImageDraw.Draw(canvas)
    ends = [
        [_middle(cell, shapes[side], shown[side], left) for cell in places[side]]
        for side, left in ((0, 0), (1, offset))
    ]
    colours = [LINES[number % len(LINES)] for number in range(len(values))]
    for number in reversed(range(len(values))):  # the strongest on top
        width = max(2, round(5 * values[number] / values[0]))
        line = [*ends[0][number], *ends[1][number]]
        pen.line(line, fill=INK, width=width + 2)
        pen.line(line, fill=colours[number], width=width)
    for each in ends:
        for number, (x, y) in enumerate(each):
            pen.ellipse((x - 10, y - 10, x + 10, y + 10), fill=colours[number], outline=INK, width=2)
            pen.text((x, y), str(number + 1), fill=INK, font=font(12), anchor="mm")
    return np.asarray(canvas)


def _middle(cell: tuple[int, int], shape: tuple[int, ...], picture: Image, left: int) -> tuple[float, float]:
    """Return (x, y) of the middle of a cell on the canvas."""
    y, x = ((at + 0.5) / count * side for at, count, side in zip(cell, shape, picture.shape, strict=False))
    return left + x, y
