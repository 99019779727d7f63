"""Optimisers, learning rates a stage, the schedule, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer


def build_optimizer(
    kind: Literal["adamw", "sgd"],
    module: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    lr_scale: Mapping[int, float],
    betas: tuple[float, float] = (0.9, 0.999),
) -> Optimizer:
    """Return an optimiser over the parameters of `module` that take part (requires_grad).

    Biases and the scales of normalisation layers get no weight decay.

    Args:
        kind: AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101) or SGD with Nesterov momentum 0.9.
        module: the part of a phase.
        lr: of the head; each group remembers its own as `initial_lr`.
        weight_decay: of matrices and kernels.
        lr_scale: {id(parameter): factor} for parameters that learn slower than `lr` (Howard and Ruder 2018,
            arXiv:1801.06146: discriminative fine-tuning); those not named have factor 1.
        betas: of AdamW; an adversary wants less momentum.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((lr_scale.get(id(parameter), 1.0), decay), []).append(parameter)
    table = [
        {"params": parameters, "lr": lr * scale, "initial_lr": lr * scale, "weight_decay": decay}
        for (scale, decay), parameters in groups.items()
    ]
    if kind == "adamw":
        return AdamW(table, betas=betas)
    return SGD(table, momentum=0.9, nesterov=True)


def schedule(step: int, total: int, *, warmup: float) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then half a cosine down to 1 %.

    Source: Goyal et al. (2017), arXiv:1706.02677 (warm-up); Loshchilov and Hutter (2016), arXiv:1608.03983.

    >>> [round(schedule(step, 10, warmup=0.2), 2) for step in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.05]
    """
    first = round(total * warmup)
    if step < first:
        return (step + 1) / first
    progress = (step - first) / max(1, total - first)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def set_lr(optimizers: Iterable[Optimizer], factor: float) -> float:
    """Set every group to `factor` of its initial rate; return the largest rate that results."""
    largest = 0.0
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
            largest = max(largest, group["lr"])
    return largest


class Average:
    """An exponential moving average of the weights that learn (Polyak and Juditsky 1992).

    In its first steps it averages over fewer: the decay is at most (1 + n) / (10 + n) after n updates.
    The running statistics of normalisation layers are averaged too: those of the present weights do not fit
    the averaged ones.

    Args:
        module: whose trainable parameters and running statistics are followed.
        decay: in [0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live: dict[str, Tensor] = {name: p for name, p in module.named_parameters() if p.requires_grad}
        for prefix, part in module.named_modules():
            if any(p.requires_grad for p in part.parameters(recurse=False)):
                statistics = {n: b for n, b in part.named_buffers(prefix, recurse=False) if "running_" in n}
                self._live |= statistics
        self.shadow: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move a little towards the present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.shadow.values()), [p.detach() for p in self._live.values()], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the averaged and the present weights; a second call puts them back."""
        for name, parameter in self._live.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.shadow[name])
            self.shadow[name].copy_(kept)
