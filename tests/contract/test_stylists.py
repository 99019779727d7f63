"""What every network that restyles promises, checked on tiny pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError, FormatError, NotFound
from nayan.core.types import Original
from nayan.export.bundle import save_bundle
from nayan.runtime.bundle import open_bundle
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Batch, Network
from nayan.tasks.generation.stylization.catalog import MODELS
from nayan.tasks.generation.stylization.network import StylizationRaw
from nayan.tasks.generation.stylization.task import StylizationTask

SIDE = 32
WIDTH = 4
DOCS = Path(__file__).parents[2] / "docs" / "models"
SIZE = {"size": (SIDE, SIDE), "width": WIDTH, "backbone": "test_resnet"}

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")


def build(name: str, *, style: Path | None = None, **args: Any) -> tuple[StylizationTask, Any]:
    torch.manual_seed(0)
    task = StylizationTask(style=style)
    network = task.build(MODELS[name], (), **{**SIZE, **args})
    if style is not None:
        task.taught_by("none")
    return task, network


def images(count: int = 2, *, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def batch_of(pictures: Tensor) -> Batch:
    ids = tuple(map(str, range(len(pictures))))
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    truths = tuple(Original(lambda: np.zeros((SIDE, SIDE, 3), np.uint8)) for _ in ids)
    return Batch(pictures, None, ids, (place,) * len(ids), truths)


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a picture of black and yellow stripes."""
    file = tmp_path_factory.mktemp("style") / "stripes.png"
    bright = np.arange(64)[:, None] // 4 % 2 == 0
    Image.fromarray(
        np.where(bright[..., None], (240, 210, 20), (10, 10, 10)).astype(np.uint8).repeat(48, 1)
    ).save(file)
    return file


@pytest.fixture(scope="module")
def built(name: str, style: Path) -> tuple[StylizationTask, Any]:
    return build(name, style=style)


@entries
class TestEveryEntry:
    def test_it_gives_the_same_type_in_training_and_evaluation(
        self, built: tuple[StylizationTask, Any]
    ) -> None:
        task, network = built
        assert isinstance(network, Network)
        for mode in (True, False):
            with torch.no_grad():
                raw = network.train(mode)(images())
                outputs = network.deploy(raw)
            assert type(raw) is StylizationRaw
            assert tuple(outputs) == task.outputs
            assert outputs["picture"].shape == (2, SIDE, SIDE, 3)
            assert 0 <= float(outputs["picture"].min()) <= float(outputs["picture"].max()) <= 1

    def test_every_parameter_gets_a_gradient(self, built: tuple[StylizationTask, Any]) -> None:
        task, network = built
        network.train().zero_grad()
        losses = task.losses(network, batch_of(images()), "main")
        assert list(losses) == ["content", "style", "smoothness"]
        torch.stack(list(losses.values())).sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
        network.zero_grad()

    def test_a_picture_is_painted_alone_as_among_others(self, built: tuple[StylizationTask, Any]) -> None:
        _, network = built
        network.eval()
        with torch.no_grad():
            both, alone = network(images()).picture, network(images()[:1]).picture
        torch.testing.assert_close(alone, both[:1], rtol=1e-4, atol=1e-5)

    def test_its_stages_are_the_network(self, built: tuple[StylizationTask, Any]) -> None:
        _, network = built
        network.eval()
        value: Any = images()
        with torch.no_grad():
            for _, stage in network.stages():
                value = stage(value)
            assert torch.equal(value, network(images()).picture)
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())

    def test_saved_and_loaded_it_paints_the_same(
        self, name: str, built: tuple[StylizationTask, Any], tmp_path: Path
    ) -> None:
        _, network = built
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "w.safetensors")
        _, other = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(load_file(tmp_path / "w.safetensors"))
        with torch.no_grad():
            painted = [each.eval()(images()).picture for each in (network, other)]
        assert torch.equal(*painted)

    def test_its_bundle_paints_what_the_network_paints_at_any_size(
        self, name: str, built: tuple[StylizationTask, Any], tmp_path: Path
    ) -> None:
        _, network = built
        network.eval()
        entry = MODELS[name]
        spec = Spec(
            "stylization",
            name,
            {**entry.args, **SIZE},
            (),
            Preprocess((SIDE, SIDE), mean=entry.preprocess.mean, std=entry.preprocess.std),
            inputs=entry.inputs,
        )
        pictures = [np.full((40, 48, 3), value, np.uint8) for value in (10, 90, 200)]
        report = save_bundle(network, spec, tmp_path / "model", images=pictures)
        assert report.parity.holds
        session = onnxruntime.InferenceSession(str(open_bundle(tmp_path / "model").graph))
        assert [entry.name for entry in session.get_inputs()] == ["photograph"]
        large = np.random.default_rng(0).integers(0, 256, (1, 44, 72, 3), dtype=np.uint8)
        (painted,) = session.run(None, {"photograph": large})
        with torch.no_grad():
            expected = network.deploy(network(torch.from_numpy(large).permute(0, 3, 1, 2)))["picture"]
        np.testing.assert_allclose(painted, expected.numpy(), atol=1e-3)

    def test_it_learns_to_paint_four_pictures_by_heart(self, name: str, style: Path) -> None:
        task, network = build(name, style=style)
        batch = batch_of(images(4))
        optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
        seen = []
        for _ in range(15):
            optimiser.zero_grad()
            loss = torch.stack(list(task.losses(network, batch, "main").values())).sum()
            loss.backward()
            optimiser.step()
            seen.append(float(loss.detach()))
        assert seen[-1] < 0.75 * seen[0]

    def test_it_has_a_page(self, name: str) -> None:
        title, *_ = (DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()
        assert title.endswith(f": {name}")

    @pytest.mark.parametrize("size", [(30, 32), (12, 12)])
    def test_sizes_that_do_not_fit_are_refused(self, name: str, size: tuple[int, int]) -> None:
        with pytest.raises(ConfigError, match="multiples of 4"):
            build(name, size=size)

    def test_arguments_that_it_does_not_know_are_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match="widht"):
            build(name, widht=8)


def test_without_a_style_nothing_can_be_learnt() -> None:
    task, _ = build("fast_style")
    with pytest.raises(ConfigError, match="no style to learn") as caught:
        task.taught_by("none")
    assert "--style FILE" in caught.value.hint


def test_a_style_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "style.jpg").write_text("not a picture", encoding="utf-8")
    with pytest.raises(FormatError, match=r"style\.jpg"):
        build("fast_style", style=tmp_path / "style.jpg")


def test_an_unknown_judge_is_named(style: Path) -> None:
    with pytest.raises(NotFound, match="vgg91"):
        build("fast_style", style=style, backbone="vgg91")


def test_the_judge_is_no_part_of_the_network(style: Path) -> None:
    _, network = build("fast_style", style=style)
    assert not any("backbone" in name for name in network.state_dict())


def test_the_loss_is_the_same_whether_first_asked_while_judging_or_while_learning(style: Path) -> None:
    batch = batch_of(images())
    task, network = build("fast_style", style=style)
    with torch.inference_mode():
        judged = task.losses(network.eval(), batch, "main")
    loss = torch.stack(list(task.losses(network, batch, "main").values())).sum()
    loss.backward()  # nothing that was remembered forbids it
    assert float(loss.detach()) == pytest.approx(float(sum(judged.values())))
