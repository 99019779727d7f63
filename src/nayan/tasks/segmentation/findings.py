"""What an evaluation of a segmenter found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

# K classes

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.matrix import confusion_matrix
from nayan.core.phrases import NAME_PX, between, percent, pictures_of, quoted
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.core.svg import shorten
from nayan.tasks.segmentation.colours import is_ground
from nayan.tasks.segmentation.figures import lost_bars, overlap_bars, picture_histogram
from nayan.tasks.segmentation.worries import share_at_borders, worries

MAX_MATRIX = 80
WIDE_MATRIX = 10
MAX_BARS = 40
"""Classes that are drawn as bars; the table has all of them."""

LISTED = 10
"""Confusions that are listed."""

STANDS_OUT = 0.05
"""Share of the wrong pixels below which no confusion is the largest in any sense that matters."""

NOTHING = "nothing"
"""What a pixel was taken for that the network did not see."""

TITLES = {
    "miou": "Mean IoU",
    "dice": "Mean Dice",
    "pixel_accuracy": "Pixel accuracy",
    "boundary_f1": "Boundary F1",
}

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a segmenter, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "miou" not in metrics:
        return Summary()
    if details and not details.get("pixels"):
        split = evaluation.get("split", "")
        return Summary(worries=(f"The masks of the {split} split hold no pixel to judge by.",))
    verdict = [_headline(evaluation, metrics, details), _extremes(details), _confuses(details)]
    if details:
        verdict.append(_where(details))
    return Summary(
        tuple(sentence for sentence in verdict if sentence),
        tuple(worries(evaluation)) if details else (),
        tuple(_tiles(metrics, details)),
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a segmenter's evaluation, in reading order.

    `Panel.data` says how a page should lay them out, as in `nayan.tasks.classification.findings.panels`;
    `{"gallery": "large"}` asks for larger pictures.
    """
    details: Record = evaluation.get("details") or {}
    found: list[Panel] = []
    if details.get("pixels"):
        metrics: Record = evaluation.get("metrics") or {}
        found += [*_bars(metrics, details), *_matrix(details), *_pictures(details)]
        found += [*_numbers(metrics, details), *_classes(details)]
    return found + _worst(evaluation.get("worst") or ())


def _object(details: Record) -> Record | None:
    """Return the row of the one class that is not background; None where there are more."""
    rows: Sequence[Record] = details.get("per_class") or []
    return rows[1] if len(rows) == 2 and is_ground(rows[0]["label"]) else None


def _headline(evaluation: Record, metrics: Record, details: Record) -> str:
    text = f"On {pictures_of(details.get('pictures'), evaluation.get('split', 'evaluated'))} "
    only, number = _object(details), len(details.get("classes") or ())
    if only is not None and only["iou"] is not None:
        text += f"what it takes for {quoted(only['label'])} overlaps the truth by {percent(only['iou'])} ("
        known = ["IoU", _interval(only["interval"]), f"Dice {percent(only['dice'])}"]
    else:
        text += f"the areas that it finds overlap the true ones by {percent(metrics['miou'])} ("
        kind = f"mean IoU of {number} classes" if number > 1 else "IoU"
        known = [kind, _interval((details.get("intervals") or {}).get("miou"))]
    text += f"{'; '.join(part for part in known if part)})"
    if "pixel_accuracy" in metrics:
        text += f", and {percent(metrics['pixel_accuracy'])} of all pixels have the right class"
    rows: Sequence[Record] = details.get("per_class") or []
    most = max(rows, key=lambda row: float(row["share"]), default=None)
    if most is not None and number > 1:
        text += f"; to call every pixel {quoted(most['label'])} would be right in {percent(most['share'])}"
    return f"{text}."


def _interval(interval: Sequence[float] | None) -> str:
    return f"95 % interval {between(interval)}" if between(interval) else ""


def _extremes(details: Record) -> str:
    known = [row for row in details.get("per_class") or () if row["iou"] is not None and row["pixels"]]
    if len(known) < 2 or _object(details) is not None:
        return ""
    best, worst = (choose(known, key=lambda row: row["iou"]) for choose in (max, min))
    text = f"It is best at {quoted(best['label'])} (IoU {percent(best['iou'])}) and weakest at "
    return f"{text}{quoted(worst['label'])} ({percent(worst['iou'])})."


def _confuses(details: Record) -> str:
    """Say which confusion costs most pixels."""
    if not details.get("pixels"):
        return ""
    cells = np.asarray(details["confusion"], np.int64)
    mixed = _mixed(cells, details["classes"])
    if not mixed:
        return "Not one pixel is wrong."
    first, *rest = mixed
    wrong = int(cells.sum() - np.trace(cells[:, :-1]))
    pair, share = f"{quoted(first['truth'])} taken for {quoted(first['found'])}", first["count"] / wrong
    if share < STANDS_OUT:
        return f"No confusion stands out: the largest, {pair}, is {percent(share, 0)} of the wrong pixels."
    text = f"Its largest confusion is {pair}, {percent(share, 0)} of the wrong pixels"
    if rest:
        text += f"; then comes {quoted(rest[0]['truth'])} for {quoted(rest[0]['found'])}"
        text += f" ({percent(rest[0]['count'] / wrong, 0)})"
    return f"{text}."


