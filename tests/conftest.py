"""What every test may rely on: a fixed seed, one thread of arithmetic, and the way to the real data packs."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

# Several test workers share the cores; more threads each would only make them wait for one another.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Nothing in a test may fetch weights.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")  # not imported here: most tests need none of it
    if torch is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_packs() -> Path:
    """Return the folder of the real data packs, or skip the test where there are none."""
    folder = os.environ.get("NAYAN_DATA")
    if not folder:
        pytest.skip("needs the real data packs; set NAYAN_DATA to their folder")
    path = Path(folder).resolve()
    assert path.is_dir(), f"NAYAN_DATA={folder} is no folder"
    return path
