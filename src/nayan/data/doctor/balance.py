"""Checks of how many pictures, or boxes, each class has, in all and in each split."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nayan.data.doctor.findings import Finding, counted, listed
from nayan.data.doctor.snapshot import Snapshot

FEW = 10  # pictures or boxes a class
LONE = 2  # pictures of an identity: with one, nothing is the same as it
RATIO = 10.0  # largest class to smallest, in pictures
BOX_RATIO = 100.0  # likewise in boxes, of which a picture may hold many of one class
BACKGROUND = 0.5  # share of the pictures without a box
SKEW = 0.10  # difference of a class's share between two splits
_SURE = 3.0  # standard errors; a smaller difference is chance


def empty(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that there is not one picture."""
    if not snapshot.pictures:
        yield Finding(
            "data.empty", "error", f"{snapshot.root} holds no picture",
            advice="Name the folder above the classes' folders; `nayan sample classify DIR` makes one.",
        )  # fmt: skip


def single_class(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that there is only one class; a detector can do with one."""
    if len(snapshot.classes) == 1 and not snapshot.of_boxes:
        yield Finding(
            "balance.single_class", "error", f"there is only one class, {snapshot.classes[0]!r}", count=1,
            advice="A classifier needs two or more: add a folder with pictures of what it is not.",
        )  # fmt: skip


def empty_class(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the classes that are declared but never used."""
    unused = [name for name, counts in snapshot.object_counts.items() if not any(counts.values())]
    if unused and len(unused) < len(snapshot.classes):
        yield Finding(
            "balance.empty_class", "warning",
            f"{counted(len(unused), 'class has', 'classes have')} not one {_nouns(snapshot)[0]}: "
            f"{listed([repr(name) for name in unused])}",
            count=len(unused),
            advice="Remove the names if nothing is missing; a network would have outputs that it never "
            "learns.",
            details={"classes": unused},
        )  # fmt: skip


def few(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the classes with hardly anything to learn from."""
    counts = _to_learn_from(snapshot)
    least = LONE if snapshot.of_identities else FEW  # what the same looks like is learnt from two
    rare = {name: count for name, count in counts.items() if count < least}
    if rare:
        named = [f"{name!r} ({count})" for name, count in sorted(rare.items(), key=lambda item: item[1])]
        yield Finding(
            "balance.few", "warning",
            f"{_classes(snapshot, len(rare))} fewer than {least} {_nouns(snapshot)[1]} to "
            f"learn from: {listed(named)}",
            count=len(rare),
            advice="Nothing says what the same looks like: they only serve as what others are not."
            if snapshot.of_identities
            else "Collect more of them, or merge them into another class; with so few neither training nor "
            "the score can be relied on.",
            details={"counts": rare},
        )  # fmt: skip


def ratio(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that one class outnumbers another by far."""
    counts = _to_learn_from(snapshot)
    others = snapshot.of_masks or snapshot.of_identities or snapshot.of_domains
    if not counts or others:  # of masks the pixels count, see `masks.rare`; of domains see `domains.balance`
        return
    large, small = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[large] > (BOX_RATIO if snapshot.of_boxes else RATIO) * counts[small]:
        yield Finding(
            "balance.ratio", "warning",
            f"{large!r} has {counts[large] / counts[small]:.0f} times as many {_nouns(snapshot)[1]} as "
            f"{small!r} ({counts[large]:,} to {counts[small]:,})",
            count=2,
            advice="Judge each class by its own score, and collect more of the rare ones."
            if snapshot.of_boxes
            else "Train with `--balance sampler` or `--balance loss`, and judge by macro F1, not accuracy.",
            details={"largest": large, "smallest": small, "counts": counts},
        )  # fmt: skip


def background(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield how many pictures have no box: good in parts, too much where they are most."""
    known = [p for p in snapshot.pictures if p.boxes is not None]
    empty = tuple(p.id for p in known if p.boxes is not None and not len(p.boxes))
    if not empty:
        return
    most = len(empty) > BACKGROUND * len(known)
    yield Finding(
        "balance.background", "warning" if most else "info",
        f"{len(empty):,} of {counted(len(known), 'picture')} {'shows' if len(empty) == 1 else 'show'} the "
        f"background only, without a box: {listed(empty)}",
        empty, len(empty),
        "Check that they show none of the classes; a tenth or so is enough to unlearn false alarms."
        if most
        else "Nothing to do if they show none of the classes: they teach a detector what not to find.",
        {"share": len(empty) / len(known)},
    )  # fmt: skip


def missing_in_split(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield, for each split, the classes that it lacks, and those that cannot be learnt."""
    counts = snapshot.object_counts
    if "train" not in snapshot.splits or snapshot.of_identities:
        return
    for split in snapshot.splits:
        if split == "train":
            continue
        unlearnt = [name for name in counts if counts[name][split] and not counts[name]["train"]]
        untested = [name for name in counts if counts[name]["train"] and not counts[name][split]]
        if unlearnt:
            yield Finding(
                "balance.missing_in_split", "error",
                f"{counted(len(unlearnt), 'class is', 'classes are')} in {split} but not in train: "
                f"{listed(unlearnt)}",
                count=len(unlearnt),
                advice="They can never be predicted: move pictures of them into train, or mend the spelling.",
                details={"classes": unlearnt}, split=split,
            )  # fmt: skip
        if untested:
            yield Finding(
                "balance.missing_in_split", "warning",
                f"{counted(len(untested), 'class is', 'classes are')} in train but not in {split}: "
                f"{listed(untested)}",
                count=len(untested),
                advice=f"Move pictures of them into {split}; otherwise nobody knows how well they are found.",
                details={"classes": untested}, split=split,
            )  # fmt: skip


def shared_identities(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the identities that are in more than one split."""
    if not snapshot.of_identities:
        return
    shared = {
        name: [split for split, count in counts.items() if count]
        for name, counts in snapshot.class_counts.items()
        if sum(map(bool, counts.values())) > 1
    }
    if shared:
        named = [f"{name!r} ({', '.join(splits)})" for name, splits in shared.items()]
        yield Finding(
            "splits.shared_identities", "warning",
            f"{counted(len(shared), 'identity is', 'identities are')} in more than one split: "
            f"{listed(named)}",
            count=len(shared),
            advice="A score on those that were trained on says nothing of strangers: put all into one folder "
            "and draw whole identities (`nayan split DATA OUT --task compare`).",
            details={"identities": shared},
        )  # fmt: skip


def splits_missing(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield which of train, val and test are not there."""
    present = [split for split in snapshot.splits if split != "all"]
    missing = [split for split in ("train", "val", "test") if split not in present]
    if not snapshot.format or not missing:
        return
    if present and "train" not in present:
        yield Finding(
            "splits.missing", "warning", f"there is no train split, only {listed(present)}",
            count=len(missing), advice="Enough for `nayan val`; to train, add a folder train/.",
            details={"missing": missing},
        )  # fmt: skip
        return
    said = f"there is no {' and no '.join(missing)} split" if present else "the data are not split"
    yield Finding(
        "splits.missing", "info", said, count=len(missing),
        advice="`nayan train` draws what is missing: seeded, class by class, copies kept together; "
        "`nayan split DATA` writes it down once and for all.",
        details={"missing": missing},
    )  # fmt: skip


def skew(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the splits in which the classes have clearly other shares than in train."""
    totals = snapshot.split_counts
    if not totals.get("train") or snapshot.of_identities or snapshot.of_domains:
        return
    for split, total in totals.items():
        if split == "train" or not total:
            continue
        shares: dict[str, list[float]] = {}
        for name, counts in snapshot.class_counts.items():
            a, b = counts["train"] / totals["train"], counts[split] / total
            pooled = (counts["train"] + counts[split]) / (totals["train"] + total)
            error = math.sqrt(pooled * (1 - pooled) * (1 / totals["train"] + 1 / total))
            if abs(a - b) > max(SKEW, _SURE * error):
                shares[name] = [round(a, 3), round(b, 3)]
        if shares:
            named = [f"{name!r} {a:.0%} against {b:.0%}" for name, (a, b) in shares.items()]
            yield Finding(
                "splits.skew", "warning",
                f"{counted(len(shares), 'class has another share', 'classes have other shares')} of the "
                f"pictures in train than in {split}: {listed(named)}",
                count=len(shares),
                advice="Draw them class by class (`nayan split DATA`), unless they are meant to differ, as "
                "those of other cameras are.",
                details={"shares": shares}, split=split,
            )  # fmt: skip


def _classes(snapshot: Snapshot, count: int) -> str:
    nouns = ("identity has", "identities have") if snapshot.of_identities else ("class has", "classes have")
    return counted(count, *nouns)


def _to_learn_from(snapshot: Snapshot) -> dict[str, int]:
    """Return what training would see of each class: in train, or in all where there is no train.

    A class that train lacks is `balance.missing_in_split`, one that all lack `balance.empty_class`.
    """
    counts = snapshot.object_counts
    if "train" in snapshot.splits:
        return {name: splits["train"] for name, splits in counts.items() if splits["train"]}
    return {name: sum(splits.values()) for name, splits in counts.items() if any(splits.values())}


def _nouns(snapshot: Snapshot) -> tuple[str, str]:
    return ("box", "boxes") if snapshot.of_boxes else ("picture", "pictures")
