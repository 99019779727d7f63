"""Which part of a network learns, and in which order: the rounds of transfer learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nayan.core.errors import ConfigError
from nayan.parts.pyramid import Pyramid

PYRAMID_RATE = 0.25
"""Share of the learning rate at which a pretrained pyramid learns beside a neck and a head that are new."""

Stages = Sequence[tuple[str, nn.Module]]
"""Named steps from input to output whose chain is a network; the head is the last."""


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of training with one set of learning stages.

    Attributes:
        name: for the curves: "head", "fine-tune" or "train".
        first: index of the first stage that learns; all before it are frozen.
        epochs: to run.
        lr: of the head.
        views: augmented views a picture whose frozen features are computed once and kept; 0 = no cache,
            every epoch augments anew.
        keep_statistics: BatchNorm keeps the running statistics it came with.
        stage_decay: each stage further from the head learns at this share of the next one's rate.
        settled: whether the network stands on a pretrained pyramid that only has to be adapted: `settle`.
        pyramid_rate: share of the rate at which pyramids learn; `stage_decay` counts where it is 1 or there
            are none.
        small: share of its epochs, at the beginning, in which pictures have half the side.
    """

    name: str
    first: int
    epochs: int
    lr: float
    views: int = 0
    keep_statistics: bool = False
    stage_decay: float = 1.0
    settled: bool = False
    pyramid_rate: float = 1.0
    small: float = 0.0

    @property
    def small_epochs(self) -> int:
        """How many epochs, from the first on, see pictures of half the side; the last one never does.

        >>> [Round("train", 0, epochs, 0.1, small=0.75).small_epochs for epochs in (1, 2, 8)]
        [0, 1, 6]
        """
        return min(round(self.small * self.epochs), self.epochs - 1)


class Tail(nn.Module):
    """The last stages of a network as a module of its own; it shares their weights.

    What the stages before it give out is fed in as `images`, so a task's `losses` need not know.
    """

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.names = [name for name, _ in stages]
        self.chain = nn.ModuleList(module for _, module in stages)

    def forward(self, images: Tensor, targets: object = None) -> object:  # noqa: ARG002  a network's door
        """Run the stages one after the other."""
        value: object = images
        for module in self.chain:
            value = module(value)
        return value


def parse_freeze(value: str, stages: Sequence[str], *, pretrained: bool) -> int | None:
    """Return the index of the first stage that learns; None for "auto" with pretrained weights: in rounds.

    Args:
        value: "auto", "none", "backbone", or how many stages to freeze.
        stages: names of the network's stages, the head last.
        pretrained: whether the weights come from elsewhere.

    Raises:
        ConfigError: on another word, or a number that leaves nothing to learn.
    """
    if value == "auto":
        return None if pretrained else 0
    if value == "none":
        return 0
    if value == "backbone":  # what follows a stage of that name is new too: a neck has no weights of ImageNet
        return stages.index("backbone") + 1 if "backbone" in stages else len(stages) - 1
    if value.isdigit() and int(value) < len(stages):
        return int(value)
    listing = ", ".join(f"{number} {name}" for number, name in enumerate(stages))
    raise ConfigError(
        f"--freeze {value}: expected auto, none, backbone, or the number of stages to freeze, "
        f"at most {len(stages) - 1}",
        hint=f"stages of this network: {listing}",
    )


def stage_lr_scale(stages: Stages, decay: float) -> Mapping[int, float]:
    """Return {id(parameter): factor}: 1 for the head, `decay` of the next one's for each stage before."""
    scale: dict[int, float] = {}
    for depth, (_, module) in enumerate(reversed(stages)):
        for parameter in module.parameters():
            scale.setdefault(id(parameter), decay**depth)
    return scale


def lr_scale(network: nn.Module, stages: Stages, stretch: Round) -> Mapping[int, float]:
    """Return {id(parameter): factor on the round's rate} for the parameters that learn slower than others."""
    pyramids = _pyramids(network)
    if stretch.pyramid_rate < 1 and pyramids:
        return {id(p): stretch.pyramid_rate for pyramid in pyramids for p in pyramid.parameters()}
    return stage_lr_scale(stages, stretch.stage_decay)


def settle(network: nn.Module) -> None:
    """Keep of pretrained pyramids what need not change: the early stages, and all statistics of BatchNorm.

    The few large pictures of a detector's batch give worse statistics than those of ImageNet, and the early
    stages take most of the memory (He et al. 2017, arXiv:1703.06870, and Detectron after it).
    """
    for pyramid in _pyramids(network):
        for stage in pyramid.early:
            stage.requires_grad_(False)
            stage.eval()
        for part in pyramid.modules():
            if isinstance(part, _BatchNorm):
                part.eval()


def _pyramids(network: nn.Module) -> list[Pyramid]:
    return [part for part in network.modules() if isinstance(part, Pyramid)]


def apply_freeze(stages: Stages, first: int) -> None:
    """Let only the stages from `first` on take gradients."""
    for index, (_, module) in enumerate(stages):
        module.requires_grad_(index >= first)


def set_mode(stages: Stages, first: int, *, keep_statistics: bool) -> None:
    """Put learning stages into train mode and frozen ones, BatchNorm included, into eval mode."""
    for index, (_, module) in enumerate(stages):
        module.train(index >= first)
        if keep_statistics:
            for part in module.modules():
                if isinstance(part, _BatchNorm):
                    part.eval()
