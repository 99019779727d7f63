"""`inpainting`: what may have been where a part of a picture is missing.

Papers: Yu, Lin, Yang, Shen, Lu, Huang, "Free-form image inpainting with gated convolution", 2019,
arXiv:1806.03589 (gated convolutions, dilated ones in the middle, strokes); Liu et al., "Image inpainting for
irregular holes using partial convolutions", 2018, arXiv:1804.07723 (the U-Net, the parts of the loss and
their weights).

    picture x known ── push-pull ─┬───────────────────────────────────────────────────────── + ── (B, 3, h, w)
                                  └─ Normalise ─ with hole ─ 1/1 ─────────────── join ─ 1/1 ─┘
                                                              └ 1/2 ──────────── join ┘
                                                                 └ 1/4 ─────── join ┘
                                                                    └ 1/8 ─ dilated 2, 4, 8 ┘

What differs from Yu et al.: one network instead of a coarse and a fine one: the coarse guess is not learnt,
but the mean of what is known near a hole (`parts.push_pull`); no contextual attention; a fraction of the
channels, which two cores can train.
"""

# B pictures, W channels, (h, w) size of a picture

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.gated import GatedConv
from nayan.parts.normalise import Normalise
from nayan.parts.patch_discriminator import PatchDiscriminator
from nayan.parts.push_pull import push_pull
from nayan.parts.upsample import check_multiple
from nayan.tasks.generation.restoration.network import RestorationRaw, Restorer, Turn, make_judge

HOLE, VALID, SMOOTH = 6.0, 1.0, 0.1
"""Weights of the parts of the loss, Liu et al., section 3.3."""
DILATIONS = (2, 4, 8)
STRIDE = 8


class GatedUNet(nn.Module):
    """(B, 4, h, w) -> (B, W, h, w) through maps of a half, a quarter and an eighth of the side.

    Args:
        widths: channels at each resolution, the finest first.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = GatedConv(4, widths[0], kernel=5)
        self.down = nn.ModuleList(GatedConv(fine, coarse, stride=2) for fine, coarse in pairwise(widths))
        self.middle = nn.Sequential(
            *(GatedConv(widths[-1], widths[-1], dilation=dilation) for dilation in DILATIONS)
        )
        self.up = nn.ModuleList(
            GatedConv(coarse + fine, fine) for fine, coarse in reversed(list(pairwise(widths)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, W, h, w)."""
        maps = [self.enter(x)]
        for down in self.down:
            maps.append(down(maps[-1]))
        y: Tensor = self.middle(maps.pop())
        for up in self.up:
            larger = F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = up(torch.cat((larger, maps.pop()), dim=1))
        return y


class Inpainting(Restorer):
    """See the module.

    Args:
        widths: channels at each resolution, the finest first.
        normalise: the first layer.
        levels: of the plain guess.
        judge: see `Restorer`.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        normalise: Normalise,
        levels: int,
        judge: PatchDiscriminator | None = None,
    ) -> None:
        super().__init__(judge)
        self.levels = levels
        self.normalise = normalise
        self.backbone = GatedUNet(widths)
        self.head = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, turn: Turn | None = None, *, hole: Tensor) -> RestorationRaw:
        """Return the whole pictures of (B, 3, h, w) pixels in [0, 255], of which `hole` takes some away.

        Args:
            images: what lies in a hole is looked at by the judge alone.
            turn: whose it is, in training with a judge.
            hole: (B, h, w) uint8, 1 where a pixel is missing.
        """
        pixels = images.to(self.normalise.multiplier.dtype)
        missing = hole[:, None].to(pixels.dtype)  # (B, h, w) -> (B, 1, h, w)
        known = 1 - missing
        plain = push_pull(pixels, known, levels=self.levels)
        features = self.backbone(torch.cat((self.normalise(plain), missing), dim=1))
        given = torch.cat((pixels * known / 255, known), dim=1)  # (B, 4, h, w)
        return self.judged(RestorationRaw(plain / 255 + self.head(features), given), images, turn)

    def losses(self, raw: RestorationRaw, truth: Tensor) -> dict[str, Tensor]:
        """Return the mean absolute error in the "hole" and of what is "valid", and how little "smooth" it is.

        "smooth" is the total variation of the picture with the known pixels in place, in the hole and one
        pixel around it.
        """
        known = raw.given[:, 3:]
        error = (raw.picture - truth).abs()
        whole = torch.where(known > 0, truth, raw.picture)
        near = F.max_pool2d(1 - known, 3, stride=1, padding=1)  # the hole and one pixel around it
        across = ((whole[..., 1:] - whole[..., :-1]).abs() * near[..., 1:] * near[..., :-1]).mean()
        down = ((whole[..., 1:, :] - whole[..., :-1, :]).abs() * near[..., 1:, :] * near[..., :-1, :]).mean()
        return {
            "hole": HOLE * (error * (1 - known)).mean(),
            "valid": VALID * (error * known).mean(),
            "smooth": SMOOTH * (across + down),
        }

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone and the head."""
        return [("backbone", self.backbone), ("head", self.head)]


def inpainting(
    classes: Sequence[str],  # noqa: ARG001  any picture will do
    *,
    width: int = 16,
    channels: int = 3,
    size: Size = (128, 128),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,  # noqa: ARG001
    adversarial: bool = False,
) -> Inpainting:
    """Build a network that fills holes, with fresh weights: at first with the mean of what is near.

    Args:
        classes: not needed.
        width: W, channels of the finest maps; the others have 2, 4 and 6 times as many.
        channels: 3.
        size: (height, width) of the pictures, multiples of 8.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: not used.
        adversarial: whether what it makes also has to look real, to a second network.

    Raises:
        ConfigError: for gray pictures, or a size that is no multiple of 8.

    >>> network = inpainting((), size=(16, 16), mean=(0.5,), std=(0.5,))
    >>> network(torch.zeros(1, 3, 16, 16), hole=torch.ones(1, 16, 16)).given.shape
    torch.Size([1, 4, 16, 16])
    """
    check_multiple(size, STRIDE, name="inpainting")
    normalise = Normalise.for_channels(mean, std, channels=channels)
    if normalise.channels != 3:
        raise ConfigError(f"inpainting takes 3 channels, got {channels}")
    levels = 0
    while all(side % 2 ** (levels + 1) == 0 for side in size):
        levels += 1
    widths = (width, 2 * width, 4 * width, 6 * width)
    judge = make_judge(size, adversarial=adversarial)
    return Inpainting(widths, normalise=normalise, levels=levels, judge=judge)
