"""Stylization as the training loop sees it: photographs, and a frozen network that judges their paintings."""

# B pictures, (h, w) size of a picture

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.image import open_image
from nayan.core.registry import resolve
from nayan.core.types import Size
from nayan.runtime.preprocess import resize
from nayan.tasks.base import Batch, Item, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.stylization.network import StylizationRaw
from nayan.tasks.generation.stylization.teacher import Teacher, Weights, build_teacher

STROKES = 256
"""Pixels of the shorter side of the style, at least: how large its strokes are learnt. Photographs to learn
from may be smaller, since a painting is judged wherever its strokes lie."""


class StylizationTask(Task):
    """Learning to paint what photographs show in one style.

    Args:
        style: the file of the picture that has the style.
        content_weight, style_weight: of the parts of the loss, see `teacher.Weights`; None for the usual
        ones.
    """

    outputs: ClassVar[tuple[str, ...]] = ("picture",)

    def __init__(
        self,
        style: Path | None = None,
        content_weight: float | None = None,
        style_weight: float | None = None,
        **_options: Any,
    ) -> None:
        usual = Weights()
        self.style = style
        self.weights = Weights(
            usual.content if content_weight is None else content_weight,
            usual.style if style_weight is None else style_weight,
            usual.smoothness,
        )
        self._backbone = ""
        self._size: Size = (0, 0)
        self._teacher: Teacher | None = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: not needed.
            **args: of the entry's builder, such as size or width, and "backbone", by which paintings are
                judged; they override the entry's own.

        Raises:
            ConfigError: an argument that the builder does not know, or cannot have.
        """
        given = {**entry.args, **args}
        self._backbone = given.pop("backbone")
        self._size = given.get("size", entry.preprocess.size)
        builder = resolve(entry.build)
        check_arguments(entry.name, given, inspect.signature(builder).parameters)
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        network: nn.Module = builder(classes, **{**normalisation, **given})
        return network

    def taught_by(self, source: str | Path) -> str:
        """Take on the network that judges, and show it the style.

        Args:
            source: of its weights: "imagenet", a .safetensors file, or "none".

        Raises:
            ConfigError: if no style is named.
            FormatError: if its file is no picture.
            WeightsError: the weights cannot be had.
        """
        if self.style is None:
            raise ConfigError("there is no style to learn", hint="name the picture that has it: --style FILE")
        picture = open_image(self.style)
        self._teacher = build_teacher(self._backbone, source=source, weights=self.weights)
        size = strokes_size(picture.shape[:2], max(STROKES, *self._size))
        self._teacher.learn_style(as_pixels(resize(picture, size)))
        return f"what is painted is judged by {self._backbone}, weights: {source}; the style is {self.style}"

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, 3, h, w) uint8 photographs."""
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, 3)
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, 3) -> (B, 3, h, w), channels last in memory
            targets=None,
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return "content", "style" and "smoothness" of what the network paints of a batch."""
        assert self._teacher is not None, "taught_by comes first"
        raw: StylizationRaw = model(batch.images)
        teacher = self._teacher.to(batch.images.device)
        with torch.autocast(batch.images.device.type, enabled=False):  # products of maps overflow 16 bits
            painted = (raw.picture.float() + 1) * 127.5
            return teacher.losses(painted, teacher.look_at(batch.images.float()))


def strokes_size(size: tuple[int, ...], side: int) -> Size:
    """Return the (height, width) of a style whose shorter side is `side`: so large its strokes are learnt.

    >>> strokes_size((400, 600), 200)
    (200, 300)
    """
    scale = side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def as_pixels(image: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Return (1, 3, H, W) float32 in [0, 255] of an (H, W, 3) uint8 picture."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
