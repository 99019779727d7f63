"""What every restorer is: normalise, a backbone, a head that says what is to be added to a plain guess.

given ─┬─ plain guess (bicubic, or the mean of what is near) ───────────────────── + ── picture (B, 3, h, w)
       └─ Normalise ── backbone ── head (B, 3, h, w), which begins as nothing ─────┘

A network that begins as the plain guess has only the rest to learn: Kim, Lee, Lee, "Accurate image
super-resolution using very deep convolutional networks", 2015, arXiv:1511.04587.
"""

# B pictures, (h, w) size of a picture, (gh, gw) size of what was given

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.patch_discriminator import LEAST_SIDE, PatchDiscriminator

Turn = Literal["main", "discriminator"]
"""Whose it is in training where restored pictures have to look real: the restorer's, or its judge's."""

JUDGE_WIDTH = 32
"""Maps of the first layer of the judge; the paper has 64."""


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class RestorationRaw:
    """What a restorer says about a batch.

    Attributes:
        picture: (B, 3, h, w), white is 1; not cut to [0, 1], so that there is a gradient outside.
        given: (B, 3, gh, gw) in [0, 1], or (B, 4, h, w), whose fourth channel is 1 where pixels are known.
        fake: (B, 1, y, x) logits of the judge for restored pictures; None unless it is somebody's turn.
        real: the same for whole ones; None unless it is the judge's turn.
    """

    picture: Tensor
    given: Tensor
    fake: Tensor | None = None
    real: Tensor | None = None

    @property
    def known(self) -> Tensor | None:
        """(B, 1, h, w), 1 where pixels are known; None where the picture was small instead."""
        return self.given[:, 3:] if self.given.shape[1] == 4 else None


class Restorer(nn.Module):
    """A network with the doors that `nayan.tasks.base.Network` promises, and the loss that its family has.

    `forward(images, turn=None, *, NAME)` looks at what was given, in the further input NAME of its entry; at
    `images`, the whole picture, only where they are not what is to be restored.

    Args:
        judge: tells restored pictures from whole ones, in training; None where nothing has to look real.
    """

    backbone: nn.Module
    head: nn.Module

    def __init__(self, judge: PatchDiscriminator | None) -> None:
        super().__init__()
        self.discriminator = judge

    @abstractmethod
    def losses(self, raw: RestorationRaw, truth: Tensor) -> dict[str, Tensor]:
        """Return the named parts of the loss of a batch by which it comes near to the truth.

        Args:
            raw: of the network.
            truth: (B, 3, h, w) whole pictures in [0, 1].
        """

    @abstractmethod
    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps from what was given to what is added to the plain guess."""

    @property
    def restoring(self) -> nn.Module:
        """All that learns but the judge."""
        return nn.ModuleList((self.backbone, self.head))

    def judged(self, raw: RestorationRaw, images: Tensor, turn: Turn | None) -> RestorationRaw:
        """Return the same with what the judge says about it, where it is somebody's turn.

        Args:
            raw: of this network.
            images: (B, 3, h, w) whole pictures in [0, 255].
            turn: the judge's own pictures pass nothing back to the restorer.
        """
        if self.discriminator is None or turn is None:
            return raw
        whole = images.to(raw.picture.dtype) / 255
        made = raw.picture if raw.known is None else raw.picture + raw.known * (whole - raw.picture)
        if turn == "discriminator":
            made, raw.real = made.detach(), self.discriminator(2 * whole - 1)
        raw.fake = self.discriminator(2 * made - 1)
        return raw

    def deploy(self, raw: RestorationRaw) -> dict[str, Tensor]:
        """Return {"picture": (B, h, w, 3), "given": (B, gh, gw, 3 or 4)}, both float32 in [0, 1]."""
        return {
            "picture": raw.picture.float().clamp(0, 1).permute(0, 2, 3, 1),  # (B, 3, h, w) -> (B, h, w, 3)
            "given": raw.given.float().permute(0, 2, 3, 1),
        }


def make_judge(size: Size, *, adversarial: bool) -> PatchDiscriminator | None:
    """Return a judge with fresh weights, where one is asked for.

    Raises:
        ConfigError: if pictures are too small for it.
    """
    if adversarial and min(size) < LEAST_SIDE:
        raise ConfigError(
            f"--adversarial looks at patches, and pictures of {size[0]}x{size[1]} px have none",
            hint=f"use --imgsz {LEAST_SIDE} or more, or leave it out",
        )
    return PatchDiscriminator(3, width=JUDGE_WIDTH) if adversarial else None
