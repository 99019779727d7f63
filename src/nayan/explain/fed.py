"""A network that takes more than pixels as one that takes pixels alone: for looks that know no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nayan.explain.subject import Subject
from nayan.runtime.inputs import make_inputs
from nayan.runtime.preprocess import LETTERBOX_GRAY


class Fed(nn.Module):
    """The subject's network, given its further inputs: its layers, under their own names, are shared.

    The inputs are made from the subject's picture; without one from a gray one, of which every proposal is all.
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self._network = (subject.model,)  # in a tuple, so that no layer has two names
        for name, child in subject.model.named_children():
            self.add_module(name, child)
        self.training = subject.model.training
        self._extra = _made(subject)

    def forward(self, pixels: Tensor) -> Any:
        """Return what the network says about (B, channels, h, w) pixels."""
        extra = {
            name: value.to(pixels.device).expand(len(pixels), *value.shape[1:])
            for name, value in self._extra.items()
        }
        return self._network[0](pixels, **extra)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the network's own steps."""
        found: list[tuple[str, nn.Module]] = self._network[0].stages()  # type: ignore[operator]
        return found


def _made(subject: Subject) -> dict[str, Tensor]:
    if subject.image is not None:
        made = make_inputs(subject.inputs, [subject.pixels()])
    else:
        height, width = subject.preprocess.size
        whole = np.array([0, 0, width, height], np.float32)
        gray = np.full((height, width, subject.preprocess.channels), LETTERBOX_GRAY, np.uint8)
        made = {
            name: np.tile(whole, (1, how["count"], 1))
            if how["method"] == "selective_search"
            else make_inputs({name: how}, [gray])[name]
            for name, how in subject.inputs.items()
        }
    return {name: torch.from_numpy(array) for name, array in made.items()}
