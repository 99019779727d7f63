"""Throw damaged pictures at the decoder: it may decode them or refuse them, and nothing else.

    python scripts/fuzz_images.py --count 20000 --seed 0

Seeds of many formats and modes are made here, then mutated: flipped bits, overwritten bytes and header
words, cuts, splices of two files, repeated and removed stretches. A child process with a memory limit
decodes them with `open_image` and `probe`; the parent watches, notes what kills it or takes too long,
and goes on behind it. The last line is one JSON document. Exit status 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from nayan.core.errors import FormatError
from nayan.core.image import open_image, probe

MEMORY_LIMIT = 4 * 2**30  # bytes of address space: twice what a picture of MAX_PIXELS needs
HANG_SECONDS = 2.0
KILL_SECONDS = 20.0  # a hang is counted after HANG_SECONDS, but awaited until here


@dataclass
class Outcome:
    """What happened to all mutated pictures.

    Attributes:
        crashes: one line each: the child died, or raised something that is not a FormatError.
        hangs: pictures that took longer than HANG_SECONDS.
        peak_mb: the largest resident memory of the child.
    """

    mutations: int = 0
    decoded: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0
    seconds: float = 0.0


def seeds() -> dict[str, bytes]:
    """Return small valid pictures in as many encodings as Pillow writes, by name."""
    y, x = np.mgrid[0:40, 0:56].astype(np.uint16)
    rgb = np.stack([x * 4, y * 6, (x * y) % 256], axis=-1).astype(np.uint8)
    picture = PillowImage.fromarray(rgb)
    alpha = PillowImage.fromarray(np.dstack([rgb, (x * 4).astype(np.uint8)]))
    wide = PillowImage.fromarray(x * 1000 + y)
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    made: dict[str, bytes] = {}

    def add(name: str, image: PillowImage.Image, kind: str, **options: object) -> None:
        file = io.BytesIO()
        image.save(file, kind, **options)
        made[name] = file.getvalue()

    add("jpeg", picture, "JPEG", quality=90)
    add("jpeg_progressive", picture, "JPEG", progressive=True, exif=exif)
    add("jpeg_exif", picture, "JPEG", exif=exif, comment=b"x" * 40)
    add("jpeg_cmyk", picture.convert("CMYK"), "JPEG", icc_profile=b"not a profile" * 12)
    for mode in ("1", "L", "LA", "P"):
        add(f"png_{mode}", picture.convert(mode), "PNG")
    add("png_rgba", alpha, "PNG", exif=exif)
    add("png_16", wide, "PNG")
    add("apng", picture, "PNG", save_all=True, append_images=[picture.rotate(90)])
    add("gif", picture.convert("P"), "GIF", save_all=True, append_images=[picture.rotate(180).convert("P")])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        add(f"tiff_{compression}", picture, "TIFF", compression=compression)
    add("tiff_16", wide, "TIFF")
    add("tiff_float", picture.convert("F"), "TIFF")
    add("tiff_bilevel", picture.convert("1"), "TIFF", compression="group4")
    add("tiff_pages", picture, "TIFF", save_all=True, append_images=[picture])
    add("webp", picture, "WEBP", quality=80, exif=exif)
    add("webp_lossless", alpha, "WEBP", lossless=True)
    add("webp_animated", picture, "WEBP", save_all=True, append_images=[picture.rotate(90)])
    for kind in ("BMP", "PPM", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "AVIF", "QOI"):
        add(kind.lower(), picture, kind)
    add("tga_rle", alpha, "TGA", compression="tga_rle")
    add("ico", alpha, "ICO", sizes=[(16, 16), (32, 32)])
    add("icns", alpha.resize((32, 32)), "ICNS")
    return made


def mutate(rng: np.random.Generator, data: bytes, *, other: bytes) -> bytes:
    """Return a damaged copy of `data`; one to four kinds of damage one after another."""
    for _ in range(int(rng.integers(1, 5))):
        damage = _DAMAGES[int(rng.integers(len(_DAMAGES)))]
        data = damage(rng, bytearray(data or b"\0"), other)
    return data


def _flip_bits(rng: np.random.Generator, data: bytearray, other: bytes) -> bytes:  # noqa: ARG001
    for _ in range(int(rng.integers(1, 9))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _overwrite(rng: np.random.Generator, data: bytearray, _: bytes) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 17))
    data[start : start + length] = rng.bytes(length)
    return bytes(data)


def _header_word(rng: np.random.Generator, data: bytearray, _: bytes) -> bytes:
    """Put a number that parsers trip over into the first bytes, in either byte order."""
    number = int(rng.choice([0, 1, 0x7F, 0x7FFF, 0xFFFF, 10_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
    form = str(rng.choice(["<H", ">H", "<I", ">I"]))
    word = struct.pack(form, number & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    start = int(rng.integers(min(len(data), 160)))
    data[start : start + len(word)] = word
    return bytes(data)


def _cut(rng: np.random.Generator, data: bytearray, _: bytes) -> bytes:
    return bytes(data[: int(rng.integers(len(data) + 1))])


def _splice(rng: np.random.Generator, data: bytearray, other: bytes) -> bytes:
    return bytes(data[: int(rng.integers(len(data) + 1))]) + other[int(rng.integers(len(other))) :]


def _repeat(rng: np.random.Generator, data: bytearray, _: bytes) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 65))
    return bytes(data[:start] + data[start : start + length] * int(rng.integers(2, 50)) + data[start:])


def _remove(rng: np.random.Generator, data: bytearray, _: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 65))]
    return bytes(data)


_DAMAGES: tuple[Callable[[np.random.Generator, bytearray, bytes], bytes], ...] = (
    *(_flip_bits, _overwrite, _header_word, _cut, _splice, _repeat, _remove),
)


def decode(data: bytes) -> bool:
    """Return whether a picture is decoded (True) or refused (False); anything else is an exception."""
    verdicts = []
    for attempt in (lambda: open_image(data), lambda: open_image(data, (16, 16)), lambda: probe(data)):
        try:
            attempt()
            verdicts.append(True)
        except FormatError:
            verdicts.append(False)
    return verdicts[0]


def fuzz(count: int, *, seed: int, seconds_limit: float = float("inf"), keep: Path | None = None) -> Outcome:
    """Decode `count` mutated pictures in a child process and return what happened.

    Args:
        count: how many pictures.
        seed: of the mutations; picture `i` depends on (seed, i) alone.
        seconds_limit: stop before `count` when this much time is spent.
        keep: folder for the pictures that crashed or hung; None keeps none.
    """
    material = list(seeds().items())
    outcome, start = Outcome(), time.monotonic()
    child = _Child()
    for index in range(count):
        if time.monotonic() - start > seconds_limit:
            break
        rng = np.random.default_rng((seed, index))
        name, data = material[int(rng.integers(len(material)))]
        data = mutate(rng, data, other=material[int(rng.integers(len(material)))][1])
        verdict, seconds, peak_mb = child.ask(data)
        outcome.mutations += 1
        outcome.decoded += verdict == "decoded"
        outcome.refused += verdict == "refused"
        outcome.slowest_s = max(outcome.slowest_s, round(seconds, 3))
        outcome.peak_mb = max(outcome.peak_mb, round(peak_mb, 1))
        if seconds > HANG_SECONDS:
            outcome.hangs.append(f"{index} {name}: {seconds:.1f} s, {verdict}")
        if verdict not in ("decoded", "refused"):
            outcome.crashes.append(f"{index} {name}: {verdict}")
        if keep and (seconds > HANG_SECONDS or verdict not in ("decoded", "refused")):
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{seed}_{index}_{name}").write_bytes(data)
    child.end()
    outcome.seconds = round(time.monotonic() - start, 1)
    return outcome


class _Child:
    """A process that decodes; replaced when it dies or must be killed."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # it is ready: importing does not count

    def ask(self, data: bytes) -> tuple[str, float, float]:
        """Return (verdict, seconds, peak MB) of one picture."""
        start = time.monotonic()
        self._pipe.send_bytes(data)
        try:
            if self._pipe.poll(KILL_SECONDS):
                verdict, seconds, peak_mb = self._pipe.recv()
                return str(verdict), float(seconds), float(peak_mb)
            verdict = "killed: it did not end"
        except (EOFError, OSError):
            self._process.join(1)
            verdict = f"died with exit code {self._process.exitcode}"
        self.end()
        seconds = time.monotonic() - start
        self._start()
        return verdict, seconds, 0.0

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    """Decode what comes through the pipe until it closes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff talks about every damaged file
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    pipe.send("ready")
    while True:
        data = pipe.recv_bytes()
        start = time.monotonic()
        try:
            verdict = "decoded" if decode(data) else "refused"
        except Exception as error:  # the very thing that is looked for: an error of another kind
            verdict = f"{type(error).__name__}: {error}"
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((verdict, time.monotonic() - start, peak_mb))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds-limit", type=float, default=float("inf"))
    parser.add_argument("--keep", type=Path, help="folder for the pictures that crashed or hung")
    options = parser.parse_args()
    outcome = fuzz(options.count, seed=options.seed, seconds_limit=options.seconds_limit, keep=options.keep)
    for line in (*outcome.crashes, *outcome.hangs):
        print(line, file=sys.stderr)
    counts = {"crashes": len(outcome.crashes), "hangs": len(outcome.hangs)}
    print(json.dumps({**asdict(outcome), **counts}))
    return 1 if outcome.crashes or outcome.hangs else 0


if __name__ == "__main__":
    sys.exit(main())
