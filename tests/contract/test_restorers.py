"""What every network that restores promises, checked on tiny pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Original
from nayan.export.onnx import export_onnx
from nayan.export.parity import check_parity
from nayan.export.torch_backend import TorchBackend
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.inputs import make_inputs
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Batch, Network
from nayan.tasks.generation.restoration.catalog import MODELS
from nayan.tasks.generation.restoration.decode import OUTPUTS, decode
from nayan.tasks.generation.restoration.network import RestorationRaw
from nayan.tasks.generation.restoration.restored import Restored
from nayan.tasks.generation.restoration.task import RestorationTask

SIDE = 32
PLACE = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
DOCS = Path(__file__).parents[2] / "docs" / "models"
TINY: dict[str, dict[str, Any]] = {
    "super_resolution": {"blocks": 2, "width": 8},
    "inpainting": {"width": 4},
}

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")


def build(name: str, **args: Any) -> tuple[RestorationTask, Any]:
    torch.manual_seed(0)
    task = RestorationTask()
    return task, task.build(MODELS[name], (), **{"size": (SIDE, SIDE), **TINY[name], **args})


def pictures(count: int = 2, *, seed: int = 1) -> list[np.ndarray]:
    """Return smooth pictures with an edge: something to be restored."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        y, x = np.mgrid[:SIDE, :SIDE] / SIDE
        waves = 128 + 60 * np.sin(6 * (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)))
        picture = np.stack([waves, 255 - waves, np.where(x + y > rng.uniform(0.6, 1.4), 220, 30)], axis=2)
        made.append(picture.round().astype(np.uint8))
    return made


def batch_of(name: str, images: list[np.ndarray], *, scale: int = 2) -> Batch:
    task = RestorationTask()
    inputs = task.inputs(MODELS[name], (), args={"scale": scale})
    extra = {key: torch.from_numpy(made) for key, made in make_inputs(inputs, images).items()}
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    truths = tuple(Original(lambda *_at_least, image=image: image) for image in images)
    ids = tuple(map(str, range(len(images))))
    return Batch(stacked, None, ids, (PLACE,) * len(images), truths, extra)


