"""Checks of boxes: their size and shape, and how they lie in their picture and upon each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Boxes, Size
from nayan.data.doctor.findings import Finding, Severity, counted, listed
from nayan.data.doctor.snapshot import Picture, Snapshot

LEAST_SIDE = 3.0  # px at `imgsz`; less is not one cell of any map
HUGE = 0.95  # of the picture's area
LONG = 50.0  # longer side to shorter
SAME_IOU = 0.95
CROWDED = 100  # the COCO protocol counts only the best 100 detections of a picture
COPIED = 2  # boxes of a list from which on two pictures with the same list are no chance
COPIED_PICTURES = 5  # pictures from which on even a list of one box is none
INSIDE = 0.9  # of a box's area within another counts as inside
OFTEN = 0.8  # of a class's boxes
_LEAST_BOXES = 10  # of a class, before anything is said about most of them

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BoxRule:
    """A check that looks at the boxes of one picture at a time.

    Attributes:
        one, many: the rest of the sentences after "1 box " and "3 boxes "; `{imgsz}` stands for its number.
        bad: (boxes, size of the picture, imgsz) -> (N,) which boxes are meant.
    """

    check: str
    severity: Severity
    one: str
    many: str
    advice: str
    bad: Callable[[Boxes, Size, int], Mask]

    def __call__(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Yield one finding that names every picture with such a box, and its boxes."""
        found: dict[str, list[dict[str, object]]] = {}
        for picture, boxes, size in _annotated(snapshot):
            rows = np.flatnonzero(self.bad(boxes, size, snapshot.imgsz))
            if len(rows):
                found[picture.id] = [_described(boxes, int(row), snapshot.classes) for row in rows]
        count = sum(map(len, found.values()))
        if count:
            says = (self.one if count == 1 else self.many).format(imgsz=snapshot.imgsz)
            yield Finding(
                self.check, self.severity, f"{counted(count, 'box', 'boxes')} {says}: {_placed(found)}",
                tuple(found), count, self.advice, {"found": found},
            )  # fmt: skip


def crowded(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures with more objects than the usual score looks at."""
    found = {p.id: len(boxes) for p, boxes, _ in _annotated(snapshot) if len(boxes) > CROWDED}
    if found:
        yield Finding(
            "labels.crowded", "info",
            f"{counted(len(found), 'picture has', 'pictures have')} more than {CROWDED} objects (up to "
            f"{max(found.values()):,}): {listed(tuple(found))}",
            tuple(found), len(found),
            f"COCO's map looks at the best {CROWDED} detections of a picture only; cut such pictures into "
            "tiles (`--tile`) to learn and to count them all.",
            {"found": found},
        )  # fmt: skip


def copied(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield different pictures with exactly the same boxes: an annotation that was copied, or never moved."""
    lists: dict[bytes, list[Picture]] = {}
    for picture, boxes, _ in _annotated(snapshot):
        if len(boxes):
            lists.setdefault(boxes.xyxy.tobytes() + boxes.labels.tobytes(), []).append(picture)
    alike = {id(p): number for number, group in enumerate(snapshot.near_groups) for p in group}
    groups = []
    for pictures in lists.values():
        scenes = {alike.get(id(p), p.content) for p in pictures}  # copies of one picture count once
        first = pictures[0].boxes
        enough = COPIED_PICTURES if first is None or len(first) < COPIED else 2
        if len(scenes) >= enough:
            groups.append([p.id for p in pictures])
    if groups:
        paths = tuple(name for group in groups for name in group)
        yield Finding(
            "labels.copied", "warning",
            f"{counted(len(paths), 'picture')} that look different have exactly the boxes of another: "
            f"{listed([' = '.join(group[:3]) for group in groups])}",
            paths, len(paths),
            "Look at them with their boxes: often an annotation was copied along and never moved.",
            {"groups": groups},
        )  # fmt: skip


def nested(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pairs of classes of which one nearly always lies inside the other."""
    inside: Counter[tuple[int, int]] = Counter()
    total: Counter[int] = Counter()
    for _, boxes, _ in _annotated(snapshot):
        total.update(boxes.labels.tolist())
        share = _shared(boxes.xyxy) / np.maximum(_areas(boxes.xyxy)[:, None], 1e-9)  # (N, N) of the row's box
        within = (share >= INSIDE) & (boxes.labels[:, None] != boxes.labels[None])
        for row in np.flatnonzero(within.any(axis=1)):
            inside.update({(int(boxes.labels[row]), int(o)) for o in boxes.labels[within[row]]})
    pairs = {
        (snapshot.classes[a], snapshot.classes[b]): count / total[a]
        for (a, b), count in sorted(inside.items())
        if total[a] >= _LEAST_BOXES and count >= OFTEN * total[a]
    }
    if pairs:
        named = [f"{a!r} in {b!r} ({share:.0%})" for (a, b), share in pairs.items()]
        yield Finding(
            "labels.nested", "info",
            f"{counted(len(pairs), 'class lies', 'classes lie')} inside another most of the time: "
            f"{listed(named)}",
            count=len(pairs),
            advice="Fine for a part of a thing (a helmet on a person); if both name one thing, merge them. "
            "Do not suppress overlaps between classes (class-agnostic NMS) in such data.",
            details={"pairs": [{"inner": a, "outer": b, "share": s} for (a, b), s in pairs.items()]},
        )  # fmt: skip


def unlabelled(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures without annotations among those with boxes."""
    if not snapshot.of_boxes:
        return
    found = tuple(p.id for p in snapshot.pictures if p.boxes is None)
    if found:
        yield Finding(
            "labels.unlabelled", "warning",
            f"{counted(len(found), 'picture has', 'pictures have')} no annotations at all: {listed(found)}",
            found, len(found),
            "They are left out of training and scores. Annotate them; a picture that shows none of the "
            "classes needs an empty annotation to count as background.",
        )  # fmt: skip


def _annotated(snapshot: Snapshot) -> Iterator[tuple[Picture, Boxes, Size]]:
    """Yield the decoded pictures that have annotations, without crowds, and their sizes."""
    for picture in snapshot.pictures:
        if picture.boxes is not None and picture.look is not None:
            boxes = picture.boxes
            if boxes.crowd is not None:
                boxes = boxes.select(~boxes.crowd)
            yield picture, replace(boxes, crowd=None), picture.look.size


def _described(boxes: Boxes, row: int, classes: tuple[str, ...]) -> dict[str, object]:
    return {
        "class": classes[boxes.labels[row]],
        "box": [round(float(side), 2) for side in boxes.xyxy[row]],
    }


def _placed(found: dict[str, list[dict[str, object]]]) -> str:
    """Return pictures with the classes of their boxes, such as "a.jpg (car, 2 x bus)"."""
    names = []
    for picture, rows in found.items():
        kinds = Counter(str(row["class"]) for row in rows)
        listed_kinds = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in kinds.items())
        names.append(f"{picture} ({listed_kinds})")
    return listed(names)


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    """Return the (N, 2) widths and heights."""
    return boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]


