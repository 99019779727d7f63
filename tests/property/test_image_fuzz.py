"""Damaged pictures are decoded or refused, never anything else: a small round of scripts/fuzz_images.py."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_images.py"


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_images", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_images"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_seed_picture_is_decoded(fuzzer: ModuleType) -> None:
    seeds = fuzzer.seeds()
    assert len(seeds) >= 30
    assert all(fuzzer.decode(data) for data in seeds.values())


def test_300_mutated_pictures_are_decoded_or_refused(fuzzer: ModuleType) -> None:
    seeds = list(fuzzer.seeds().values())
    decoded = 0
    for index in range(300):
        rng = np.random.default_rng((7, index))
        first, second = (seeds[int(rng.integers(len(seeds)))] for _ in range(2))
        decoded += fuzzer.decode(fuzzer.mutate(rng, first, other=second))  # raises on any other error
    assert 0 < decoded < 300
