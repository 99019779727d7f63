"""Kill the writer of an index with SIGKILL at random moments, and compare it with what was acknowledged.

    python scripts/kill_index.py --count 200

Prints one JSON line: kills, how many of them hit inside a change, changes acknowledged, acknowledged rows
that were lost, batches of which only a part was there, vectors that differ, and answers that differ after the
structure was thrown away and made again. The exit code is 1 if there was any of the latter four.

A writer appends batches, replaces and deletes rows, compacts and makes structures, each a pure function of
its number, and acknowledges each through a pipe when it has returned. So after a kill the index must hold
what all acknowledged changes made of it, or that and the next change as well. Half of the kills are asked
for: the writer stops itself before, after or in the middle of one of the operations on files that it makes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.index import VectorIndex, create_index, open_index, upkeep, vector_file, view

DIM = 32
BATCH = 40
EXACT_ROWS = 150  # so that indexes of this size have structures
_FORK = multiprocessing.get_context("fork")

Rows = dict[str, int]
"""What an index holds: each name with the number of the change that wrote its vector."""


@dataclass
class Tally:
    """What happened."""

    kills: int = 0
    inside_change: int = 0
    acknowledged: int = 0
    lost: int = 0
    partial: int = 0
    different: int = 0
    other_answers: int = 0


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_often(Path(folder), options.count, seed=options.seed)
    print(json.dumps({**vars(tally), "seconds": round(time.monotonic() - begun, 1)}))
    return int(tally.lost + tally.partial + tally.different + tally.other_answers > 0)


def kill_often(folder: Path, count: int, *, seed: int = 0) -> Tally:
    """Kill `count` writers of one index, one after the other.

    Args:
        folder: an empty one to work in.
        count: kills.
        seed: of the moments.
    """
    view.EXACT_ROWS = upkeep.EXACT_ROWS = EXACT_ROWS
    rng = random.Random(seed)
    path = folder / "index"
    create_index(path, dim=DIM, fingerprint="kills").close()
    tally, rows, change = Tally(), Rows(), 0
    for number in range(count):
        receiver, sender = _FORK.Pipe(duplex=False)
        kill_at = rng.randint(1, 120) if number % 2 else 0
        writer = _FORK.Process(target=_write, args=(path, change, sender, kill_at))
        writer.start()
        sender.close()
        if not kill_at:
            time.sleep(rng.uniform(0.02, 0.4))
            os.kill(writer.pid, signal.SIGKILL)  # type: ignore[arg-type]
        writer.join()
        assert writer.exitcode == -signal.SIGKILL, f"a writer failed: {writer.exitcode}"
        acknowledged = _acknowledged(receiver, change)
        for each in range(change, acknowledged):
            rows = after(rows, each)
        tally.kills += 1
        tally.acknowledged += acknowledged - change
        rows, change = _compare(path, rows, acknowledged, tally)
    return tally


def after(rows: Rows, change: int) -> Rows:
    """Return what a change makes of the rows."""
    left = dict(rows)
    if change % 10 in (3, 6):
        for name in _to_delete(rows, change):
            del left[name]
    elif change % 10 != 9:
        for name in _names(change):
            left.pop(name, None)
            left[name] = change
    return left


def _write(path: Path, change: int, sender: Connection, kill_at: int) -> None:
    """Go on from a change until killed; this is the child."""
    with open_index(path, write=True) as index:
        rows = {name: int(stamp) for name, stamp in index.stamps().items()}
        if kill_at:
            _die_inside_change(kill_at)
        while True:
            _make(index, rows, change)
            rows = after(rows, change)
            sender.send(change)
            change += 1


def _make(index: VectorIndex, rows: Rows, change: int) -> None:
    if change % 10 in (3, 6):
        index.delete(_to_delete(rows, change))
    elif change % 10 == 9:
        index.compact() if change % 20 == 19 else index.build()
    else:
        names = _names(change)
        index.add(names, _vectors(names, change), stamps=[str(change)] * len(names))


def _names(change: int) -> list[str]:
    """Return whose vectors a change writes: new ones, and a quarter that an earlier change wrote."""
    first = change * BATCH
    return [f"r{(first - 7 * BATCH if n % 4 == 0 and change > 20 else first) + n}" for n in range(BATCH)]


def _to_delete(rows: Rows, change: int) -> list[str]:
    return sorted(rows)[change % 3 :: 3]


def _vectors(names: list[str], change: int) -> NDArray[np.float32]:
    vectors = [np.random.default_rng((change, int(name[1:]))).standard_normal(DIM) for name in names]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _acknowledged(receiver: Connection, change: int) -> int:
    """Return the number of the first change that was not acknowledged."""
    try:
        while True:
            change = receiver.recv() + 1
    except EOFError:
        return change


def _compare(path: Path, rows: Rows, change: int, tally: Tally) -> tuple[Rows, int]:
    """Compare an index with what it must hold; return what it holds, and the number of the next change."""
    with open_index(path) as index:
        found = {name: int(stamp) for name, stamp in index.stamps().items()}
        following = after(rows, change)
        if list(found.items()) == list(following.items()) and following != rows:
            tally.inside_change += 1
            rows, change = following, change + 1
        elif list(found.items()) != list(rows.items()):
            tally.lost += sum(found.get(name) != stamp for name, stamp in rows.items() if name in following)
            tally.partial += 1
        by_change: dict[int, list[str]] = {}
        for name, stamp in found.items():
            by_change.setdefault(stamp, []).append(name)
        for stamp, names in by_change.items():
            tally.different += not np.allclose(index.vectors(names), _vectors(names, stamp), atol=1e-6)
    tally.other_answers += _answers_differ(path)
    return found, change


def _answers_differ(path: Path) -> int:
    """Return how many of some queries find other rows after the structure was made again from nothing."""
    queries = np.random.default_rng(0).standard_normal((5, DIM)).astype(np.float32)
    with open_index(path) as index:
        before = [index.search(query) for query in queries]
    for structure in path.glob("structure-*"):
        structure.unlink()
    with open_index(path, write=True) as index:
        exact = [index.search(query) for query in queries]
        index.build()
        again = [index.search(query) for query in queries]
        index.check()  # type: ignore[attr-defined]
    return sum(not a == b == c for a, b, c in zip(before, exact, again, strict=True))


def _die_inside_change(number: int) -> None:
    """Let the `number`-th operation on a file be this process's last; odd ones are made, writes by half."""
    left = number

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                if number % 2:
                    call(
                        *(
                            arg[: len(arg) // 2] if isinstance(arg, bytes | memoryview) else arg
                            for arg in args
                        )
                    )
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return step

    for owner, name in ((Path, "replace"), (Path, "touch"), (Path, "unlink"), (os, "fsync")):
        setattr(owner, name, dying(getattr(owner, name)))
    vector_file._to_disk = dying(vector_file._to_disk)
    vector_file._write_all = dying(vector_file._write_all)
    upkeep.write_structure = dying(upkeep.write_structure)


if __name__ == "__main__":
    sys.exit(main())
