"""Who learns what in a picture: which candidates have to find which object, level by level.

The answer is that of the detector's own `assign`, by which its losses are made. What learns depends, in some
families, on what the network says now, so that it changes in the course of training.
"""

# N candidates, n of one level, M objects, P proposals

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.types import Boxes, Image
from nayan.explain.detection.easel import QUIET, Easel, easel_for, names_of
from nayan.explain.detection.levels import Level, read_levels
from nayan.explain.detection.look import Look, as_array, look_at
from nayan.explain.paint import Colour
from nayan.explain.subject import Subject
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.tasks.detection.draw import colour_of
from nayan.tasks.detection.network import TwoStage

_FAINTEST = 0.25
"""How strongly a cell is filled that learns with a weight of almost nothing."""

_OUTLINED = 60
"""Candidates of a level whose shapes are drawn at most; more is a tangle."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The candidates of one level, or the proposals of a second stage.

    Attributes:
        name: such as "stride 16".
        noun: what a candidate is called, in the plural.
        boxes: (n, 4) where each looks from: an anchor, a window, a proposal; of a point, its cell.
        cells: (n, 4) the cell of each; None for what lies on no grid.
        matched: (n,) the number of the object, -1 for background, -2 for ignored.
        weight: (n,) in [0, 1].
    """

    name: str
    noun: str
    boxes: NDArray[np.float32]
    cells: NDArray[np.float32] | None
    matched: NDArray[np.int64]
    weight: NDArray[np.float32]

    def learners(self, item: int) -> NDArray[np.int64]:
        """Return the numbers of the candidates of an object, the heaviest first."""
        rows = np.flatnonzero(self.matched == item)
        return rows[np.argsort(-self.weight[rows], kind="stable")]


def explain_assignment(subject: Subject) -> Story:
    """Show for each true object of the picture which candidates learn it, and what the others learn.

    Args:
        subject: needs a detector, a picture and its true objects.

    Raises:
        ConfigError: if one of them is missing.
    """
    look = look_at(subject)
    targets = look.targets()
    truth = look.truth or Boxes.none()
    assignment = look.detector.assign(look.raw, targets)
    groups = _groups(look, assignment)
    if isinstance(look.detector, TwoStage):
        groups.append(_proposals(look, look.detector.assign_proposals(look.raw, targets)))
    names = names_of(subject, look.scores.shape[1])
    titles = [f"{row + 1} {names[int(label)]}" for row, label in enumerate(truth.labels)]
    easel = easel_for(subject)
    panels = [_overview(groups, truth, easel, titles)]
    panels += [_panel(group, truth, easel) for group in groups]
    return Story("Who learns what", panels)


def _groups(look: Look, assignment: Assignment) -> list[Group]:
    """Return the candidates of the first stage, level by level where they lie on a grid."""
    matched, weight = as_array(assignment.matched[0]), as_array(assignment.weight[0])
    family = type(look.detector).__name__
    try:
        levels = read_levels(look.raw, family=family)
    except ConfigError:
        return [_off_grid(look, matched, weight)]
    return [_on_grid(level, matched[level.rows()], weight[level.rows()]) for level in levels]


def _on_grid(level: Level, matched: NDArray[np.int64], weight: NDArray[np.float32]) -> Group:
    cells = np.repeat(level.cells(), len(level.shapes), axis=0)
    boxes = level.boxes()
    has_shape = (boxes[:, 2:] > boxes[:, :2]).all(axis=1, keepdims=True)
    noun = {"anchor": "anchors", "window": "windows", "point": "points", "box": "boxes"}[level.kind]
    return Group(level.name, noun, np.where(has_shape, boxes, cells), cells, matched, weight)


def _off_grid(look: Look, matched: NDArray[np.int64], weight: NDArray[np.float32]) -> Group:
    """Return the group of a network that looks at proposals, or at the picture as a whole."""
    if hasattr(look.raw, "present"):
        return Group("proposals", "proposals", as_array(look.raw.boxes[0]), None, matched, weight)
    height, width = look.raw.size
    whole = np.tile(np.array([[0, 0, width, height]], np.float32), (len(matched), 1))
    return Group("the whole picture", "answers", whole, None, matched, weight)


def _proposals(look: Look, assignment: Assignment) -> Group:
    """Return the group of the second stage."""
    raw = look.raw
    boxes = as_array((raw.regions.boxes if hasattr(raw, "proposals") else raw.regions)[0])
    matched, weight = as_array(assignment.matched[0]), as_array(assignment.weight[0])
    return Group("second stage", "proposals", boxes, None, matched, weight)


