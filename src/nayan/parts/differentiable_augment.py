"""Augmentation that gradients pass through, so that a discriminator never sees a picture twice alike.

Source: Zhao et al., "Differentiable augmentation for data-efficient GAN training", 2020, arXiv:2006.10738.

    real ──┐                    ┌── discriminator
           ├── the same kinds ──┤
    drawn ─┘    of change       └── discriminator ── generator learns through the change

Were only the data changed, the generator would learn to draw the changes.
"""

# B pictures, C channels, (h, w) their size

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import NotFound


class DifferentiableAugment(nn.Module):
    """Change (B, C, h, w) pictures in [-1, 1] by chance, each in its own way; every change has a gradient.

    Args:
        kinds: of "colour", "translation" and "cutout", applied in this order; none changes nothing.

    Raises:
        NotFound: another kind.

    >>> DifferentiableAugment(["translation"])(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        super().__init__()
        for kind in kinds:
            if kind not in KINDS:
                raise NotFound("differentiable augmentation", kind, KINDS)
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the pictures, changed; torch's random numbers decide how."""
        for kind in self.kinds:
            pictures = KINDS[kind](pictures)
        return pictures


def colour(pictures: Tensor) -> Tensor:
    """Shift brightness by up to half the range, and scale saturation by 0 to 2 and contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = (_per_picture(pictures) for _ in range(3))
    pictures = pictures + brightness - 0.5
    gray = pictures.mean(dim=1, keepdim=True)
    pictures = torch.lerp(gray, pictures, 2 * saturation)
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, pictures, contrast + 0.5)


def translation(pictures: Tensor, share: float = 1 / 8) -> Tensor:
    """Shift each picture by up to `share` of its sides; what comes in is 0."""
    count, channels, height, width = pictures.shape
    most_y, most_x = round(height * share), round(width * share)
    padded = F.pad(pictures, (most_x, most_x, most_y, most_y))
    device = pictures.device
    top = torch.randint(0, 2 * most_y + 1, (count, 1), device=device) + torch.arange(height, device=device)
    left = torch.randint(0, 2 * most_x + 1, (count, 1), device=device) + torch.arange(width, device=device)
    rows = top[:, None, :, None].expand(-1, channels, -1, padded.shape[3])  # (B, C, h, padded w)
    columns = left[:, None, None, :].expand(-1, channels, height, -1)  # (B, C, h, w)
    return padded.gather(2, rows).gather(3, columns)


def cutout(pictures: Tensor, share: float = 0.5) -> Tensor:
    """Make a square gray whose side is `share` of that of the picture; it may reach over the border."""
    height, width = pictures.shape[2:]
    inside = []
    for side in (height, width):
        centre = torch.randint(0, side + 1, (len(pictures), 1), device=pictures.device)
        place = torch.arange(side, device=pictures.device)
        inside.append((place - centre).abs() < round(side * share) / 2)  # (B, side)
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (B, 1, h, w)
    return pictures.masked_fill(hole, 0.0)


def _per_picture(pictures: Tensor) -> Tensor:
    """Return (B, 1, 1, 1) in [0, 1)."""
    return torch.rand(len(pictures), 1, 1, 1, device=pictures.device, dtype=pictures.dtype)


KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
"""By name, in the order in which they are applied."""
