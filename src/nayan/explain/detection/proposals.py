"""Where objects may be: what selective search or a region proposal network names, and what is chosen."""

# K boxes before choosing, P proposals after it, M objects

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.svg import GOOD, SERIES
from nayan.core.types import Boxes
from nayan.explain.detection.easel import (
    FOUND,
    LOST,
    TILE,
    Easel,
    easel_for,
    scale_below,
    shades,
    truth_in_input,
)
from nayan.explain.paint import row
from nayan.explain.plot import Curve, counts_svg
from nayan.explain.subject import Subject
from nayan.runtime.proposals import SAME_IOU, Mode, regions_of, without_repeats

DRAWN = 2000
"""Boxes of one picture at most; more is only a blot."""

ENOUGH = 0.5
"""IoU from which on an object counts as proposed."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """What was proposed for a picture.

    Attributes:
        before: (K, 4) xyxy in pixels of the network's input, the best first.
        after: (P, 4) what was chosen of them, the best first.
        told: how they are found.
        chosen: how they are chosen.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    told: str
    chosen: str


def explain_proposals(
    subject: Subject, *, count: int | None = None, mode: Mode = "fast", top: int = 30
) -> Story:
    """Show what is proposed before and after choosing, and which objects it would find.

    Args:
        subject: needs a picture. A detector with a region proposal network, or one that takes proposals;
            without any detector selective search is shown. Its objects where they are known.
        count: how many selective search proposes; by default as many as the detector takes, or 300.
        mode: of selective search: "single", "fast" or "quality".
        top: the best so many are drawn thick.

    Raises:
        ConfigError: if the detector makes no proposals, or a number is below 1.
    """
    if top < 1:
        raise ConfigError(f"top = {top}: at least one proposal is shown")
    found = _of_network(subject) if _has_stages(subject) else _of_search(subject, count=count, mode=mode)
    easel = easel_for(subject, side=TILE)
    panels = [_before_and_after(found, easel), _best(found, easel_for(subject), top)]
    truth = truth_in_input(subject)
    if truth is not None:
        panels.append(_recall(found, truth, easel_for(subject)))
    return Story("Proposals", panels)


def _has_stages(subject: Subject) -> bool:
    """Say whether the network proposes by itself.

    Raises:
        ConfigError: if it neither proposes nor takes proposals.
    """
    if subject.network is None or "proposals" in subject.inputs:
        return False
    from nayan.tasks.detection.network import TwoStage

    if not isinstance(subject.network, TwoStage):
        raise ConfigError(
            f"{type(subject.network).__name__} works without proposals",
            hint="see what it names with --what candidates; for selective search leave the model out: "
            "nayan explain IMAGE --what proposals",
        )
    return True


def _of_network(subject: Subject) -> Proposed:
    from nayan.explain.detection.look import as_array, look_at

    look = look_at(subject)
    boxes, scores = (as_array(each[0]) for each in look.detector.proposed(look.raw))
    order = np.argsort(-scores, kind="stable")
    before = boxes[order][scores[order] > 0]
    kept = _present(look.raw)
    place = {box.tobytes(): rank for rank, box in reversed(list(enumerate(before)))}
    ranks = sorted(place[box.tobytes()] for box in kept)
    total = len(as_array(look.raw.anchors))
    return Proposed(
        before,
        before[ranks],
        told=f"The region proposal network scores and moves {total:,} anchors; of each level the best go "
        f"into the choice, {len(before):,} in all.",
        chosen="Suppression drops those that repeat a better one, and of the rest the best are taken",
    )


def _present(raw: Any) -> NDArray[np.float32]:
    """Return the (P, 4) proposals that a first stage made; padding is left out."""
    from nayan.explain.detection.look import as_array

    boxes = as_array((raw.proposals if hasattr(raw, "proposals") else raw.regions)[0])
    present: NDArray[np.float32] = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    return present


def _of_search(subject: Subject, *, count: int | None, mode: Mode) -> Proposed:
    asked = subject.inputs.get("proposals", {})
    count = asked.get("count", 300) if count is None else count
    if count < 1:
        raise ConfigError(f"count = {count}: at least one proposal is asked for")
    before = regions_of(subject.pixels(), mode=mode)
    after = without_repeats(before, count)
    return Proposed(
        before.astype(np.float32),
        after.astype(np.float32),
        told="Selective search cuts the picture into regions of one colour and joins the most similar "
        f"neighbours until one is left; every region on the way gives a box, {len(before):,} in all. It "
        "knows nothing of the classes and learns nothing.",
        chosen=f"Of boxes that overlap by more than {SAME_IOU:g} the first is taken, up to {count}",
    )


