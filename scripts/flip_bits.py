"""Flip one random bit in a copy of a bundle, COUNT times, and count how often the bundle is still accepted.

    python scripts/flip_bits.py BUNDLE --count 1000

Every file is flipped alike often, the small ones too. Prints JSON; the exit code is 1 if a flip was accepted.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from nayan.core.errors import BundleError
from nayan.runtime.bundle import find_bundle, open_bundle


def flip_bits(bundle: Path, *, count: int, seed: int = 0) -> dict[str, Any]:
    """Return how many of `count` single-bit flips in the bundle's files were refused.

    Args:
        bundle: a bundle or a run folder; it is copied, not changed.
        count: flips, one at a time.
        seed: of the places.
    """
    rng = random.Random(seed)
    accepted: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "bundle"
        shutil.copytree(find_bundle(bundle), copy)
        open_bundle(copy)  # as it is, it must be accepted
        files = sorted(copy.iterdir())
        for number in range(count):
            file = files[number % len(files)]
            place, bit = rng.randrange(file.stat().st_size), rng.randrange(8)
            _flip(file, place, bit)
            try:
                open_bundle(copy)
                accepted.append(f"{file.name}: bit {bit} of byte {place}")
            except BundleError:
                pass
            _flip(file, place, bit)
        open_bundle(copy)  # and again, with every bit back
    return {"flips": count, "refused": count - len(accepted), "accepted": accepted, "files": len(files)}


def _flip(file: Path, place: int, bit: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(place)
        (byte,) = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte ^ (1 << bit)]))


def main() -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = flip_bits(options.bundle, count=options.count, seed=options.seed)
    print(json.dumps(result, indent=2))
    return 1 if result["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
