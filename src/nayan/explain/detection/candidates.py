"""From candidates to detections in four steps: candidates, scored, kept, suppressed; with their counts."""

# N candidates, C classes, P pairs (candidate, class) that score enough

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.story import Panel, Story, Table
from nayan.core.svg import BAD, GOOD, SERIES
from nayan.core.types import Boxes, Image
from nayan.explain.detection.easel import FOUND, LOST, Easel, easel_for, names_of, scale_below, shades
from nayan.explain.detection.look import Look, look_at
from nayan.explain.detection.suppression import Limit, Pairs, found_of, iou_of, limit_of, pairs_of
from nayan.explain.plot import Curve, counts_svg, funnel_svg
from nayan.explain.subject import Subject
from nayan.tasks.detection.draw import colour_of

SWEPT = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Score thresholds that are compared."""

DARKEST = 0.001
"""Score that gets the first colour of the scale, which is logarithmic."""

DRAWN = 3000
"""Boxes of one picture at most; more is only a blot."""


def explain_candidates(subject: Subject, *, conf: float | None = None, iou: float | None = None) -> Story:
    """Tell how many candidates there are, how many score enough, and how many stay.

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
    names, easel = names_of(subject, look.scores.shape[1]), easel_for(subject)
    panels = [
        _counts(look, pairs, limit, same),
        _everything(look, easel),
        _scored(pairs, easel, limit, names),
        _kept(pairs, easel, names, look),
        _suppressed(pairs, easel, same),
        _sweep(look, same, limit, agnostic=agnostic),
    ]
    return Story("From candidates to detections", panels)


def _counts(look: Look, pairs: Pairs, limit: Limit, iou: float) -> Panel:
    count, classes = look.scores.shape
    kept, suppressed, lost = int(pairs.kept.sum()), int(pairs.suppressed.sum()), int(pairs.left_out.sum())
    steps = [
        ("candidates", count * classes, f"{count:,} boxes, each scored for {classes} classes"),
        ("scored", len(pairs), limit.told),
        ("kept", kept, "the best of each place"),
        ("suppressed", suppressed, f"overlap a better one by more than {iou:g}"),
    ]
    also = (
        f" {lost} more are neither: outside of the picture, or beyond the greatest number of objects."
        if lost
        else ""
    )
    return Panel(
        "In numbers",
        f"The network answers {count:,} times, wherever it looks, and each answer is a box with a score for "
        f"each of {classes} classes. {len(pairs):,} pairs of box and class {limit.told}. Of those of a class "
        f"that overlap by more than {iou:g} only the best is kept: {kept:,} detections are left, "
        f"{suppressed:,} are suppressed.{also}",
        svg=funnel_svg(steps, title="What is left"),
        table=Table(("step", "count", "what"), tuple(steps)),
        data={
            "candidates": count,
            "classes": classes,
            "scored": len(pairs),
            "kept": kept,
            "suppressed": suppressed,
            "left_out": lost,
            "conf": [round(float(each), 4) for each in look_least(limit)],
            "iou": iou,
        },
    )


def look_least(limit: Limit) -> NDArray[np.float32]:
    """Return the least scores, one where all are equal."""
    return limit.least[:1] if np.ptp(limit.least) == 0 else limit.least


def _everything(look: Look, easel: Easel) -> Panel:
    best = look.scores.max(axis=1, initial=0)
    rows = np.arange(len(best))
    boxes = look.boxes if look.boxes.ndim == 2 else look.boxes[rows, look.scores.argmax(axis=1)]
    order = np.argsort(best, kind="stable")  # the surest on top
    centres = (boxes[order, :2] + boxes[order, 2:]) / 2
    radius = float(np.clip(60 / np.sqrt(max(1, len(order))), 1.2, 4.0))
    unit = 1 + np.log10(np.maximum(best[order], DARKEST)) / 3
    painted = easel.dimmed().dotted(centres, shades(unit), radius=radius)
    return Panel(
        "Candidates",
        f"Every dot is the middle of one of the {len(best):,} boxes that the network names: the brighter, "
        f"the surer it is of its best class, on a logarithmic scale. The surest says "
        f"{best.max(initial=0):.3f}, half of them at most {np.median(best) if len(best) else 0:.2g}.",
        image=scale_below(painted.image, ["0.001", "0.01", "0.1", "1"], title="best score of a candidate"),
        data={"best": round(float(best.max(initial=0)), 4)},
    )


