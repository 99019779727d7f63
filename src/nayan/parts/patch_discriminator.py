"""A discriminator that judges patches: one logit for each piece of 70x70 px, none for the whole picture.

Source: Isola et al., "Image-to-image translation with conditional adversarial networks", 2016,
arXiv:1611.07004, sections 3.2.2 and 6.1.2.

    (B, C, h, w) ── 4x4, stride 2 ── (B, W, h/2, w/2) ── stride 2 ── (B, 2 W, h/4, w/4) ── stride 2 ──
      ── (B, 4 W, h/8, w/8) ── 4x4 ── (B, 8 W, h/8 - 1, w/8 - 1) ── 4x4 ── (B, 1, h/8 - 2, w/8 - 2)
      └── LeakyReLU after each but the last, instance normalisation before it but in the first ──┘

It has few weights, takes pictures of any size, and looks at texture, colour and edges rather than at what is
shown: that is for other losses.
"""

# B pictures, C channels, (h, w) their size, W width

from __future__ import annotations

from torch import Tensor, nn

from nayan.parts.instance_norm import InstanceNorm

SLOPE = 0.2
"""Of LeakyReLU below 0."""
LEAST_SIDE = 24
"""Pixels; below, no patch fits."""


class PatchDiscriminator(nn.Module):
    """Tell real pictures from made ones, patch by patch.

    Args:
        channels: C.
        width: W, maps of the first layer; the paper has 64.
    """

    def __init__(self, channels: int, *, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
        ]
        for depth, stride in ((1, 2), (2, 2), (3, 1)):
            before, after = width << (depth - 1), width << depth
            layers += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False),
                InstanceNorm(after),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (B, 1, h/8 - 2, w/8 - 2) logits, above 0 for what looks real."""
        logits: Tensor = self.layers(pictures)
        return logits
