"""One query in an index of 100,000 vectors of 512 numbers: nayan, FAISS Flat, LanceDB without an index.

    python benchmarks/index_search.py
    python benchmarks/index_search.py --real FILE.npy      # embeddings of pictures as well
    python benchmarks/index_search.py --rows 1000000       # memory of a large one; without the peers' copies

Each query is asked of all in turn (A B C A B C ...), one at a time, one thread; medians. Queries are vectors
of the same kind that are not in the index. Recall is the share of the ten nearest by FAISS Flat that are
found. Opening is done by a fresh process that has imported everything, FAISS included: the index, and one
query. LanceDB lives in an environment of its own (`benchmarks/peers.sh lancedb`) and is asked through a pipe;
the time is taken on its side. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import faiss
import numpy as np

from measure import ENVIRONMENT, HERE, WORK, Claim, Cost, median, publish
from nayan.runtime.index import VectorIndex, create_index
from vectors import Vectors, drawn, real

Figures = dict[str, Cost | float]

DIM = 512
QUERIES = 300
LANCE = HERE / ".venv-lancedb" / "bin" / "python"  # git-ignored; made by benchmarks/peers.sh lancedb

_LANCE_SERVER = """
import sys, time, json, numpy as np, lancedb, pyarrow as pa
rows = np.load(sys.argv[1], mmap_mode="r")
db = lancedb.connect(sys.argv[2])
columns = [pa.array(np.arange(len(rows)).astype(str)),
           pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel()), rows.shape[1])]
table = db.create_table("rows", pa.table(columns, names=["id", "vector"]))
print(json.dumps(lancedb.__version__), flush=True)
for line in sys.stdin:
    query = np.asarray(json.loads(line), np.float32)
    began, used = time.perf_counter(), time.process_time()
    found = table.search(query).metric("cosine").limit(10).to_arrow().column("id").to_pylist()
    print(json.dumps([time.perf_counter() - began, time.process_time() - used, found]), flush=True)
"""
_FRESH = """
import sys, time, numpy as np, faiss
from nayan.runtime.index import open_index
query = np.load(sys.argv[2])
began = time.perf_counter()
with open_index(sys.argv[1]) as index:
    index.search(query)
    first = time.perf_counter() - began
    for _ in range(50):
        index.search(query)
    memory = {line.split()[0]: int(line.split()[1]) for line in open("/proc/self/status") if "kB" in line}
print(first, memory["RssAnon:"] / 1000)
"""


class Lance:
    """A process that answers queries with LanceDB."""

    def __init__(self, rows: Vectors, work: Path) -> None:
        np.save(work / "rows.npy", rows)
        shutil.rmtree(work / "lance", ignore_errors=True)
        command = [str(LANCE), "-c", _LANCE_SERVER, str(work / "rows.npy"), str(work / "lance")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version: str = self._answer()

    def __call__(self, query: Vectors) -> tuple[Cost, list[str]]:
        """Return the cost of a query and the names that it found."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(query.tolist()) + "\n")
        self._process.stdin.flush()
        wall, used, found = self._answer()
        return Cost(wall, used), found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def timed_query(ask: Callable[[], Any]) -> tuple[Cost, Any]:
    began, used = time.perf_counter(), time.thread_time()
    answer = ask()
    return Cost(time.perf_counter() - began, time.thread_time() - used), answer


def make(rows: Vectors, folder: Path) -> VectorIndex:
    """Return a new index of the rows, with its structure."""
    shutil.rmtree(folder, ignore_errors=True)
    index = create_index(folder, dim=rows.shape[1], fingerprint="benchmark")
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        index.add([str(start + n) for n in range(len(part))], part)
    index.build()
    return index


