"""Random weights that behave like trained ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def settle(network: nn.Module, images: Tensor) -> None:
    """Set the statistics of every BatchNorm to those of a batch, as training would.

    With fresh ones the values would shrink from layer to layer until they are denormal, and arithmetic with
    those is many times as slow.
    """
    momenta = {module: module.momentum for module in network.modules() if isinstance(module, _BatchNorm)}
    for module in momenta:
        module.momentum = 1.0
    training = network.training
    network.train()(images)
    network.train(training)
    for module, momentum in momenta.items():
        module.momentum = momentum
