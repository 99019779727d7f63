"""What every segmenter promises, and what it gives."""

# B pictures, C channels, K classes, (h, w) size of the input

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nayan.parts.normalise import Normalise


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class SegmentationRaw:
    """What a segmenter says about a batch.

    Attributes:
        logits: (B, K, h, w), unnormalised, one vector for every pixel of the input.
        auxiliary: (B, K, h, w) of a second, earlier head that only helps to learn; None where there is none.
    """

    logits: Tensor
    auxiliary: Tensor | None = None


class Segmenter(nn.Module):
    """A chain of named stages with the two doors that `nayan.tasks.base.Network` promises.

    Between two stages one value passes: a tensor, or a list of maps where a decoder looks back at them.

    Args:
        stages: from pixels to (B, K, h, w) logits; the last one is ("head", ...) and gives a
            `SegmentationRaw`.
        normalise: put in front of the first stage, under a name of its own: so "backbone" may be a
            `parts.pyramid.Pyramid`, whose published weights `parts.weights.load_weights` finds. None where
            the first stage begins with it.
    """

    def __init__(
        self, stages: Sequence[tuple[str, nn.Module]], *, normalise: Normalise | None = None
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self._names = tuple(name for name, _ in stages)
        for name, stage in stages:
            self.add_module(name, stage)

    def forward(self, images: Tensor, targets: Any = None) -> SegmentationRaw:  # noqa: ARG002
        """Return the logits of (B, C, h, w) pixels in [0, 255], uint8 or float; `targets` are not needed."""
        x: Any = images
        for _, stage in self.stages():
            x = stage(x)
        result: SegmentationRaw = x
        return result

    def deploy(self, raw: SegmentationRaw) -> dict[str, Tensor]:
        """Return {"probabilities": (B, K, h, w)}, softmax over the classes."""
        return {"probabilities": raw.logits.float().softmax(dim=1)}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        stages: list[tuple[str, nn.Module]] = [(name, getattr(self, name)) for name in self._names]
        if self.normalise is not None:
            name, first = stages[0]
            stages[0] = (name, nn.Sequential(self.normalise, first))
        return stages
