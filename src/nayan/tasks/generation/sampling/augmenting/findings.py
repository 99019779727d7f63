"""What `nayan augment` found, in words, key figures and panels. Reads its `result.json`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nayan.core.phrases import percent, several
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.tasks.generation.sampling.augmenting.figures import differences

Record = Mapping[str, Any]

DROPPED = {
    "memorised": "Copies",
    "off_manifold": "Unlike real ones",
    "wrong_class": "Another class",
    "doubtful": "Doubtful class",
}
"""Fates of pictures that are not learnt from, as the page calls them."""

_SHEETS = {
    "kept": ("Kept", "One class a row, the first that passed: what the classifier learnt from as well."),
    "memorised": (
        "Dropped: copies",
        "Above, what was drawn; below, the training picture that it is nearer to than all but 5 % of unseen "
        "real pictures are to any.",
    ),
    "off_manifold": (
        "Dropped: unlike real ones",
        "Out of reach of every training picture, where the reach is the distance to its third neighbour.",
    ),
    "wrong_class": (
        "Dropped: another class",
        "The classifier that has seen real pictures only takes them for something else than was asked for.",
    ),
    "doubtful": ("Dropped: doubtful", "It takes them for what was asked for, but is not sure enough."),
}
UNEVEN = 0.05
"""Difference of the steps, as a share, from which on the comparison is no longer even."""
ALIKE = 0.8
"""Share of the variety of real pictures of a class below which drawn ones add little."""
COARSE = 0.005
"""Share of one test picture from which on the accuracy goes in steps that matter."""


def verdict_of(result: Record) -> str:
    """Return what came out in one sentence.

    >>> verdict_of({"verdict": "nothing_kept", "pictures": {"drawn": 80}})
    'Not one of 80 drawn pictures was worth learning from: there is nothing to compare.'
    """
    if result["verdict"] == "nothing_kept":
        drawn = f"{result['pictures']['drawn']:,}"
        return f"Not one of {drawn} drawn pictures was worth learning from: there is nothing to compare."
    found = result["difference"]
    seeds = len(result["seeds"])
    told = (
        f"{points(found['mean'])} of accuracy (95 % interval {points(found['low'], bare=True)} to "
        f"{points(found['high'], bare=True)}, {seeds} seeds)"
    )
    return {
        "helps": f"Synthetic pictures help here: {told}.",
        "harms": f"Synthetic pictures do not help here, they harm: {told}.",
        "no_difference": f"Synthetic pictures do not help here: less than a point either way, {told}.",
        "cannot_tell": f"Whether synthetic pictures help here, these runs cannot tell: {told}.",
    }[result["verdict"]]


def points(share: float, *, bare: bool = False) -> str:
    """Return a difference of shares in points.

    >>> points(0.0123), points(-0.004, bare=True), points(-0.0)
    ('+1.2 points', '-0.4', '0.0 points')
    """
    shown = f"{100 * share:+.1f}"
    shown = "0.0" if float(shown) == 0 else shown
    return shown if bare else f"{shown} points"


def summary(result: Record) -> Summary:
    """Return the verdict, what to keep in mind of this very result, and key figures."""
    counts = result["pictures"]
    told = [verdict_of(result)]
    means: Record = result["accuracy"]
    if means["with"] is not None:
        told.append(
            f"`{result['classifier']}` names {percent(means['with'])} of the {counts['test']:,} test "
            f"pictures with them and {percent(means['plain'])} without, by means over the seeds."
        )
    told.append(
        f"Of {counts['drawn']:,} pictures drawn by `{result['generator']['model']}`, {counts['kept']:,} "
        f"stand beside the {counts['train']:,} real ones."
    )
    return Summary(tuple(told), tuple(_worries(result)), tuple(_tiles(result)))


def result_panels(result: Record) -> list[Panel]:
    """Return the scores of each seed, and how far they are apart."""
    rows = tuple(
        (str(row["seed"]), percent(row["plain"]), percent(row["with"]), points(row["difference"]))
        if row["with"] is not None
        else (str(row["seed"]), percent(row["plain"]), "-", "-")
        for row in result["seeds"]
    )
    table = Table(("Seed", "Without", "With", "Difference"), rows)
    steps = result["steps"]
    text = "Accuracy on the test pictures. A pair has the same seed, network, real pictures and options"
    if steps["with"] is not None:
        text += (
            f", and takes about as many steps of the optimiser: {steps['plain']:,} without and "
            f"{steps['with']:,} with, in fewer epochs. So what is compared is pictures, not time"
        )
    panels = [Panel("Seed by seed", f"{text}.", table=table)]
    found = result["difference"]
    if found:
        drawing = differences(
            [row["seed"] for row in result["seeds"]],
            [row["difference"] for row in result["seeds"]],
            (found["mean"], found["low"], found["high"]),
            title="Difference in accuracy by seed, and their mean with its interval",
        )
        panels.append(Panel("The difference", svg=drawing))
    return panels


def picture_panels(result: Record, folder: Path) -> list[Panel]:
    """Return the sheets of kept and dropped pictures that are in the folder, and how many there were."""
    panels = [
        Panel(title, text, data={"picture": f"{name}.png", "alt": title})
        for name, (title, text) in _SHEETS.items()
        if (folder / f"{name}.png").is_file()
    ]
    names = ["kept", *DROPPED, "spare"]
    rows = tuple((label, *(row[name] for name in names)) for label, row in result["classes"].items())
    total = ("all", *(sum(row[name] for row in result["classes"].values()) for name in names))
    columns = ("Class", "Kept", *DROPPED.values(), "More than wanted")
    text = "Each drawn picture is in one column: the first test that it failed, from left to right."
    panels.append(Panel("How many", text, table=Table(columns, (*rows, total))))
    real: Record = result["real"]
    shares = tuple((title, percent(real[name])) for name, title in {"kept": "Kept", **DROPPED}.items())
    text = (
        f"The same tests on the {result['pictures']['val']:,} real validation pictures: what they would "
        "wrongly drop. By construction about one in twenty passes for a copy, and at least one does."
    )
    panels.append(Panel("What the tests make of real pictures", text, table=Table(("", "Share"), shares)))
    return panels


def limit_panels(result: Record) -> list[Panel]:
    """Return what the result does not show."""
    told = [
        "The interval is over seeds of the classifier alone. The training pictures, the generator, what it "
        "drew and the test pictures are the same in all pairs; with others of each it may be another.",
        "What is dropped is decided by a classifier that has seen real pictures only, that of the first "
        "seed. What it does not recognise is missing: drawn pictures hardly teach what it does not know.",
        "A copy is a picture that lies near to a training picture by features of chance "
        f"({result['features']}); a copy that was moved or recoloured may pass. Nothing here says that the "
        "pictures are anonymous.",
        "The best epoch is chosen by the validation pictures, which are few where training pictures are few.",
    ]
    return [Panel("", data={"list": told})]


def command_panels(result: Record) -> list[Panel]:
    """Return what to do next."""
    generator = result["generator"]["run"]
    commands = [
        ("Train on the real and the drawn pictures", f"nayan train {shlex.quote(result['set'])}"),
        ("Draw more", f"nayan generate {shlex.quote(generator)} -n 64 --grid"),
        ("How the generator learned is told in", f"{generator}/report.html"),
    ]
    return [Panel("", data={"commands": commands})]


def _worries(result: Record) -> list[str]:
    counts, steps = result["pictures"], result["steps"]
    found = []
    if result["generator"]["same_data"] is False:
        found.append(
            "The generator was not trained on these training pictures: it may have seen the test pictures, "
            "and then the difference means nothing."
        )
    few = [name for name, row in result["classes"].items() if row["kept"] < row["wanted"]]
    if few and result["verdict"] != "nothing_kept":
        found.append(
            f"Fewer pictures passed than were wanted of {several(few)}: --tries draws more, and a better "
            "generator draws better ones."
        )
    varied = result["variety"]
    if varied is not None and varied < ALIKE:
        found.append(
            f"What was kept is much alike: two pictures of a class differ by {percent(varied, 0)} of what "
            "two real ones do. They add little that is new."
        )
    if steps["with"] is not None and abs(steps["with"] - steps["plain"]) > UNEVEN * steps["plain"]:
        found.append(
            f"The steps are uneven: {steps['plain']:,} without and {steps['with']:,} with. Part of the "
            "difference may be theirs; give --epochs."
        )
    if 1 / counts["test"] > COARSE:
        found.append(
            f"There are {counts['test']:,} test pictures: each is {percent(1 / counts['test'])} of the "
            "accuracy."
        )
    return found


def _tiles(result: Record) -> list[Tile]:
    counts, means = result["pictures"], result["accuracy"]
    tiles = []
    if result["difference"]:
        found = result["difference"]
        span = f"95 % interval {points(found['low'], bare=True)} to {points(found['high'], bare=True)}"
        tiles.append(Tile("Difference", points(found["mean"]), span))
    tiles.append(Tile("Without", percent(means["plain"]), "mean of the seeds", means["plain"]))
    if means["with"] is not None:
        tiles.append(Tile("With", percent(means["with"]), "mean of the seeds", means["with"]))
    tiles.append(Tile("Learnt from", f"{counts['train']:,} + {counts['kept']:,}", "real and drawn pictures"))
    passed = sum(row["kept"] + row["spare"] for row in result["classes"].values()) / max(1, counts["drawn"])
    tiles.append(Tile("Worth learning from", percent(passed), f"of {counts['drawn']:,} drawn", passed))
    return tiles
