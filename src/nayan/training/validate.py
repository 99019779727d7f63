"""Validation in training: the network's named outputs, decoded and scored as in prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.data.tiled import Views
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Judged, Metric, Network, Task
from nayan.training.loader import Source
from nayan.training.processes import to_device

Decode = Callable[[Mapping[str, NDArray[Any]], Sequence[Placement]], Sequence[Any]]


def score(
    module: nn.Module,
    source: Source,
    *,
    network: Network,
    task: Task,
    metric: Metric,
    decode: Decode,
    fabric: Fabric,
    views: Views | None = None,
) -> dict[str, float]:
    """Return the metric's scores of one pass through a source and, where it means something, the mean "loss".

    Args:
        module: the network, or the tail of it that takes what the source gives.
        source: in the order of the data set.
        network: whose `deploy` turns raw outputs into named ones.
        task: for the loss.
        metric: fresh.
        decode: of the task.
        fabric: device and precision.
        views: where the source gives tiles: the loss is that of the tiles, the scores are those of the whole
            pictures.
    """
    total, seen = 0.0, 0
    found: list[tuple[str, Any]] = []
    was_training = module.training
    for batch, raw, outputs in _answers(module, source, network, fabric):
        if task.validation_loss:
            with torch.inference_mode(), fabric.autocast():
                losses = task.losses(_Replay(raw), batch, "main")
                total += float(torch.stack(list(losses.values())).sum()) * len(batch.ids)
        seen += len(batch.ids)
        predictions = decode(outputs, batch.placements)
        if views is None:
            metric.update(predictions, batch.truths)
        else:
            found += zip(batch.ids, predictions, strict=True)
    if views is not None:
        whole = views.join(found)
        metric.update([boxes for _, boxes in whole], [sample.target for sample, _ in whole])
    module.train(was_training)
    scores = dict(metric.compute())
    return {**scores, "loss": total / max(1, seen)} if task.validation_loss else scores


def judge(
    module: nn.Module,
    source: Source,
    *,
    network: Network,
    decode: Decode,
    fabric: Fabric,
    views: Views | None = None,
) -> Iterator[Judged]:
    """Yield the named outputs of each batch of a source with its ground truth.

    Where the source gives tiles, the predictions for all whole pictures come at once, without outputs.
    """
    found: list[tuple[str, Any]] = []
    for batch, _, outputs in _answers(module, source, network, fabric):
        if views is None:
            yield Judged(outputs, batch.placements, batch.truths)
        else:
            found += zip(batch.ids, decode(outputs, batch.placements), strict=True)
    if views is not None:
        whole = views.join(found)
        truths = tuple(sample.target for sample, _ in whole)
        yield Judged({}, (), truths, predictions=tuple(boxes for _, boxes in whole))


def _answers(
    module: nn.Module, source: Source, network: Network, fabric: Fabric
) -> Iterator[tuple[Batch, Any, dict[str, NDArray[Any]]]]:
    """Yield each batch with what the network gives for it, raw and by the names of `deploy`."""
    module.eval()
    for batch in source.batches(0):
        batch = to_device(batch, fabric)
        with torch.inference_mode(), fabric.autocast():  # not around the yield: it would hold for the caller
            raw = module(batch.images, **batch.extra)
            outputs = {name: _array(tensor) for name, tensor in network.deploy(raw).items()}
        yield batch, raw, outputs


class _Replay(nn.Module):
    """Stands in for a network whose answer is already there."""

    def __init__(self, raw: object) -> None:
        super().__init__()
        self.raw = raw

    def forward(self, *_images: object, **_inputs: object) -> object:
        return self.raw


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.float().cpu().numpy()
