"""`nayan doctor`: what is this data, and what is wrong with it."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.table import aligned
from nayan.cli.val import Data, Format, Task

if TYPE_CHECKING:
    from nayan.data.doctor.findings import Diagnosis, Finding

_MARKS = {"error": "ERROR  ", "warning": "warning", "info": "info   "}


def doctor(
    data: Data,
    /,
    *,
    task: Task = None,
    format: Format = None,
    only: Annotated[
        tuple[str, ...],
        Parameter(help="run this check or family only; repeat for more", metavar="CHECK", negative=""),
    ] = (),
    skip: Annotated[
        tuple[str, ...],
        Parameter(help="leave out this check or family; repeat for more", metavar="CHECK", negative=""),
    ] = (),
    imgsz: Annotated[
        int | None,
        Parameter(
            help="input of the detector in px, by which objects are small or not "
            "[default: what `nayan train` would choose]",
            metavar="N",
        ),
    ] = None,
    embed: Annotated[
        str | None,
        Parameter(
            help="look for copies, leaks, doubtful labels and strangers in the eyes of a network, too: a "
            "trained embedder or classifier, or a backbone",
            metavar="MODEL",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        Parameter(help="of a backbone for --embed [default: imagenet]", metavar="imagenet|FILE"),
    ] = None,
    strict: Annotated[bool, Parameter(help="exit 3 on warnings too", negative="")] = False,
    common: Common = COMMON,
) -> Output:
    """Say what this data is and what is wrong with it; nothing is changed.

    Exit code 3 when there is an error: something that would make training or its scores wrong.
    """
    from nayan import api
    from nayan.cli.progress import Progress

    with Progress(quiet=common.quiet) as progress:
        diagnosis = api.doctor(
            data,
            task=task,
            format=format,
            only=only,
            skip=skip,
            imgsz=imgsz,
            embed=embed,
            weights=weights,
            on_progress=progress.count,
        )
    return common.output(
        diagnosis.to_json(), diagnosis_text(diagnosis), exit_code=diagnosis.exit_code(strict)
    )


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return a diagnosis for reading: what it is, how much, the findings, the sum of them."""
    blocks = [f"{diagnosis.data}: {diagnosis.format or 'not recognised'}, {diagnosis.reason}"]
    if diagnosis.splits:
        blocks.append(
            "pictures: " + ", ".join(f"{name} {count:,}" for name, count in diagnosis.splits.items())
        )
    if diagnosis.classes:
        blocks.append(_shortened(_class_table(diagnosis)))
    blocks += [_finding_text(finding) for finding in diagnosis.findings]
    nouns = {"error": "error", "warning": "warning", "info": "remark"}
    found = {kind: sum(finding.severity == kind for finding in diagnosis.findings) for kind in nouns}
    blocks.append(", ".join(f"{found[kind]} {noun}{'s'[: found[kind] != 1]}" for kind, noun in nouns.items()))
    return "\n\n".join(blocks)


def _class_table(diagnosis: Diagnosis) -> str:
    """Return the pictures, and where there are any the boxes, of each class in each split."""
    splits = list(diagnosis.splits)
    if not diagnosis.boxes:
        rows = [[name, *(counts.get(s, 0) for s in splits)] for name, counts in diagnosis.classes.items()]
        return aligned(["class", *splits], rows, indent="  ")
    rows = [
        [name, *(n for s in splits for n in (counts[s], diagnosis.classes[name][s]))]
        for name, counts in diagnosis.boxes.items()
    ]
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    # A picture may show several classes, so only the boxes can be added up.
    if len(rows) > 1:
        rows.append(["all", *(n if i % 2 == 0 else None for i, n in enumerate(sums))])
    headings = [f"{split}\n{noun}" for split in splits for noun in ("boxes", "pictures")]
    return aligned(["class", *headings], rows, indent="  ")


def _finding_text(finding: Finding) -> str:
    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    head = f"{_MARKS[finding.severity]}  {finding.check}: {finding.message}"
    lines = textwrap.wrap(head, width, subsequent_indent=" " * 9)
    if finding.advice:
        lines += textwrap.wrap(
            f"-> {finding.advice}", width, initial_indent=" " * 9, subsequent_indent=" " * 12
        )
    return "\n".join(lines)


def _shortened(table: str, limit: int = 30) -> str:
    lines = table.splitlines()
    if len(lines) <= limit:
        return table
    return "\n".join([*lines[:limit], f"  ... and {len(lines) - limit:,} more classes (--json lists all)"])
