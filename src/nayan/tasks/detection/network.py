"""What every detector promises, and what it learns from."""

# B pictures, C classes, M objects in the fullest picture of the batch, N candidates

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from nayan.parts.assignment import Assignment


@dataclass(slots=True, eq=False)  # not frozen: Fabric moves the fields to the device
class Targets:
    """The objects of a batch, padded to the fullest picture.

    Attributes:
        boxes: (B, M, 4) float32 xyxy in pixels of the network's input; zeros where there is no object.
        labels: (B, M) int64 classes from 0; -1 where there is no object. M may be 0.
    """

    boxes: Tensor
    labels: Tensor

    @property
    def valid(self) -> Tensor:
        """(B, M) bool: where there is an object."""
        return self.labels >= 0


@runtime_checkable
class Detector(Protocol):
    """A network with the doors of `nayan.tasks.base.Network`, which owns its loss.

    Candidates, assignment and loss are one idea in detection, so a model family brings all three. What is
    inside `Raw` is the family's own; it carries all that `losses`, `deploy` and the explanations need.

    Explanations know where candidates lie by the names of fields: `anchors` (N, 4) with `levels`, how many
    each level has; or `points` (N, 2) with `strides`, and with `shapes` (N, 2) where they have some.
    """

    def __call__(self, images: Tensor, targets: Targets | None = None, **inputs: Tensor) -> Any:
        """Return the family's `Raw`, the same type in training and evaluation.

        Args:
            images: (B, channels, h, w) uint8 or float pixels in [0, 255].
            targets: a family that samples its candidates while it learns needs them; others ignore them.
            **inputs: of the entry, such as `proposals` (B, P, 4).
        """
        ...

    def losses(self, raw: Any, targets: Targets) -> dict[str, Tensor]:
        """Return the named parts of the loss, each a scalar; finite for pictures without any object."""
        ...

    def assign(self, raw: Any, targets: Targets) -> Assignment:
        """Return which object each candidate has to find.

        These are all candidates of a picture, also where a step of training draws only some of them. In two
        stages they are those of the first; `assign_proposals` is then the same for the second.
        """
        ...

    def deploy(self, raw: Any) -> dict[str, Tensor]:
        """Return the candidates, before thresholds and the final NMS.

        Returns:
            "boxes": (B, N, 4) float32 xyxy in pixels of the network's input; or (B, N, C, 4) where each
                class has a box of its own.
            "scores": (B, N, C) float32 in [0, 1]; 0 for a candidate that is only padding.
        """
        ...

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps from input to output, the head last; for freezing and learning rates."""
        ...


@runtime_checkable
class TwoStage(Protocol):
    """What a detector adds whose first stage proposes and whose second looks at the proposals."""

    def proposed(self, raw: Any) -> tuple[Tensor, Tensor]:
        """Return what went into the NMS of the proposals: (B, K, 4) xyxy in input pixels, (B, K) scores."""
        ...

    def assign_proposals(self, raw: Any, targets: Targets) -> Assignment:
        """Return which object each proposal that the second stage looked at has to find."""
        ...
