"""What a network takes beside a picture: proposals to look at, noise to draw from. No torch.

Each input is made from the picture by a method with a name, which the bundle states. Training, validation
and every engine make it by the same function, so that the same picture always gives the same answer. For a
network that draws, the picture says no more than which noise it is given: another picture, another drawing.
"""

# Z numbers of noise, (h, w) size of a picture, C channels

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.runtime.holes import Sides, draw_holes
from nayan.runtime.preprocess import resize
from nayan.runtime.proposals import cached, propose


def noise(pixels: NDArray[np.uint8], *, size: int) -> NDArray[np.float32]:
    """Return (Z,) float32 drawn from the normal distribution, the same for the same picture.

    Args:
        pixels: (h, w, C) uint8.
        size: Z.

    >>> noise(np.zeros((2, 2, 3), np.uint8), size=3).shape
    (3,)
    """
    return drawn_by(pixels).standard_normal(size, np.float32)


def label(pixels: NDArray[np.uint8], *, count: int) -> NDArray[np.int64]:
    """Return () int64, a class that is to be drawn, from 0 to `count` - 1, the same for the same picture.

    >>> int(label(np.zeros((2, 2, 3), np.uint8), count=1))
    0
    """
    return np.asarray(drawn_by(pixels).integers(count), np.int64)


def caption(pixels: NDArray[np.uint8], *, rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return (L,) int64, the words of a sentence that is to be drawn, the same for the same picture.

    Args:
        pixels: (h, w, C) uint8.
        rows: the sentences of which it is one, as `core.vocabulary` encodes them.

    >>> caption(np.zeros((2, 2, 3), np.uint8), rows=[[1, 4, 2]]).tolist()
    [1, 4, 2]
    """
    return np.asarray(rows[int(drawn_by(pixels).integers(len(rows)))], np.int64)


def shrunk(pixels: NDArray[np.uint8], *, scale: int) -> NDArray[np.uint8]:
    """Return the picture `scale` times smaller, (h / scale, w / scale, C), by antialiased bicubic weights.

    Source of the weights: Keys (1981), with a = -0.5, widened by `scale`, as Pillow and MATLAB do it.

    >>> shrunk(np.full((4, 8, 3), 7, np.uint8), scale=2).shape
    (2, 4, 3)
    """
    return resize(pixels, (pixels.shape[0] // scale, pixels.shape[1] // scale), interpolation="bicubic")


def holes(
    pixels: NDArray[np.uint8],
    *,
    boxes: tuple[int, int] = (1, 3),
    side: Sides = (0.125, 0.375),
    strokes: float = 0.0,
) -> NDArray[np.uint8]:
    """Return (h, w) uint8, 1 where the picture is taken away, the same for the same picture.

    The arguments are those of `runtime.holes.draw_holes`.
    """
    size = (pixels.shape[0], pixels.shape[1])
    return draw_holes(size, drawn_by(pixels), boxes=boxes, side=side, strokes=strokes)


def whole(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture itself: a network whose graph is to take pictures of any size gets it this way."""
    return pixels


def drawn_by(pixels: NDArray[np.uint8]) -> np.random.Generator:
    """Return a generator that depends on nothing but the pixels, alike on every machine."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(np.ascontiguousarray(pixels).tobytes())))


METHODS: dict[str, Callable[..., NDArray[Any]]] = {
    "selective_search": propose,
    "noise": noise,
    "label": label,
    "caption": caption,
    "shrunk": shrunk,
    "holes": holes,
    "whole": whole,
}
"""By the "method" of an entry's `inputs`; the other keys are the arguments, and "learning" has those that are
others while the network learns."""

ANY_SIZE = frozenset({"shrunk", "whole"})
"""Methods that make a picture in place of the one they are made of: an exported graph takes any size."""


def while_learning(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with the arguments that hold while the network learns.

    >>> while_learning({"hole": {"method": "holes", "learning": {"strokes": 0.5}}})
    {'hole': {'method': 'holes', 'strokes': 0.5}}
    """
    return {
        name: {**{key: value for key, value in how.items() if key != "learning"}, **how.get("learning", {})}
        for name, how in inputs.items()
    }


def make_inputs(
    inputs: Mapping[str, Any], pixels: Sequence[NDArray[np.uint8]], *, folder: Path | None = None
) -> dict[str, NDArray[Any]]:
    """Return what a network takes beside these pictures, each (B, ...), by name; {} for most networks.

    Args:
        inputs: of a catalogue entry or a bundle, such as
            `{"proposals": {"method": "selective_search", "count": 300}}`.
        pixels: B arrays (h, w, C), as the network takes them.
        folder: where proposals are remembered between epochs and runs; None makes them anew.

    Raises:
        ConfigError: for a method that is not known.

    >>> make_inputs({}, [np.zeros((8, 8, 3), np.uint8)])
    {}
    """
    made = {}
    for name, how in inputs.items():
        arguments = {key: value for key, value in how.items() if key not in ("method", "learning")}
        if how.get("method") not in METHODS:
            raise ConfigError(
                f"{name}: unknown method {how.get('method')!r}", hint=f"known: {', '.join(METHODS)}"
            )
        method: Any = METHODS[how["method"]]
        search = cached(folder, method) if folder is not None and method is propose else method
        made[name] = np.stack([search(picture, **arguments) for picture in pixels])
    return made
