"""What every segmenter of the catalogue promises, checked on tiny pictures."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.registry import resolve
from nayan.parts.losses.cross_entropy import dense_cross_entropy
from nayan.parts.trace import trace_onnx
from nayan.tasks.base import Network
from nayan.tasks.segmentation.catalog import MODELS
from nayan.tasks.segmentation.network import SegmentationRaw

CLASSES = ("ground", "disc", "bar")
SIDES = {"smp/pan": 256}
SIDE = 64
DOCS = Path(__file__).parents[2] / "docs" / "models"
PAGES = {
    "unet": "unet.md",
    "fcn": "fcn.md",
    "smp": "smp_segmenters.md",
    "torchvision_segmenters": "torchvision_segmenters.md",
}


def family(name: str) -> str:
    """Return the module that builds an entry: "unet", "fcn", "smp" or "torchvision_segmenters"."""
    return MODELS[name].build.partition(":")[0].rpartition(".")[2]


def is_heavy(name: str) -> bool:
    """Say whether the network has no smaller backbone."""
    return family(name) == "torchvision_segmenters"


entries = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if is_heavy(name) else ()) for name in MODELS.names],
    scope="module",  # the tests of one network follow each other
)


def size_of(name: str) -> tuple[int, int]:
    side = SIDES.get(name, SIDE)
    return side, side


def build(name: str, *, channels: int = 3, size: tuple[int, int] | None = None) -> nn.Module:
    """Return the network of an entry from its arguments and those that the task gives, on a tiny backbone."""
    if family(name) == "smp":
        pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    entry = MODELS[name]
    normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
    tiny: dict[str, Any] = {} if is_heavy(name) else {"backbone": "test_resnet"}
    if name == "unet":
        tiny = {"width": 4}
    args = {**normalisation, **entry.args, **tiny, "size": size or size_of(name), "channels": channels}
    network: nn.Module = resolve(entry.build)(CLASSES, **args)
    return network


def scene(name: str, count: int = 2, *, size: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Return pictures (B, 3, h, w) uint8 with a disc and a bar each, and their masks; a void corner."""
    height, width = size or size_of(name)
    rng = np.random.default_rng(3)
    images = rng.integers(90, 120, (count, 3, height, width), dtype=np.uint8)
    masks = np.zeros((count, height, width), np.int64)
    y, x = np.mgrid[:height, :width]
    for row in range(count):
        centre = rng.uniform(0.3, 0.7, 2) * (height, width)
        masks[row][np.hypot(y - centre[0], x - centre[1]) < 0.22 * height] = 1
        left = int(rng.uniform(0.05, 0.7) * width)
        masks[row][:, left : left + width // 5] = 2
        images[row][:, masks[row] == 1] = [[230], [60], [20]]
        images[row][:, masks[row] == 2] = [[20], [60], [230]]
    masks[:, :4, :4] = 255
    return torch.from_numpy(images), torch.from_numpy(masks)


class Exported(nn.Module):
    """A segmenter as an exported graph sees it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        network: Any = self.network
        probabilities: Tensor = network.deploy(network(images))["probabilities"]
        return probabilities


def graph_gives(network: nn.Module, images: Tensor, others: Tensor) -> Tensor:
    """Return what ONNX Runtime gives for `others` by the graph that was traced with `images`."""
    graph = trace_onnx(Exported(network).eval(), images, ["probabilities"])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": others.numpy()})[0])


@pytest.fixture(scope="module")
def built(name: str) -> nn.Module:
    return build(name)


@pytest.fixture
def network(built: nn.Module) -> Any:
    """Return the network of the entry, built once for all tests; no test may change its weights."""
    return built.eval()


@entries
class TestEveryEntry:
    def test_it_gives_logits_as_large_as_the_input_in_training_and_evaluation(
        self, name: str, network: Any
    ) -> None:
        assert isinstance(network, Network)
        images, masks = scene(name)
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        for mode in (True, False):
            with torch.no_grad():
                raw = network.train(mode)(images, masks)
            assert type(raw) is SegmentationRaw
            assert raw.logits.shape == (2, 3, *size_of(name))
            if raw.auxiliary is not None:
                assert raw.auxiliary.shape == raw.logits.shape
                assert mode
        network.load_state_dict(statistics)

    def test_a_step_gives_every_trainable_parameter_a_finite_gradient(self, name: str, network: Any) -> None:
        images, masks = scene(name)
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        network.train().zero_grad()
        raw = network(images, masks)
        loss = dense_cross_entropy(raw.logits, masks)
        if raw.auxiliary is not None:
            loss = loss + dense_cross_entropy(raw.auxiliary, masks)
        loss.backward()
        wrong = [
            key
            for key, parameter in network.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all())
        ]
        network.zero_grad()
        network.load_state_dict(statistics)
        assert wrong == []

    def test_it_learns_from_a_single_picture(self, name: str, network: Any) -> None:
        images, masks = scene(name, 1)
        statistics = {key: value.clone() for key, value in network.state_dict().items()}
        loss = dense_cross_entropy(network.train()(images).logits, masks)
        network.load_state_dict(statistics)
        assert loss.isfinite()

    def test_the_probabilities_of_a_pixel_add_up_to_one_and_do_not_depend_on_the_batch(
        self, name: str, network: Any
    ) -> None:
        images, _ = scene(name)
        with torch.no_grad():
            both = network.deploy(network(images))
            one = network.deploy(network(images[:1]))
        assert tuple(both) == ("probabilities",)
        total = both["probabilities"].sum(dim=1)
        torch.testing.assert_close(total, torch.ones_like(total))
        torch.testing.assert_close(one["probabilities"], both["probabilities"][:1], rtol=1e-3, atol=1e-4)

    def test_its_stages_in_a_row_are_the_network(self, name: str, network: Any) -> None:
        images, _ = scene(name)
        with torch.no_grad():
            value: Any = images
            for _, stage in network.stages():
                value = stage(value)
            expected = network(images)
        assert torch.equal(value.logits, expected.logits)

    def test_every_parameter_stands_in_one_stage_and_once_in_the_state_dict(self, network: Any) -> None:
        names = [stage for stage, _ in network.stages()]
        assert names[0] == "backbone"
        assert names[-1] == "head"
        assert len(names) == len(set(names)) >= 2
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        pointers = [tensor.data_ptr() for tensor in network.state_dict().values() if tensor.numel()]
        assert len(pointers) == len(set(pointers))

    def test_a_picture_of_another_size_is_segmented_whole(self, name: str, network: Any) -> None:
        for size in ((128, 64), (96, 160)) if name not in SIDES else ((256, 320),):
            images, _ = scene(name, size=size)
            with torch.no_grad():
                logits = network(images).logits
            assert logits.shape == (2, 3, *size)
            assert logits.isfinite().all()

    def test_float_pixels_give_what_whole_ones_give(self, name: str, network: Any) -> None:
        images, _ = scene(name, 1)
        with torch.no_grad():
            torch.testing.assert_close(network(images).logits, network(images.float()).logits)

    def test_saved_and_loaded_it_gives_identical_output(
        self, name: str, network: Any, tmp_path: Path
    ) -> None:
        images, _ = scene(name)
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        other: Any = build(name)
        for parameter in other.parameters():
            nn.init.constant_(parameter, 0.01)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        with torch.no_grad():
            assert torch.equal(other.eval()(images).logits, network(images).logits)

    def test_its_graph_gives_the_same_for_another_number_of_pictures(self, name: str, network: Any) -> None:
        images, others = scene(name, 2)[0], scene(name, 3)[0]
        found = graph_gives(network, images, others)
        with torch.no_grad():
            expected = network.deploy(network(others))["probabilities"]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)

    def test_gray_pictures_need_one_channel_where_the_entry_says_so(self, name: str) -> None:
        if not MODELS[name].gray:
            return
        gray: Any = build(name, channels=1).eval()
        images, _ = scene(name)
        with torch.no_grad():
            assert gray(images[:, :1]).logits.shape == (2, 3, *size_of(name))

    def test_it_has_a_page(self, name: str) -> None:
        text = (DOCS / PAGES[family(name)]).read_text(encoding="utf-8")
        assert f"`{name}`" in text


@pytest.mark.parametrize("name", ["smp/pspnet", "smp/upernet"])
def test_a_pooling_whose_cells_overlap_is_exported_too(name: str) -> None:
    network = build(name).eval()
    images, _ = scene(name, size=(96, 160))  # maps of 12x20 and 3x5 cells, pooled to 6x6
    found = graph_gives(network, images, images)
    with torch.no_grad():
        torch.testing.assert_close(found, Exported(network)(images), rtol=1e-3, atol=1e-4)


def iou_by_heart(network: nn.Module, images: Tensor, masks: Tensor, *, steps: int, lr: float) -> float:
    """Return the least IoU of a class after some steps on the same pictures, as evaluation sees them."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for _ in range(steps):
        raw = network(images)
        parts = [raw.logits, *([] if raw.auxiliary is None else [raw.auxiliary])]
        sum(dense_cross_entropy(logits, masks) for logits in parts).backward()  # type: ignore[union-attr]
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    with torch.no_grad():
        found = network.eval()(images).logits.argmax(dim=1)
    known = masks != 255
    ious = []
    for label in range(len(CLASSES)):
        said, true = (found == label) & known, masks == label
        ious.append(float((said & true).sum() / (said | true).sum()))
    return min(ious)


@pytest.mark.parametrize("name", ["unet", "unet_mobilenetv2_100", "fcn8s"])
def test_it_learns_four_pictures_by_heart(name: str) -> None:
    found = iou_by_heart(build(name), *scene(name, 4), steps=80, lr=1e-2)
    assert found > 0.9


@entries
@pytest.mark.slow
def test_every_network_learns_four_pictures_by_heart(name: str) -> None:
    # a bar has to be wider than a cell of the map that answers
    side = {"fcn32s": 224, "fcn16s": 128}.get(name, size_of(name)[0])
    pictures = scene(name, 4, size=(side, side))
    found = iou_by_heart(build(name), *pictures, steps=120, lr=1e-3 if is_heavy(name) else 3e-3)
    assert found > {"fcn32s": 0.5, "fcn16s": 0.6}.get(name, 0.8)


@functools.cache
def _published() -> Any:
    return pytest.importorskip("torchvision").models


@pytest.mark.parametrize("entry", [e for e in MODELS if e.pretrained == "coco"], ids=lambda e: e.name)
def test_the_catalogue_says_how_many_parameters_the_published_network_has(entry: Any) -> None:
    weights = _published().get_model_weights(entry.args["architecture"])
    assert entry.parameters == weights.DEFAULT.meta["num_params"]
    assert weights.DEFAULT.name in entry.weights


@pytest.mark.parametrize("name", [entry.name for entry in MODELS if entry.multiple > 1])
def test_the_catalogue_says_what_the_side_of_the_input_is_a_multiple_of(name: str) -> None:
    height, width = size_of(name)
    with pytest.raises(ConfigError, match=f"is a multiple of {MODELS[name].multiple} px"):
        build(name, size=(height, width + MODELS[name].multiple // 2))
    build(name, size=(height, width + MODELS[name].multiple))
