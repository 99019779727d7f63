"""Watch a network from outside: what its sub-modules put out, and the gradients that come back.

The network knows nothing of it. Every hook is removed when the `with` block ends, also after an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from nayan.core.errors import NotFound

Pick = Callable[[Any], Mapping[str, Tensor]]
"""From what a layer puts out to the tensors that are recorded."""


class Recording(Mapping[str, Tensor]):
    """Activations by layer name, in the order of execution; the batch axis comes first.

    A layer that runs more than once appears as "name", "name#2", "name#3", ...

    Attributes:
        gradients: of whatever was sent backwards, by the same names; empty unless asked for.
        live: the layers' outputs themselves, tied to the graph, to start a gradient from; empty unless
            gradients were asked for.
    """

    def __init__(self) -> None:
        self._activations: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.live: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self._activations[name]
        except KeyError:
            raise NotFound("recorded layer", name, self._activations) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._activations)

    def __len__(self) -> int:
        return len(self._activations)

    def _add(self, name: str, activation: Tensor) -> str:
        calls = sum(known.partition("#")[0] == name for known in self._activations)
        key = f"{name}#{calls + 1}" if calls else name
        self._activations[key] = activation
        return key


@contextmanager
def record(
    model: nn.Module,
    layers: Sequence[str] | Mapping[str, nn.Module] | None = None,
    *,
    gradients: bool = False,
    pick: Pick | None = None,
) -> Iterator[Recording]:
    """Record what layers put out while the block runs the model.

    Args:
        model: any module.
        layers: names as in `model.named_modules()`, or modules by a name of your choice, such as
            `dict(network.stages())`; None records every leaf.
        gradients: also keep the gradients that reach the recorded activations.
        pick: which tensors of an output to record, each with what is added to the layer's name; by default
            the first one, under the name itself.

    Yields:
        The recording, filled while the model runs. Activations are detached copies, so that a
        later layer that works in place does not change them.

    Raises:
        NotFound: if the model has no layer of such a name.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with record(net) as seen:
    ...     _ = net(torch.zeros(1, 2))
    >>> {name: tuple(value.shape) for name, value in seen.items()}
    {'0': (1, 3), '1': (1, 3)}
    """
    recording = Recording()
    handles: list[Any] = []

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            for suffix, activation in (pick or _only_first)(output).items():
                key = recording._add(name + suffix, activation.detach().clone())
                if gradients and activation.requires_grad:
                    recording.live[key] = activation
                    handles.append(
                        activation.register_hook(partial(keep, key))  # type: ignore[no-untyped-call]
                    )

        return hook

    def keep(key: str, gradient: Tensor) -> None:
        recording.gradients[key] = gradient.detach().clone()

    watched = select_layers(model, layers)
    try:
        handles += [module.register_forward_hook(watch(name)) for name, module in watched.items()]
        yield recording
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for the block, then give every sub-module its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def select_layers(
    model: nn.Module, layers: Sequence[str] | Mapping[str, nn.Module] | None
) -> dict[str, nn.Module]:
    """Return the named sub-modules, or every leaf when `layers` is None."""
    if isinstance(layers, Mapping):
        return dict(layers)
    modules = dict(model.named_modules())
    if layers is None:
        return {name: module for name, module in modules.items() if not any(module.children())}
    for name in layers:
        if name not in modules:
            raise NotFound("layer", name, [known for known in modules if known])
    return {name: modules[name] for name in layers}


def _only_first(output: Any) -> dict[str, Tensor]:
    first = first_tensor(output)
    return {} if first is None else {"": first}


def every_tensor(value: Any) -> list[Tensor]:
    """Return all tensors in a tensor, sequence, mapping or dataclass, in order."""
    if isinstance(value, Tensor):
        return [value]
    return [found for item in _items(value) for found in every_tensor(item)]


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a tensor, sequence, mapping or dataclass; None if there is none."""
    if isinstance(value, Tensor):
        return value
    return next((found for item in _items(value) if (found := first_tensor(item)) is not None), None)


def _items(value: Any) -> Sequence[Any]:
    """Return what a sequence, mapping or dataclass holds."""
    if isinstance(value, Mapping):
        return list(value.values())
    if hasattr(value, "__dataclass_fields__"):
        return [getattr(value, name) for name in value.__dataclass_fields__]
    return value if isinstance(value, list | tuple) else ()
