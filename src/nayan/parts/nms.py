"""One box for each object, on tensors; `nms_mask` also inside an exported graph.

`nayan.runtime.nms` is the twin in NumPy, which runs after the network; the one here serves inside of it,
where proposals are chosen.
"""

# B pictures, K candidates of each, N candidates in all

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms
from torchvision.ops import nms as torchvision_nms

from nayan.core.errors import ConfigError, ShapeError
from nayan.parts.boxes import iou_matrix, iou_pairs
from nayan.runtime.nms import Decay
from nayan.runtime.nms import nms as numpy_nms

_ALL = 2**31 - 1  # boxes that the graph's operator may keep; OpenVINO counts them in 32 bits


def nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    iou: float = 0.5,
    labels: Tensor | None = None,
    max_det: int | None = None,
) -> Tensor:
    """Keep the best box of each place: go by falling score, drop what overlaps a kept box too much.

    On the CPU this is `nayan.runtime.nms.nms`, several times as fast as torchvision's; elsewhere
    torchvision's, which separates the classes by shifting them, so that an IoU within rounding of the
    threshold may fall on its other side.

    Args:
        boxes: (N, 4) xyxy floats.
        scores: (N,).
        iou: in [0, 1]; a box goes if its IoU with a kept one is greater.
        labels: (N,) classes from 0: only boxes of the same class suppress each other. None: all do.
        max_det: the greatest number of boxes that are kept.

    Returns:
        (K,) int64 numbers of the kept boxes, by falling score; of equal scores the lower number first.

    Raises:
        ShapeError: if the lengths differ.
        ConfigError: if `iou` is outside [0, 1].

    >>> same = torch.tensor([[0., 0, 9, 9], [0, 0, 9, 8], [20, 20, 30, 30]])
    >>> nms(same, torch.tensor([0.5, 0.9, 0.1]))
    tensor([1, 2])
    """
    boxes, scores = _checked(boxes, scores, labels, iou)
    if boxes.device.type == "cpu":
        classes = None if labels is None else labels.numpy()
        return torch.from_numpy(
            numpy_nms(boxes.numpy(), scores.numpy(), iou=iou, labels=classes, max_det=max_det)
        )
    if labels is None:
        kept: Tensor = torchvision_nms(boxes, scores, iou)
    else:
        kept = batched_nms(boxes, scores, labels, iou)
    return kept[:max_det]


