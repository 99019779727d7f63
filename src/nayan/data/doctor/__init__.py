"""Say what a data set is and what is wrong with it, before anything is trained on it.

    scan      read every picture once                        -> Snapshot
    checks    pure functions, one an id, in one table        -> findings
    diagnose  both; the only door from outside               -> Diagnosis

Nothing is ever written. The guide with every check is docs/guides/doctor.md.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from nayan.core.errors import ConfigError
from nayan.data.doctor.checks import CHECKS, Check, run, select
from nayan.data.doctor.findings import Diagnosis, Finding, Severity, by_severity
from nayan.data.doctor.scan import Embed, Progress, scan

__all__ = ["CHECKS", "Check", "Diagnosis", "Embed", "Finding", "Progress", "Severity", "diagnose"]


LIKENESS = "likeness"
"""The family of checks that look at embeddings."""

_LEAST_IMGSZ = 32


def diagnose(
    root: Path,
    *,
    targets: Collection[str] = (),
    format: str | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    imgsz: int | None = None,
    threads: int | None = None,
    on_progress: Progress | None = None,
    embed: Embed | None = None,
) -> Diagnosis:
    """Look for everything that could spoil a training or its score.

    Args:
        root: a data set; a folder that no reader recognises is looked at picture by picture.
        targets: names of the types in `core.types` that are wanted, such as ("Identity",); () for any.
        format: name of the reader; None chooses.
        only: ids or families of the checks to run; None runs all.
        skip: ids or families to leave out.
        imgsz: longer side of the network's input in px, 32 or more, by which objects are small or not; None
            for the side that training would choose.
        threads: pictures decoded at once; None takes the number of cores, at most 8.
        on_progress: called with (pictures done, pictures in all).
        embed: gives an embedding of each picture, so that the checks of the family "likeness" look, too.

    Raises:
        ConfigError: if a check is unknown or none is left, one of "likeness" is asked for without `embed`,
            `imgsz` is impossible, or two formats fit equally well.
        DataError: if `root` does not exist.
        NotFound: if no format has that name.
    """
    started = time.perf_counter()
    checks = select(only, skip)
    if imgsz is not None and imgsz < _LEAST_IMGSZ:
        raise ConfigError(f"--imgsz {imgsz}: a detector takes {_LEAST_IMGSZ} px or more", hint="640 is usual")
    looks = any(check.family == LIKENESS for check in checks)
    if embed is None and only and all(name.partition(".")[0] == LIKENESS for name in only):
        raise ConfigError(
            f"--only {only[0]}: the checks of {LIKENESS} look through a network, and none was named",
            hint="add --embed MODEL, a trained model",
        )
    snapshot = scan(
        Path(root),
        targets=targets,
        format=format,
        imgsz=imgsz,
        threads=threads,
        on_progress=on_progress,
        embed=embed if looks else None,
    )
    return Diagnosis(
        data=str(root),
        format=snapshot.format,
        reason=snapshot.reason,
        splits=snapshot.split_counts,
        classes=snapshot.class_counts,
        findings=by_severity(run(checks, snapshot)),
        seconds=time.perf_counter() - started,
        boxes=snapshot.box_counts,
    )
