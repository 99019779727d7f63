"""What `--loss` names: one word, or a sum of several, each with its own curve."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nayan.core.errors import ConfigError
from nayan.parts.losses.cross_entropy import dense_cross_entropy
from nayan.parts.losses.dense_focal import dense_focal_loss
from nayan.parts.losses.dice import dice_loss
from nayan.parts.losses.lovasz import lovasz_softmax_loss
from nayan.parts.losses.tversky import tversky_loss
from nayan.tasks.segmentation.boundary_weights import boundary_weights

LOSSES = ("ce", "dice", "focal", "lovasz", "tversky", "border")
"""Names of `--loss`: "border" is the cross-entropy with U-Net's weights of the narrow gaps."""
AUTO = ("ce", "dice")
"""The cross-entropy is smooth and quick, Dice gives small classes their share: what is usual together."""

Loss = Callable[[Tensor, Tensor], Tensor]


class SegmentationLoss:
    """The sum of named losses, all of weight 1.

    Args:
        names: "auto", one of `LOSSES`, or several joined by "+", such as "ce+dice".
        class_weights: (K,) of "ce", "focal" and "border"; None weighs all classes alike.
        label_smoothing: of "ce", in [0, 1).

    Raises:
        ConfigError: for a name that there is not, or one twice.
    """

    def __init__(
        self,
        names: str = "auto",
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.names = AUTO if names == "auto" else tuple(names.split("+"))
        unknown = [name for name in self.names if name not in LOSSES]
        if unknown or len(set(self.names)) < len(self.names):
            raise ConfigError(
                f"--loss {names}: expected auto, or some of {', '.join(LOSSES)} joined by +",
                hint="such as --loss ce+dice",
            )
        self._weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self._smoothing = label_smoothing

    def __call__(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return {name: scalar} of (B, K, h, w) logits for (B, h, w) int64 classes."""
        weights = None if self._weights is None else self._weights.to(logits.device)
        every: dict[str, Loss] = {
            "ce": partial(dense_cross_entropy, class_weights=weights, label_smoothing=self._smoothing),
            "dice": dice_loss,
            "focal": partial(dense_focal_loss, class_weights=weights),
            "lovasz": lovasz_softmax_loss,
            "tversky": tversky_loss,
            "border": partial(_border, class_weights=weights),
        }
        return {name: every[name](logits.float(), target) for name in self.names}


def _border(logits: Tensor, target: Tensor, *, class_weights: Tensor | None) -> Tensor:
    """Return the cross-entropy weighted by U-Net's map; every class but the first counts as objects."""
    objects = range(1, logits.shape[1])
    maps = [
        boundary_weights(ids, objects=objects) for ids in target.cpu().numpy().astype(np.uint8)
    ]  # (h, w) each
    pixels = torch.from_numpy(np.stack(maps)).to(logits.device)
    return dense_cross_entropy(logits, target, class_weights=class_weights, pixel_weights=pixels)
