"""What every embedder of the catalogue promises, checked on tiny pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Identity
from nayan.parts.trace import trace_onnx
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Network
from nayan.tasks.embedding.catalog import MODELS
from nayan.tasks.embedding.network import EmbeddingRaw
from nayan.tasks.embedding.task import EmbeddingTask

WHO = ("ada", "bob", "eve", "joe", "sue")
SIDE = 32
DIM = 24
DOCS = Path(__file__).parents[2] / "docs" / "models"

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")  # tests of one network in a row


def build(name: str, *, channels: int = 3, **args: Any) -> tuple[EmbeddingTask, Any]:
    """Return the task with the network of an entry, on a tiny backbone where it stands on one of timm."""
    torch.manual_seed(0)
    tiny = {"backbone": "test_resnet"} if "backbone" in MODELS[name].args else {}
    task = EmbeddingTask()
    size = (SIDE, SIDE)
    network = task.build(
        MODELS[name], WHO, **{**tiny, "channels": channels, "size": size, "dim": DIM, **args}
    )
    return task, network


def pictures(count: int = 2, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)


def crowd(each: int = 3) -> tuple[Tensor, Tensor]:
    """Return pictures (5 each, 3, h, w) of five identities, told apart by a bar, and who is in them."""
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(len(WHO)), each)
    images = rng.integers(0, 120, (len(who), 3, SIDE, SIDE), dtype=np.uint8)
    for row, number in enumerate(who):
        images[row, :, :, 6 * number + 1 : 6 * number + 5] += 120
    return torch.from_numpy(images), torch.from_numpy(who)


def batch_of(images: Tensor, who: Tensor) -> Batch:
    place = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
    truths = tuple(Identity(int(n)) for n in who)
    return Batch(images, who, tuple(map(str, range(len(who)))), (place,) * len(who), truths)


class Exported(nn.Module):
    """An embedder as an exported graph sees it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        network: Any = self.network
        vectors: Tensor = network.deploy(network(images))["embedding"]
        return vectors


@pytest.fixture(scope="module")
def built(name: str) -> tuple[EmbeddingTask, Any]:
    return build(name)


@pytest.fixture
def network(built: tuple[EmbeddingTask, Any]) -> Any:
    """Return the network of the entry, built once for all tests; no test may change its weights."""
    return built[1].eval()


