"""A picture as the waves that it is made of, so that gradients change shapes as readily as pixels.

Gradients of networks that halve their maps by strides are full of high frequencies: followed pixel by pixel
they draw noise that the network takes for a style. Followed wave by wave, each in proportion to how strong
it is in pictures of nature (1 / frequency), and in colours that do not go together, they draw shapes.

Source: Mordvintsev, Pezzotti, Schubert, Olah, "Differentiable image parameterizations", Distill 2018,
section "style transfer"; Olah, Mordvintsev, Schubert, "Feature visualization", Distill 2017,
section "preconditioning".
"""

# (h, w) size of the picture, V = w // 2 + 1 waves across

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_SHARE = 1e-4
"""Added to the variance of each colour: a style without colour has none of its own."""


class Spectrum(nn.Module):
    """One picture whose waves are what learns.

    Args:
        picture: (1, 3, h, w) pixels in [0, 255], with which it begins.
        palette: (1, 3, h', w') pixels in [0, 255] whose colours it is expected to have.
    """

    scale: Tensor
    mixing: Tensor

    def __init__(self, picture: Tensor, palette: Tensor) -> None:
        super().__init__()
        self.size = (picture.shape[2], picture.shape[3])
        self.register_buffer("scale", _strengths(*self.size).to(picture.device))
        self.register_buffer("mixing", _mixing(palette))
        unmixed = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.mixing), picture / 255 - 0.5)
        waves = torch.fft.rfft2(unmixed, norm="ortho") / self.scale  # (1, 3, h, w) -> (1, 3, h, V)
        self.waves = nn.Parameter(torch.view_as_real(waves).clone())  # (1, 3, h, V, 2)

    def forward(self) -> Tensor:
        """Return the picture, (1, 3, h, w); its values may lie outside [0, 255]."""
        waves = torch.view_as_complex(self.waves) * self.scale
        unmixed = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        return (torch.einsum("ij,bjhw->bihw", self.mixing, unmixed) + 0.5) * 255


def _strengths(height: int, width: int) -> Tensor:
    """Return (h, V), how strong each wave is in pictures of nature, 1 / frequency; their mean square is 1."""
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = (down.square() + across.square()).sqrt().clamp(min=1 / max(height, width))
    strengths: Tensor = 1 / frequency
    return strengths / strengths.square().mean().sqrt()


def _mixing(palette: Tensor) -> Tensor:
    """Return (3, 3), the root of the covariance of colours: it makes such colours of independent values."""
    values = palette[0].flatten(1) / 255  # (3, h'*w')
    centred = values - values.mean(dim=1, keepdim=True)
    covariance = centred @ centred.T / centred.shape[1] + LEAST_SHARE * torch.eye(3, device=palette.device)
    variances, axes = torch.linalg.eigh(covariance)
    root: Tensor = axes @ torch.diag(variances.clamp(min=0).sqrt()) @ axes.T
    return root
