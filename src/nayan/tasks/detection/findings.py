"""What an evaluation of a detector found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.boxes import SMALL_PX
from nayan.core.matrix import confusion_matrix
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.tasks.detection.confusion import BACKGROUND
from nayan.tasks.detection.figures import anatomy_bars, precision_recall, size_histogram
from nayan.tasks.detection.mistakes import WORDS
from nayan.tasks.detection.sizes import advice

FEW_PICTURES = 50
FEW_IN_CLASS = 20
MAX_MATRIX = 80
WIDE_MATRIX = 10
WEAK_CLASS = 0.2

CURES = {
    "class": "calling objects by the wrong class",
    "place": "boxes that lie badly on their object",
    "duplicate": "finding an object twice",
    "both": "boxes of the wrong class that lie badly",
    "background": "finding things where nothing is",
    "missed": "missing objects altogether",
}

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a detector, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "map50" not in metrics:
        return Summary()
    if details and not details.get("objects"):
        return Summary(
            worries=(f"The {evaluation.get('split', '')} split holds no objects to judge by.",),
        )
    verdict = [_headline(evaluation, metrics, details), _extremes(details), _costliest(details)]
    return Summary(
        tuple(sentence for sentence in verdict if sentence),
        tuple(_worries(evaluation, details)) if details else (),
        tuple(_tiles(metrics, details)),
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a detector's evaluation, in reading order.

    `Panel.data` says how a page should lay them out, as in `nayan.tasks.classification.findings.panels`;
    `{"gallery": "large"}` asks for larger pictures.
    """
    details: Record = evaluation.get("details") or {}
    found: list[Panel] = []
    if details.get("objects"):
        found += [*_curves(details), *_anatomy(details), *_sizes(evaluation, details)]
        found += [*_matrix(details), *_classes(details), *_numbers(evaluation.get("metrics") or {})]
    return found + _worst(evaluation.get("worst") or ())


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.9123)
    '91.2 %'
    """
    return f"{100 * share:.{digits}f} %"


def _headline(evaluation: Record, metrics: Record, details: Record) -> str:
    split, pictures = evaluation.get("split", "evaluated"), details.get("pictures")
    text = f"On {f'the {pictures:,} {split}' if pictures else split} pictures its AP50 is "
    text += f"{percent(metrics['map50'])}"
    if "map" in metrics:
        text += f", and {percent(metrics['map'])} when boxes must fit ever more closely (mAP 50-95)"
    found = _totals(details)
    if found:
        hit, claimed, objects = found
        text += f". At its thresholds it finds {percent(hit / objects, 0)} of the {objects:,} objects"
        text += f", and {percent(hit / claimed, 0)} of what it claims is there" if claimed else ""
    return f"{text}."


def _totals(details: Record) -> tuple[int, int, int] | None:
    """Return how many detections are right, how many are shown, and how many objects there are."""
    rows = details.get("per_class") or ()
    objects = sum(row["objects"] for row in rows)
    hit = round(sum((row["recall"] or 0) * row["objects"] for row in rows))
    return (hit, sum(row["shown"] for row in rows), objects) if objects else None


def _extremes(details: Record) -> str:
    known = [row for row in details.get("per_class") or () if row["ap50"] is not None]
    if len(known) < 2:
        return ""
    known = sorted(known, key=lambda row: -row["ap50"])
    best, worst = known[0], known[-1]
    text = f"It is best at “{best['label']}” (AP50 {percent(best['ap50'])}) and weakest at "
    return f"{text}“{worst['label']}” ({percent(worst['ap50'])})."


def _costliest(details: Record) -> str:
    """Say which kind of mistake costs most."""
    kinds = sorted(details.get("anatomy") or (), key=lambda each: -each["gain"])
    if not kinds or kinds[0]["gain"] < 0.005:
        return ""
    first, *rest = kinds
    text = f"What costs it most is {CURES[first['kind']]}: without that its AP50 would be "
    text += f"{100 * first['gain']:.1f} points higher"
    if rest and rest[0]["gain"] >= 0.01:
        text += f"; next comes {CURES[rest[0]['kind']]} ({100 * rest[0]['gain']:.1f})"
    return f"{text}."


def _worries(evaluation: Record, details: Record) -> list[str]:
    found, pictures, split = [], details["pictures"], evaluation.get("split", "evaluated")
    if split == "val":
        found.append(
            "These pictures also chose the best epoch and the thresholds, so the scores flatter a little: "
            "keep a test split apart."
        )
    if pictures < FEW_PICTURES:
        found.append(
            f"{pictures} {split} pictures are few: another {pictures} could score quite differently."
        )
    found += _worries_about_classes(details["per_class"])
    if details.get("sizes") and evaluation.get("imgsz"):
        found.append(advice(details["sizes"], imgsz=evaluation["imgsz"], tile=evaluation.get("tile")))
    if not details.get("empty"):
        found.append(
            f"Every {split} picture shows an object, so nothing tells how often it would see one where there "
            "is none: add pictures of the empty scene."
        )
    return [worry for worry in found if worry]


def _worries_about_classes(rows: Sequence[Record]) -> list[str]:
    none = [row["label"] for row in rows if row["objects"] == 0]
    few = [row["label"] for row in rows if 0 < row["objects"] < FEW_IN_CLASS]
    weak = [
        row["label"] for row in rows if row["objects"] >= FEW_IN_CLASS and (row["ap50"] or 0) < WEAK_CLASS
    ]
    found = []
    if none:
        found.append(f"{_several(none)} never tested: nothing is known about {_them(none)}.")
    if few:
        found.append(
            f"{_several(few)} tested on fewer than {FEW_IN_CLASS} objects: the scores of {_them(few)} "
            "say little."
        )
    if weak:
        found.append(f"{_several(weak)} hardly found at all (AP50 below {percent(WEAK_CLASS, 0)}).")
    return found


def _several(names: Sequence[str]) -> str:
    """Return "“a”, “b” and 3 more classes were"."""
    quoted = [f"“{name}”" for name in names]
    if len(quoted) == 1:
        return f"{quoted[0]} was"
    if len(quoted) > 4:
        quoted = [*quoted[:3], f"{len(quoted) - 3} more classes"]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]} were"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _tiles(metrics: Record, details: Record) -> list[Tile]:
    titles = {
        "map50": ("AP50", "IoU 0.5"),
        "map": ("mAP 50-95", "IoU 0.5 to 0.95"),
    }
    found = [
        Tile(title, percent(metrics[name]), note, metrics[name])
        for name, (title, note) in titles.items()
        if name in metrics
    ]
    totals = _totals(details)
    if totals:
        hit, claimed, objects = totals
        found.append(Tile("Found", percent(hit / objects), f"of {objects:,} objects", hit / objects))
        if claimed:
            note = f"of {claimed:,} detections"
            found.append(Tile("Right", percent(hit / claimed), note, hit / claimed))
    return found


def _curves(details: Record) -> list[Panel]:
    """Return precision over recall at IoU 0.5 and 0.75, side by side."""
    points = {
        row["label"]: (row["recall"], row["precision"])
        for row in details["per_class"]
        if row["recall"] is not None and row["precision"] is not None
    }
    texts = {
        "0.5": "How often it is right (up) against how much it finds (right), as its threshold falls. The "
        "dots mark the fitted thresholds. A box is right when it overlaps its object by half.",
        "0.75": "The same when a box must overlap its object by three quarters. What falls away here is "
        "found, but not framed closely.",
    }
    return [
        Panel(
            f"Precision and recall, IoU {iou}",
            text,
            svg=precision_recall(
                curves["classes"],
                mean=curves["mean"],
                points=points if iou == "0.5" else {},
                title=f"Precision over recall at IoU {iou}",
            ),
            data={"layout": "half"},
        )
        for iou, text in texts.items()
        if (curves := (details.get("curves") or {}).get(iou)) and curves["classes"]
    ]


def _anatomy(details: Record) -> list[Panel]:
    anatomy = details.get("anatomy")
    if not anatomy:
        return []
    text = "What each kind of mistake costs: the points of AP50 that would be won if it alone were cured, "
    text += "over all scores; and how often it is made at the thresholds. The gains do not add up."
    svg = anatomy_bars(anatomy, title="Mistakes by kind")
    return [Panel("What goes wrong", text, svg=svg, data={"layout": "half"})]


def _sizes(evaluation: Record, details: Record) -> list[Panel]:
    sizes = details.get("sizes")
    if not sizes:
        return []
    imgsz = evaluation.get("imgsz")
    text = "How many objects there are of each size, as the network sees them"
    text += f" at `--imgsz {imgsz}`" if imgsz else ""
    text += f" in tiles of {evaluation['tile']} px" if evaluation.get("tile") else ""
    text += f", and the share that was found. Half of them are smaller than {sizes['median']:.0f} px."
    told = advice(sizes, imgsz=imgsz, tile=evaluation.get("tile")) if imgsz else ""
    svg = size_histogram(sizes["bins"], small_px=SMALL_PX, title="Objects by size")
    panel = Panel("Large and small", " ".join(part for part in (text, told) if part), svg=svg)
    return [Panel(panel.title, panel.text, svg=panel.svg, data={"layout": "half"})]


def _matrix(details: Record) -> list[Panel]:
    counts, classes = details["confusion"], details["classes"]
    text = "Rows are what is there, columns what it was taken for, at the thresholds. The last column counts "
    text += "what was missed, the last row what was seen where nothing is."
    if len(classes) > MAX_MATRIX:
        kept = [*_most_mistaken(counts), len(classes)]
        classes = [classes[i] for i in kept[:-1]]
        counts = [[counts[row][column] for column in kept] for row in kept]
        text += f" Only the {MAX_MATRIX} classes with the most mistakes are shown."
    half: Record = {"layout": "half"} if len(classes) <= WIDE_MATRIX else {}
    svg = confusion_matrix(counts, classes, background=BACKGROUND)
    found = [Panel("Confusion matrix", text, svg=svg, data=half)]
    rows = tuple((c["truth"], c["predicted"], c["count"], c["share"]) for c in details["confusions"][:10])
    if rows:
        told = "The most frequent mistakes, with their share of all objects of the class, or of all its "
        told += f"detections where it took the {BACKGROUND} for it."
        table = Table(("There is", "It was taken for", "Times", "Share"), rows)
        found.append(Panel("What it mixes up", told, table=table, data={"bars": {"Share": 1.0}, **half}))
    return found


def _most_mistaken(counts: Sequence[Sequence[int]]) -> list[int]:
    """Return the indices of the classes with the most mistakes, in their order."""
    number = len(counts) - 1
    wrong = [sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(number)]
    return sorted(sorted(range(number), key=lambda i: -wrong[i])[:MAX_MATRIX])


def _classes(details: Record) -> list[Panel]:
    columns = ("Class", "Objects", "AP50", "AP 50-95", "Precision", "Recall", "F1", "Threshold")
    rows = tuple(
        (
            row["label"],
            row["objects"],
            row["ap50"],
            row["ap"],
            row["precision"],
            row["recall"],
            row["f1"],
            float(t),
        )
        for row, t in zip(details["per_class"], details["thresholds"], strict=True)
    )
    text = (
        "AP50: the area under the curve of precision over recall. Precision: how many of its detections are "
    )
    text += "right; recall: how many objects it finds; F1: their harmonic mean, all three at the threshold, "
    text += "the score from which on a detection is shown, fitted on validation."
    bars = {"AP50": 1.0, "Precision": 1.0, "Recall": 1.0}
    return [Panel("Class by class", text, table=Table(columns, rows), data={"bars": bars})]


def _numbers(metrics: Record) -> list[Panel]:
    """Return the numbers of COCO, on demand."""
    named = {
        "map": "AP, IoU 0.50 to 0.95",
        "map50": "AP, IoU 0.50",
        "map75": "AP, IoU 0.75",
        "map_small": "AP, objects under 32x32 px",
        "map_medium": "AP, objects of 32x32 to 96x96 px",
        "map_large": "AP, objects over 96x96 px",
        "mar_1": "AR, one detection a class and picture",
        "mar_10": "AR, ten detections",
        "mar_100": "AR, a hundred detections",
        "mar_small": "AR, objects under 32x32 px",
        "mar_medium": "AR, objects of 32x32 to 96x96 px",
        "mar_large": "AR, objects over 96x96 px",
    }
    rows = tuple(
        (told, f"`{name}`".strip("`"), metrics[name]) for name, told in named.items() if name in metrics
    )
    text = "As the COCO evaluation computes them, in pixels of the original pictures. A size that no object "
    text += "has is left out."
    table = Table(("Number", "Name", "Value"), rows)
    return [Panel("The numbers of COCO", text, table=table, data={"bars": {"Value": 1.0}, "folded": True})]


def _worst(worst: Sequence[Record]) -> list[Panel]:
    if not worst:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": told_mistakes(record.get("wrong") or {}),
            "text": _of_objects(record.get("objects", 0)),
            "id": record.get("id", ""),
        }
        for record in worst
    ]
    text = "The pictures with the most and surest mistakes. Dashed: the objects, green where they were "
    text += (
        "found, red where they were missed. Solid: what it saw, thin where it is right; thick where it is "
    )
    text += "wrong: “not cat” has the wrong class, “cat, off” lies badly, “cat again” was found already, and "
    text += "at “cat?” there is nothing. Some of these may be objects that nobody labelled."
    return [Panel("The worst pictures", text, data={"pictures": pictures, "gallery": "large"})]


def told_mistakes(wrong: Mapping[str, int]) -> str:
    """Return numbers of mistakes by kind in words.

    >>> told_mistakes({"missed": 2, "background": 1})
    '2 missed, 1 invented'
    """
    return ", ".join(f"{count} {WORDS[kind]}" for kind, count in wrong.items() if kind in WORDS)


def _of_objects(count: int) -> str:
    if count == 0:
        return "there is nothing in it"
    return "of one object" if count == 1 else f"of {count} objects"
