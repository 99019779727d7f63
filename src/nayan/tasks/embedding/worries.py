"""What to keep in mind before relying on an embedder, from the facts of its evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import between, percent

FEW_IDENTITIES = 20
"""Fewer cannot show how different identities are, whatever the number of their pictures."""
WIDE = 0.1
"""Width of an interval from which on models should not be compared by it."""
LOOSE = 2.0
"""How many times the wanted false-accept rate must be passed to say so, and by how many pairs."""
MORE_PAIRS = 5
RULE_OF_30 = 30
PROBABLY_LABELS = 0.05
"""Up to this share of the pictures, strangers are probably labelled wrongly; more are the network's own."""

Record = Mapping[str, Any]


def worries(evaluation: Record) -> list[str]:
    """Return one sentence each, the most serious first.

    Args:
        evaluation: the document of a split, with "details" in which there are pictures.
    """
    details: Record = evaluation["details"]
    split = evaluation.get("split", "evaluated")
    found = [
        _chosen_by(split, details),
        _few_identities(split, details),
        _loose(details),
        _nothing_accepted(details),
        _little_evidence(details),
        _not_measured(evaluation),
        _strangers(details),
        _wide(details),
        _unanswerable(split, details),
    ]
    return [worry for worry in found if worry]


def _chosen_by(split: str, details: Record) -> str:
    if split != "val":
        return ""
    threshold = " and the threshold" if details.get("at_threshold") else ""
    text = f"These pictures also chose the best epoch{threshold}, so the scores flatter a little: keep a "
    return f"{text}test split of other identities apart."


def _few_identities(split: str, details: Record) -> str:
    number = details["identities"]
    if number >= FEW_IDENTITIES:
        return ""
    text = f"{number} {split} identities are few, however many pairs their pictures make: with others the "
    text += "scores may be quite different"
    if not details.get("intervals"):
        return f"{text}, and by how much nobody can tell from these."
    return f"{text}, and the intervals are rather too narrow."


def _loose(details: Record) -> str:
    """Say so where the threshold lets much more through than it was chosen for."""
    at, same = details.get("at_threshold"), details.get("same") or {}
    if not at or not same:
        return ""
    expected = same["wanted"] * details["pairs"]["different"]
    if at["far"] < LOOSE * same["wanted"] or at["accepted"] < expected + MORE_PAIRS:
        return ""
    text = f"The threshold was chosen for a false-accept rate of {percent(same['wanted'])}, but here "
    text += f"{percent(at['far'])} of the pairs of two identities lie within it: these are more alike than "
    return f"{text}those of validation. Validate on more identities, or ask for a smaller `--far`."


def _nothing_accepted(details: Record) -> str:
    at = details.get("at_threshold")
    if not at or at["threshold"] >= 0:
        return ""
    return (
        "No distance is small enough for the false-accept rate that was asked for, so that no two pictures "
        "are taken for the same: ask for a larger `--far`, or look for wrong labels in validation."
    )


def _little_evidence(details: Record) -> str:
    """Say on how few false accepts the threshold rests."""
    same = details.get("same") or {}
    if not same or same["accepted"] >= RULE_OF_30 or same["threshold"] < 0:
        return ""
    number, wanted = same["num_different"], same["wanted"]
    text = (
        f"The threshold rests on {_counted(same['accepted'], 'false accept')} among {number:,} pairs of two "
    )
    text += f"identities in validation: its false-accept rate may be up to {percent(same['far_bound'])}"
    needed = RULE_OF_30 / wanted
    return f"{text}. To know a rate of {percent(wanted)} well takes {needed:,.0f} such pairs."


def _not_measured(evaluation: Record) -> str:
    """Say which false-accept rates so few pairs cannot show."""
    number = evaluation["details"]["pairs"]["different"]
    missing = [far for far in (1e-2, 1e-3) if number * far < 1]
    if not missing or not number:
        return ""
    text = f"{number:,} pairs of two identities cannot show a false-accept rate of {percent(max(missing))}"
    return f"{text}{' or less' if len(missing) > 1 else ''}: one of them is already {percent(1 / number)}."


def _strangers(details: Record) -> str:
    number, pictures = details["strangers"]["pictures"], details["pictures"]
    if not number:
        return ""
    one = number == 1
    text = (
        f"{_counted(number, 'picture')} of {pictures:,} {'is' if one else 'are'} more like another identity "
    )
    text += f"than like {'its' if one else 'their'} own"
    if number <= max(1, PROBABLY_LABELS * pictures):
        return f"{text}: look whether {'it is' if one else 'they are'} labelled wrongly (the table below)."
    return f"{text}: so many are no wrong labels, these identities are not told apart."


def _wide(details: Record) -> str:
    intervals: Mapping[str, Sequence[float]] = details.get("intervals") or {}
    names = {"auc": "AUC", "recall_at_1": "recall at 1", "one_shot_accuracy": "one-shot accuracy"}
    wide = [
        f"the {title} lies between {between(intervals[name]).replace(' to ', ' and ')}"
        for name, title in names.items()
        if name in intervals and intervals[name][1] - intervals[name][0] > WIDE
    ]
    if not wide:
        return ""
    return (
        f"No more is known than that {' and '.join(wide)}: test on more identities before comparing models."
    )


def _unanswerable(split: str, details: Record) -> str:
    number = details.get("unanswerable", 0)
    if not number:
        return ""
    text = f"{_counted(number, f'{split} picture')} could not be searched for: "
    return f"{text}there is no other picture of the same identity to be found."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
