"""What every generator of the catalogue promises, checked on tiny pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError, NotFound
from nayan.core.types import Label, Original
from nayan.export.bundle import save_bundle
from nayan.runtime.inputs import make_inputs
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Batch, Item, Network
from nayan.tasks.generation.sampling.catalog import LATENT, MODELS
from nayan.tasks.generation.sampling.network import SamplingRaw
from nayan.tasks.generation.sampling.task import SamplingTask

SIGNS = ("bar", "dot", "line")
SIDE = 16
DOCS = Path(__file__).parents[2] / "docs" / "models"
SMALL: dict[str, dict[str, Any]] = {
    "gan": {"hidden": (16, 24, 32)},
    "dcgan": {"width": 8},
    "conditional_gan": {"width": 8},
    "text_to_image": {"width": 8, "words": ("bar", "black", "dot", "line", "on"), "length": 5},
}
SAID = ("dot on black", "bar", "line")
SMALL["text_to_image"]["captions"] = SAID

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")


ROWS = torch.tensor([[1, 6, 8, 5, 2], [1, 4, 2, 0, 0], [1, 7, 2, 0, 0]])
"""`SAID` in numbers."""


def build(name: str, *, channels: int = 3, **args: Any) -> tuple[SamplingTask, Any]:
    torch.manual_seed(0)
    task = SamplingTask()
    given = {"channels": channels, "size": (SIDE, SIDE), **SMALL[name], **args}
    return task, task.build(MODELS[name], SIGNS, **given)


def images(count: int = 4, *, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, SIDE, SIDE), generator=generator, dtype=torch.uint8)


def known_of(count: int, *, asked: str = "") -> Tensor:
    """Return what is known of some pictures: (B,) classes, or (B, 1, L) sentences."""
    which = torch.arange(count) % len(SIGNS)
    return which if asked != "caption" else ROWS[which][:, None]


def given_to(network: Any, count: int) -> dict[str, Tensor]:
    """Return noise and, where the network takes it, what is asked for."""
    known = known_of(count, asked=network.asked)
    asked = {network.asked: known if known.ndim == 1 else known[:, 0]} if network.asked else {}
    return {"noise": torch.randn(count, LATENT), **asked}


def batch_of(pictures: Tensor, *, asked: str = "") -> Batch:
    labels = known_of(len(pictures), asked=asked)
    ids = tuple(map(str, range(len(pictures))))
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    truths = tuple(Original(lambda: np.zeros((SIDE, SIDE, 3), np.uint8)) for _ in ids)
    return Batch(pictures, labels, ids, (place,) * len(ids), truths)


def spec_of(name: str, task: SamplingTask, *, channels: int = 3) -> Spec:
    args = {**MODELS[name].args, **SMALL[name], "channels": channels, "size": (SIDE, SIDE)}
    return Spec(
        "generation",
        name,
        {**args, "mean": (0.5,) * channels, "std": (0.5,) * channels},
        SIGNS,
        Preprocess((SIDE, SIDE), mean=(0.5,) * channels, std=(0.5,) * channels, channels=channels),
        inputs=task.inputs(MODELS[name], SIGNS, args=args),
    )


@pytest.fixture(scope="module")
def built(name: str) -> tuple[SamplingTask, Any]:
    return build(name)


@entries
class TestEveryEntry:
    def test_it_draws_as_many_pictures_as_it_is_given_in_training_and_evaluation(
        self, built: tuple[SamplingTask, Any]
    ) -> None:
        task, network = built
        assert isinstance(network, Network)
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        for mode in (True, False):
            with torch.no_grad():
                raw = network.train(mode)(images())
                outputs = network.deploy(raw)
            assert type(raw) is SamplingRaw
            assert tuple(outputs) == task.outputs
            assert outputs["picture"].shape == (4, SIDE, SIDE, 3)
            assert 0 <= float(outputs["picture"].min()) <= float(outputs["picture"].max()) <= 1
        network.load_state_dict(statistics)

    def test_each_turn_gives_every_parameter_of_its_learner_a_gradient_and_no_other(
        self, built: tuple[SamplingTask, Any]
    ) -> None:
        task, network = built
        network.train()
        for phase in task.phases(network):
            network.zero_grad()
            own = {id(parameter) for parameter in phase.module.parameters()}
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in own)
            losses = task.losses(network, batch_of(images(), asked=network.asked), phase.name)
            sum(loss for key, loss in losses.items() if key not in task.recorded).backward()
            for parameter in network.parameters():
                learns = id(parameter) in own
                assert (parameter.grad is not None) == learns
                assert not learns or bool(parameter.grad.isfinite().all())
        network.requires_grad_(True).zero_grad()

    def test_the_same_noise_draws_the_same_picture_alone_and_among_others(
        self, built: tuple[SamplingTask, Any]
    ) -> None:
        _, network = built
        network.eval()
        given = given_to(network, 4)
        with torch.no_grad():
            all_four = network(images(), **given).drawn
            alone = network(images(1), **{key: value[:1] for key, value in given.items()}).drawn
        torch.testing.assert_close(alone, all_four[:1], rtol=1e-4, atol=1e-5)

    def test_its_stages_hold_every_parameter_once(self, built: tuple[SamplingTask, Any]) -> None:
        _, network = built
        assert [stage for stage, _ in network.stages()] == ["generator", "discriminator"]
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())

    def test_saved_and_loaded_it_draws_the_same(
        self, name: str, built: tuple[SamplingTask, Any], tmp_path: Path
    ) -> None:
        _, network = built
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "w.safetensors")
        _, other = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(load_file(tmp_path / "w.safetensors"))
        given = given_to(network, 2)
        with torch.no_grad():
            drawn = [each.eval()(images(2), **given).drawn for each in (network, other)]
        assert torch.equal(*drawn)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_its_bundle_draws_what_the_network_draws(self, name: str, tmp_path: Path, channels: int) -> None:
        task, network = build(name, channels=channels)
        pictures = [np.full((20, 24, 3), value, np.uint8) for value in (10, 90, 200)]
        report = save_bundle(
            network.eval(), spec_of(name, task, channels=channels), tmp_path / "model", images=pictures
        )
        assert report.parity.holds
        assert report.parity.pictures == 3

    @pytest.mark.parametrize("side", [28, 32, 96])
    def test_it_draws_squares_of_several_sizes(self, name: str, side: int) -> None:
        _, network = build(name, size=(side, side))
        with torch.no_grad():
            assert network.eval()(images(2)).drawn.shape == (2, 3, side, side)

    def test_some_steps_bring_what_it_draws_near_to_the_only_picture_there_is(self, name: str) -> None:
        task, network = build(name, channels=1, dropout=0.0)
        only = torch.full((1, 1, SIDE, SIDE), 30, dtype=torch.uint8)
        only[..., 4:12, 4:12] = 220
        batch = batch_of(only.repeat(8, 1, 1, 1), asked=network.asked)
        network.train()
        optimisers = [
            (phase, torch.optim.Adam(phase.module.parameters(), lr=5e-3, betas=phase.betas))
            for phase in task.phases(network)
        ]

        def apart() -> float:
            with torch.no_grad():
                drawn = network.eval()(batch.images).drawn
            network.train()
            return float((drawn - (only.float() / 127.5 - 1)).square().mean())

        before = apart()
        for _ in range(150):
            for phase, optimiser in optimisers:
                network.zero_grad()
                losses = task.losses(network, batch, phase.name)
                sum(loss for key, loss in losses.items() if key not in task.recorded).backward()
                optimiser.step()
        assert apart() < before / 2

    def test_it_has_a_page(self, name: str) -> None:
        title, *_ = (DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()
        assert title.endswith(f": {name}")


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "hinge", "least_squares", "wasserstein"])
@pytest.mark.parametrize(
    "args", [{}, {"spectral_norm": True}, {"diffaug": ("colour", "translation", "cutout")}]
)
def test_every_loss_goes_with_every_stabiliser(loss: str, args: dict[str, Any]) -> None:
    task = SamplingTask(loss=loss, gradient_penalty=5.0)
    _, network = build("dcgan", **args)
    network.train()
    for phase in task.phases(network):
        losses = task.losses(network, batch_of(images()), phase.name)
        assert all(bool(loss.isfinite()) for loss in losses.values())
        sum(loss for key, loss in losses.items() if key not in task.recorded).backward()
    assert {"discriminator", "slope", "D(x)", "D(G(z))"} == set(losses)


def test_what_the_generator_drew_in_its_turn_is_what_the_discriminator_is_shown() -> None:
    task, network = build("dcgan")
    network.train()
    batch = batch_of(images())
    task.losses(network, batch, "generator")
    statistics = network.generator.layers[0].num_batches_tracked.clone()
    task.losses(network, batch, "discriminator")
    assert network.generator.layers[0].num_batches_tracked == statistics  # it drew nothing more
    task.losses(network, batch, "discriminator")
    assert network.generator.layers[0].num_batches_tracked == statistics + 1


def test_a_class_is_asked_for_by_the_pixels_of_a_picture_and_lies_among_those_of_the_data() -> None:
    task, _ = build("conditional_gan")
    inputs = task.inputs(MODELS["conditional_gan"], SIGNS, args={})
    made = make_inputs(inputs, [np.full((4, 4, 3), value, np.uint8) for value in range(30)])
    assert set(made["label"].tolist()) == {0, 1, 2}
    assert made["noise"].shape == (30, LATENT)
    assert task.inputs(MODELS["dcgan"], SIGNS, args={}) == {"noise": {"method": "noise", "size": LATENT}}


def test_a_picture_without_a_class_cannot_teach_a_class() -> None:
    task, network = build("conditional_gan")
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    known = Item(pixels, Original(lambda: pixels, about=Label(1)), "a.png", place)
    batch = task.collate([known, replace(known, id="b.png", target=Original(lambda: pixels))])
    assert batch.targets.tolist() == [1, -1]
    with pytest.raises(LabelError, match=r"b\.png: to learn to draw classes, every picture needs one"):
        task.losses(network, batch, "generator")


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="pictures of 22x22 px cannot be drawn by doubling a small map"):
        build("dcgan", size=(22, 22))
    with pytest.raises(ConfigError, match="pictures of 16x32 px"):
        build("dcgan", size=(16, 32))
    with pytest.raises(ConfigError, match="a conditional GAN learns to draw classes, and the data have none"):
        SamplingTask().build(MODELS["conditional_gan"], (), size=(SIDE, SIDE))
    with pytest.raises(ConfigError, match="learns to draw from sentences, and there are none"):
        SamplingTask().build(MODELS["text_to_image"], (), size=(SIDE, SIDE))
    with pytest.raises(NotFound, match="no adversarial loss is named 'hing'"):
        SamplingTask(loss="hing")
    with pytest.raises(NotFound, match="no differentiable augmentation is named 'blur'"):
        build("dcgan", diffaug=("blur",))
    with pytest.raises(ConfigError, match="measures a distance only where the discriminator's slope is"):
        SamplingTask(loss="wasserstein", gradient_penalty=0.0)
