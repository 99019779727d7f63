"""What every restorer is: normalise, a backbone, a head that says what is to be added to a plain guess.

given ─┬─ plain guess (bicubic, or the mean of what is near) ───────────────────── + ── picture (B, 3, h, w)
       └─ Normalise ── backbone ── head (B, 3, h, w), which begins as nothing ─────┘

A network that begins as the plain guess is never worse than it, and has only the rest to learn: Kim, Lee, Lee,
"Accurate image super-resolution using very deep convolutional networks", 2015, arXiv:1511.04587.
"""

# B pictures, (h, w) size of a picture, (gh, gw) size of what was given

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class RestorationRaw:
    """What a restorer says about a batch.

    Attributes:
        picture: (B, 3, h, w), white is 1; not cut to [0, 1], so that there is a gradient outside.
        given: (B, 3, gh, gw) in [0, 1], or (B, 4, h, w), where the fourth channel is 1 where pixels are known.
    """

    picture: Tensor
    given: Tensor


class Restorer(nn.Module):
    """A network with the doors that `nayan.tasks.base.Network` promises, and the loss that its family has.

    `forward(images, targets=None, *, NAME)` looks at what was given, in the further input NAME of its entry;
    at `images`, the whole picture, only where they are not what is to be restored.
    """

    backbone: nn.Module
    head: nn.Module

    @abstractmethod
    def losses(self, raw: RestorationRaw, truth: Tensor) -> dict[str, Tensor]:
        """Return the named parts of the loss of a batch.

        Args:
            raw: of the network.
            truth: (B, 3, h, w) whole pictures in [0, 1].
        """

    @abstractmethod
    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps from what was given to what is added to the plain guess."""

    def deploy(self, raw: RestorationRaw) -> dict[str, Tensor]:
        """Return {"picture": (B, h, w, 3), "given": (B, gh, gw, 3 or 4)}, both float32 in [0, 1]."""
        return {
            "picture": raw.picture.float().clamp(0, 1).permute(0, 2, 3, 1),  # (B, 3, h, w) -> (B, h, w, 3)
            "given": raw.given.float().permute(0, 2, 3, 1),
        }
