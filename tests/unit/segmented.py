"""A small segmenter with a head of known weights, and a picture with its mask."""

import numpy as np
import torch
from torch import nn

from nayan.core.types import SemanticMask
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.segmentation.models.fcn import fcn
from nayan.tasks.segmentation.models.unet import unet

SIDE = 64
SMALL = Preprocess((SIDE, SIDE), "letterbox")
STATISTICS = {"mean": SMALL.mean, "std": SMALL.std}
NAMES = ("background", "disc")


def scene() -> tuple[np.ndarray, SemanticMask]:
    """Return a bright disc on noise, 48 x 64, and where it is; a corner is void."""
    y, x = np.mgrid[:48, :64]
    disc = np.hypot(y - 22, x - 30) < 14
    image = np.random.default_rng(0).integers(60, 90, (48, 64, 3), dtype=np.uint8)
    image[disc] = (220, 180, 40)
    ids = disc.astype(np.uint8)
    ids[:4, :4] = 255
    return image, SemanticMask(ids)


def small_unet(**given: object) -> nn.Module:
    """Return a U-Net with random weights, in evaluation mode."""
    torch.manual_seed(0)
    return unet(NAMES, width=4, size=(SIDE, SIDE), **STATISTICS, **given).eval()


def small_fcn(stride: int) -> nn.Module:
    """Return a fully convolutional network with random weights, in evaluation mode."""
    torch.manual_seed(0)
    return fcn(NAMES, stride=stride, backbone="test_resnet", size=(SIDE, SIDE), **STATISTICS).eval()


def subject(network: nn.Module | None, **given: object) -> Subject:
    """Return a network and the picture, with what else is given."""
    return Subject(network, SMALL, NAMES, scene()[0], **given)


class Bridge(nn.Module):
    """A segmenter to calculate by hand: its fine map is the red of a pixel, its coarse one the mean of cells.

    A pixel is a disc where red, or by `share` the coarse red, is above 128. A third map is handed over that
    nobody reads.
    """

    def __init__(self, share: float = 0.0) -> None:
        super().__init__()
        self.down = Down()
        self.up = Up(share)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 2, h, w) logits."""
        return self.up(self.down(images))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the way down and the way up."""
        return [("down", self.down), ("up", self.up)]


class Down(nn.Module):
    """The way down of a `Bridge`."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the red of every pixel, its mean in cells of 4 x 4, and a map that is not read."""
        red = images[:, :1].float() / 255
        return {"fine": red, "coarse": nn.functional.avg_pool2d(red, 4), "unread": red[:, :, ::2, ::2] * 2}


class Up(nn.Module):
    """The way up of a `Bridge`."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.grow = nn.Upsample(scale_factor=4)

    def forward(self, maps: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the logits."""
        red = (1 - self.share) * maps["fine"] + self.share * self.grow(maps["coarse"])
        logit = 40 * (red - 0.5)
        return torch.cat((-logit, logit), dim=1)
