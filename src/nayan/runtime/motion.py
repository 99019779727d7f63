"""Where moving boxes will be next: a Kalman filter with constant velocity, for all objects at once.

Centre, width and height each move on their own, so the filter of Bewley et al. (SORT, 2016, arXiv:1602.00763)
falls into four independent ones of two numbers, value and velocity, and needs no matrices. Its noise grows
with the box, as in Wojke et al. (2017, arXiv:1703.07402), with their weights.
"""

# T objects, 4 = centre x, centre y, width, height

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import from_cxcywh, to_cxcywh

Floats = NDArray[np.float64]

POSITION_NOISE = 1 / 20  # standard deviations, as parts of the box's width and height
VELOCITY_NOISE = 1 / 160


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What is believed about T objects, in pixels and pixels a step.

    Attributes:
        value: (T, 4) cxcywh.
        velocity: (T, 4).
        value_variance, covariance, velocity_variance: (T, 4) how uncertain both are, and together.
    """

    value: Floats
    velocity: Floats
    value_variance: Floats
    covariance: Floats
    velocity_variance: Floats

    @classmethod
    def start(cls, boxes: NDArray[Any]) -> Motion:
        """Return the motion of objects that were seen once: at (T, 4) xyxy, at rest as far as is known."""
        value = to_cxcywh(boxes.astype(np.float64).reshape(-1, 4))
        scale = _scale(value)
        zeros = np.zeros_like(value)
        spread, speed = (2 * POSITION_NOISE * scale) ** 2, (10 * VELOCITY_NOISE * scale) ** 2
        return cls(value, zeros, spread, zeros, speed)

    @property
    def boxes(self) -> Floats:
        """(T, 4) xyxy."""
        return from_cxcywh(np.concatenate((self.value[:, :2], self.value[:, 2:].clip(min=1)), axis=1))

    def step(self, *, keep_size: NDArray[np.bool_]) -> Motion:
        """Return the motion one frame later; those in `keep_size` (T,) only move, as they are not seen."""
        velocity = self.velocity.copy()
        velocity[keep_size, 2:] = 0
        scale = _scale(self.value)
        return Motion(
            self.value + velocity,
            velocity,
            self.value_variance
            + 2 * self.covariance
            + self.velocity_variance
            + (POSITION_NOISE * scale) ** 2,
            self.covariance + self.velocity_variance,
            self.velocity_variance + (VELOCITY_NOISE * scale) ** 2,
        )

    def correct(self, rows: NDArray[np.int64], boxes: NDArray[Any]) -> Motion:
        """Return the motion after some objects, by their numbers, were seen at (len(rows), 4) xyxy."""
        value, variance, shared = self.value[rows], self.value_variance[rows], self.covariance[rows]
        surprise = to_cxcywh(boxes.astype(np.float64).reshape(-1, 4)) - value
        total = variance + (POSITION_NOISE * _scale(value)) ** 2
        gain, speed_gain = variance / total, shared / total
        changed = {
            "value": value + gain * surprise,
            "velocity": self.velocity[rows] + speed_gain * surprise,
            "value_variance": variance - gain * variance,
            "covariance": shared - gain * shared,
            "velocity_variance": self.velocity_variance[rows] - speed_gain * shared,
        }
        columns = {name: getattr(self, name).copy() for name in changed}
        for name, values in changed.items():
            columns[name][rows] = values
        return replace(self, **columns)

    def select(self, rows: NDArray[Any]) -> Motion:
        """Return some of the objects, by their numbers or by a (T,) mask."""
        return Motion(*(getattr(self, name)[rows] for name in self.__slots__))

    def joined(self, other: Motion) -> Motion:
        """Return the objects of both, these first."""
        return Motion(*(np.concatenate((getattr(self, n), getattr(other, n))) for n in self.__slots__))


def _scale(value: Floats) -> Floats:
    """Return (T, 4): the side of the box to which the noise of each number is relative."""
    sides = value[:, 2:].clip(min=1)
    return np.concatenate((sides, sides), axis=1)