def _scored(pairs: Pairs, easel: Easel, limit: Limit, names: list[str]) -> Panel:
    shown = np.arange(min(len(pairs), DRAWN))[::-1]  # the surest on top
    colours = [colour_of(int(label)) for label in pairs.labels[shown]]
    painted = easel.dimmed().outlined(pairs.xyxy[shown], colours, width=1.2, alpha=0.9)
    each = np.bincount(pairs.labels, minlength=len(names))
    counted = ", ".join(
        f"{names[row]} {each[row]:,}" for row in np.argsort(-each, kind="stable")[:5] if each[row]
    )
    more = f" Drawn are the best {DRAWN:,}." if len(pairs) > DRAWN else ""
    return Panel(
        "Scored",
        f"The {len(pairs):,} pairs of box and class that {limit.told}, each in the colour of its class"
        f"{': ' + counted if counted else ''}. An object is found many times over, since neighbouring "
        f"candidates see the same.{more}",
        image=painted.image,
        data={"scored": {names[row]: int(each[row]) for row in np.flatnonzero(each)}},
    )


def _kept(pairs: Pairs, easel: Easel, names: list[str], look: Look) -> Panel:
    kept = pairs.as_boxes(pairs.kept)
    compared = ""
    if look.truth is not None:
        found, again = found_of(kept, look.truth)
        compared = (
            f" The picture really has {len(look.truth)} objects: {found} of them are found with an IoU of "
            f"0.5 or more, {again} times one is found again, and {len(kept) - found - again} detections are "
            "about none."
        )
    return Panel(
        "Kept",
        f"{len(kept):,} detections: of every place the surest.{compared}",
        image=easel.named(kept, names),
        data={"detections": _rows(kept, names)},
    )


def _rows(boxes: Boxes, names: list[str]) -> list[dict[str, object]]:
    scores = np.zeros(0) if boxes.scores is None else boxes.scores
    return [
        {"label": names[int(label)], "score": round(float(score), 4)}
        for label, score in zip(boxes.labels, scores, strict=True)
    ]


def _suppressed(pairs: Pairs, easel: Easel, iou: float) -> Panel:
    return Panel(
        "Suppressed",
        f"Red: {int(pairs.suppressed.sum()):,} boxes that overlap a better one of their class (green) by "
        f"more than {iou:g}. --what nms shows which of them gave way to which.",
        image=suppressed_picture(pairs, easel),
    )


def suppressed_picture(pairs: Pairs, easel: Easel) -> Image:
    """Return what was suppressed in red, and over it what was kept in green."""
    gone = np.flatnonzero(pairs.suppressed)[:DRAWN][::-1]
    alpha = float(np.clip(12 / np.sqrt(max(1, len(gone))), 0.25, 0.9))
    painted = easel.dimmed().outlined(pairs.xyxy[gone], [LOST] * len(gone), width=1, alpha=alpha)
    kept = pairs.xyxy[pairs.kept]
    return painted.outlined(kept, [FOUND] * len(kept), width=2).image


def _sweep(look: Look, iou: float, limit: Limit, *, agnostic: bool) -> Panel:
    rows = []
    for conf in SWEPT:
        least = np.full(look.scores.shape[1], conf, np.float32)
        pairs = pairs_of(look, least, iou=iou, agnostic=agnostic)
        row: tuple[float | int, ...] = (conf, len(pairs), int(pairs.kept.sum()))
        if look.truth is not None:
            found, again = found_of(pairs.as_boxes(pairs.kept), look.truth)
            row += (found, again, row[2] - found - again)
        rows.append(row)
    columns: tuple[str, ...] = ("least score", "scored", "kept")
    curves = [Curve("kept after suppression", SWEPT, [row[2] for row in rows], GOOD)]
    told = "A higher threshold leaves fewer detections."
    if look.truth is not None:
        columns += ("objects found", "found again", "about nothing")
        curves.append(Curve("objects found", SWEPT, [row[3] for row in rows], SERIES[2]))
        curves.append(Curve("found again, or about nothing", SWEPT, [row[4] + row[5] for row in rows], BAD))
        told += (
            f" Of the {len(look.truth)} objects of the picture it then finds fewer, but says less that is "
            "wrong: the threshold that suits is where what is won is still worth what is lost."
        )
    mark = float(limit.least[0]) if np.ptp(limit.least) == 0 else None
    return Panel(
        "Other score thresholds",
        f"{told} Overlaps of more than {iou:g} are suppressed each time.",
        svg=counts_svg(
            curves, title="What a score threshold leaves", x_label="least score", mark=mark, marked="in use"
        ),
        table=Table(columns, tuple(rows)),
        data={"sweep": [dict(zip(columns, row, strict=True)) for row in rows]},
    )