def nms_mask(boxes: Tensor, scores: Tensor, *, iou: float) -> Tensor:
    """Say which boxes of each picture NMS keeps, in a form that every picture of a batch shares.

    In an exported graph this is one NonMaxSuppression for the whole batch, whatever its size.

    Args:
        boxes: (B, K, 4) xyxy.
        scores: (B, K); give padding a box without area, which suppresses nothing, and drop it by its score.
        iou: in [0, 1]; a box goes if its IoU with a kept one is greater.

    Returns:
        (B, K) bool, true for what is kept. No gradient.

    Raises:
        ShapeError: if the shapes do not fit each other.

    >>> same = torch.tensor([[[0., 0, 9, 9], [0, 0, 9, 8]], [[0, 0, 9, 9], [20, 20, 30, 30]]])
    >>> nms_mask(same, torch.tensor([[0.5, 0.9], [0.5, 0.9]]), iou=0.5)
    tensor([[False,  True],
            [ True,  True]])
    """
    if boxes.ndim != 3 or boxes.shape[-1] != 4 or scores.ndim != 2 or boxes.shape[1] != scores.shape[1]:
        raise ShapeError(
            f"boxes (B, K, 4) need scores (B, K), got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    chosen = _Suppress.apply(boxes.detach().float(), scores.detach().float(), iou)  # (n, 3)
    flat = chosen[:, 0] * scores.shape[1] + chosen[:, 2]
    kept = torch.zeros_like(scores, dtype=torch.float32).flatten()
    kept = kept.scatter(0, flat, torch.ones_like(flat, dtype=torch.float32))
    return kept.reshape(scores.shape) > 0


class _Suppress(torch.autograd.Function):
    """ONNX's NonMaxSuppression: (n, 3) int64 rows of picture, class (always 0) and box.

    torchvision's export knows one picture only; shifting the pictures apart would compare each with each
    and cost precision.
    """

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, iou: float) -> Tensor:  # noqa: ARG004
        rows = []
        for picture in range(len(boxes)):
            index = nms(boxes[picture], scores[picture], iou=iou)
            rows.append(torch.stack((torch.full_like(index, picture), torch.zeros_like(index), index), 1))
        return torch.cat(rows) if rows else boxes.new_zeros((0, 3), dtype=torch.int64)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, iou: float) -> Any:
        most = g.op("Constant", value_t=torch.tensor([_ALL]))
        limit = g.op("Constant", value_t=torch.tensor([iou], dtype=torch.float32))
        classes = g.op("Unsqueeze", scores, g.op("Constant", value_t=torch.tensor([1])))  # (B, 1, K)
        return g.op("NonMaxSuppression", boxes, classes, most, limit)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    iou: float = 0.5,
    sigma: float = 0.5,
    method: Decay = "gaussian",
    min_score: float = 0.001,
    labels: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap a better one, instead of dropping them.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) in [0, 1].
        iou: for "linear": below it nothing is lowered.
        sigma: for "gaussian": the smaller, the harder.
        method: "linear" multiplies by 1 - IoU, "gaussian" by exp(-IoU^2 / sigma).
        min_score: a box goes once its score is below.
        labels: (N,) classes that do not touch each other.

    Returns:
        (K,) int64 numbers of the boxes and their (K,) lowered scores, by falling lowered score.

    Raises:
        ShapeError: if the lengths differ.
        ConfigError: if `iou` is outside [0, 1].

    Source: Bodla et al. (2017), arXiv:1704.04503, fig. 2.

    >>> two = torch.tensor([[0., 0, 10, 10], [0, 0, 10, 8]])
    >>> soft_nms(two, torch.tensor([0.9, 0.8]), method="linear")
    (tensor([0, 1]), tensor([0.9000, 0.1600]))
    """
    boxes, scores = _checked(boxes, scores, labels, iou)
    lowered = scores.clone()
    waiting = torch.ones_like(scores, dtype=torch.bool)
    taken: list[Tensor] = []
    while bool((waiting := waiting & (lowered >= min_score)).any()):
        best = lowered.masked_fill(~waiting, -torch.inf).argmax()
        taken.append(best)
        waiting[best] = False
        overlap = iou_pairs(boxes[best], boxes)
        if method == "linear":
            decay = torch.where(overlap > iou, 1 - overlap, 1)
        else:
            decay = torch.exp(-overlap.square() / sigma)
        touched = waiting if labels is None else waiting & (labels == labels[best])
        lowered = torch.where(touched, lowered * decay, lowered)
    index = torch.stack(taken).sort().values if taken else scores.new_zeros(0, dtype=torch.int64)
    return _by_falling(lowered, index)


def matrix_nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    sigma: float = 0.5,
    method: Decay = "gaussian",
    min_score: float = 0.001,
    labels: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower all scores at once by how much each box overlaps better ones that are themselves not covered.

    Args:
        boxes: (N, 4) xyxy; memory grows with the square of the largest class.
        scores: (N,) in [0, 1].
        sigma: for "gaussian": the smaller, the harder.
        method: "linear" lowers by 1 - IoU, "gaussian" by exp(-IoU^2 / sigma).
        min_score: boxes whose lowered score is below go.
        labels: (N,) classes that do not touch each other.

    Returns:
        (K,) int64 numbers of the boxes and their (K,) lowered scores, by falling lowered score.

    Raises:
        ShapeError: if the lengths differ.

    Source: Wang et al. (2020), SOLOv2, arXiv:2003.10152, eqs. 4 and 5.

    >>> two = torch.tensor([[0., 0, 10, 10], [0, 0, 10, 8]])
    >>> matrix_nms(two, torch.tensor([0.9, 0.8]), method="linear")
    (tensor([0, 1]), tensor([0.9000, 0.1600]))
    """
    boxes, scores = _checked(boxes, scores, labels, 0.5)
    lowered = scores.clone()
    for members in _groups(labels, scores):
        group = members[scores[members].argsort(descending=True, stable=True)]
        overlap = iou_matrix(boxes[group], boxes[group]).triu(1)  # (n, n): row i is better than j
        covered = overlap.amax(0)[:, None]  # how far each i is itself covered
        if method == "linear":
            # A box that lies exactly on a better one says nothing about the others.
            decay = torch.where(covered < 1, (1 - overlap) / (1 - covered).clamp(min=1e-12), 1)
        else:
            decay = torch.exp((covered.square() - overlap.square()) / sigma)
        above = torch.ones_like(overlap, dtype=torch.bool).triu(1)  # the better boxes of each
        lowered[group] *= torch.where(above, decay, 1).amin(0)
    return _by_falling(lowered, (lowered >= min_score).nonzero()[:, 0])


def _by_falling(lowered: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    index = index[lowered[index].argsort(descending=True, stable=True)]
    return index, lowered[index]


def _groups(labels: Tensor | None, scores: Tensor) -> Iterator[Tensor]:
    """Yield the numbers of the boxes of each class."""
    classes = torch.zeros_like(scores, dtype=torch.int64) if labels is None else labels
    for label in torch.unique(classes):
        yield (classes == label).nonzero()[:, 0]


def _checked(boxes: Tensor, scores: Tensor, labels: Tensor | None, iou: float) -> tuple[Tensor, Tensor]:
    """Return both without their history, the boxes in float32 or better."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes are (N, 4), got {tuple(boxes.shape)}")
    for name, values in (("scores", scores), ("labels", labels)):
        if values is not None and values.shape != boxes.shape[:1]:
            raise ShapeError(f"{len(boxes)} boxes need as many {name}, got {tuple(values.shape)}")
    if not 0 <= iou <= 1:
        raise ConfigError(f"iou = {iou}: it must lie in [0, 1]")
    wide = boxes.dtype in (torch.float32, torch.float64)
    boxes = boxes.detach() if wide else boxes.detach().float()
    return boxes, scores.detach().float() if scores.dtype == torch.bfloat16 else scores.detach()
