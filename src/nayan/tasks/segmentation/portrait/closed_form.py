"""The matting Laplacian: how well alpha can be told from colour, window by window, without its matrix.

In a small window the colours of the person lie on one line in colour space, and those of the background on
another; then alpha is a linear function of the colour there (Levin, Lischinski and Weiss 2008). The sum over
all windows of how far alpha is from such a function is x'Lx. L has a row a pixel, but L x costs only a few
box filters, whatever the size of the window: He, Sun and Tang (2010), "Fast matting using large kernel
matting Laplacian matrices". The linear functions are those of the guided filter (He, Sun and Tang 2013).
"""

# (H, W) pixels; a window reaches `radius` px to all sides

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Windows:
    """The windows of a picture, with what has to be known of their colours.

    Args:
        guide: (H, W, 3) float32 in [0, 1].
        radius: of the windows in px.
        eps: variance of colour, for levels from 0 to 1, below which a window counts as of one colour.
    """

    def __init__(self, guide: Floats, *, radius: int, eps: float) -> None:
        self._guide = np.ascontiguousarray(guide, np.float32)
        self._side = (2 * radius + 1, 2 * radius + 1)
        self.count: Floats = self._sum(np.ones(guide.shape[:2], np.float32))
        self._mean = self._sum(self._guide) / self.count[..., None]
        self._inverse = self._inverted(eps)

    def __call__(self, alpha: Floats) -> Floats:
        """Return L x, (H, W): how far each pixel is from what its windows expect, over all of them."""
        product: Floats = self.count * alpha - self._expected(alpha)
        return product

    def filtered(self, alpha: Floats) -> Floats:
        """Return the guided filter of (H, W): the mean of what its windows expect of each pixel."""
        mean: Floats = self._expected(alpha) / self.count
        return mean

    def functions(self, alpha: Floats) -> Floats:
        """Return (H, W, 4): alpha = a . colour + b as the windows of each pixel agree on it on average."""
        agreed: Floats = self._sum(self._fit(alpha)) / self.count[..., None]
        return agreed

    def _expected(self, alpha: Floats) -> Floats:
        summed = self._sum(self._fit(alpha))
        expected: Floats = np.einsum("ijk,ijk->ij", summed[..., :3], self._guide) + summed[..., 3]
        return expected

    def _fit(self, alpha: Floats) -> Floats:
        """Return (H, W, 4), the linear function of each window: least squares with a ridge of eps."""
        with_colour = np.concatenate((self._guide * alpha[..., None], alpha[..., None]), axis=2)
        means = self._sum(with_colour) / self.count[..., None]
        mean = means[..., 3]
        red, green, blue = np.moveaxis(means[..., :3] - self._mean * mean[..., None], 2, 0)
        rr, rg, rb, gg, gb, bb = self._inverse
        slope = np.stack(
            (
                rr * red + rg * green + rb * blue,
                rg * red + gg * green + gb * blue,
                rb * red + gb * green + bb * blue,
            ),
            axis=2,
        )
        base = mean - np.einsum("ijk,ijk->ij", slope, self._mean)
        fit: Floats = np.concatenate((slope, base[..., None]), axis=2).astype(np.float32)
        return fit

    def _inverted(self, eps: float) -> tuple[Floats, ...]:
        """Return the six numbers of the inverse of each window's covariance of colours."""
        red, green, blue = np.moveaxis(self._guide, 2, 0)
        m_red, m_green, m_blue = np.moveaxis(self._mean.astype(np.float64), 2, 0)

        def covariance(one: Floats, two: Floats, means: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(self._sum(one * two) / self.count - means, np.float64)

        rr = covariance(red, red, m_red * m_red) + eps
        rg = covariance(red, green, m_red * m_green)
        rb = covariance(red, blue, m_red * m_blue)
        gg = covariance(green, green, m_green * m_green) + eps
        gb = covariance(green, blue, m_green * m_blue)
        bb = covariance(blue, blue, m_blue * m_blue) + eps
        minors = (gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg)
        determinant = rr * minors[0] + rg * minors[1] + rb * minors[2]
        others = (rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg)
        return tuple((each / determinant).astype(np.float32) for each in (*minors, *others))

    def _sum(self, values: Floats) -> Floats:
        return np.asarray(
            cv2.boxFilter(values, -1, self._side, normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32
        )


def solve(windows: Windows, hint: Floats, trust: Floats, *, steps: int = 30) -> Floats:
    """Return the alpha that agrees with the windows and, as far as they are trusted, with the hints.

    It is (L + D) x = D hint with D = trust * count, by conjugate gradients with D's diagonal as
    preconditioner, begun at the hints. (H, W) each, clipped to [0, 1].

    Args:
        windows: of the picture.
        hint: what alpha may be.
        trust: above 0; large where the hint is certain.
        steps: of conjugate gradients.
    """
    weight = trust * windows.count
    scale = 1 / (windows.count + weight)
    x = hint.astype(np.float32)
    left = weight * hint - (windows(x) + weight * x)
    along = scale * left
    energy = float(np.vdot(left, along))
    for _ in range(steps):
        if energy <= 1e-12 * x.size:
            break
        pushed = windows(along) + weight * along
        stride = energy / float(np.vdot(along, pushed))
        x += stride * along
        left -= stride * pushed
        ahead = scale * left
        energy, before = float(np.vdot(left, ahead)), energy
        along = ahead + energy / before * along
    return np.clip(x, 0, 1)
