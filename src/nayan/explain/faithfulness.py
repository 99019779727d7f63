"""Is a heat map true? Take its pixels away, or bring them back, and watch the answer.

Deletion and insertion as in Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of
Black-box Models", BMVC 2018, arXiv:1806.07421: pixels change in the order of their heat, and the score
is the area under the probability of the class.

What differs: deleted pixels take the picture's mean colour (the paper: zero after normalisation, which
is the data set's mean colour). The orders are compared with random maps of as many coarse cells, enlarged
in the same way, because single random pixels are noise of another kind and would fall for the wrong
reason. The blur grows with the picture (a twelfth of its longer side); the paper has a fixed one for 224 px.
Where the network still recognises the blurred picture, insertion would start at its goal and say nothing;
it then starts from the mean colour.
"""

# (h, w) network input, (m, n) cells of the heat map, S steps

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.explain.paint import smooth
from nayan.explain.record import evaluating
from nayan.explain.stages import logits_of

_BATCH = 16

Score = Callable[[Tensor], Tensor]
"""From (b, channels, h, w) pixels to (b,) numbers in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Faithfulness:
    """Curves of a score, such as a class's probability, and the areas under them.

    Attributes:
        fractions: (S + 1,) of the pixels that were changed, from 0 to 1.
        deletion: (S + 1,) score when the hottest pixels go first.
        insertion: (S + 1,) score when the hottest pixels come first.
        random_deletion, random_insertion: the same for random orders, on average.
        num_random: how many random orders.
        start: what insertion starts from: "blurred", or "flat" where blurring did not hide the class.
    """

    fractions: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    random_deletion: NDArray[np.float64]
    random_insertion: NDArray[np.float64]
    num_random: int
    start: Literal["blurred", "flat"]

    @property
    def deletion_auc(self) -> float:
        """Area under `deletion`, in [0, 1]; lower is better."""
        return float(np.trapezoid(self.deletion, self.fractions))

    @property
    def insertion_auc(self) -> float:
        """Area under `insertion`, in [0, 1]; higher is better."""
        return float(np.trapezoid(self.insertion, self.fractions))

    @property
    def random_deletion_auc(self) -> float:
        """Area under `random_deletion`."""
        return float(np.trapezoid(self.random_deletion, self.fractions))

    @property
    def random_insertion_auc(self) -> float:
        """Area under `random_insertion`."""
        return float(np.trapezoid(self.random_insertion, self.fractions))


def measure_faithfulness(
    model: nn.Module,
    pixels: Tensor,
    *,
    heat: NDArray[np.floating],
    label: int,
    steps: int = 16,
    seed: int = 0,
    num_random: int = 3,
) -> Faithfulness:
    """Return the deletion and insertion curves of a heat map beside those of random ones.

    Args:
        model: a classifier.
        pixels: (1, channels, h, w) float in [0, 255].
        heat: (m, n) numbers, the larger the earlier.
        label: class index.
        steps: points after the first.
        seed: of the random orders.
        num_random: how many random orders are averaged.

    Raises:
        ConfigError: if `steps` or `num_random` is below 1.
    """

    def probability(changed: Tensor) -> Tensor:
        return logits_of(model(changed)).softmax(dim=1)[:, label]

    with evaluating(model):
        return measure_score_faithfulness(
            probability, pixels, heat=heat, steps=steps, seed=seed, num_random=num_random
        )


def measure_score_faithfulness(
    score: Score,
    pixels: Tensor,
    *,
    heat: NDArray[np.floating],
    cells: Size | None = None,
    steps: int = 16,
    seed: int = 0,
    num_random: int = 3,
) -> Faithfulness:
    """Return the deletion and insertion curves of any score of a picture in [0, 1].

    Args:
        score: what is to be explained, of (b, channels, h, w) pixels; by a network in evaluation mode.
        pixels: (1, channels, h, w) float in [0, 255].
        heat: (m, n) numbers, the larger the earlier.
        cells: (rows, columns) of the random maps; by default those of `heat`.
        steps: points after the first.
        seed: of the random orders.
        num_random: how many random orders are averaged.

    Raises:
        ConfigError: if `steps` or `num_random` is below 1.
    """
    if steps < 1 or num_random < 1:
        raise ConfigError(f"steps and num_random must be at least 1, got {steps} and {num_random}")
    size = (int(pixels.shape[2]), int(pixels.shape[3]))
    rng = np.random.default_rng(seed)
    heats = [heat, *(rng.random(cells or heat.shape) for _ in range(num_random))]
    gone = pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    with torch.no_grad():
        blurred = blur(pixels)
        hidden, whole = score(torch.cat([blurred, pixels])).tolist()
        start: Literal["blurred", "flat"] = "blurred" if hidden < whole / 2 else "flat"
        empty = blurred if start == "blurred" else gone
        deletions, insertions = [], []
        for each in heats:
            ranks = pixel_ranks(each, size)
            deletions.append(_curve(score, pixels, gone, ranks, steps))
            insertions.append(_curve(score, empty, pixels, ranks, steps))
    return Faithfulness(
        fractions=np.linspace(0, 1, steps + 1),
        deletion=deletions[0],
        insertion=insertions[0],
        random_deletion=np.mean(deletions[1:], axis=0),
        random_insertion=np.mean(insertions[1:], axis=0),
        num_random=num_random,
        start=start,
    )


def pixel_ranks(heat: NDArray[np.floating], size: Size) -> NDArray[np.float64]:
    """Return for each pixel the share of pixels that are hotter: (h, w) in [0, 1), the hottest 0.

    >>> pixel_ranks(np.array([[0.0, 1.0]]), (1, 2))
    array([[0.5, 0. ]])
    """
    order = np.argsort(-smooth(heat, size).ravel(), kind="stable")
    ranks = np.empty(order.size)
    ranks[order] = np.arange(order.size) / order.size
    return ranks.reshape(size)


def blur(pixels: Tensor) -> Tensor:
    """Return (B, C, h, w) pixels after a Gaussian whose sigma is a twelfth of the longer side."""
    height, width = pixels.shape[2:]
    sigma = max(height, width) / 12
    radius = min(int(2 * sigma) + 1, height - 1, width - 1)
    if radius < 1:
        return pixels
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=pixels.device) / sigma) ** 2)
    taps = (taps / taps.sum()).to(pixels.dtype).expand(pixels.shape[1], 1, -1)
    padded = F.pad(pixels, (radius,) * 4, mode="reflect")
    across = F.conv2d(padded, taps[:, :, None, :], groups=pixels.shape[1])
    return F.conv2d(across, taps[:, :, :, None], groups=pixels.shape[1])


def _curve(
    score: Score, before: Tensor, after: Tensor, ranks: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Return the score while `before` turns into `after`, the pixels of lowest rank first."""
    rank = torch.from_numpy(ranks).to(before.device)
    scores: list[float] = []
    shares = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=before.device)
    for start in range(0, steps + 1, _BATCH):
        changed = rank[None, None] < shares[start : start + _BATCH, None, None, None]  # (b, 1, h, w)
        scores += score(torch.where(changed, after, before)).tolist()
    return np.array(scores)
