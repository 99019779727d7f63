"""Pictures turned into pictures of another domain, file by file, by the one generator that this takes.

The network looks at a picture about as large as those that it learnt from: texture that it knows 100 px wide
means nothing to it at 1,000. What the picture has beyond that, its fine detail, is kept and added to the
translation:

    picture ── smaller ── generator ── larger ──────────────── + ── translation
       └───────── minus what smaller and larger leave of it ──┘
"""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, DataError
from nayan.core.types import Image, Sample, Size
from nayan.data.results import QUALITY, result_files
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.onnx_file import only_outputs
from nayan.runtime.preprocess import Placement, resize, to_channels
from nayan.runtime.spec import Spec
from nayan.tasks.generation.pictures import decode_pictures
from nayan.tasks.generation.translation.decode import OUTPUTS, domain_index

STRIDE = 4
"""Of the generators: the sides of what they take are multiples of it."""
LEAST_SIDE = 16
MOST_SIDE = 4096
"""Pixels that a network may be shown: beyond, a picture takes gigabytes."""


class PictureTranslator:
    """One way of a trained translator, as something that turns pictures into pictures.

    Args:
        graph: `model.onnx` of a bundle; of its two generators only the one is kept that is needed.
        spec: of the bundle.
        to: "A" or "B", or the name of the domain.
        side: pixels of the shorter side of what the network looks at; None: as it learnt.

    Raises:
        NotFound: if there is no such domain.
        ConfigError: if `side` is impossible.
        BundleError: if the graph is no translator's.
    """

    def __init__(self, graph: Path, spec: Spec, *, to: str, side: int | None = None) -> None:
        self.to = domain_index(to, spec.classes)
        self.side = min(spec.preprocess.size) if side is None else side
        if not LEAST_SIDE <= self.side <= MOST_SIDE:
            raise ConfigError(
                f"--imgsz {self.side}: a translator looks at {LEAST_SIDE} to {MOST_SIDE} px",
                hint=f"leave it out for the {min(spec.preprocess.size)} px that it learnt from",
            )
        self._channels = spec.preprocess.channels
        self._output = OUTPUTS[self.to]
        self._run = OnnxBackend(only_outputs(graph.read_bytes(), [self._output]))

    def __call__(self, image: Image) -> Image:
        """Return the translation of an (H, W, 3) uint8 RGB picture, of the same size."""
        size = (image.shape[0], image.shape[1])
        seen = resize(image, self.looked_at(size), interpolation="bicubic")
        pixels: NDArray[Any] = to_channels(seen, self._channels)[None]
        raw = self._run(pixels, picture=pixels)
        place = Placement(size, (1.0, 1.0), (0.0, 0.0))
        (made,) = decode_pictures({"picture": raw[self._output]}, [place])
        if made.pixels.shape == image.shape:
            return made.pixels
        large, left = (resize(each, size, interpolation="bicubic") for each in (made.pixels, seen))
        detail = image.astype(np.int16) - left
        return (large + detail).clip(0, 255).astype(np.uint8)

    def looked_at(self, size: Size) -> Size:
        """Return the (height, width) at which the network looks at a picture of this (height, width)."""
        scale = self.side / min(size)
        longest = min(MOST_SIDE, scale * max(size)) / (scale * max(size))
        height, width = (max(LEAST_SIDE, round(scale * longest * each / STRIDE) * STRIDE) for each in size)
        return height, width


def translate_files(
    translator: PictureTranslator, samples: Iterable[Sample], *, out: Path
) -> list[dict[str, Any]]:
    """Write the translation of each picture file; one that cannot be read does not stop the others.

    Args:
        translator: the way to go.
        samples: files.
        out: a file for one picture, or a folder.

    Returns:
        `{"source", "file"}` each, or `{"source", "error"}`.

    Raises:
        ConfigError: if `out` does not fit.
    """
    listed = list(samples)
    records: list[dict[str, Any]] = []
    for sample, file in zip(listed, result_files(listed, out), strict=True):
        try:
            image = sample.load()
        except DataError as error:
            records.append({"source": sample.id, "error": error.message})
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(translator(image)).save(file, quality=QUALITY)
        records.append({"source": sample.id, "file": str(file)})
    return records