def _overview(groups: Sequence[Group], truth: Boxes, easel: Easel, titles: Sequence[str]) -> Panel:
    counts = np.array([[len(group.learners(row)) for group in groups] for row in range(len(truth))])
    counts = counts.reshape(len(truth), len(groups))
    rows = tuple(
        (
            title,
            f"{box[2] - box[0]:.0f}x{box[3] - box[1]:.0f}",
            *counts[row].tolist(),
            round(max(float(group.weight[group.matched == row].max(initial=0)) for group in groups), 3),
        )
        for row, (title, box) in enumerate(zip(titles, truth.xyxy, strict=True))
    )
    nobody = [titles[row] for row in np.flatnonzero(~counts.any(axis=1)).tolist()]
    told = (
        f" Nobody learns {', '.join(nobody)}: no candidate is its own."
        if nobody
        else " Every object is learnt by somebody."
    )
    if not len(truth):
        told = " The picture is known to show none of the classes, so that all of it is background."
    if any(group.noun == "proposals" for group in groups):
        told += (
            " While it learns, the detector takes the true boxes themselves as further proposals, and draws "
            "a few of all of them at each step."
        )
    totals = ", ".join(
        f"{int((group.matched >= 0).sum()):,} of {len(group.matched):,} ({group.name})" for group in groups
    )
    return Panel(
        "The objects and who learns them",
        f"{len(truth)} objects. Candidates that learn one: {totals}.{told} Sizes are in pixels of the "
        "network's input; the weight says how good a candidate is for its object, as the family judges it.",
        image=easel.named(_numbered(truth), titles),
        table=Table(("object", "size", *(group.name for group in groups), "largest weight"), rows),
        data={
            "objects": len(truth),
            "nobody": nobody,
            "learners": counts.tolist(),
            "groups": [_facts(group) for group in groups],
        },
    )


def _facts(group: Group) -> dict[str, object]:
    return {
        "name": group.name,
        "candidates": len(group.matched),
        "learn": int((group.matched >= 0).sum()),
        "background": int((group.matched == BACKGROUND).sum()),
        "ignored": int((group.matched == IGNORED).sum()),
    }


def _numbered(truth: Boxes) -> Boxes:
    """Return the objects with their numbers in place of classes, so that each has a colour of its own."""
    return Boxes(truth.xyxy, np.arange(len(truth)))


def _panel(group: Group, truth: Boxes, easel: Easel) -> Panel:
    facts = _facts(group)
    learn = int((group.matched >= 0).sum())
    objects = len(np.unique(group.matched[group.matched >= 0]))
    objects_told = f"{objects} object" + "s" * (objects != 1)
    ignored = f", {facts['ignored']:,} are ignored and learn nothing" if facts["ignored"] else ""
    seen = (
        "A filled cell holds candidates that learn, in the colour of their object, the stronger the heavier"
        if group.cells is not None
        else "Boxes are the candidates that learn, in the colour of their object"
    )
    return Panel(
        f"Who learns: {group.name}",
        f"{learn:,} of {len(group.matched):,} {group.noun} learn {objects_told}, {facts['background']:,} "
        f"learn that there is nothing{ignored}. {seen}; gray is ignored. Numbers are those of the objects.",
        image=_painted(group, truth, easel),
        data=facts,
    )


def _painted(group: Group, truth: Boxes, easel: Easel) -> Image:
    learn = np.flatnonzero(group.matched >= 0)
    learn = learn[np.argsort(group.weight[learn], kind="stable")]  # the heaviest on top
    colours = [colour_of(int(item)) for item in group.matched[learn]]
    painted = easel.dimmed(0.5)
    if group.cells is not None:
        ignored = np.unique(group.cells[group.matched == IGNORED], axis=0)
        painted = painted.filled(ignored, [QUIET] * len(ignored), alphas=[0.3] * len(ignored))
        painted = _fill_cells(painted, group, learn, colours)
    else:
        ignored = group.boxes[group.matched == IGNORED]
        painted = painted.outlined(ignored, [QUIET] * len(ignored), alpha=0.5)
    shaped = group.cells is None or not np.array_equal(group.boxes, group.cells)
    if shaped:
        best = slice(max(0, len(learn) - _OUTLINED), None)
        painted = painted.outlined(group.boxes[learn[best]], colours[best], width=1.4, alpha=0.9)
    learnt = np.unique(group.matched[learn])
    numbers = [str(row + 1) for row in range(len(truth))]  # names would cover small objects
    return painted.named(_numbered(truth).select(learnt), numbers)


def _fill_cells(easel: Easel, group: Group, learn: NDArray[np.int64], colours: Sequence[Colour]) -> Easel:
    """Fill the cell of each candidate that learns, and put a dot where it looks from."""
    assert group.cells is not None
    alphas = [_FAINTEST + (0.9 - _FAINTEST) * float(weight) for weight in group.weight[learn]]
    painted = easel.filled(group.cells[learn], colours, alphas=alphas)
    middles = (group.cells[learn, :2] + group.cells[learn, 2:]) / 2
    return painted.dotted(middles, colours, radius=2.2)