def opened(folder: Path, query: Vectors, work: Path, *, cached: bool) -> tuple[float, float]:
    """Return seconds of opening and the first query, and MB of anonymous memory, of a fresh process."""
    np.save(work / "query.npy", query)
    command = [str(ENVIRONMENT / "python"), "-c", _FRESH, str(folder), str(work / "query.npy")]
    seconds, memory = [], 0.0
    for _ in range(7):
        for file in (
            () if cached else folder.iterdir()
        ):  # out of the cache of files, where the system allows it
            with file.open("rb") as content:
                os.fsync(content.fileno())
                os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        first, used = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds.append(float(first))
        memory = float(used)
    return statistics.median(seconds), memory


def measure(name: str, rows: Vectors, work: Path, *, lance: bool) -> tuple[list[Claim], Figures, str]:
    """Measure one kind of vectors; return claims, figures and the version of LanceDB."""
    queries, rows = rows[:QUERIES], np.ascontiguousarray(rows[QUERIES:])
    index = make(rows, work / "index")
    flat = faiss.IndexFlatIP(DIM)
    flat.add(rows)
    peer = Lance(rows, work) if lance else None
    costs: dict[str, list[Cost]] = {"nayan": [], "FAISS Flat": [], "LanceDB": []}
    recalls = []
    for number, query in enumerate(queries):
        cost, (_, nearest) = timed_query(lambda query=query: flat.search(query[None], 10))
        costs["FAISS Flat"].append(cost)
        cost, hits = timed_query(lambda query=query: index.search(query))
        costs["nayan"].append(cost)
        recalls.append(len({hit.id for hit in hits} & set(map(str, nearest[0]))) / 10)
        if peer is not None and number % 6 == 0:
            costs["LanceDB"].append(peer(query)[0])
    index.close()
    medians = {way: median(each) for way, each in costs.items() if each}
    figures: Figures = {f"{name}: {way}": cost for way, cost in medians.items()}
    figures[f"{name}: nayan, p99, ms"] = 1000 * float(
        np.quantile([cost.wall_s for cost in costs["nayan"]], 0.99)
    )
    large, ours = len(rows) > 500_000, medians["nayan"]
    claims = [
        Claim(f"{name}: p50 of a query", ours.wall_s * 1000, 25 if large else 3, "ms", at_most=True),
        Claim(f"{name}: recall@10", statistics.mean(recalls), 0.99, ""),
    ]
    for way, target in (("FAISS Flat", 8), ("LanceDB", 50)):
        if way in medians:
            claims.append(Claim(f"{name}: against {way}", medians[way].wall_s / ours.wall_s, target))
            figures[f"{name}: against {way} in processor time"] = medians[way].cpu_s / ours.cpu_s
    if peer is not None:
        peer.close()
    seconds, memory = opened(work / "index", queries[0], work, cached=True)
    if large:
        claims.append(Claim(f"{name}: anonymous memory", memory, 500, "MB", at_most=True))
    claims.append(Claim(f"{name}: opens and answers", seconds * 1000, 100, "ms", at_most=True))
    figures[f"{name}: opens and answers with nothing in the cache of files, s"] = opened(
        work / "index", queries[0], work, cached=False
    )[0]
    figures[f"{name}: anonymous memory, MB"] = memory
    return claims, figures, "" if peer is None else peer.version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--real", type=Path, help="a .npy of embeddings of pictures")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    work = WORK / "index"
    work.mkdir(parents=True, exist_ok=True)
    kinds = {"drawn": lambda: drawn(options.rows + QUERIES, DIM)}
    if options.real:
        kinds["real"] = lambda: real(options.real, options.rows + QUERIES, DIM)
    claims, figures, versions = [], {}, {name: version(name) for name in ("numpy", "faiss-cpu")}
    lance = LANCE.exists() and options.rows <= 200_000
    if not lance:
        print(f"without LanceDB: {LANCE} is missing, or there are too many rows", file=sys.stderr)
    for name, vectors in kinds.items():
        found, measured, peer_version = measure(name, vectors(), work, lance=lance)
        claims += found
        figures |= measured
        versions |= {"lancedb": peer_version} if peer_version else {}
    shutil.rmtree(work)
    publish("index_search", claims, costs=figures, versions=versions)


if __name__ == "__main__":
    main()
