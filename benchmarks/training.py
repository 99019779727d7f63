"""Whole `nayan train` commands on the data packs that NAYAN_DATA names."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from measure import ENVIRONMENT, WORK, Cost, processor_s


def packs() -> Path:
    """Return the folder of the data packs.

    Raises:
        SystemExit: if NAYAN_DATA names none.
    """
    folder = Path(os.environ.get("NAYAN_DATA", ""))
    if not os.environ.get("NAYAN_DATA") or not folder.is_dir():
        raise SystemExit("set NAYAN_DATA to the folder of the data packs")
    return folder.resolve()


def train(pack: str, *options: str | Path) -> tuple[dict[str, Any], Cost]:
    """Train on a data pack as `train_on` does."""
    return train_on(packs() / pack, *options)


def train_on(data: Path, *options: str | Path) -> tuple[dict[str, Any], Cost]:
    """Train in a new folder below `.work`; return what `--json` gave, and the cost of the whole command."""
    WORK.mkdir(exist_ok=True)
    command = [ENVIRONMENT / "nayan", "train", data, *options, "--json"]
    print(" ".join(["nayan train", data.name, *map(str, options)]), flush=True)
    wall, cpu = time.perf_counter(), processor_s()
    result = subprocess.run(list(map(str, command)), cwd=WORK, check=True, stdout=subprocess.PIPE, text=True)
    record: dict[str, Any] = json.loads(result.stdout)
    return record, Cost(time.perf_counter() - wall, processor_s() - cpu)