def _areas(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    areas: NDArray[np.float32] = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    return areas


def _shared(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N, N) areas that each two boxes have in common."""
    low = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    shared: NDArray[np.float32] = np.maximum(high - low, 0).prod(axis=-1)
    return shared


def _repeats(boxes: Boxes, *, same_class: bool) -> Mask:
    """Return which boxes lie upon an earlier one, of the same class or of another."""
    shared, areas = _shared(boxes.xyxy), _areas(boxes.xyxy)
    iou = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9)
    same = boxes.labels[:, None] == boxes.labels[None]
    pairs = np.tril((iou > SAME_IOU) & (same if same_class else ~same), k=-1)
    repeated: Mask = pairs.any(axis=1)
    return repeated


def _tiny(boxes: Boxes, size: Size, imgsz: int) -> Mask:
    bad: Mask = _sides(boxes).min(axis=1, initial=np.inf) * (imgsz / max(size)) < LEAST_SIDE
    return bad


def _huge(boxes: Boxes, size: Size, imgsz: int) -> Mask:  # noqa: ARG001
    bad: Mask = _areas(boxes.xyxy) > HUGE * size[0] * size[1]
    return bad


def _long(boxes: Boxes, size: Size, imgsz: int) -> Mask:  # noqa: ARG001
    sides = _sides(boxes)
    bad: Mask = sides.max(axis=1, initial=0) > LONG * sides.min(axis=1, initial=np.inf)
    return bad


RULES = (
    BoxRule(
        "labels.tiny", "warning",
        f"is less than {LEAST_SIDE:g} px wide or high at --imgsz {{imgsz}}",
        f"are less than {LEAST_SIDE:g} px wide or high at --imgsz {{imgsz}}",
        "Often a slip of the hand: remove those that mark nothing. Real ones need a larger `--imgsz`, or "
        "`--tile`.",
        _tiny,
    ),
    BoxRule(
        "labels.huge", "warning",
        f"covers more than {HUGE:.0%} of its picture", f"cover more than {HUGE:.0%} of their pictures",
        "Look at them: a box around everything is often a label for the whole picture.",
        _huge,
    ),
    BoxRule(
        "labels.long", "warning",
        f"is more than {LONG:g} times as long as wide", f"are more than {LONG:g} times as long as wide",
        "Look at them: often a slip of the hand; a real wire or crack is better cut into pieces.",
        _long,
    ),
    BoxRule(
        "labels.repeated", "warning",
        "lies upon another of its class", "lie upon another of their class",
        "Keep one of each: the second one can never be found, which costs score and confuses training.",
        lambda boxes, size, imgsz: _repeats(boxes, same_class=True),  # noqa: ARG005
    ),
    BoxRule(
        "labels.two_classes", "warning",
        "lies upon a box of another class", "lie upon boxes of other classes",
        "Decide for one class, if both boxes mean one object.",
        lambda boxes, size, imgsz: _repeats(boxes, same_class=False),  # noqa: ARG005
    ),
)  # fmt: skip
