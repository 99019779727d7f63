"""Runs a network in torch as the other engines do: NumPy pixels in, named NumPy outputs out."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Deployed(nn.Module):
    """A network as it is deployed: the stacked pixels of `Preprocess` in, the task's outputs out.

    Takes (B, h, w, C) uint8 pixels, which is how decoders leave them: no engine needs a copy in another order
    or in floats before it starts. Gives the values of `deploy` as a tuple, in its order.

    Args:
        network: as `nayan.tasks.base.Network` promises; it is used, not copied.
        names: of what it takes beside the pixels.
    """

    def __init__(self, network: nn.Module, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(self, images: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of (B, h, w, C) uint8 pixels, and of further inputs in the order of `names`."""
        return tuple(self.named(images, **dict(zip(self.names, inputs, strict=True))).values())

    def named(self, images: Tensor, **inputs: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        raw = self.network(images.permute(0, 3, 1, 2), **inputs)  # (B, h, w, C) -> (B, C, h, w)
        outputs: dict[str, Tensor] = self.network.deploy(raw)  # type: ignore[operator]
        return outputs


def deployed_copy(network: nn.Module, names: Sequence[str] = ()) -> Deployed:
    """Return a float32 copy on the CPU, in evaluation mode; the network itself stays as it is."""
    duplicate = copy.deepcopy(network).to(device="cpu", dtype=torch.float32)
    return Deployed(duplicate.to(memory_format=torch.contiguous_format), names).eval()


class TorchBackend:
    """A network in torch, in float32; call it with (B, h, w, channels) uint8 pixels.

    Args:
        network: copied, so that training may go on.
        device: that it runs on.
    """

    def __init__(self, network: nn.Module, device: str | torch.device = "cpu") -> None:
        self._network = deployed_copy(network).to(device)
        self._device = torch.device(device)

    def __call__(self, pixels: NDArray[Any], **inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the named outputs for (B, h, w, channels) uint8 pixels, as float32."""
        with torch.inference_mode():
            images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
            further = {name: torch.from_numpy(values).to(self._device) for name, values in inputs.items()}
            named = self._network.named(images, **further)
            return {name: value.float().cpu().numpy() for name, value in named.items()}
