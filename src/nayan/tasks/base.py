"""What differs between tasks, and what every network promises. Imports torch."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Dataset, Image, Target
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.cards import Entry


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One picture ready for a network.

    Attributes:
        pixels: (h, w, channels) uint8, augmented and preprocessed.
        target: its ground truth, in network pixels where it has a place.
        id: the sample's name, for messages.
        placement: where the picture lies in the network's input.
        truth: the ground truth as the metric takes it, in pixels of the original; None where `target` is it.
        extra: further inputs of the network, such as "proposals" (P, 4).
    """

    pixels: NDArray[np.uint8]
    target: Target
    id: str
    placement: Placement
    truth: Target = None
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one training step sees.

    Attributes:
        images: (B, channels, h, w) uint8 pixels, or cached (B, ...) float activations.
        targets: as the task's `collate` made them.
        ids: names of the samples, for messages.
        placements: where each picture lies in the network's input.
        truths: the ground truth of each picture as the metric takes it.
        extra: further inputs of the network, by the names of `forward`'s arguments.
    """

    images: Tensor
    targets: Any
    ids: tuple[str, ...]
    placements: tuple[Placement, ...]
    truths: tuple[Target, ...]
    extra: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a network gave for a batch of validation pictures, and what would have been right.

    Attributes:
        outputs: named as `deploy` names them, each with B rows.
        placements: where each picture lay in the network's input.
        truths: the ground truth of each.
        predictions: for each, where they were put together from several looks at it; there are no outputs
            then. None: to be decoded from the outputs.
    """

    outputs: Mapping[str, NDArray[Any]]
    placements: Sequence[Placement]
    truths: Sequence[Target]
    predictions: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One optimiser's turn within a training step.

    Supervised learning has one phase; a GAN has two, the discriminator's and the generator's.

    Attributes:
        name: passed to `Task.losses`, and the prefix of nothing: losses carry their own names.
        module: the part that learns in this phase; everything else gets no gradient.
        every: run on every n-th step.
        rate: factor on the learning rate (Heusel et al. 2017, arXiv:1706.08500: two time scales).
        betas: of AdamW.
    """

    name: str
    module: nn.Module
    every: int = 1
    rate: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)


@runtime_checkable
class Network(Protocol):
    """A model's two doors.

    `forward(images, targets) -> Raw` always returns the same dataclass, in training and evaluation.
    `deploy(raw)` turns it into the task's named outputs, and is what is exported.
    """

    def __call__(self, images: Tensor, targets: Any = None) -> Any:
        """Run the network on (B, channels, h, w) uint8 or float pixels in [0, 255]."""
        ...

    def deploy(self, raw: Any) -> dict[str, Tensor]:
        """Return the task's named outputs."""
        ...

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps, from input to output, whose chain is `forward`.

        Freezing, discriminative learning rates and cached features all work on this list.
        """
        ...


class Task(ABC):
    """All that the training loop needs to know about a task."""

    outputs: ClassVar[tuple[str, ...]]
    """Names of the tensors that `deploy` returns."""
    validation_loss: ClassVar[bool] = True
    """Whether the loss of validation's batches can be compared with that of training's."""
    recorded: ClassVar[tuple[str, ...]] = ()
    """Names among the losses that are curves to look at and not minimised, such as D(x) of a GAN."""

    best_by: str | None = None
    """The validation score that chooses the best weights, where it is not the recipe's; "" keeps the last."""

    @abstractmethod
    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry for these classes."""

    def data_args(
        self,
        entry: Entry,  # noqa: ARG002
        dataset: Dataset,  # noqa: ARG002
        *,
        preprocess: Preprocess,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the arguments of the entry's builder that the training data decide, see `Entry.fitted`.

        They are written down with the other arguments, so that the network can be built without the data.

        Args:
            entry: of the catalogue.
            dataset: the training split.
            preprocess: of the network that will be built.
        """
        return {}

    @property
    def decode_args(self) -> Mapping[str, Any]:
        """What `decode` has to know that the training data decided, such as words; {} for most tasks."""
        return {}

    def choices(
        self,
        entry: Entry,  # noqa: ARG002
        args: Mapping[str, Any],  # noqa: ARG002
    ) -> dict[str, tuple[Any, str]]:
        """Return the options that `args` leave open to the entry's builder: what it chooses, and why.

        They are written down, so that a later builder that chooses otherwise still builds the same network.
        """
        return {}

    def inputs(
        self,
        entry: Entry,
        classes: Sequence[str],  # noqa: ARG002
        *,
        args: Mapping[str, Any],  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return what the network takes beside the pixels and how it is made, see `Entry.inputs`.

        Args:
            entry: of the catalogue.
            classes: that the network is built for.
            args: that it is built with.
        """
        return entry.inputs

    def taught_by(self, source: str | Path) -> str:
        """Take on the frozen network that judges what this one makes; only where `Recipe.taught` says so.

        Args:
            source: of its weights: "imagenet", a .safetensors file, or "none".

        Returns:
            A sentence for the log.
        """
        raise NotImplementedError

    @abstractmethod
    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items into a batch."""

    @abstractmethod
    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Return the named parts whose sum is minimised; the names are those of the curves."""

    def snapshot(self, network: nn.Module) -> Image | None:  # noqa: ARG002
        """Return a picture of how far a network has come, to be kept after each epoch; None: there is none.

        Args:
            network: in any mode, with the weights that were just validated; left as it was.
        """
        return None

    def calibrate(
        self,
        network: nn.Module,  # noqa: ARG002
        judged: Iterable[Judged],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Fit on validation what makes the outputs mean what they say, and return what was fitted.

        May set buffers of the network. "thresholds" and "same" among the results become decode arguments.

        Args:
            network: with its final weights.
            judged: what it gave for the validation pictures, batch by batch; to be gone through once.
        """
        return {}

    def phases(self, model: nn.Module) -> list[Phase]:
        """Return the phases of one step; by default one, in which everything learns."""
        return [Phase("main", model)]


def check_arguments(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError for an argument that the builder of model `name` does not take."""
    choices = [key for key in known if key != "classes"]
    for key in given:
        if key not in choices:
            near = difflib.get_close_matches(key, choices, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(choices)}"
            raise ConfigError(f"the model {name} takes no argument {key!r}", hint=guess)


class Metric(Protocol):
    """Collects predictions with their ground truth and scores them. NumPy only."""

    def update(self, predictions: Sequence[Any], targets: Sequence[Any]) -> None:
        """Add pictures."""
        ...

    def compute(self) -> Mapping[str, float]:
        """Return named scores of all that was added."""
        ...
