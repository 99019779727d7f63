"""Augmentation of colours alone: hue, saturation and brightness."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from nayan.core.types import Image


@dataclass(frozen=True, slots=True)
class Recolour:
    """What may happen to the colours of a training picture. The default changes nothing.

    Attributes:
        hue_deg: largest shift of the hue, either way.
        saturation, brightness: largest relative change.
    """

    hue_deg: float = 0.0
    saturation: float = 0.0
    brightness: float = 0.0

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a recoloured (H, W, 3) uint8 picture; `rng` decides everything."""
        if not (self.hue_deg or self.saturation or self.brightness):
            return image
        hue = rng.uniform(-self.hue_deg, self.hue_deg) / 2  # OpenCV counts hues in steps of two degrees
        gains = 1 + rng.uniform(-1, 1, 2) * (self.saturation, self.brightness)
        levels = np.arange(256)
        tables = [(levels + hue) % 180, levels * gains[0], levels * gains[1]]
        table = np.stack([row.clip(0, 255).astype(np.uint8) for row in tables], axis=-1)[None]  # (1, 256, 3)
        hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