def _where(details: Record) -> str:
    share = share_at_borders(details)
    if share is None:
        return ""
    near, inside = details["border"], details["inside"]
    text = f"{percent(share, 0)} of the wrong pixels lie near a border between two classes"
    if near["wrong"] is not None and inside["wrong"] is not None:
        text += f": there {percent(near['wrong'], 0)} are wrong, elsewhere {percent(inside['wrong'])}"
    return f"{text}."


def _tiles(metrics: Record, details: Record) -> list[Tile]:
    intervals = details.get("intervals") or {}
    only = _object(details)
    found = []
    if only is not None and only["iou"] is not None:
        label = quoted(only["label"])
        found.append(Tile(f"IoU of {label}", percent(only["iou"]), between(only["interval"]), only["iou"]))
        found.append(Tile(f"Dice of {label}", percent(only["dice"]), "", only["dice"]))
    names = ["miou", "pixel_accuracy", "boundary_f1"]
    found += [
        Tile(TITLES[name], percent(metrics[name]), between(intervals.get(name)), metrics[name])
        for name in names
        if name in metrics
    ]
    return found


def _bars(metrics: Record, details: Record) -> list[Panel]:
    """Return the overlap by class beside the share of pixels that each class loses, in one order."""
    rows = details["per_class"]
    known = [n for n, row in enumerate(rows) if row["iou"] is not None]
    order = sorted(known, key=lambda n: -rows[n]["iou"])[-MAX_BARS:]
    some = f" Only the {MAX_BARS} weakest of {len(known)} classes are drawn." if len(known) > MAX_BARS else ""
    text = "Pixels that show a class and were taken for it, as a share of those that do either. The line is "
    text += f"the 95 % interval: what other pictures like these might give.{some}"
    svg = overlap_bars(
        [rows[n] for n in order], mean=metrics.get("miou", 0.0), title="Intersection over union by class"
    )
    found = [Panel("Overlap by class", text, svg=svg, data={"layout": "half"})]
    if share_at_borders(details) is not None:
        told = "The share of its pixels that each class loses to others. Near a border (within 0.75 % of the "
        told += "picture's diagonal) outlines differ; inside of an area one thing was taken for another."
        drawn = lost_bars(_lost(details, order), title="Lost pixels by class")
        found.append(Panel("At borders and inside", told, svg=drawn, data={"layout": "half"}))
    return found


def _lost(details: Record, order: Sequence[int]) -> list[dict[str, Any]]:
    """Return {label, near, inside}, the shares of its pixels that each class loses; first of all classes."""
    near, inside = (np.asarray(details[name]["confusion"], np.int64) for name in ("border", "inside"))
    pixels = near.sum(axis=1) + inside.sum(axis=1)
    lost = [cells.sum(axis=1) - np.diagonal(cells) for cells in (near, inside)]
    shares = [float(part.sum() / pixels.sum()) for part in lost]
    rows: list[dict[str, Any]] = [{"label": "all pixels", "near": shares[0], "inside": shares[1]}]
    for n in order:
        parts = [float(part[n] / pixels[n]) if pixels[n] else None for part in lost]
        rows.append({"label": details["classes"][n], "near": parts[0], "inside": parts[1]})
    return rows


def _matrix(details: Record) -> list[Panel]:
    cells, classes = np.asarray(details["confusion"], np.int64), list(details["classes"])
    half: Record = {"layout": "half"} if len(classes) <= WIDE_MATRIX else {}
    found = [
        Panel(
            "Confusion matrix",
            _matrix_text(cells, len(classes)),
            svg=_matrix_drawing(cells, classes),
            data=half,
        )
    ]
    rows = tuple(
        (
            shorten(each["truth"], NAME_PX),
            shorten(each["found"], NAME_PX),
            percent(each["count"] / int(cells.sum())),
            each["count"] / int(cells[each["row"]].sum()),
            _at_borders(details, each),
        )
        for each in _mixed(cells, classes)[:LISTED]
    )
    if rows:
        text = "The largest confusions, as shares of all pixels and of the pixels of the true class; and how "
        text += "much of each lies near a border."
        columns = ("There is", "It was taken for", "Of all", "Of the class", "At borders")
        table = Table(columns, rows)
        found.append(
            Panel("What it mixes up", text, table=table, data={"bars": {"Of the class": 1.0}, **half})
        )
    return found


def _matrix_text(cells: NDArray[np.int64], number: int) -> str:
    text = "Rows are what is there, columns what it was taken for, as per cent of the pixels of the row. "
    text += "Blue is right, orange is wrong."
    if cells[:, -1].any():
        text += f" The last column is what the network did not see ({NOTHING})."
    if number > MAX_MATRIX:
        text += f" Only the {MAX_MATRIX} classes with the most wrong pixels are shown."
    return text


