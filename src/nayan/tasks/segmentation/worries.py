"""What to keep in mind before relying on a segmenter, from the facts of its evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import between, percent, quoted, several

FEW_PICTURES = 50
FEW_IN_CLASS = 5
"""Pictures that show a class."""
WEAK_CLASS = 0.2
RARE = 0.01
"""Share of the pixels below which a class is rare."""
RARE_GAP = 0.1
"""By how much the mean IoU of the rare classes must lie below that of the others to say so."""
WIDE = 0.1
"""Width of an interval of the mean IoU; of one class, twice that."""
MOSTLY = 2 / 3
"""Share of the wrong pixels that tells of what kind they are."""
MANY_WRONG = 0.02
"""Share of all pixels below which nobody asks of what kind they are."""
UNSEEN = 0.001
EXTREME = 0.1
"""A threshold nearer to 0 or 1 than that says that the probabilities are far off."""

Record = Mapping[str, Any]


def worries(evaluation: Record) -> list[str]:
    """Return one sentence each, the most serious first.

    Args:
        evaluation: the document of a split, with "details" in which there are pixels.
    """
    details: Record = evaluation["details"]
    split = evaluation.get("split", "evaluated")
    found = [_chosen_by(split, details), _few_pictures(split, details), _no_better(evaluation)]
    found += _about_classes(details)
    found += [_rare(details), _wide(details), _kind_of_mistakes(evaluation), _unseen(details)]
    found += [_extreme_threshold(details), _without_truth(split, details)]
    return [worry for worry in found if worry]


def share_at_borders(details: Record) -> float | None:
    """Return which share of the wrong pixels lies near a border; None where none is wrong, or known."""
    near, inside = (
        (details[name]["wrong"] or 0) * details[name]["pixels"] if name in details else 0.0
        for name in ("border", "inside")
    )
    return near / (near + inside) if near + inside else None


def _chosen_by(split: str, details: Record) -> str:
    if split != "val":
        return ""
    threshold = " and the threshold" if details.get("thresholds") else ""
    text = f"These pictures also chose the best epoch{threshold}, so the scores flatter a little: keep a "
    return f"{text}test split apart."


def _few_pictures(split: str, details: Record) -> str:
    pictures = details["pictures"]
    if pictures >= FEW_PICTURES:
        return ""
    if pictures == 1:
        return f"One {split} picture tells how good it is on that picture only."
    return f"{pictures} {split} pictures are few: another {pictures} could score quite differently."


def _no_better(evaluation: Record) -> str:
    """Say so where one answer for all pixels would be as good."""
    accuracy = (evaluation.get("metrics") or {}).get("pixel_accuracy")
    rows: Sequence[Record] = evaluation["details"]["per_class"]
    most = max(rows, key=lambda row: float(row["share"]))
    low = (evaluation["details"].get("intervals") or {}).get("pixel_accuracy", (accuracy,))[0]
    if len(rows) < 2 or low is None or low > most["share"] or most["share"] == 1:
        return ""
    return f"It is not certain that this is better than calling every pixel {quoted(most['label'])}."


def _about_classes(details: Record) -> list[str]:
    rows = details["per_class"]
    none = [row for row in rows if not row["pixels"]]
    few = [row["label"] for row in rows if 0 < row.get("pictures", FEW_IN_CLASS) < FEW_IN_CLASS]
    never = [row["label"] for row in rows if row["recall"] == 0]
    weak = [row["label"] for row in rows if row["recall"] and row["iou"] < WEAK_CLASS]
    found = []
    if never:
        found.append(f"{several(never)} {_was(never)} never found, though {_it(never)} there.")
    if weak:
        found.append(f"{several(weak)} {_was(weak)} hardly found (IoU below {percent(WEAK_CLASS, 0)}).")
    if none:
        text = f"{several([row['label'] for row in none])} {_was(none)} never tested: nothing is known about "
        text += "it" if len(none) == 1 else "them"
        if any(row["iou"] == 0 for row in none):
            text += ", and what was wrongly taken for such a class counts as an IoU of 0 in the mean"
        found.append(f"{text}.")
    if few and details["pictures"] >= FEW_IN_CLASS:
        text = f"{several(few)} {_was(few)} tested on fewer than {FEW_IN_CLASS} pictures"
        found.append(f"{text}: {'its' if len(few) == 1 else 'their'} scores say little.")
    return found


def _rare(details: Record) -> str:
    """Say so where rare classes fare much worse than the others."""
    known = [row for row in details["per_class"] if row["pixels"] and row["iou"] is not None]
    rare = [row for row in known if row["share"] < RARE]
    others = [row for row in known if row["share"] >= RARE]
    if not rare or not others:
        return ""
    low, high = _mean(rare), _mean(others)
    if low > high - RARE_GAP:
        return ""
    one, each = ("s", "") if len(rare) == 1 else ("", " each")
    text = f"{several([row['label'] for row in rare])} cover{one} less than {percent(RARE, 0)} of the pixels"
    text += (
        f"{each}, yet count{one} as much in the mean IoU as any other class: IoU {percent(low, 0)}, of the "
    )
    return f"{text}others {percent(high, 0)}. Try `--balance loss`, or more pictures of them."


def _mean(rows: Sequence[Record]) -> float:
    return float(sum(row["iou"] for row in rows) / len(rows))


def _wide(details: Record) -> str:
    interval = (details.get("intervals") or {}).get("miou")
    wide = [
        row["label"]
        for row in details["per_class"]
        if row["interval"] and row["interval"][1] - row["interval"][0] > 2 * WIDE
    ]
    if interval and interval[1] - interval[0] > WIDE:
        text = f"The mean IoU is known no better than that it lies between {between(interval)}"
        text = text.replace(" to ", " and ")
        return f"{text}: test on more pictures before comparing models."
    if wide:
        text = f"The IoU of {several(wide)} is known no better than to within {200 * WIDE:.0f} points"
        return f"{text}: test on more pictures of {'it' if len(wide) == 1 else 'them'}."
    return ""


def _kind_of_mistakes(evaluation: Record) -> str:
    """Say what it means that most wrong pixels lie at borders, or inside of areas."""
    details: Record = evaluation["details"]
    share = share_at_borders(details)
    pixels = {name: details[name]["pixels"] for name in ("border", "inside") if name in details}
    wrong = sum((details[name]["wrong"] or 0) * number for name, number in pixels.items())
    if share is None or wrong < MANY_WRONG * sum(pixels.values()):
        return ""
    if share >= MOSTLY:
        text = f"{percent(share, 0)} of the wrong pixels lie near borders: either the masks are drawn "
        text += "loosely (look at the worst pictures), or the network sees the pictures too small"
        imgsz = evaluation.get("imgsz")
        return f"{text} (`--imgsz` above {imgsz}, where they are larger)." if imgsz else f"{text}."
    if share <= 1 - MOSTLY:
        text = f"{percent(1 - share, 0)} of the wrong pixels lie inside of areas, away from every border: it "
        return f"{text}takes things for others, which more pictures of them cure, not finer outlines."
    return ""


def _unseen(details: Record) -> str:
    unseen = sum(row[-1] for row in details["confusion"])
    if unseen < UNSEEN * details["pixels"]:
        return ""
    text = f"{percent(unseen / details['pixels'])} of the pixels were not looked at, since the network sees "
    return f"{text}only a part of each picture; they count as wrong."


def _extreme_threshold(details: Record) -> str:
    thresholds: Sequence[float] = details.get("thresholds") or []
    if len(thresholds) != 1 or len(details["classes"]) != 2 or EXTREME <= thresholds[0] <= 1 - EXTREME:
        return ""
    text = f"The fitted threshold of {quoted(details['classes'][1])}, {thresholds[0]:.2f}, is extreme: its "
    return f"{text}probabilities are far off, or the validation pictures unlike those of training."


def _without_truth(split: str, details: Record) -> str:
    void = sum(value is None for value in details.get("picture_miou") or ())
    if not void:
        return ""
    noun = "picture has" if void == 1 else "pictures have"
    return f"{void} {split} {noun} nothing in the mask but void: nothing is judged there."


def _was(names: Sequence[Any]) -> str:
    return "was" if len(names) == 1 else "were"


def _it(names: Sequence[Any]) -> str:
    return "it is" if len(names) == 1 else "they are"
