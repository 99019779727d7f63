"""Durable changes of an index of 20,000 vectors of 512 numbers: appending one, deleting one, appending many.

    python benchmarks/index_append.py

A change counts when it has returned: then it is on the disk. So that the disk itself is seen, the least that
it could take, two plain writes that are flushed with fdatasync, is measured in turn with each, and LanceDB's
changes where it is installed (`benchmarks/peers.sh lancedb`), whose promise is weaker. Medians. The last line
is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version

from index_search import DIM, LANCE, make
from measure import WORK, Claim, publish
from vectors import drawn

ROWS = 20_000
BATCH = 1000

_LANCE = """
import sys, time, json, numpy as np, lancedb, pyarrow as pa
rows = np.random.default_rng(0).standard_normal((20_000, 512), dtype=np.float32)
def table_of(rows, first):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    return pa.table([pa.array([str(first + n) for n in range(len(rows))]), vectors], names=["id", "vector"])
table = lancedb.connect(sys.argv[1]).create_table("rows", table_of(rows, 0))
added, deleted = [], []
for n in range(60):
    began = time.perf_counter()
    table.add(table_of(rows[n : n + 1], 20_000 + n))
    added.append(time.perf_counter() - began)
    began = time.perf_counter()
    table.delete(f"id = '{n}'")
    deleted.append(time.perf_counter() - began)
print(json.dumps([sorted(added)[30], sorted(deleted)[30], lancedb.__version__]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    work = WORK / "append"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rows = drawn(ROWS + rounds + 20 * BATCH, DIM)
    index = make(rows[:ROWS], work / "index")
    plain = (work / "plain").open("wb", buffering=0)

    def write_twice() -> None:
        for content in (rows[0].tobytes(), b"\0" * 4096):
            plain.write(content)
            os.fdatasync(plain.fileno())

    times: dict[str, list[float]] = {}

    def timed(name: str, act: Callable[[], object]) -> None:
        began = time.perf_counter()
        act()
        times.setdefault(name, []).append(time.perf_counter() - began)

    for number in range(rounds):
        at = ROWS + number
        timed("append one", lambda at=at: index.add([f"new {at}"], rows[at : at + 1]))
        timed("delete one", lambda number=number: index.delete([str(number)]))
        timed("two plain flushed writes", write_twice)
    for batch in range(20):
        first = ROWS + rounds + batch * BATCH
        names = [f"many {first + n}" for n in range(BATCH)]
        timed(
            f"append {BATCH}", lambda names=names, first=first: index.add(names, rows[first : first + BATCH])
        )
    index.close()
    plain.close()
    figures = {f"{name}, ms": statistics.median(each) * 1000 for name, each in times.items()}
    figures["rows a second, in batches"] = BATCH / statistics.median(times[f"append {BATCH}"])
    versions = {"numpy": version("numpy")}
    if LANCE.exists():
        result = subprocess.run(
            [str(LANCE), "-c", _LANCE, str(work / "lance")], check=True, capture_output=True, text=True
        )
        added, deleted, versions["lancedb"] = json.loads(result.stdout.splitlines()[-1])
        figures |= {"LanceDB: append one, ms": added * 1000, "LanceDB: delete one, ms": deleted * 1000}
    shutil.rmtree(work)
    least = figures["two plain flushed writes, ms"]
    figures["append one, against the two plain writes"] = figures["append one, ms"] / least
    claims = [
        Claim("durable append of one vector", figures["append one, ms"], 1, "ms", at_most=True),
        Claim("durable deletion of one", figures["delete one, ms"], 1, "ms", at_most=True),
    ]
    publish("index_append", claims, costs=figures, versions=versions)


if __name__ == "__main__":
    main()
