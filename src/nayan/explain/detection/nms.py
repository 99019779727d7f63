"""Non-maximum suppression: what it takes, what it leaves, and which box gave way to which.

Source: the greedy rule is that of Dalal and Triggs (2005) and Felzenszwalb et al. (2010).
"""

# P pairs (candidate, class) that score enough, the best first

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.story import Panel, Story, Table
from nayan.core.svg import BAD, GOOD, SERIES
from nayan.explain.detection.candidates import DRAWN, suppressed_picture
from nayan.explain.detection.easel import FOUND, TILE, Easel, easel_for, names_of, scale_below, shades
from nayan.explain.detection.look import Look, look_at
from nayan.explain.detection.suppression import Limit, Pairs, found_of, iou_of, limit_of, pairs_of
from nayan.explain.paint import row
from nayan.explain.plot import Curve, counts_svg
from nayan.explain.subject import Subject
from nayan.tasks.detection.draw import colour_of

SWEPT = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""IoU thresholds that are compared."""

LISTED = 20
"""Suppressed boxes in the table, the surest."""


def explain_nms(subject: Subject, *, conf: float | None = None, iou: float | None = None) -> Story:
    """Show what suppression takes away, which box each gave way to, and what other thresholds would leave.

    Args:
        subject: needs a detector and a picture.
        conf: least score; by default what was fitted on validation, else 0.25.
        iou: two boxes of a class that overlap more are one object; by default the model's.

    Raises:
        ConfigError: if it is no detector, or a threshold is not in [0, 1].
    """
    look = look_at(subject)
    limit, same = limit_of(look, subject.decode_args, conf), iou_of(subject.decode_args, iou)
    agnostic = bool(subject.decode_args.get("agnostic", False))
    pairs = pairs_of(look, limit.least, iou=same, agnostic=agnostic)
    names = names_of(subject, look.scores.shape[1])
    panels = [
        _before_and_after(pairs, easel_for(subject, side=TILE), limit, same, names),
        _who(pairs, easel_for(subject), same, names),
    ]
    if pairs.suppressed.any():
        panels.append(_busiest(pairs, easel_for(subject, side=1280), names))
    panels.append(_sweep(look, limit, same, agnostic=agnostic))
    return Story("Non-maximum suppression", panels)


def _before_and_after(pairs: Pairs, easel: Easel, limit: Limit, iou: float, names: list[str]) -> Panel:
    shown = np.arange(min(len(pairs), DRAWN))[::-1]
    colours = [colour_of(int(label)) for label in pairs.labels[shown]]
    before = easel.dimmed().outlined(pairs.xyxy[shown], colours, width=1.2, alpha=0.9).image
    kept = pairs.as_boxes(pairs.kept)
    return Panel(
        "Before and after",
        f"{len(pairs):,} boxes {limit.told}. Suppression goes through them from the surest to the least "
        f"sure, keeps a box, and drops every later one of its class that overlaps it by an IoU of more than "
        f"{iou:g}. {len(kept):,} are left, {int(pairs.suppressed.sum()):,} are suppressed.",
        image=row(
            [before, easel.named(kept, names)],
            captions=[f"before: {len(pairs):,}", f"after: {len(kept):,}"],
        ),
        data={
            "before": len(pairs),
            "after": len(kept),
            "suppressed": int(pairs.suppressed.sum()),
            "iou": iou,
        },
    )


def _who(pairs: Pairs, easel: Easel, iou: float, names: list[str]) -> Panel:
    gone = np.flatnonzero(pairs.suppressed)
    if not len(gone):
        return Panel(
            "The suppressed",
            f"No two boxes of a class overlap by more than {iou:g}, so nothing is suppressed.",
            image=easel.named(pairs.as_boxes(pairs.kept), names),
            data={"suppressed": []},
        )
    rows = tuple(
        (
            int(each) + 1,
            names[int(pairs.labels[each])],
            round(float(pairs.scores[each]), 3),
            f"rank {pairs.by[each] + 1}, which scores {pairs.scores[pairs.by[each]]:.3f}",
            round(float(pairs.overlap[each]), 3),
        )
        for each in gone[:LISTED]
    )
    most = f"; the table has the {LISTED} surest of them" if len(gone) > LISTED else ""
    return Panel(
        "The suppressed",
        f"Red: the {len(gone):,} suppressed{most}. Green: what is kept. Each gave way to the surest kept box "
        f"of its class that it overlaps by more than {iou:g}. One that overlaps by little more may have been "
        "an object of its own, half hidden by the other: that is the price of the rule.",
        image=suppressed_picture(pairs, easel),
        table=Table(("rank", "class", "score", "gave way to", "IoU"), rows),
        data={
            "suppressed": [
                {
                    "rank": int(each) + 1,
                    "label": names[int(pairs.labels[each])],
                    "score": round(float(pairs.scores[each]), 4),
                    "by": int(pairs.by[each]) + 1,
                    "iou": round(float(pairs.overlap[each]), 4),
                }
                for each in gone
            ]
        },
    )


def _busiest(pairs: Pairs, easel: Easel, names: list[str]) -> Panel:
    """Return the panel of the kept box that most others gave way to."""
    winner = int(np.bincount(pairs.by[pairs.suppressed], minlength=len(pairs)).argmax())
    members = np.flatnonzero(pairs.by == winner)
    near = easel.cut(_hull(pairs.xyxy[[winner, *members]]), margin=0.15)
    painted = near.dimmed(0.45).outlined(
        pairs.xyxy[members[::-1]], shades(pairs.overlap[members[::-1]]), width=1.4
    )
    painted = painted.outlined(pairs.xyxy[[winner]], [FOUND], width=3)
    lowest, highest = pairs.overlap[members].min(), pairs.overlap[members].max()
    name = names[int(pairs.labels[winner])]
    told = "Another box gave" if len(members) == 1 else f"{len(members)} other boxes gave"
    return Panel(
        "The busiest place",
        f"{told} way to this {name} of {pairs.scores[winner]:.3f} (green), which they overlap by "
        f"{lowest:.2f} to {highest:.2f}; the brighter a box, the more. Their scores run from "
        f"{pairs.scores[members].min():.3f} to {pairs.scores[members].max():.3f}.",
        image=scale_below(painted.image, ["0", "0.5", "1"], title="IoU with the one kept"),
        data={"winner": winner + 1, "members": (members + 1).tolist()},
    )


def _hull(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))


def _sweep(look: Look, limit: Limit, iou: float, *, agnostic: bool) -> Panel:
    rows = []
    for each in SWEPT:
        kept = pairs_of(look, limit.least, iou=each, agnostic=agnostic)
        line: tuple[float | int, ...] = (each, int(kept.kept.sum()), int(kept.suppressed.sum()))
        if look.truth is not None:
            line += found_of(kept.as_boxes(kept.kept), look.truth)
        rows.append(line)
    columns: tuple[str, ...] = ("IoU", "kept", "suppressed")
    curves = [Curve("kept", SWEPT, [line[1] for line in rows], GOOD)]
    told = "A higher threshold drops less: more neighbours survive, and more objects are found twice."
    if look.truth is not None:
        columns += ("objects found", "found again")
        curves.append(Curve("objects found", SWEPT, [line[3] for line in rows], SERIES[2]))
        curves.append(Curve("found again", SWEPT, [line[4] for line in rows], BAD))
        told += (
            f" Of the {len(look.truth)} objects of the picture, those that stand close together may only be "
            "found with a high one."
        )
    return Panel(
        "Other IoU thresholds",
        told,
        svg=counts_svg(
            curves, title="What an IoU threshold leaves", x_label="IoU", mark=iou, marked="in use"
        ),
        table=Table(columns, tuple(rows)),
        data={"sweep": [dict(zip(columns, line, strict=True)) for line in rows]},
    )
