"""What pictures are compared by: features that are the same everywhere, of a network or of chance. No torch.

The default needs no weights and no network connection: four convolutions and a linear layer whose weights are
drawn once and for all from a fixed seed. Features of chance say little about what a picture shows, and much
about how it is drawn; on pictures unlike those of ImageNet they tell distributions apart better than a
network that was trained on it (Naeem et al. 2020, arXiv:2002.09797, section 4 and appendix).
"""

# B pictures, (h, w) their size, C channels, D features

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.registry import resolve
from nayan.core.types import Image
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import Bundle, open_bundle
from nayan.runtime.preprocess import resize

SIDE = 32
"""Pixels to which a picture is resized before chance looks at it."""
WIDTHS = (3, 32, 64, 128, 256)
DRAWN = 512
"""Features of chance."""
SEED = 20_200_723
BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Extractor:
    """Something that gives each picture its features.

    Attributes:
        name: of what it is, with all that the features depend on, so that numbers can be compared.
        extract: from pictures (h, w, 3) uint8 to (B, D) float32.
    """

    name: str
    extract: Callable[[Sequence[Image]], NDArray[np.float32]]

    def __call__(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        """Return the (B, D) features of at least one picture, some pictures at a time."""
        parts = [self.extract(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]
        return np.concatenate(parts)


@cache
def chance() -> Extractor:
    """Return the extractor whose weights are of chance, the same everywhere.

    >>> chance().name
    'random convolutions cc9c2369 (512 features, 32x32 bilinear)'
    """
    weights = _weights()
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in weights)).hexdigest()[:8]
    name = f"random convolutions {digest} ({DRAWN} features, {SIDE}x{SIDE} bilinear)"
    return Extractor(name, lambda pictures: _look(pictures, weights))


@cache
def named(name: str) -> Extractor:
    """Return the extractor that `--features` names.

    Args:
        name: "random" for convolutions of chance, "inception" for that of torch-fidelity where it is
            installed, else a run folder or a bundle of a classifier or embedder.

    Raises:
        BundleError: if there is no such bundle.
        ConfigError: if the model gives neither logits nor embeddings.
        MissingExtra, WeightsError: for "inception", if the package or its weights are missing.
    """
    if name == "random":
        return chance()
    if name == "inception":
        extractor: Extractor = resolve("nayan.tasks.generation.inception:inception")()
        return extractor
    return of_model(open_bundle(Path(name)))


def of_model(bundle: Bundle) -> Extractor:
    """Return an extractor that asks a trained model of nayan: its embedding, or its logits.

    Raises:
        ConfigError: if the model gives neither.
    """
    spec, run = bundle.spec, choose_backend("onnx", bundle.graph, pictures=2)
    output = next((name for name in ("embedding", "logits") if name in run.outputs), None)
    if output is None:
        raise ConfigError(
            f"{bundle.path}: gives {', '.join(run.outputs)}, and no features of whole pictures",
            hint="--features takes a classifier or an embedder",
        )
    digest = hashlib.sha256(bundle.graph.read_bytes()).hexdigest()[:8]
    size = "x".join(map(str, spec.preprocess.size))

    def extract(pictures: Sequence[Image]) -> NDArray[np.float32]:
        pixels = np.stack([spec.preprocess(picture)[0] for picture in pictures])
        return np.asarray(run(pixels)[output], np.float32)

    return Extractor(f"{output} of {spec.model} {digest} ({size} {spec.preprocess.interpolation})", extract)


def _look(pictures: Sequence[Image], weights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the (B, D) features of chance."""
    small = np.stack([resize(picture, (SIDE, SIDE)) for picture in pictures])
    maps = small.astype(np.float32) / np.float32(127.5) - np.float32(1)  # (B, 32, 32, 3)
    for kernel in weights[:-1]:
        maps = _halve(maps, kernel)
    return _bend(np.matmul(maps.reshape(len(maps), -1), weights[-1], dtype=np.float32))


def _halve(maps: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (B, h/2, w/2, C') of (B, h, w, C) maps: a 4x4 convolution with a stride of 2, and a bend."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(1, 2))[:, ::2, ::2]
    found = windows.reshape(*windows.shape[:3], -1) @ kernel  # (B, h/2, w/2, C 16) @ (C 16, C')
    return _bend(found)


def _bend(values: NDArray[np.float32]) -> NDArray[np.float32]:
    bent: NDArray[np.float32] = np.maximum(values, np.float32(0.2) * values)
    return bent


def _weights() -> list[NDArray[np.float32]]:
    """Draw weights that let values keep their size from layer to layer (He et al. 2015, arXiv:1502.01852)."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    shapes = [(16 * before, after) for before, after in pairwise(WIDTHS)]
    shapes.append((WIDTHS[-1] * (SIDE >> len(shapes)) ** 2, DRAWN))
    gain = 2 / (1 + 0.2**2)
    return [rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(gain / shape[0])) for shape in shapes]
