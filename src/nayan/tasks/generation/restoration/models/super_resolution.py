"""`super_resolution`: a picture two or four times larger, with the detail that bicubic enlarging lacks.

Papers: Lim, Son, Kim, Nah, Lee, "Enhanced deep residual networks for single image super-resolution" (EDSR),
2017, arXiv:1707.02921; Shi et al., "Real-time single image and video super-resolution using an efficient
sub-pixel convolutional neural network", 2016, arXiv:1609.05158; the second phase of learning: Ledig et al.,
"Photo-realistic single image super-resolution using a generative adversarial network" (SRGAN), 2016,
arXiv:1609.04802.

    small (B, h/s, w/s, 3) ─┬──────────── bicubic, s times as large ─────────────── + ── (B, 3, h, w)
                            └─ 3x3 ─┬─ block 1 ─ ... ─ block N ─ 3x3 ─ + ─ 3x3 ─ sub-pixels ─┘
                                    └──────────────────────────────────┘
    a block: 3x3 ── ReLU ── 3x3 ── + what came in; no BatchNorm, which costs contrast (EDSR, section 3.1)

What differs from EDSR: 10 blocks of 32 channels instead of 32 of 256, which two cores can train; the last
convolution gives the s * s sub-pixels at once (Shi et al.), so that all of the work is done on the small
picture; what is learnt is the difference to bicubic enlarging. As there, the loss is the mean absolute error.
"""

# B pictures, W channels, s scale, (h, w) size of the large picture

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.parts.patch_discriminator import PatchDiscriminator
from nayan.tasks.generation.restoration.network import RestorationRaw, Restorer, Turn, make_judge

SCALES = (2, 4)


class Block(nn.Module):
    """Two convolutions, added to what came in: (B, W, h, w) -> (B, W, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, W, h, w)."""
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


class Residuals(nn.Module):
    """N blocks and a convolution, added to what came in: (B, W, h, w) -> (B, W, h, w)."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, W, h, w)."""
        y: Tensor = x + self.last(self.blocks(x))
        return y


class SuperResolution(Restorer):
    """See the module.

    Args:
        scale: s, 2 or 4.
        width: W.
        blocks: N.
        normalise: the first layer.
        judge: see `Restorer`.
    """

    def __init__(
        self,
        *,
        scale: int,
        width: int,
        blocks: int,
        normalise: Normalise,
        judge: PatchDiscriminator | None = None,
    ) -> None:
        super().__init__(judge)
        self.scale = scale
        self.normalise = normalise
        features, body = nn.Conv2d(3, width, 3, padding=1), Residuals(width, blocks)
        self.backbone = nn.Sequential(OrderedDict(features=features, body=body))
        last = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(last, nn.PixelShuffle(scale))
        self._stages = (
            ("features", nn.Sequential(normalise, features)),
            ("body", body),
            ("head", self.head),
        )

    def forward(self, images: Tensor, turn: Turn | None = None, *, small: Tensor) -> RestorationRaw:
        """Return large pictures of `small`, (B, h / s, w / s, 3) uint8; only the judge looks at `images`."""
        pixels = small.permute(0, 3, 1, 2)  # (B, h/s, w/s, 3) -> (B, 3, h/s, w/s)
        given = pixels.to(self.normalise.multiplier.dtype) / 255
        plain = F.interpolate(given, scale_factor=float(self.scale), mode="bicubic", align_corners=False)
        raw = RestorationRaw(plain + self.head(self.backbone(self.normalise(pixels))), given)
        return self.judged(raw, images, turn)

    def losses(self, raw: RestorationRaw, truth: Tensor) -> dict[str, Tensor]:
        """Return {"content": the mean absolute error}."""
        return {"content": F.l1_loss(raw.picture, truth)}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the steps from the small picture to what is added to its bicubic enlargement."""
        return list(self._stages)


def super_resolution(
    classes: Sequence[str],  # noqa: ARG001  any picture will do
    *,
    scale: int = 2,
    width: int = 32,
    blocks: int = 10,
    channels: int = 3,
    size: Size = (96, 96),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,  # noqa: ARG001  EDSR has none
    adversarial: bool = False,
) -> SuperResolution:
    """Build a network that enlarges, with fresh weights: at first it is bicubic enlarging.

    Args:
        classes: not needed.
        scale: how many times larger, 2 or 4.
        width: channels of every map.
        blocks: residual blocks.
        channels: 3.
        size: (height, width) of the large pictures that it learns from.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: not used.
        adversarial: whether what it makes also has to look real, to a second network.

    Raises:
        ConfigError: for another scale, gray pictures, or a size that the scale does not divide.

    >>> import torch
    >>> network = super_resolution((), mean=(0.5,), std=(0.5,))
    >>> network(torch.zeros(1, 3, 8, 8), small=torch.zeros(1, 4, 4, 3, dtype=torch.uint8)).picture.shape
    torch.Size([1, 3, 8, 8])
    """
    if scale not in SCALES:
        raise ConfigError(f"--scale {scale}: pictures become 2 or 4 times larger", hint="use --scale 2")
    if any(side % scale for side in size):
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} px cannot be {scale} times smaller", hint="try --imgsz 96"
        )
    normalise = Normalise.for_channels(mean, std, channels=channels)
    if normalise.channels != 3:
        raise ConfigError(f"super_resolution takes 3 channels, got {channels}")
    judge = make_judge(size, adversarial=adversarial)
    return SuperResolution(scale=scale, width=width, blocks=blocks, normalise=normalise, judge=judge)