def answer(network: Any, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        named: dict[str, Tensor] = network.deploy(network(batch.images, **batch.extra))
    return named


@entries
class TestEveryEntry:
    def test_it_gives_pictures_of_the_size_of_the_whole_ones_in_training_and_evaluation(
        self, name: str
    ) -> None:
        _, network = build(name)
        assert isinstance(network, Network)
        batch = batch_of(name, pictures())
        for mode in (True, False):
            raw = network.train(mode)(batch.images, **batch.extra)
            assert type(raw) is RestorationRaw
            assert raw.picture.shape == (2, 3, SIDE, SIDE)

    @pytest.mark.parametrize("adversarial", [False, True])
    def test_a_step_of_each_phase_gives_its_parameters_a_finite_gradient(
        self, name: str, adversarial: bool
    ) -> None:
        task, network = build(name, adversarial=adversarial)
        batch = batch_of(name, pictures())
        phases = task.phases(network)
        assert [phase.name for phase in phases] == ["main", "discriminator"][: 1 + adversarial]
        for phase in phases:
            network.zero_grad()
            losses = task.losses(network, batch, phase.name)
            torch.stack(list(losses.values())).sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in phase.module.parameters())
        parts = {id(p) for phase in phases for p in phase.module.parameters()}
        assert parts == {id(p) for p in network.parameters()}

    def test_it_begins_as_the_plain_guess(self, name: str) -> None:
        _, network = build(name)
        batch = batch_of(name, pictures())
        before = answer(network, batch)["picture"]
        nn.init.normal_(next(network.backbone.parameters()))
        assert torch.equal(answer(network, batch)["picture"], before)

    def test_a_batch_of_one_is_answered_as_a_batch_of_two(self, name: str) -> None:
        _, network = build(name)
        _shake(network)
        two, one = pictures(), pictures()[:1]
        both, alone = (answer(network.eval(), batch_of(name, images)) for images in (two, one))
        assert tuple(both) == OUTPUTS
        for key in OUTPUTS:
            torch.testing.assert_close(alone[key], both[key][:1], rtol=1e-4, atol=1e-5)

    def test_what_is_deployed_is_decoded_to_pictures(self, name: str) -> None:
        _, network = build(name)
        named = answer(network.eval(), batch_of(name, pictures()))
        found = decode({key: value.numpy() for key, value in named.items()}, [PLACE, PLACE])
        assert all(isinstance(each, Restored) and each.pixels.shape == (SIDE, SIDE, 3) for each in found)

    def test_every_parameter_stands_in_one_stage_but_those_of_the_judge(self, name: str) -> None:
        _, network = build(name, adversarial=True)
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        judge = {id(p) for p in network.discriminator.parameters()}
        assert sorted(staged) == sorted(id(p) for p in network.parameters() if id(p) not in judge)
        assert network.stages()[-1][0] == "head"

    def test_saved_and_loaded_it_answers_identically(self, name: str, tmp_path: Path) -> None:
        _, network = build(name)
        _shake(network)
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        _, other = build(name)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        batch = batch_of(name, pictures())
        assert torch.equal(answer(other, batch)["picture"], answer(network, batch)["picture"])

    def test_its_graph_answers_as_it_does(self, name: str, tmp_path: Path) -> None:
        task, network = build(name)
        _shake(network)
        inputs = task.inputs(MODELS[name], (), args={"scale": 2})
        spec = Spec("restoration", name, {}, (), Preprocess((SIDE, SIDE), "cut"), inputs=inputs)
        export_onnx(network.eval(), spec, tmp_path / "model.onnx")
        backend = OnnxBackend(tmp_path / "model.onnx")
        placed = [(image, PLACE) for image in pictures(3)]
        parity = check_parity(TorchBackend(network), backend, placed, spec=spec, batch=2)
        assert parity.holds, str(parity)

    def test_it_learns_four_pictures_by_heart(self, name: str) -> None:
        task, network = build(name)
        batch = batch_of(name, pictures(4))
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
        losses = []
        for _ in range(80):
            parts = task.losses(network, batch, "main")
            total = torch.stack(list(parts.values())).sum()
            total.backward()
            optimiser.step()
            optimiser.zero_grad()
            losses.append(total.item())
        assert losses[-1] < 0.75 * losses[0]

    def test_it_has_a_page(self, name: str) -> None:
        title, *_ = (DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()
        assert title.endswith(f": {name}")


def test_four_times_larger_is_learnt_from_four_times_smaller() -> None:
    _, network = build("super_resolution", scale=4)
    batch = batch_of("super_resolution", pictures(), scale=4)
    assert batch.extra["small"].shape == (2, SIDE // 4, SIDE // 4, 3)
    assert network(batch.images, **batch.extra).picture.shape == (2, 3, SIDE, SIDE)


def test_what_lies_in_a_hole_changes_nothing() -> None:
    _, network = build("inpainting")
    _shake(network)
    batch = batch_of("inpainting", pictures())
    missing = batch.extra["hole"][:, None].expand_as(batch.images) > 0
    other = torch.where(missing, 255 - batch.images, batch.images)
    with torch.no_grad():
        first, second = (network(images, **batch.extra).picture for images in (batch.images, other))
    assert missing.any()
    assert torch.equal(first, second)


def test_what_is_known_is_decoded_to_the_same_bits() -> None:
    _, network = build("inpainting")
    _shake(network)
    images = pictures()
    named = answer(network, batch_of("inpainting", images))
    for restored, image in zip(
        decode({k: v.numpy() for k, v in named.items()}, [PLACE] * 2), images, strict=True
    ):
        assert restored.missing is not None
        assert np.array_equal(restored.pixels[~restored.missing], image[~restored.missing])


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="--scale 3: pictures become 2 or 4 times larger"):
        build("super_resolution", scale=3)
    with pytest.raises(ConfigError, match="30x30 px cannot be 4 times smaller"):
        build("super_resolution", scale=4, size=(30, 30))
    with pytest.raises(ConfigError, match="takes 3 channels, got 1"):
        build("super_resolution", channels=1)
    with pytest.raises(ConfigError, match="the input of inpainting is a multiple of 8 px"):
        build("inpainting", size=(36, 36))
    with pytest.raises(ConfigError, match="--adversarial looks at patches"):
        build("inpainting", size=(16, 16), adversarial=True)
    with pytest.raises(ConfigError, match="the model inpainting takes no argument 'scale'"):
        build("inpainting", scale=2)


def _shake(network: nn.Module) -> None:
    """Fill the last layer, which begins as nothing, with numbers."""
    last = [module for module in network.head.modules() if isinstance(module, nn.Conv2d)][-1]
    nn.init.normal_(last.weight, std=0.05)
