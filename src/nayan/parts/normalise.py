"""The first layer of every network: from pixels in [0, 255] to the values that its weights expect."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError


class Normalise(nn.Module):
    """Compute `(x / 255 - mean) / std` channel by channel, as one multiply-add.

    Takes (B, C, H, W) pixels in [0, 255], uint8 or float, and gives floats of the same memory format.
    It stands inside the network so that an exported graph takes pixels, and so that moving a batch to
    a device moves one byte a value instead of four.

    >>> black_and_white = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    >>> Normalise((0.5,), (0.5,))(black_and_white).flatten().round()
    tensor([-1.,  1.])

    Args:
        mean: of each channel, in [0, 1].
        std: of each channel, above 0.
    """

    multiplier: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or min(std) <= 0:
            raise ConfigError(f"mean and std need one value a channel and std > 0, got {mean} and {std}")
        self.register_buffer("multiplier", _per_channel([1 / (255 * s) for s in std]))
        self.register_buffer("offset", _per_channel([-m / s for m, s in zip(mean, std, strict=True)]))

    @classmethod
    def for_channels(cls, mean: Sequence[float], std: Sequence[float], *, channels: int) -> Normalise:
        """Return the layer for a number of channels: one value is repeated, three are averaged into one.

        >>> Normalise.for_channels((0.4, 0.5, 0.6), (0.2, 0.2, 0.2), channels=1).channels
        1
        """
        if channels == 1:
            return cls([sum(mean) / len(mean)], [sum(std) / len(std)])
        return cls(list(mean) * channels, list(std) * channels) if len(mean) == 1 else cls(mean, std)

    @property
    def channels(self) -> int:
        """How many channels a picture must have."""
        return self.multiplier.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalised pixels; see the class."""
        return torch.addcmul(self.offset, images.to(self.multiplier.dtype), self.multiplier)


def _per_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