def _before_and_after(found: Proposed, easel: Easel) -> Panel:
    pictures = []
    for boxes in (found.before, found.after):
        shown = boxes[:DRAWN][::-1]
        alpha = float(np.clip(16 / np.sqrt(max(1, len(shown))), 0.25, 0.9))
        colours = shades(np.linspace(0, 1, len(shown)))
        pictures.append(easel.dimmed().outlined(shown, colours, width=1, alpha=alpha).image)
    more = f" Drawn are at most the first {DRAWN:,}." if len(found.before) > DRAWN else ""
    both = row(pictures, captions=[f"before: {len(found.before):,}", f"after: {len(found.after):,}"])
    return Panel(
        "Before and after",
        f"{found.told} {found.chosen}: {len(found.after):,} are left. The brighter, the more promising."
        f"{more}",
        image=scale_below(both, ["last", "first"], title="order of the proposals"),
        data={"before": len(found.before), "after": len(found.after)},
    )


def _best(found: Proposed, easel: Easel, top: int) -> Panel:
    shown = found.after[:top][::-1]
    painted = easel.dimmed(0.35).outlined(shown, shades(np.linspace(0.25, 1, len(shown))), width=2)
    return Panel(
        f"The best {len(shown)}",
        f"The first {len(shown)} of {len(found.after):,} proposals, in pixels of the network's input: the "
        "brighter, the more promising. They are places, not answers: what lies in them the next stage says.",
        image=painted.image,
        data={"boxes": np.round(found.after[:top], 1).tolist()},
    )


def _recall(found: Proposed, truth: Boxes, easel: Easel) -> Panel:
    best_before, best_after = _best_overlap(found.before, truth), _best_overlap(found.after, truth)
    counts = _steps(len(found.after))
    curves = [
        Curve(f"IoU of {iou:g} or more", counts, _reached(found.after, truth, counts, iou), stroke)
        for iou, stroke in ((ENOUGH, GOOD), (0.7, SERIES[2]))
    ]
    rows = tuple(
        (
            f"{iou:g}",
            f"{int((best_before >= iou).sum())} of {len(truth)}",
            f"{int((best_after >= iou).sum())} of {len(truth)}",
        )
        for iou in (0.5, 0.6, 0.7, 0.8, 0.9)
    )
    reached = best_after >= ENOUGH
    colours = [FOUND if good else LOST for good in reached]
    return Panel(
        "Are the objects among them?",
        f"{int(reached.sum())} of {len(truth)} objects (green) are overlapped by a proposal with an IoU of "
        f"{ENOUGH:g} or more, before choosing {int((best_before >= ENOUGH).sum())}. What no proposal reaches "
        "(red) cannot be found, however good the next stage is.",
        image=easel.dimmed(0.4).outlined(truth.xyxy, colours, width=2.4).image,
        svg=counts_svg(curves, title="Objects that are reached", x_label="so many proposals, the best first"),
        table=Table(("IoU", "before choosing", "after choosing"), rows),
        data={
            "objects": len(truth),
            "before": [round(float(each), 4) for each in best_before],
            "after": [round(float(each), 4) for each in best_after],
        },
    )


def _best_overlap(boxes: NDArray[np.float32], truth: Boxes) -> NDArray[np.float32]:
    """Return (M,) the IoU of each object with the box that overlaps it most."""
    overlap: NDArray[np.float32] = iou_matrix(truth.xyxy, boxes).max(axis=1, initial=0)
    return overlap


def _reached(boxes: NDArray[np.float32], truth: Boxes, counts: Sequence[float], iou: float) -> list[int]:
    """Return how many objects the first so many boxes overlap by `iou`."""
    return [int((_best_overlap(boxes[: int(count)], truth) >= iou).sum()) for count in counts]


def _steps(count: int) -> list[float]:
    """Return about a dozen numbers from 0 to `count`, rising."""
    return sorted({float(round(each)) for each in np.linspace(0, max(1, count), 13)})
