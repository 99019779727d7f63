"""Items to batches, batches to losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError
from nayan.core.types import Label, Target
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Item
from nayan.tasks.classification.catalog import MODELS
from nayan.tasks.classification.network import ClassLogits
from nayan.tasks.classification.task import ClassificationTask

WHOLE = Placement((4, 6), (1.0, 1.0), (0.0, 0.0))


def item(target: Target, name: str = "a.png") -> Item:
    return Item(np.arange(72, dtype=np.uint8).reshape(4, 6, 3), target, name, WHOLE)


class Fixed(nn.Module):
    """Gives the same logits whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> ClassLogits:
        return ClassLogits(self.logits, images.flatten(1))


def loss_of(task: ClassificationTask, logits: Tensor, targets: Tensor) -> float:
    count = len(logits)
    batch = Batch(torch.zeros(count, 1), targets, ("x",) * count, (WHOLE,) * count, (None,) * count)
    return task.losses(Fixed(logits), batch, "main")["cross_entropy"].item()


def test_items_become_channels_last_bytes_and_one_hot_targets() -> None:
    batch = ClassificationTask(3).collate([item(Label(2)), item(Label(0), "b.png")])
    assert batch.images.shape == (2, 3, 4, 6)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.images[0, 1, 0, 0] == 1
    assert batch.targets.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batch.ids == ("a.png", "b.png")


@pytest.mark.parametrize(
    ("target", "said"), [(None, "needs a class"), (Label(3), "class 3, but there are 3")]
)
def test_a_picture_without_a_possible_class_is_named(target: Target, said: str) -> None:
    with pytest.raises(LabelError, match=f"a.png: .*{said}"):
        ClassificationTask(3).collate([item(target)])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_torch(smoothing: float) -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 1])
    ours = loss_of(ClassificationTask(4, label_smoothing=smoothing), logits, F.one_hot(labels, 4).float())
    assert ours == pytest.approx(F.cross_entropy(logits, labels, label_smoothing=smoothing).item(), abs=1e-6)


def test_class_weights_are_those_of_torch() -> None:
    logits, labels, weights = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 1]), torch.tensor([1.0, 2.0, 0.5])
    task = ClassificationTask(3, class_weights=weights.tolist())
    ours = loss_of(task, logits, F.one_hot(labels, 3).float())
    assert ours == pytest.approx(F.cross_entropy(logits, labels, weight=weights).item(), abs=1e-6)


def test_a_mixed_picture_costs_the_mix_of_both_losses() -> None:
    logits = torch.randn(1, 3)
    first, second = (torch.eye(3)[[n]] for n in (0, 2))
    task = ClassificationTask(3)
    mixed = loss_of(task, logits, 0.3 * first + 0.7 * second)
    assert mixed == pytest.approx(
        0.3 * loss_of(task, logits, first) + 0.7 * loss_of(task, logits, second), abs=1e-5
    )


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="label smoothing"):
        ClassificationTask(label_smoothing=1.0)
    with pytest.raises(ConfigError, match="3 class weights for 2 classes"):
        ClassificationTask(class_weights=[1, 1, 1]).build(MODELS["lenet"], ["a", "b"])


def test_a_builders_unknown_argument_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'chanels'") as caught:
        ClassificationTask().build(MODELS["lenet"], ["a", "b"], chanels=1)
    assert "channels" in caught.value.hint


def test_the_loss_of_a_tail_on_cached_activations_is_that_of_the_whole_network() -> None:
    task = ClassificationTask()
    network = task.build(MODELS["lenet"], ["a", "b"], channels=3, size=(12, 12))
    pixels = torch.randint(0, 256, (2, 3, 12, 12), dtype=torch.uint8)
    (_, first), *rest = network.stages()  # type: ignore[operator]
    batch = Batch(pixels, torch.eye(2), ("a", "b"), (WHOLE,) * 2, (None,) * 2)
    cached = Batch(first(pixels), torch.eye(2), ("a", "b"), (WHOLE,) * 2, (None,) * 2)
    tail = nn.Sequential(*(module for _, module in rest))
    whole = task.losses(network, batch, "main")["cross_entropy"]
    assert torch.equal(task.losses(tail, cached, "main")["cross_entropy"], whole)
