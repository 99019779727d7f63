"""Find the steps of a network by watching it run.

Freezing, discriminative learning rates, cached features and explanations need to know the steps of a
network. timm has more than a thousand networks, so their steps are not written down but watched: hooks
record what each child receives and returns. Where every child takes exactly what the one before gave,
the children are the chain; where it does not (position embeddings added between, several branches), the
whole is one step. A chain is run once and must give the same numbers as the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

EXPANDED = ("stages", "blocks", "layers", "features")
"""Children that are lists of steps rather than steps."""

Run = Callable[[nn.Module, Tensor], Tensor]
"""A way through a network, such as its `forward_features`."""

Stages = list[tuple[str, nn.Module]]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One call of a child module; the tensors are kept so that their identity means something."""

    name: str
    module: nn.Module
    taken: Any
    given: Any


class Shared(nn.Module):
    """A way through a part of `model` as a module of its own that shares, not copies, the parameters.

    Args:
        model: the network; not registered as a child.
        run: called with (model, input).
        children_names: direct children of `model` that this part owns.
        own_parameters: whether parameters that hang on `model` itself belong here.
    """

    def __init__(
        self, model: nn.Module, run: Run, *, children_names: Sequence[str], own_parameters: bool
    ) -> None:
        super().__init__()
        self._model = (model,)  # a tuple, so that it is not registered
        self._run = run
        for name in children_names:
            self.add_module(name, model.get_submodule(name))
        if own_parameters:
            for name, parameter in model.named_parameters(recurse=False):
                self.register_parameter(name, parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Run the way through the model."""
        return self._run(self._model[0], x)


def find_stages(model: nn.Module, run: Run, probe: Tensor) -> tuple[Stages, list[str], Any]:
    """Return the stages of `run(model, ·)`, the direct children that it uses, and its output for `probe`.

    Args:
        model: in evaluation mode.
        run: the way from the input to the last map.
        probe: a (1, C, H, W) input that the network accepts; on the meta device the chain is
            recognised by its data flow alone, elsewhere by its numbers too.

    Returns:
        Stages with at least one element; a single ("backbone", ...) where the network is no chain.
    """
    with torch.no_grad():
        steps, used, output = _watch(model, run, probe)
        if isinstance(output, Tensor) and _is_chain(steps, probe, output):
            stages = _group(steps)
            if probe.is_meta or _same_numbers(stages, probe, output):
                return stages, used, output
    return [("backbone", Shared(model, run, children_names=used, own_parameters=True))], used, output


def _watch(model: nn.Module, run: Run, probe: Tensor) -> tuple[list[Step], list[str], Any]:
    """Return the calls of the candidate steps in order, the direct children in use, and the output."""
    steps: list[Step] = []
    used: dict[str, None] = {}

    def record(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], given: Any) -> None:
            used[name.split(".")[0]] = None
            if name in candidates:
                steps.append(Step(name, module, args[0] if len(args) == 1 and not kwargs else None, given))

        return hook

    candidates = dict(_candidates(model))
    handles = [
        module.register_forward_hook(record(name), with_kwargs=True)
        for name, module in model.named_modules()
        if name
    ]
    try:
        output = run(model, probe)
    finally:
        for handle in handles:
            handle.remove()
    return steps, list(used), output


def _candidates(model: nn.Module) -> Stages:
    """Return the direct children, with the lists of steps among them opened."""
    found: Stages = []
    for name, child in model.named_children():
        if name in EXPANDED and isinstance(child, (nn.Sequential, nn.ModuleList)):
            found += [(f"{name}.{key}", step) for key, step in child.named_children()]
        else:
            found.append((name, child))
    return found


def _is_chain(steps: Sequence[Step], probe: Tensor, output: Tensor) -> bool:
    """Say whether each step takes what the one before gave, from the input to the output."""
    if not steps or len({step.name for step in steps}) < len(steps):
        return False
    flow = [probe, *(step.given for step in steps)]
    return flow[-1] is output and all(step.taken is x for step, x in zip(steps, flow, strict=False))


def _same_numbers(stages: Stages, probe: Tensor, output: Tensor) -> bool:
    """Say whether running the stages one after the other gives the output."""
    x = probe
    for _, stage in stages:
        x = stage(x)
    return torch.allclose(x, output, rtol=1e-5, atol=1e-6, equal_nan=True)


def _group(steps: Sequence[Step]) -> Stages:
    """Join single layers with their neighbours into stages that one would draw as one box.

    A flat list with poolings (AlexNet, VGG, SqueezeNet) is cut after each pooling: block1, block2, ...
    Elsewhere every container is a stage; the layers before the first one are the "stem", layers after
    a container belong to it, unless they convolve: then they are a stage named after the first of them.
    """
    if sum(isinstance(step.module, nn.MaxPool2d) for step in steps) > 1 and all(
        step.name.startswith("features.") for step in steps
    ):
        return _cut_at_poolings(steps)
    groups: list[tuple[str, list[nn.Module]]] = []
    stem: list[nn.Module] = []
    for step in steps:
        if not groups and _layers_inside(step.module) <= 1:
            stem.append(step.module)
        elif _layers_inside(step.module) > 1 or (_convolves(step.module) and not _is_run(groups[-1][1])):
            groups.append((step.name, [step.module]))
        else:
            groups[-1][1].append(step.module)
    named = [("stem", stem), *groups] if stem else groups
    return [(name, modules[0] if len(modules) == 1 else nn.Sequential(*modules)) for name, modules in named]


def _cut_at_poolings(steps: Sequence[Step]) -> Stages:
    groups: list[list[nn.Module]] = [[]]
    for step in steps:
        groups[-1].append(step.module)
        if isinstance(step.module, nn.MaxPool2d):
            groups.append([])
    return [(f"block{n}", nn.Sequential(*group)) for n, group in enumerate(groups, start=1) if group]


def _layers_inside(module: nn.Module) -> int:
    return sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in module.modules())


def _convolves(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) or (
        isinstance(module, nn.Sequential)
        and _layers_inside(module) == 1
        and not any(isinstance(child, (nn.AvgPool2d, nn.MaxPool2d)) for child in module)
    )


def _is_run(modules: Sequence[nn.Module]) -> bool:
    """Say whether a group is a run of single layers, which the next single layer joins."""
    return _layers_inside(modules[0]) <= 1
