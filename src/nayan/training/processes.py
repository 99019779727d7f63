"""What several processes of one run have to agree on, and what goes to the device of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric

from nayan.tasks.base import Batch
from nayan.training.interrupt import StopSign


def to_device(batch: Batch, fabric: Fabric) -> Batch:
    """Return the batch with its tensors on the device of this process."""
    return replace(
        batch,
        images=fabric.to_device(batch.images),
        targets=fabric.to_device(batch.targets),
        extra={name: fabric.to_device(tensor) for name, tensor in batch.extra.items()},
    )


def stop_requested(fabric: Fabric, stop: StopSign) -> bool:
    """Return whether any process was asked to stop; all of them must agree on the step."""
    stop.signal = int(largest(fabric, stop.signal or 0)) or None
    return bool(stop)


def largest(fabric: Fabric, value: float) -> float:
    """Return the largest of the values that the processes have."""
    if fabric.world_size == 1:
        return value
    largest: Any = fabric.all_reduce(torch.tensor(float(value), device=fabric.device), reduce_op="max")
    return float(largest)


def share_of_mean(fabric: Fabric, pictures: int) -> float:
    """Return how much this process's pictures count in the mean of the processes' gradients.

    1 where all have as many; slices of a batch may differ by one, and by pictures that cannot be read.
    """
    if fabric.world_size == 1:
        return 1.0
    total: Any = fabric.all_reduce(torch.tensor(float(pictures), device=fabric.device), reduce_op="sum")
    return pictures * fabric.world_size / float(total)
