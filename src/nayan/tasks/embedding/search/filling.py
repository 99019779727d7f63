"""Filling an index: which pictures are new, changed or gone, and one pipeline that embeds and appends them.

    files ── threads: decode, resize ── network ── batches of vectors ── appended, on the disk ── counted

What was appended stays, whatever happens next: a job that was killed goes on where it was, because each
picture is stored with a stamp of its file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, NayanError
from nayan.core.types import Sample
from nayan.data.facts import Facts
from nayan.runtime.index import Metadata, VectorIndex
from nayan.runtime.predictor import Predictor, predict_samples
from nayan.tasks.embedding.search.names import Names
from nayan.tasks.embedding.search.vectors import OnProgress, vector_of

APPENDED = 256
"""Pictures that are appended at once, at most,"""
WAIT_S = 1.0
"""and seconds after which fewer are."""

_CHANGED = 10_000  # names in one change


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to embed."""

    sample: Sample
    name: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do.

    Attributes:
        new: pictures that the index does not have.
        changed: pictures whose files are not those that were embedded.
        same: names of those that are.
        gone: names of the index whose files are no longer there.
    """

    new: tuple[Item, ...] = ()
    changed: tuple[Item, ...] = ()
    same: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """What was done to an index.

    Attributes:
        pictures: in the index now.
        new: embedded for the first time.
        changed: embedded again.
        same: left as they were.
        described: whose metadata are others now, among the same ones.
        gone: of the index, with no file any more.
        removed: of those, taken out.
        failures: (name, reason) of pictures that could not be read; an older vector of theirs stays.
        notes: what the user may not expect, one sentence each.
        seconds: from begin to end.
    """

    pictures: int
    new: int = 0
    changed: int = 0
    same: int = 0
    described: int = 0
    gone: int = 0
    removed: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """How an index shall be filled.

    Attributes:
        names: of the pictures.
        facts: what becomes of their metadata; None leaves them as they are.
        prune: whether pictures are taken out whose files are gone.
        batch: pictures a call of the network; None for `usual_batch`.
        on_progress: told how many are appended, of how many.
    """

    names: Names
    facts: Facts | None = None
    prune: bool = False
    batch: int | None = None
    on_progress: OnProgress | None = None


@dataclass(slots=True)
class _Waiting:
    """What is embedded and not yet appended."""

    items: list[Item] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    since: float = 0.0


def fill(index: VectorIndex, predictor: Predictor, samples: Sequence[Sample], *, order: Order) -> Filled:
    """Bring an index up to date with pictures; those that it has beside them stay.

    Args:
        index: open for writing.
        predictor: of the model that the index is bound to.
        samples: files.
        order: how.

    Raises:
        DataError: if the table of facts fits no picture; nothing is changed then.
    """
    began = time.perf_counter()
    plan = make_plan(samples, order.names, index.stamps())
    rows, others, notes = _rows_of(index, plan, order)
    items = (*plan.new, *plan.changed)
    failures = embed_into(
        index, predictor, items, rows=rows, batch=order.batch, on_progress=order.on_progress
    )
    for some in _parts(list(others)):
        index.describe(some, [others[name] for name in some])
    removed = plan.gone if order.prune else ()
    for some in _parts(removed):
        index.delete(some)
    failed = {name for name, _ in failures}
    return Filled(
        pictures=len(index),
        new=sum(item.name not in failed for item in plan.new),
        changed=sum(item.name not in failed for item in plan.changed),
        same=len(plan.same),
        described=len(others),
        gone=len(plan.gone),
        removed=len(removed),
        failures=tuple(failures),
        notes=notes,
        seconds=time.perf_counter() - began,
    )


def make_plan(samples: Sequence[Sample], names: Names, stamps: Mapping[str, str]) -> Plan:
    """Return what there is to do, by looking at sizes and times of files.

    Args:
        samples: the pictures that are to be in the index.
        names: what they are called.
        stamps: of the index, by name.
    """
    new: list[Item] = []
    changed: list[Item] = []
    same: list[str] = []
    seen: set[str] = set()
    for sample in samples:
        assert sample.path is not None  # only files are looked for
        name = names.of(sample.path)
        if name in seen:
            continue
        seen.add(name)
        item = Item(sample, name, stamp_of(sample.path))
        if name not in stamps:
            new.append(item)
        elif stamps[name] != item.stamp:
            changed.append(item)
        else:
            same.append(name)
    gone = [name for name in stamps if name not in seen and not names.file(name).is_file()]
    return Plan(tuple(new), tuple(changed), tuple(same), tuple(gone))


def stamp_of(file: Path) -> str:
    """Return size and time of a file, by which it is known again; "" where there is none to look at."""
    try:
        status = file.stat()
    except OSError:  # opening it will say what is wrong
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def embed_into(
    index: VectorIndex,
    predictor: Predictor,
    items: Sequence[Item],
    *,
    rows: Mapping[str, Metadata],
    batch: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[tuple[str, str]]:
    """Embed pictures and append them, each batch for good before the next one is counted.

    Args:
        index: open for writing.
        predictor: of the model that the index is bound to.
        items: what to embed.
        rows: metadata of pictures, by name.
        batch: pictures a call of the network; None for `usual_batch`.
        on_progress: told how many are appended, of how many.

    Returns:
        (name, reason) of pictures that could not be read.
    """
    failures: list[tuple[str, str]] = []
    waiting = _Waiting(since=time.monotonic())
    results = predict_samples(predictor, (item.sample for item in items), batch=batch)
    for done, (item, (_, _, outcome)) in enumerate(zip(items, results, strict=True), start=1):
        if isinstance(outcome, NayanError):
            failures.append((item.name, outcome.message))
        else:
            waiting.items.append(item)
            waiting.vectors.append(vector_of(outcome))
        now = time.monotonic()
        if len(waiting.items) >= APPENDED or now - waiting.since > WAIT_S or done == len(items):
            _append(index, waiting, rows)
            waiting = _Waiting(since=now)
            if on_progress is not None:
                on_progress(done, len(items))
    return failures


def _rows_of(
    index: VectorIndex, plan: Plan, order: Order
) -> tuple[dict[str, Metadata], dict[str, Metadata], tuple[str, ...]]:
    """Return the metadata of pictures to embed, those that others are to have from now on, and notes.

    What a table does not say stays as it is.
    """
    facts, names = order.facts, order.names
    everything = [*(item.name for item in (*plan.new, *plan.changed)), *plan.same]
    said = {} if facts is None else {name: facts.of(names.file(name), name) for name in everything}
    told: dict[str, Metadata] = {name: row for name, row in said.items() if row is not None}
    rows: dict[str, Metadata] = {item.name: told.get(item.name, {}) for item in plan.new}
    for item in plan.changed:
        rows[item.name] = told[item.name] if item.name in told else dict(index.metadata(item.name))
    others = {
        name: told[name] for name in plan.same if name in told and told[name] != dict(index.metadata(name))
    }
    return rows, others, () if facts is None else _told(facts, told, everything)


def _told(facts: Facts, told: Mapping[str, Metadata], names: Sequence[str]) -> tuple[str, ...]:
    if not told:
        raise DataError(
            f"{facts.path}: none of its {len(facts.rows):,} rows is of one of the {len(names):,} pictures",
            hint=f"its files are such as {next(iter(facts.rows), '')!r}, the pictures such as {names[0]!r}",
        )
    missing = [name for name in names if name not in told]
    if not missing:
        return ()
    return (f"{facts.path} says nothing of {len(missing):,} pictures, such as {missing[0]}",)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _CHANGED] for start in range(0, len(names), _CHANGED))


def _append(index: VectorIndex, waiting: _Waiting, rows: Mapping[str, Metadata]) -> None:
    if waiting.items:
        index.add(
            [item.name for item in waiting.items],
            np.stack(waiting.vectors),
            metadata=[rows.get(item.name, {}) for item in waiting.items],
            stamps=[item.stamp for item in waiting.items],
        )
