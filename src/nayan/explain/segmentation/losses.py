"""What each loss makes of a border, a thin thing and a rare class; and which pixels it pushes.

Papers: those of `nayan.parts.losses` and `nayan.tasks.segmentation.boundary_weights`.

A loss says how bad an answer is; a network only feels its gradient. So beside the value there is the push:
for every pixel the gradient of the loss with respect to its logits. What gets no push is not learnt,
however wrong it is.
"""

# B answers, K classes, (h, w) scene or network input

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nayan.core.story import Panel, Story, Table
from nayan.core.svg import BAD, GOOD, INK
from nayan.core.types import VOID, Image
from nayan.explain.paint import as_rgb, colour, enlarge, fit, grid, overlay, smooth
from nayan.explain.plot import Curve, lines_svg
from nayan.explain.record import evaluating
from nayan.explain.segmentation.edges import (
    MISSED,
    overlooked,
    scene,
    sliding_border,
    small_square,
    thin_line,
)
from nayan.explain.segmentation.look import check_segmenter, dense_logits, in_input, masked, placement_of
from nayan.explain.stages import pixel_batch
from nayan.explain.subject import Subject
from nayan.tasks.segmentation.boundaries import borders, near
from nayan.tasks.segmentation.losses import LOSSES, SegmentationLoss

STROKES = {
    "ce": INK,
    "dice": BAD,
    "focal": GOOD,
    "lovasz": "var(--third, #3c9a72)",
    "tversky": "var(--fourth, #8a5fb5)",
    "border": "var(--fifth, #c9a100)",
}
"""One colour a loss, in all drawings."""

NAMES = ("background", "object", "rare")

TRUE_AT = 44.0
"""Column of 64 at which the object of the sliding border begins: it covers a third of the scene."""

SPAN = 16.0
"""Pixels to both sides of the true border over which an answer's border slides."""

NEAR_PX = 2.0
"""Pixels that count as near a border."""

_TILE_PX = 300


def explain_losses(subject: Subject) -> Story:
    """Show what each loss of `--loss` values and pushes.

    Args:
        subject: needs a segmenter; with a picture and its mask, the push on its own answer is shown.

    Raises:
        ConfigError: if it is no segmenter.
    """
    model = subject.model
    check_segmenter(model)
    pixels = pixel_batch(subject, model) if subject.image is not None else _gray(subject)
    with evaluating(model), torch.no_grad():
        logits = dense_logits(model, model(pixels), pixels)
    panels = [*_sliding(), *_finding(), _pushed()]
    if subject.image is not None and subject.mask is not None:
        panels.append(_on_picture(subject, logits))
    return Story("What each loss pushes", panels)


def values_of(logits: Tensor, truth: Tensor, name: str) -> Tensor:
    """Return (B,) the loss of each answer alone.

    Args:
        logits: (B, K, h, w).
        truth: (B, h, w) int64.
        name: of `LOSSES`.
    """
    loss = SegmentationLoss(name)
    return torch.stack([loss(logits[i : i + 1], truth[i : i + 1])[name] for i in range(len(logits))])


def push_of(logits: Tensor, truth: Tensor, name: str) -> NDArray[np.float32]:
    """Return (K, h, w): how one step against the gradient moves the logits of each pixel.

    Args:
        logits: (1, K, h, w).
        truth: (1, h, w) int64.
        name: of `LOSSES`.
    """
    source = logits.detach().clone().float().requires_grad_()
    with torch.enable_grad():
        value = SegmentationLoss(name)(source, truth)[name]
        (gradient,) = torch.autograd.grad(value, source)
    push: NDArray[np.float32] = -gradient[0].cpu().numpy()
    return push


