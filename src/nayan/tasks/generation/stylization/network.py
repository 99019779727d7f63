"""What a network that restyles is: three stages from a photograph to its painting, of any size.

pixels (B, 3, h, w) ── Normalise ── enter (B, 4 W, h/4, w/4) ── middle ── leave ── (B, 3, h, w) in [-1, 1]
"""

# B pictures, (h, w) their size, W width

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nayan.parts.normalise import Normalise


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class StylizationRaw:
    """What a stylist paints for a batch.

    Attributes:
        picture: (B, 3, h, w) in [-1, 1].
    """

    picture: Tensor


class Stylist(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        enter: from normalised pictures to small maps.
        middle: changes them.
        leave: from small maps to pictures in [-1, 1].
        normalise: from pixels to [-1, 1].
    """

    def __init__(
        self, enter: nn.Module, middle: nn.Module, leave: nn.Module, *, normalise: Normalise
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.enter = enter
        self.middle = middle
        self.leave = leave

    def forward(
        self,
        images: Tensor,
        targets: Any = None,  # noqa: ARG002  the door of every network
        *,
        photograph: Tensor | None = None,
    ) -> StylizationRaw:
        """Restyle (B, 3, h, w) pixels in [0, 255], uint8 or float.

        Args:
            images: sides that are multiples of 4.
            targets: not needed.
            photograph: (B, h', w', 3) pixels of any such size in their place: what an exported graph takes.
        """
        pixels = images if photograph is None else photograph.permute(0, 3, 1, 2)
        made: Tensor = self.leave(self.middle(self.enter(self.normalise(pixels))))
        return StylizationRaw(made)

    def deploy(self, raw: StylizationRaw) -> dict[str, Tensor]:
        """Return {"picture": (B, h, w, 3) float32 in [0, 1]}."""
        return {"picture": (raw.picture.float().permute(0, 2, 3, 1) + 1) / 2}  # (B, 3, h, w) -> (B, h, w, 3)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps from a picture to its painting."""
        return [
            ("enter", nn.Sequential(self.normalise, self.enter)),
            ("middle", self.middle),
            ("leave", self.leave),
        ]
