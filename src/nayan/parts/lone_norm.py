"""Batch normalisation of pooled pictures that also learns from a batch of one."""

# B pictures, C channels, (h, w) map size

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LoneNorm(nn.BatchNorm2d):
    """BatchNorm which, where there is but one value a channel, uses the statistics that it has.

    After global pooling a batch of one picture has one value a channel. Its variance is nothing to learn
    from, and torch refuses it: the last, incomplete batch of an epoch would end a training.

    >>> import torch
    >>> LoneNorm(2)(torch.ones(1, 2, 1, 1)).detach().flatten().round()
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, C, h, w)."""
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            mean, variance = self.running_mean, self.running_var
            return F.batch_norm(input, mean, variance, self.weight, self.bias, training=False, eps=self.eps)
        return super().forward(input)


def learn_from_one(network: nn.Module) -> None:
    """Replace every `BatchNorm2d` within `network` by a `LoneNorm`; names and values stay.

    >>> layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    >>> learn_from_one(layers)
    >>> type(layers[1]).__name__
    'LoneNorm'
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                lone = LoneNorm(child.num_features, eps=child.eps, momentum=child.momentum)
                lone.load_state_dict(child.state_dict())
                setattr(parent, name, lone)