def strength(push: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (h, w): how strongly each pixel is pushed from some classes to others, of (K, h, w)."""
    moved: NDArray[np.float32] = np.abs(push).sum(axis=0) / 2
    return moved


def _gray(subject: Subject) -> Tensor:
    return torch.full((1, subject.preprocess.channels, *subject.preprocess.size), 128.0)


@cache
def _sliding() -> tuple[Panel, ...]:
    """Return the panels of value and slope while a border slides past the true one."""
    places = torch.linspace(TRUE_AT - SPAN, TRUE_AT + SPAN, 65, requires_grad=True)
    x = (places.detach() - TRUE_AT).tolist()
    values, slopes = {}, {}
    for name in LOSSES:
        logits, truth = sliding_border(places, true_at=TRUE_AT)
        loss = values_of(logits, truth, name)
        (slope,) = torch.autograd.grad(loss.sum(), places)
        values[name], slopes[name] = loss.detach().numpy(), slope.numpy()
    at = [x.index(offset) for offset in (-8.0, -2.0, 0.0, 2.0, 8.0)]
    rows = tuple((name, *(round(float(values[name][i]), 4) for i in at)) for name in LOSSES)
    worth = Panel(
        "A border that slides",
        "An object fills the right third of 64 px; an answer is sure of itself and has its border up to 16 "
        "px too far left (the object found too large) or right (too small). Each curve is a share of its "
        "own largest value. The cross-entropy grows with every wrong pixel and with how far behind the "
        "border it lies, focal too, but for a flat bottom; Dice, Tversky and Lovász only count pixels, as "
        "shares of what there is of each class, so that a pixel missed of the smaller class costs more than "
        "one too many. Border is the cross-entropy here: there is no narrow gap.",
        svg=_curves(
            values, x, title="Value of the loss", x_label="border of the answer, px from the true one"
        ),
        table=Table(("loss", "at -8 px", "-2 px", "0 px", "+2 px", "+8 px"), rows),
        data={"offset_px": x, "values": {name: _rounded(each) for name, each in values.items()}},
    )
    pull = Panel(
        "How hard the border is pulled",
        "The slope of the same curves: what moving the answer's border by a pixel would change. Above zero "
        "it is pulled to the left, below to the right. A loss that only counts pulls about alike from "
        "everywhere; the cross-entropy pulls the harder the farther away it is, and lets go near the true "
        "border.",
        svg=_curves(
            slopes, x, title="Slope of the loss", x_label="border of the answer, px from the true one"
        ),
        data={"offset_px": x, "slopes": {name: _rounded(each) for name, each in slopes.items()}},
    )
    return (worth, pull)


@cache
def _finding() -> tuple[Panel, ...]:
    """Return the panels of a thin thing and of a rare one that are found more and more."""
    things = {"A thin line": thin_line(), "A rare class": small_square()}
    told = {
        "A thin line": "A line 2 px wide in 64x64 pixels (3 %)",
        "A rare class": "A square of 4x4 in 64x64 pixels (0.4 %), all that there is of its class",
    }
    panels = []
    for title, thing in things.items():
        p = torch.linspace(0.01, 0.99, 50)
        values = {}
        for name in LOSSES:
            logits, truth = overlooked(p, thing)
            values[name] = values_of(logits, truth, name).numpy()
        rows = tuple(
            (name, round(float(values[name][0]), 4), round(float(values[name][-1]), 4),
             round(float(values[name][0] - values[name][-1]), 4))
            for name in LOSSES
        )  # fmt: skip
        panels.append(
            Panel(
                title,
                f"{told[title]}: the probability that an answer gives it rises from 0.01 to 0.99 there, and "
                "is 0.005 elsewhere. Each curve is a share of its own largest value. What counts beside the "
                "shape is how much there is to win at all: the last column, in units of the loss itself. A "
                "mean over pixels hardly notices a class that has few of them; Dice, Lovász and Tversky "
                "give every class the same say.",
                svg=_curves(
                    values, p.tolist(), title=f"{title}: value of the loss", x_label="its probability"
                ),
                table=Table(("loss", "overlooked", "found", "to win"), rows),
                data={
                    "probability": _rounded(p.numpy()),
                    "values": {k: _rounded(v) for k, v in values.items()},
                },
            )
        )
    return tuple(panels)


@cache
def _pushed() -> Panel:
    """Return the panel of the push of every loss on a scene with four mistakes."""
    made = scene()
    logits = torch.from_numpy(made.probabilities).log()[None]
    truth = torch.from_numpy(made.truth.astype(np.int64))[None]
    pushes = {name: push_of(logits, truth, name) for name in LOSSES}
    blank = np.full((*made.truth.shape, 3), 235, np.uint8)
    large = enlarge(blank, (made.truth.shape[0] * 3, made.truth.shape[1] * 3))
    found = made.probabilities.argmax(axis=0).astype(np.uint8)
    tiles = [masked(large, made.truth, list(NAMES)), masked(large, found, list(NAMES))]
    captions = ["truth", "answer"]
    for name, push in pushes.items():
        tiles.append(enlarge(_signed(-push[0]), (large.shape[0], large.shape[1])))
        captions.append(name)
    columns = ("loss", *made.regions)
    shares = {name: _shares(strength(push), made.regions) for name, push in pushes.items()}
    rows = tuple((name, *(_percent(share) for share in each.values())) for name, each in shares.items())
    return Panel(
        "Which pixels are pushed",
        "An answer with four mistakes: the object on the left ends 4 px too early; the line is overlooked "
        f"(probability {MISSED:g}); the gap between the two objects, 3 px wide, is closed; the small square "
        "of a rare class is overlooked. Red pixels are pushed away from the background, blue ones towards "
        "it, each picture on its own scale (square roots, so that weak pushes show). The table says where "
        "the push goes. Border weighs the gap more than anything else; Dice, Tversky and Lovász lift the "
        "rare class; focal leaves what is nearly right alone.",
        image=grid(tiles, captions=captions, columns=4, gap=10),
        table=Table(columns, rows),
        data={"shares": shares},
    )


def _shares(moved: NDArray[np.float32], regions: dict[str, NDArray[np.bool_]]) -> dict[str, float]:
    """Return how much of the push lies in each region."""
    total = float(moved.sum()) or 1.0
    return {name: float(moved[where].sum()) / total for name, where in regions.items()}


def _on_picture(subject: Subject, logits: Tensor) -> Panel:
    """Return the panel of the push of every loss on the network's own answer."""
    assert subject.mask is not None  # asked by the caller
    size = (int(logits.shape[2]), int(logits.shape[3]))
    ids = in_input(subject.mask.ids, placement_of(subject), size)
    truth = torch.from_numpy(ids.astype(np.int64))[None].to(logits.device)
    picture = fit(as_rgb(subject.pixels()), _TILE_PX)
    shape = (picture.shape[0], picture.shape[1])
    names = [subject.class_name(index) for index in range(logits.shape[1])]
    tiles = [masked(picture, ids, names), masked(picture, _found(logits), names)]
    captions = ["truth", "the network's answer"]
    known = ids != VOID
    border = near(borders(ids), NEAR_PX) & known
    wrong = (_found(logits) != ids) & known
    regions = {
        "near a border": border,
        "wrong elsewhere": wrong & ~border,
        "right elsewhere": known & ~wrong & ~border,
    }
    shares: dict[str, dict[str, float]] = {}
    for name in LOSSES:
        moved = strength(push_of(logits, truth, name))
        shares[name] = _shares(moved, regions)
        high = float(np.quantile(moved, 0.999)) or 1.0
        tiles.append(overlay(picture, np.clip(smooth(np.sqrt(np.clip(moved / high, 0, 1)), shape), 0, 1)))
        captions.append(f"{name}: {_percent(shares[name]['near a border'])} near borders")
    rows = [(name, *(_percent(share) for share in each.values())) for name, each in shares.items()]
    rows.append(("(pixels)", *(_percent(float(w.sum() / max(1, known.sum()))) for w in regions.values())))
    return Panel(
        "On this picture",
        "What each loss would push in the network's answer to this picture: bright pixels the most, each "
        "picture on its own scale. 'Near a border' is within 2 px of the input. The last row of the table "
        "says how many pixels there are of each kind, to compare with.",
        image=grid(tiles, captions=captions, columns=4, gap=10),
        table=Table(("loss", *regions), tuple(rows)),
        data={"shares": shares},
    )


def _found(logits: Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = logits[0].argmax(dim=0).cpu().numpy().astype(np.uint8)
    return found


def _signed(values: NDArray[np.float32]) -> Image:
    """Return numbers in colour, square roots of them: red above zero, blue below."""
    high = float(np.quantile(np.abs(values), 0.999)) or 1.0
    unit = np.clip(values / high, -1, 1)
    return colour(np.sign(unit) * np.sqrt(np.abs(unit)), palette="signed", high=1.0)


def _curves(by_name: dict[str, NDArray[Any]], x: Sequence[float], *, title: str, x_label: str) -> str:
    """Return the drawing of one curve a loss, each divided by its own largest magnitude."""
    curves = [
        Curve(name, x, (values / (np.abs(values).max() or 1.0)).tolist(), STROKES[name], name == "border")
        for name, values in by_name.items()
    ]
    return lines_svg(curves, title=title, x_label=x_label, y_label="share of its largest")


def _rounded(values: NDArray[np.floating]) -> list[float]:
    return [round(float(each), 6) for each in values]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