def _matrix_drawing(cells: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Draw the matrix; with a column of what was not seen only where there is any."""
    number = len(classes)
    wrong = cells.sum(axis=1) + cells[:, :-1].sum(axis=0) - 2 * np.diagonal(cells)
    kept = np.sort(np.argsort(-wrong, kind="stable")[:MAX_MATRIX])
    names = [classes[n] for n in kept]
    if not cells[:, -1].any():
        return confusion_matrix(cells[np.ix_(kept, kept)].tolist(), names, shares=True)
    square = np.vstack([cells, np.zeros(number + 1, np.int64)])  # nothing is never the truth
    kept = np.append(kept, number)
    return confusion_matrix(square[np.ix_(kept, kept)].tolist(), names, shares=True, background=NOTHING)


def _mixed(cells: NDArray[np.int64], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return {row, column, truth, found, count} of the confusions, the largest first."""
    names, wrong = [*classes, NOTHING], cells.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")
    pairs = [divmod(int(flat), wrong.shape[1]) for flat in order[: np.count_nonzero(wrong)]]
    return [
        {"row": row, "column": column, "truth": names[row], "found": names[column],
         "count": int(wrong[row, column])}
        for row, column in pairs
    ]  # fmt: skip


def _at_borders(details: Record, each: Record) -> str:
    if "border" not in details:
        return "-"
    near = details["border"]["confusion"][each["row"]][each["column"]]
    return percent(near / each["count"], 0)


def _pictures(details: Record) -> list[Panel]:
    values = [value for value in details.get("picture_miou") or () if value is not None]
    if len(values) < 2:
        return []
    low, median = float(np.quantile(values, 0.1)), float(np.median(values))
    text = "The mean IoU of each picture alone, over the classes that are in it or were seen in it. Half of "
    text += f"the pictures reach {percent(median, 0)}, nine in ten {percent(low, 0)}."
    svg = picture_histogram(values, median=median, title="Pictures by their mean IoU")
    return [Panel("Picture by picture", text, svg=svg, data={"layout": "half"})]


def _numbers(metrics: Record, details: Record) -> list[Panel]:
    """Return every score with its interval."""
    intervals = details.get("intervals") or {}
    rows = tuple(
        (title, percent(metrics[name]), _unbroken(between(intervals.get(name))))
        for name, title in TITLES.items()
        if name in metrics
    )
    text = "IoU: right pixels as a share of those that show a class or were taken for it. Dice: twice the "
    text += "right ones as a share of both together. Boundary F1: outlines that lie within 0.75 % of the "
    text += "diagonal. These are means of the classes; of pixel accuracy, frequent classes decide. The "
    text += "intervals come from drawing the pictures again, a thousand times."
    if details.get("thresholds") and len(details["classes"]) == 2:
        text += f" A pixel is {quoted(details['classes'][1])} from a probability of "
        text += f"{details['thresholds'][0]:.2f} on, which gave the best mean IoU on validation."
    table = Table(("Score", "Value", "95 % interval"), rows)
    half: Record = {"layout": "half"} if len(details.get("picture_miou") or ()) > 1 else {}
    return [Panel("The scores", text, table=table, data=half)] if rows else []


def _classes(details: Record) -> list[Panel]:
    columns = ("Class", "Pictures", "Of all pixels", "IoU", "95 % interval", "Dice", "Precision", "Recall",
               "Boundary F1")  # fmt: skip
    rows = tuple(
        (
            row["label"],
            row.get("pictures"),
            row["share"],
            row["iou"],
            _unbroken(between(row["interval"])),
            row["dice"],
            row["precision"],
            row["recall"],
            row["boundary_f1"],
        )
        for row in details["per_class"]
    )
    text = "Precision: how much of what was taken for the class is. Recall: how much of the class was found. "
    text += "IoU and Dice ask for both; boundary F1 for outlines that lie close. A class that is neither "
    text += "there nor found has none of them; one in too few pictures has no interval."
    full = {"Of all pixels": max((row["share"] for row in details["per_class"]), default=1.0), "IoU": 1.0}
    return [Panel("Class by class", text, table=Table(columns, rows), data={"bars": full})]


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _worst(worst: Sequence[Record]) -> list[Panel]:
    if not worst:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"{percent(1 - record['accuracy'], 0)} of its pixels wrong",
            "text": told_confusions(record.get("mixed") or ()),
            "id": record.get("id", ""),
        }
        for record in worst
    ]
    text = "The pictures with the most wrong pixels, each with its truth, what was found, and in red where "
    text += "they differ. Thin red lines are outlines that differ, red areas are confusions; look for masks "
    text += "that are wrong themselves."
    return [Panel("The worst pictures", text, data={"pictures": pictures, "gallery": "large"})]


def told_confusions(mixed: Sequence[Record]) -> str:
    """Return the confusions of a picture in words.

    >>> told_confusions([{"truth": "road", "found": "sky", "share": 0.12}])
    '“road” taken for “sky” (12 %)'
    """
    return ", ".join(
        f"{quoted(each['truth'])} taken for {quoted(each['found'])} ({percent(each['share'], 0)})"
        for each in mixed
    )
