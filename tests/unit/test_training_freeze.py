"""Frozen stages: no gradient, no moving statistics, and the same numbers when they are cached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from nayan.core.errors import ConfigError, FormatError
from nayan.core.types import Dataset, Label, Sample
from nayan.parts.pyramid import build_pyramid
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.classification.models import lenet
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.augment import POLICIES
from nayan.training.features import VIEW_EPOCH, extract, feature_bytes
from nayan.training.freeze import (
    Round,
    Tail,
    apply_freeze,
    lr_scale,
    parse_freeze,
    set_mode,
    settle,
)
from nayan.training.loader import Prepare, PrepareAugmented, StreamSource

NAMES = ("c1", "c3", "c5", "f6", "head")


def test_the_word_says_which_stage_learns_first() -> None:
    assert parse_freeze("auto", NAMES, pretrained=True) is None
    assert parse_freeze("auto", NAMES, pretrained=False) == 0
    assert parse_freeze("none", NAMES, pretrained=True) == 0
    assert parse_freeze("backbone", NAMES, pretrained=False) == 4
    assert parse_freeze("3", NAMES, pretrained=True) == 3


@pytest.mark.parametrize("word", ["5", "-1", "head", ""])
def test_another_word_is_refused_with_the_stages_there_are(word: str) -> None:
    with pytest.raises(ConfigError, match="at most 4") as error:
        parse_freeze(word, NAMES, pretrained=True)
    assert "0 c1, 1 c3, 2 c5, 3 f6, 4 head" in error.value.hint


def normalised() -> list[tuple[str, nn.Module]]:
    return [
        ("first", nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))),
        ("second", nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))),
        ("head", nn.Sequential(nn.Flatten(), nn.Linear(2 * 4 * 4, 2))),
    ]


@pytest.mark.parametrize(("keep", "moves"), [(False, [False, True]), (True, [False, False])])
def test_frozen_stages_take_no_gradient_and_keep_their_statistics(keep: bool, moves: list[bool]) -> None:
    stages = normalised()
    apply_freeze(stages, 1)
    set_mode(stages, 1, keep_statistics=keep)
    before = [module[1].running_mean.clone() for _, module in stages[:2]]  # type: ignore[index]
    value = torch.randn(4, 1, 8, 8)
    for _, module in stages:
        value = module(value)
    value.sum().backward()
    gradients = [any(p.grad is not None for p in module.parameters()) for _, module in stages]
    assert gradients == [False, True, True]
    after = [module[1].running_mean for _, module in stages[:2]]  # type: ignore[index]
    assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == moves
    assert [module.training for _, module in stages] == [False, True, True]
    apply_freeze(stages, 0)
    assert all(p.requires_grad for _, module in stages for p in module.parameters())


def test_a_pretrained_pyramid_is_adapted_while_what_is_new_learns_fully() -> None:
    pyramid, neck = build_pyramid("resnet18", size=(64, 64)), nn.BatchNorm2d(128)
    network = nn.ModuleDict({"backbone": pyramid, "neck": neck})
    stages = list(network.items())
    for _ in range(2):  # each epoch asks for it again
        apply_freeze(stages, 0)
        set_mode(stages, 0, keep_statistics=False)
        settle(network)
    frozen = {name.split(".")[1] for name, p in pyramid.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "bn1", "layer1"}
    before = pyramid.model.bn1.running_mean.clone()
    neck(pyramid(torch.rand(2, 3, 64, 64))[0]).sum().backward()
    assert torch.equal(pyramid.model.bn1.running_mean, before)
    assert neck.running_mean is not None
    assert bool(neck.running_mean.any())
    slow = lr_scale(network, stages, Round("fine-tune", 0, 1, 0.1, pyramid_rate=0.25))
    assert set(slow.values()) == {0.25}
    assert {id(p) for p in pyramid.parameters()} == set(slow)


def tiny_lenet(*, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    network = lenet.build(["a", "b"], size=(12, 12), dropout=dropout)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("first", range(5))
def test_the_chain_of_base_and_tail_is_the_network(first: int) -> None:
    network = tiny_lenet().eval()
    pixels = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    stages = network.stages()  # type: ignore[operator]
    value = pixels
    for _, module in stages[:first]:
        value = module(value)
    tail = Tail(stages[first:])
    assert torch.equal(tail(value).logits, network(pixels).logits)  # type: ignore[attr-defined]
    assert {id(p) for p in tail.parameters()} <= {id(p) for p in network.parameters()}


def data(count: int = 20, broken: tuple[int, ...] = ()) -> Dataset:
    def loader(number: int) -> Callable[..., np.ndarray]:
        def load(at_least: tuple[int, int] | None = None) -> np.ndarray:
            if number in broken:
                raise FormatError("broken")
            gray = np.random.default_rng(number).integers(0, 256, (12, 12, 1), dtype=np.uint8)
            return np.repeat(gray, 3, axis=2)

        return load

    samples = tuple(Sample(f"s{n}", loader(n), Label(n % 2)) for n in range(count))
    return Dataset(samples, ("a", "b"), Path("nowhere"), "test", "train")


PREPROCESS = Preprocess((12, 12), "stretch", mean=(0.5,), std=(0.5,), channels=1)


def stream(samples: Dataset, *, augmented: bool = False) -> StreamSource:
    prepare = (
        PrepareAugmented(samples, PREPROCESS, POLICIES["symbol"])
        if augmented
        else Prepare(samples, PREPROCESS)
    )
    return StreamSource(prepare, len(samples), ClassificationTask(2).collate, batch=6, shuffle=False)


def test_a_head_on_cached_features_learns_the_same_as_on_recomputed_ones() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    samples = data()
    cached = extract(
        tiny_lenet().stages()[:-1],  # type: ignore[operator]
        [(stream(samples), VIEW_EPOCH)],
        fabric=fabric,
        batch=8,
        seed=5,
    )
    assert (cached.pictures, cached.steps, len(cached.views)) == (20, 3, 1)
    streamed = StreamSource(Prepare(samples, PREPROCESS), 20, ClassificationTask(2).collate, batch=8, seed=5)
    curves, weights = [], []
    for source, whole in ((cached, False), (streamed, True)):
        network = tiny_lenet()
        stages = network.stages()  # type: ignore[operator]
        apply_freeze(stages, 4)
        set_mode(stages, 4, keep_statistics=True)
        module = network if whole else Tail(stages[4:])
        optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.01)
        losses = []
        for epoch in range(4):
            for batch in source.batches(epoch):
                loss = ClassificationTask(2).losses(module, batch, "main")["cross_entropy"]
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                losses.append(float(loss.detach()))
        curves.append(losses)
        weights.append(torch.cat([p.detach().flatten() for p in stages[4][1].parameters()]))
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    assert torch.allclose(*weights, atol=1e-5)


def test_each_view_is_another_augmentation_of_the_same_pictures_and_epochs_take_turns() -> None:
    samples = data(broken=(4,))
    fabric = Fabric(accelerator="cpu", devices=1)
    base = tiny_lenet().stages()[:2]  # type: ignore[operator]
    sources = [(stream(samples, augmented=bool(view)), VIEW_EPOCH + view) for view in range(3)]
    cached = extract(base, sources, fabric=fabric, batch=8)
    assert len(cached.ids) == len(cached.truths) == len(cached.targets) == 19
    assert "s4" not in cached.ids
    assert not torch.allclose(cached.views[1], cached.views[2])
    for epoch in range(4):
        batch = next(iter(cached.batches(epoch)))
        row = cached.ids.index(batch.ids[0])
        assert torch.equal(batch.images[0], cached.views[epoch % 3][row])
    tail = [names for batch in cached.batches(1, start=1) for names in batch.ids]
    assert tail == [names for batch in list(cached.batches(1))[1:] for names in batch.ids]
    one = sum(view[0].numel() * 4 for view in cached.views) / 3
    assert feature_bytes(base, torch.zeros(1, 1, 12, 12, dtype=torch.uint8), fabric) == one
