"""Why a detector falls short: each mistake gets one name, and each name the AP50 that its cure would win.

A wrong detection is judged by how far it overlaps objects of its own class (same) and of others (other);
the first that holds is its kind:

    class       other >= 0.5                something is there, but it is called by another name
    place       same between 0.1 and 0.5    right name, but the box lies badly
    duplicate   same >= 0.5                 the object was found already, with a higher score
    both        other between 0.1 and 0.5   wrong name and wrong place
    background  all below 0.1               nothing is there
    missed                                  an object that no detection found, nor almost: neither
                                            a class nor a place mistake is about it

A cure changes all mistakes of one kind and nothing else: names and places are set right (and of several
detections of an object the one with the highest score stays), the other kinds of detections are left out,
missed objects are not asked for. The gains do not add up, since one cure often makes room for another.

Source: Bolya, Foley, Hays and Hoffman (2020), TIDE: a general toolbox for identifying object detection
errors, arXiv:2008.08115, sections 2.2 and 2.3.
"""

# D predictions, G objects, C classes

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nayan.tasks.detection.coco_scores import precision_at_recalls
from nayan.tasks.detection.matching import NOTHING, Bools, Floats, Ints, Judged, overlaps

KINDS = ("class", "place", "duplicate", "both", "background", "missed")
MISSED = KINDS.index("missed")
NEAR = 0.1
"""Overlap below which a detection has nothing to do with an object."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """The kind of every mistake.

    Attributes:
        judged: the detections and objects.
        kind: (D,) the number in `KINDS` of each wrong detection; -1 for the others.
        meant: (D,) the row of the object that it is about; -1 where it is about none.
        missed: (G,) objects that neither a detection nor a mistake of class or place is about.
    """

    judged: Judged
    kind: Ints
    meant: Ints
    missed: Bools

    def counts(self) -> dict[str, int]:
        """Return how many mistakes there are of each kind."""
        found = np.bincount(self.kind[self.kind >= 0], minlength=len(KINDS))
        found[MISSED] = self.missed.sum()
        return {name: int(count) for name, count in zip(KINDS, found, strict=True)}


def dissect(judged: Judged, *, iou: float = 0.5) -> Anatomy:
    """Name the mistakes of detections that were judged at an IoU; crowds are about nothing."""
    found, truths = judged.found, judged.truths
    own, other = _best(judged, same=True), _best(judged, same=False)
    conditions = (
        (other[0] >= iou, other[1]),
        ((own[0] >= NEAR) & (own[0] < iou), own[1]),
        (own[0] >= iou, own[1]),
        (other[0] >= NEAR, other[1]),
        (np.ones(len(found), np.bool_), np.full(len(found), NOTHING)),
    )
    kind, meant = np.full(len(found), -1), np.full(len(found), NOTHING)
    for number, (holds, row) in enumerate(conditions):
        chosen = judged.wrong & holds & (kind < 0)
        kind[chosen], meant[chosen] = number, row[chosen]
    missed = ~truths.crowd
    missed[judged.matched[judged.right]] = False
    missed[meant[(kind == KINDS.index("class")) | (kind == KINDS.index("place"))]] = False
    return Anatomy(judged, kind, meant, missed)


def gains(anatomy: Anatomy) -> dict[str, float]:
    """Return for each kind the AP50 (mean of the classes that occur) that its cure would add; may be 0."""
    judged = anatomy.judged
    labels, right, wrong = judged.found.labels, judged.right, judged.wrong
    before = _ap(judged, labels=labels, right=right, wrong=wrong, counted=judged.counted)
    won = {}
    for number, name in enumerate(KINDS):
        sick, counted = anatomy.kind == number, judged.counted
        cured_labels, cured_right, cured_wrong = labels, right, wrong & ~sick
        if name in ("class", "place"):
            cured_labels = np.where(sick, np.append(judged.truths.labels, 0)[anatomy.meant], labels)
            cured_right = _first(anatomy, right | sick)
        elif name == "missed":
            counted = counted - np.bincount(
                judged.truths.labels[anatomy.missed], minlength=judged.num_classes
            )
        after = _ap(judged, labels=cured_labels, right=cured_right, wrong=cured_wrong, counted=counted)
        won[name] = max(0.0, after - before)
    return won


def _best(judged: Judged, *, same: bool) -> tuple[Floats, Ints]:
    """Return (D,) the largest overlap with an object of the same class, or of any other, and its row."""
    found, truths = judged.found, judged.truths
    pairs = overlaps(found, truths, groups=(found.picture, truths.picture), at_least=NEAR)
    kept = (found.labels[pairs.found] == truths.labels[pairs.truth]) == same
    kept &= ~truths.crowd[pairs.truth]
    order = np.flatnonzero(kept)[np.argsort(pairs.iou[kept], kind="stable")]
    iou, row = np.zeros(len(found)), np.full(len(found), NOTHING)
    iou[pairs.found[order]], row[pairs.found[order]] = pairs.iou[order], pairs.truth[order]  # the last wins
    return iou, row


def _first(anatomy: Anatomy, chosen: Bools) -> Bools:
    """Return which of the chosen detections has the highest score of those about the same object."""
    judged = anatomy.judged
    about = np.where(judged.right, judged.matched, anatomy.meant)
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(-judged.found.scores[rows], kind="stable")]
    _, first = np.unique(about[rows], return_index=True)
    kept = np.zeros(len(chosen), np.bool_)
    kept[rows[first]] = True
    return kept


def _ap(judged: Judged, *, labels: Ints, right: Bools, wrong: Bools, counted: Ints) -> float:
    order = np.lexsort((-judged.found.scores, labels))
    borders = np.searchsorted(labels[order], np.arange(judged.num_classes + 1))
    found = [
        float(precision_at_recalls(right[None, rows], wrong[None, rows], total=int(counted[label])).mean())
        for label in np.flatnonzero(counted > 0)
        for rows in [order[borders[label] : borders[label + 1]]]
    ]
    return float(np.mean(found)) if found else 0.0