@entries
class TestEveryEntry:
    def test_it_gives_vectors_of_length_one_in_training_and_evaluation(self, network: Any) -> None:
        assert isinstance(network, Network)
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        for mode in (True, False):
            with torch.no_grad():
                raw = network.train(mode)(pictures(), None)
            assert type(raw) is EmbeddingRaw
            assert raw.vectors.shape == (2, DIM)
            torch.testing.assert_close(raw.vectors.norm(dim=1), torch.ones(2))
        network.load_state_dict(statistics)

    def test_a_step_gives_every_trainable_parameter_a_finite_gradient(
        self, built: tuple[EmbeddingTask, Any]
    ) -> None:
        task, network = built
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        network.train().zero_grad()
        losses = task.losses(network, batch_of(*crowd()), "main")
        torch.stack(list(losses.values())).sum().backward()
        wrong = [
            key
            for key, parameter in network.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all())
        ]
        network.zero_grad()
        network.load_state_dict(statistics)
        assert wrong == []

    @pytest.mark.parametrize("who", [[0], [0, 1], [0, 0, 0]], ids=["alone", "strangers", "one identity"])
    def test_a_batch_in_which_little_can_be_compared_has_a_finite_loss_with_a_gradient(
        self, built: tuple[EmbeddingTask, Any], who: list[int]
    ) -> None:
        task, network = built
        network.eval().zero_grad()  # in evaluation mode: BatchNorm of one picture is another matter
        losses = task.losses(network, batch_of(pictures(len(who)), torch.tensor(who)), "main")
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        assert total.isfinite()
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
        network.zero_grad()

    def test_the_vector_of_a_picture_does_not_depend_on_the_batch(self, network: Any) -> None:
        with torch.no_grad():
            both = network.deploy(network(pictures()))
            one = network.deploy(network(pictures()[:1]))
        assert tuple(both) == EmbeddingTask.outputs
        torch.testing.assert_close(one["embedding"], both["embedding"][:1], rtol=1e-4, atol=1e-5)

    def test_its_stages_in_a_row_are_the_network(self, network: Any) -> None:
        with torch.no_grad():
            value: Any = pictures()
            for _, stage in network.stages():
                value = stage(value)
            assert torch.equal(value.vectors, network(pictures()).vectors)

    def test_every_parameter_stands_in_one_stage_and_once_in_the_state_dict(self, network: Any) -> None:
        names = [stage for stage, _ in network.stages()]
        assert names[-2:] == ["pool", "head"]
        assert len(names) == len(set(names))
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        pointers = [tensor.data_ptr() for tensor in network.state_dict().values() if tensor.numel()]
        assert len(pointers) == len(set(pointers))

    def test_float_pixels_give_what_whole_ones_give(self, network: Any) -> None:
        with torch.no_grad():
            whole, real = network(pictures()).vectors, network(pictures().float()).vectors
        torch.testing.assert_close(whole, real)

    def test_saved_and_loaded_it_gives_identical_vectors(
        self, name: str, network: Any, tmp_path: Path
    ) -> None:
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        _, other = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        with torch.no_grad():
            assert torch.equal(other.eval()(pictures()).vectors, network(pictures()).vectors)

    def test_its_graph_gives_the_same_for_another_number_of_pictures_and_holds_no_proxies(
        self, network: Any
    ) -> None:
        graph = trace_onnx(Exported(network).eval(), pictures(2), ["embedding"])
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        others = pictures(3, seed=2)
        found = torch.from_numpy(session.run(None, {"images": others.numpy()})[0])
        with torch.no_grad():
            torch.testing.assert_close(found, network(others).vectors, rtol=1e-3, atol=1e-5)
        shapes = [set(tensor.dims) for tensor in onnx.load_from_string(graph).graph.initializer]
        assert {DIM, len(WHO)} not in shapes

    def test_gray_pictures_need_one_channel_where_the_entry_says_so(self, name: str) -> None:
        assert MODELS[name].gray
        _, network = build(name, channels=1)
        with torch.no_grad():
            assert network.eval()(pictures()[:, :1]).vectors.shape == (2, DIM)

    def test_it_has_a_page(self, name: str) -> None:
        page = f"{name.partition('_')[0]}.md"
        assert f"`{name}`" in (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in MODELS.names if "backbone" not in MODELS[name].args])
def test_it_learns_who_is_alike_on_a_few_pictures(name: str) -> None:
    task, network = build(name, pooling="flatten")
    images, who = crowd(4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(40):
        losses = task.losses(network, batch_of(images, who), "main")
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        vectors = network.eval()(images).vectors
    distances = torch.cdist(vectors, vectors)
    same = who[:, None] == who[None]
    assert distances[same].max() < distances[~same].min()


@pytest.mark.parametrize("pooling", ["gap", "gem", "flatten"])
@pytest.mark.parametrize("name", ["siamese", "siamese_mobilenetv2_100"])
def test_every_pooling_fits_every_backbone(name: str, pooling: str) -> None:
    _, network = build(name, pooling=pooling)
    with torch.no_grad():
        assert network.eval()(pictures()).vectors.shape == (2, DIM)
    pointers = [tensor.data_ptr() for tensor in network.state_dict().values() if tensor.numel()]
    assert len(pointers) == len(set(pointers))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(NotFound, match="no pooling is named 'mean'"):
        build("siamese", pooling="mean")
    with pytest.raises(NotFound, match="no miner is named 'softest'"):
        build("triplet", miner="softest")
    with pytest.raises(ConfigError, match="an embedding of 1 values"):
        build("siamese", dim=1)
    with pytest.raises(ConfigError, match="conv4 needs pictures of at least 16 px, got 12x12"):
        build("siamese", size=(12, 12))
    with pytest.raises(ConfigError, match="the model supcon takes no argument 'margin'"):
        build("supcon", margin=0.3)
    with pytest.raises(ConfigError, match=r"--pooling gem takes maps \(channels, h, w\)"):
        build("siamese_mobilenetv2_100", backbone="test_vit", size=(160, 160), pooling="gem")
