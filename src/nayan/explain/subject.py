"""What is being explained: a network with its preprocessing, the names of its classes, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Boxes, Image, SemanticMask
from nayan.runtime.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The one argument that every explanation takes.

    Attributes:
        network: a `Network`, or any module that takes (B, channels, h, w) pixels in [0, 255]; None for
            explanations that need none.
        preprocess: from a picture to the network's pixels.
        classes: names in the order of the logits; None where they are unknown.
        image: an upright RGB picture; None where none was given.
        truth: the objects that are really in it, in its pixels; None where they are not known.
        inputs: what the network takes beside the pixels, and how it is made (`runtime.proposals`).
        decode_args: how the network's outputs become predictions, such as fitted thresholds.
        mask: which class every pixel of it really has; None where that is not known.
    """

    network: nn.Module | None
    preprocess: Preprocess
    classes: Sequence[str] | None = None
    image: Image | None = None
    truth: Boxes | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    decode_args: Mapping[str, Any] = field(default_factory=dict)
    mask: SemanticMask | None = None

    @property
    def model(self) -> nn.Module:
        """The network.

        Raises:
            ConfigError: if none was given.
        """
        if self.network is None:
            raise ConfigError("this explanation needs a network", hint="name a model, a run or a bundle")
        return self.network

    @property
    def picture(self) -> Image:
        """The picture as given.

        Raises:
            ConfigError: if none was given.
        """
        if self.image is None:
            raise ConfigError("this explanation needs a picture", hint="nayan explain MODEL IMAGE --what ...")
        return self.image

    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture as the network takes it: (h, w, channels) uint8."""
        return self.preprocess(self.picture)[0]

    def class_name(self, index: int) -> str:
        """Return the name of a class, or "class 7" where names are unknown."""
        return self.classes[index] if self.classes and index < len(self.classes) else f"class {index}"

    def class_index(self, name: str, count: int) -> int:
        """Return the index of a class by its name or its number.

        Args:
            name: a class name, or an index as text.
            count: how many classes the network has.

        Raises:
            NotFound: if there is no such class; the nearest names are given.
        """
        names = list(self.classes or ())
        if name in names:
            return names.index(name)
        if name.isdigit() and int(name) < count:
            return int(name)
        raise NotFound("class", name, names or [str(index) for index in range(count)])
