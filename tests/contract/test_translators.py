"""What every translator of the catalogue promises, checked on tiny pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError, NotFound
from nayan.core.types import Domain, Label, Original
from nayan.export.bundle import save_bundle
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.bundle import open_bundle, self_test
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Batch, Item, Network
from nayan.tasks.generation.translation.catalog import MODELS
from nayan.tasks.generation.translation.decode import OUTPUTS
from nayan.tasks.generation.translation.network import TranslationRaw, Turn
from nayan.tasks.generation.translation.task import TranslationTask
from nayan.tasks.generation.translation.translating import PictureTranslator
from nayan.tasks.predicting import make_predictor

DOMAINS = ("A", "B")
SIDE = 24
DOCS = Path(__file__).parents[2] / "docs" / "models"
SMALL: dict[str, dict[str, Any]] = {"cyclegan": {"width": 4, "blocks": 1}}

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")


def build(name: str, *, channels: int = 3, options: Any = None, **args: Any) -> tuple[TranslationTask, Any]:
    torch.manual_seed(0)
    task = TranslationTask(**(options or {}))
    given = {"channels": channels, "size": (SIDE, SIDE), **SMALL[name], **args}
    return task, task.build(MODELS[name], DOMAINS, **given)


def images(count: int = 4, *, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def batch_of(pictures: Tensor, domains: list[int]) -> Batch:
    ids = tuple(map(str, range(len(pictures))))
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    truths = tuple(Original(np.zeros, about=Domain(domain)) for domain in domains)
    return Batch(pictures, torch.tensor(domains), ids, (place,) * len(ids), truths)


def minimised(task: TranslationTask, losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([loss for key, loss in losses.items() if key not in task.recorded]).sum()


@pytest.fixture(scope="module")
def built(name: str) -> tuple[TranslationTask, Any]:
    return build(name)


@entries
class TestEveryEntry:
    def test_it_translates_either_way_and_back_alike_in_training_and_evaluation(
        self, built: tuple[TranslationTask, Any]
    ) -> None:
        task, network = built
        assert isinstance(network, Network)
        found = []
        for mode in (True, False):
            with torch.no_grad():
                raw = network.train(mode)(images())
            assert type(raw) is TranslationRaw
            found.append(network.deploy(raw))
            assert set(found[-1]) == set(task.outputs) == set(OUTPUTS)
            for made in found[-1].values():
                assert made.shape == (4, SIDE, SIDE, 3)
                assert 0 <= float(made.min()) <= float(made.max()) <= 1
        assert all(torch.equal(found[0][key], found[1][key]) for key in OUTPUTS)

    def test_what_comes_home_went_through_both_generators(self, built: tuple[TranslationTask, Any]) -> None:
        _, network = built
        with torch.no_grad():
            raw = network.eval()(images())
            there = ((raw.to_b + 1) * 127.5).clamp(0, 255)
            torch.testing.assert_close(network(there).to_a, raw.back_a, rtol=1e-3, atol=1e-4)

    def test_each_turn_gives_every_parameter_of_its_learners_a_gradient_and_no_other(
        self, built: tuple[TranslationTask, Any]
    ) -> None:
        task, network = built
        network.train()
        for phase in task.phases(network):
            network.zero_grad()
            own = {id(parameter) for parameter in phase.module.parameters()}
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in own)
            minimised(task, task.losses(network, batch_of(images(), [0, 1, 0, 1]), phase.name)).backward()
            for parameter in network.parameters():
                learns = id(parameter) in own
                assert (parameter.grad is not None) == learns
                assert not learns or bool(parameter.grad.isfinite().all())
        network.requires_grad_(True).zero_grad()

    @pytest.mark.parametrize("domains", [[0], [1, 1]], ids=["one of A", "two of B"])
    def test_a_batch_that_lacks_a_domain_has_finite_losses_all_the_same(
        self, built: tuple[TranslationTask, Any], domains: list[int]
    ) -> None:
        task, network = built
        network.train().zero_grad()
        for phase in task.phases(network):
            losses = task.losses(network, batch_of(images(len(domains)), domains), phase.name)
            assert all(bool(loss.isfinite()) for loss in losses.values())
            minimised(task, losses).backward()
        network.zero_grad()

    def test_its_stages_hold_every_parameter_once(self, built: tuple[TranslationTask, Any]) -> None:
        _, network = built
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())

    def test_saved_and_loaded_it_translates_alike_and_its_memory_is_no_weight(
        self, name: str, built: tuple[TranslationTask, Any], tmp_path: Path
    ) -> None:
        _, network = built
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "w.safetensors")
        kept = load_file(tmp_path / "w.safetensors")
        assert not any(key.startswith("pool") for key in kept)
        _, other = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(kept)
        with torch.no_grad():
            assert torch.equal(*(each.eval()(images(2)).to_b for each in (network, other)))

    @pytest.mark.parametrize("channels", [1, 3])
    def test_its_bundle_translates_as_the_network_does_and_each_way_by_itself(
        self, name: str, tmp_path: Path, channels: int
    ) -> None:
        _, network = build(name, channels=channels)
        normal = (0.5,) * channels
        spec = Spec(
            "translation",
            name,
            {**SMALL[name], "channels": channels, "size": (SIDE, SIDE), "mean": normal, "std": normal},
            DOMAINS,
            Preprocess((SIDE, SIDE), "stretch", mean=normal, std=normal, channels=channels),
            inputs=MODELS[name].inputs,
        )
        pictures = [
            np.full((30, 40, 3), value, np.uint8) + np.arange(40, dtype=np.uint8)[:, None]
            for value in (5, 90)
        ]
        bundle = save_bundle(network.eval(), spec, tmp_path / "model", images=pictures)
        assert bundle.parity.holds
        opened = open_bundle(tmp_path / "model")
        assert self_test(opened, make_predictor(opened.spec, OnnxBackend(opened.graph)))
        for domain, output in ((0, "to_a"), (1, "to_b")):
            translator = PictureTranslator(opened.graph, spec, to=DOMAINS[domain])
            seen = np.random.default_rng(0).integers(0, 256, (SIDE, 2 * SIDE, 3), dtype=np.uint8)
            if channels == 1:
                seen = np.repeat(seen[..., :1], 3, axis=2)
            given = torch.from_numpy(seen[..., :channels].copy())[None].permute(0, 3, 1, 2)
            with torch.no_grad():
                expected = network.deploy(network(given))[output][0].numpy()
            assert np.abs(translator(seen).astype(int) - (expected * 255).round()).max() <= 1

    def test_some_steps_make_the_way_back_find_home(self, name: str) -> None:
        task, network = build(name)
        square = torch.full((1, 3, SIDE, SIDE), 60, dtype=torch.uint8)
        square[..., 6:18, 6:18] = torch.tensor([220, 90, 40], dtype=torch.uint8)[:, None, None]
        batch = batch_of(torch.cat([square, square.flip(1)]), [0, 1])
        optimisers = [
            (phase, torch.optim.Adam(phase.module.parameters(), lr=8e-3, betas=phase.betas))
            for phase in task.phases(network)
        ]
        cycle = []
        for _ in range(30):
            for phase, optimiser in optimisers:
                network.zero_grad()
                losses = task.losses(network, batch, phase.name)
                minimised(task, losses).backward()
                optimiser.step()
                cycle += [float(losses["cycle"].detach())] if "cycle" in losses else []
        assert cycle[-1] < 0.5 * cycle[0]

    def test_it_has_a_page(self, name: str) -> None:
        title, *_ = (DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()
        assert title.endswith(f": {name}")


def test_what_the_generators_made_in_their_turn_is_what_the_discriminators_are_shown() -> None:
    task, network = build("cyclegan")
    calls: list[int] = []
    network.generators["to_b"].register_forward_hook(lambda *_: calls.append(1))
    batch = batch_of(images(2), [0, 1])
    task.losses(network, batch, "generators")
    made = len(calls)
    task.losses(network, batch, "discriminators")
    assert len(calls) == made
    task.losses(network, batch, "discriminators")  # without the generators' turn they are made anew
    assert len(calls) == made + 1


def test_without_identity_a_generator_sees_only_what_it_has_to_translate() -> None:
    task, network = build("cyclegan", options={"identity": 0.0})
    seen: list[int] = []
    network.generators["to_b"].register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    losses = task.losses(network, batch_of(images(3), [0, 1, 1]), "generators")
    assert set(losses) == {"adversarial", "cycle"}
    assert seen == [1, 2]  # the one picture of A, and the two of B on their way back


def test_the_weights_of_the_losses_are_those_that_are_asked_for() -> None:
    batch = batch_of(images(2), [0, 1])
    found = []
    for options in ({}, {"cycle": 20.0, "identity": 1.0}):
        task, network = build("cyclegan", options=options)
        with torch.no_grad():
            found.append(task.losses(network, batch, "generators"))
    torch.testing.assert_close(found[1]["cycle"], 2 * found[0]["cycle"])
    torch.testing.assert_close(found[1]["identity"], found[0]["identity"] / 5)


def test_every_adversarial_loss_can_be_asked_for() -> None:
    batch = batch_of(images(2), [0, 1])
    for loss in ("minimax", "non_saturating", "hinge", "least_squares"):
        task, network = build("cyclegan", options={"loss": loss, "ttur": 2.0})
        for phase in task.phases(network):
            assert all(bool(value.isfinite()) for value in task.losses(network, batch, phase.name).values())
        assert [phase.rate for phase in task.phases(network)] == [1.0, 2.0]


def test_depth_follows_the_size_unless_it_is_said() -> None:
    blocks = {
        side: sum(type(part).__name__ == "ReflectedBlock" for part in network.generators["to_a"])
        for side in (96, 128, 256)
        for _, network in [build("cyclegan", size=(side, side), blocks=None)]
    }
    assert blocks == {96: 4, 128: 6, 256: 9}


def test_a_picture_without_a_domain_cannot_teach_to_translate() -> None:
    task = TranslationTask()
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    items = [Item(pixels, Original(np.zeros, about=Domain(1)), "b.png", place)]
    assert task.collate(items).targets.tolist() == [1]
    with pytest.raises(LabelError, match=r"c\.png: to learn to translate, every picture is of one of two"):
        task.collate([*items, Item(pixels, Original(np.zeros, about=Label(0)), "c.png", place)])


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="a translator goes between two domains, the data have 3: a, b, c"):
        TranslationTask().build(MODELS["cyclegan"], ["a", "b", "c"], size=(32, 32))
    with pytest.raises(ConfigError, match="pictures of 30x32 px cannot be translated"):
        build("cyclegan", size=(30, 32))
    with pytest.raises(ConfigError, match="pictures of 20x20 px cannot be translated"):
        build("cyclegan", size=(20, 20))
    with pytest.raises(NotFound, match="no adversarial loss is named 'hing'"):
        TranslationTask(loss="hing")
    with pytest.raises(ConfigError, match="takes no argument 'latent'"):
        build("cyclegan", latent=3)


def test_a_turn_needs_no_more_than_the_domains() -> None:
    _, network = build("cyclegan")
    raw = network(images(2), Turn("discriminators", torch.tensor([0, 1])))
    assert raw.to_a is not None
    assert not raw.to_a.requires_grad
    assert raw.real_b is not None
    assert raw.back_a is None
