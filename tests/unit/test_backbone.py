"""Backbones as chains of stages, their smallest pictures, their first and last layers."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.parts.backbone import build_backbone
from nayan.parts.chain import find_stages
from nayan.parts.heads import ConvHead, LinearHead
from nayan.parts.minimum_size import minimum_size
from nayan.parts.normalise import Normalise
from nayan.tasks.classification.models import backbone_classifier, lenet


def names(backbone: str) -> list[str]:
    with torch.device("meta"):
        return [name for name, _ in build_backbone(backbone).stages]


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("resnet18", "stem layer1 layer2 layer3 layer4"),
        ("mobilenetv2_100", "stem " + " ".join(f"blocks.{n}" for n in range(7)) + " conv_head"),
        ("vgg16", "block1 block2 block3 block4 block5"),
        ("convnext_atto", "stem stages.0 stages.1 stages.2 stages.3"),
        ("densenet121", "stem " + " ".join(f"features.denseblock{n}" for n in range(1, 5))),
        ("squeezenet1_0", "block1 block2 block3 block4"),
        ("vit_tiny_patch16_224", "backbone"),
    ],
)
def test_stages_are_what_one_would_draw_as_one_box(backbone: str, expected: str) -> None:
    assert names(backbone) == expected.split()


@pytest.mark.parametrize(
    ("backbone", "stride", "features"),
    [("resnet18", 32, 512), ("alexnet", 32, 256), ("squeezenet1_0", 16, 512), ("levit_128s", 1, 384)],
)
def test_a_backbone_knows_its_stride_and_channels(backbone: str, stride: int, features: int) -> None:
    with torch.device("meta"):
        built = build_backbone(backbone)
    assert (built.stride, built.num_features) == (stride, features)


class Sum(nn.Module):
    """Two layers side by side: no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (self.left(x) + self.right(x)) * self.scale


class Hidden(nn.Module):
    """Two layers whose data flow is a chain but for a change in place between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x.mul_(2)
        return self.second(x)


@pytest.mark.parametrize("kind", [Sum, Hidden])
def test_a_network_that_is_no_chain_is_one_stage_with_all_its_parameters(kind: type[nn.Module]) -> None:
    network = kind().eval()
    probe = torch.rand(1, 3, 4, 4)
    stages, used, output = find_stages(network, lambda model, x: model(x), probe)
    assert [name for name, _ in stages] == ["backbone"]
    assert torch.equal(stages[0][1](probe), output)
    assert used == [name for name, _ in network.named_children()]
    assert {id(p) for p in stages[0][1].parameters()} == {id(p) for p in network.parameters()}


def test_a_network_without_children_is_one_stage() -> None:
    stages, used, _ = find_stages(nn.Identity(), lambda _, x: x * 2, torch.ones(1, 1, 2, 2))
    assert [name for name, _ in stages] == ["backbone"]
    assert used == []


def test_a_copied_classifier_runs_on_its_own_weights() -> None:
    network = backbone_classifier.build(["a", "b"], backbone="test_resnet").eval()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        x = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
        assert network(x).embedding.abs().sum() == 0
        assert twin(x).embedding.abs().sum() > 0


def test_unknown_names_and_tags_are_refused_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="resnet18") as caught:
        build_backbone("resnet_18")
    assert caught.value.exit_code == 4
    with pytest.raises(NotFound, match=r"resnet18\.a1_in1k"):
        build_backbone("resnet18.a1_in2k")


def test_weights_are_chosen_by_their_tag() -> None:
    assert build_backbone("test_resnet.r160_in1k").published.name == "test_resnet.r160_in1k"


def test_arguments_that_a_family_does_not_know_are_refused() -> None:
    with pytest.raises(ConfigError, match="pad_type"):
        build_backbone("test_convnext", pad_type="same")


def test_a_network_for_one_size_is_built_for_another_only_where_it_can_be() -> None:
    with torch.device("meta"):
        assert build_backbone("vit_tiny_patch16_224", size=(64, 64)).published.fixed_size == (64, 64)
        with pytest.raises(ConfigError, match="does not run on pictures of 8x8 px"):
            build_backbone("vit_tiny_patch16_224", size=(8, 8))


@pytest.mark.parametrize(
    ("backbone", "size", "reason"),
    [
        ("vgg16", 32, r"five poolings halve the picture, 2\^5 = 32"),
        pytest.param(
            "inception_v3",
            75,
            r"at 74 px the layer Mixed_7a\S* \(3x3, padding 0\) would get a map of 2x2",
            marks=pytest.mark.slow,  # drawing its truncated normal weights takes seconds
        ),
        ("alexnet", 63, "at 62 px the layer features.12"),
        ("resnet18", 1, "any size runs"),
        ("vit_tiny_patch16_224", 224, "exactly 224x224"),
    ],
)
def test_the_smallest_picture_is_computed_and_explained(backbone: str, size: int, reason: str) -> None:
    with torch.device("meta"):
        built = build_backbone(backbone)
    minimum = minimum_size(built)
    assert minimum.size == size
    assert re.search(reason, minimum.reason)


def test_the_smallest_picture_runs_and_one_pixel_less_does_not() -> None:
    built = build_backbone("squeezenet1_0").eval()
    smallest = minimum_size(built).size
    with torch.no_grad():
        assert 0 not in built(torch.zeros(1, 3, smallest, smallest)).shape
        with pytest.raises(RuntimeError):
            built(torch.zeros(1, 3, smallest - 1, smallest - 1))


def test_too_small_pictures_are_refused_with_the_reason() -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match="at least 32x32 px, got 31x200: five") as e:
        backbone_classifier.build(["a", "b"], backbone="vgg16", size=(31, 200))
    assert "--imgsz 32" in e.value.hint
    with pytest.raises(ConfigError, match="lenet needs pictures of at least 12 px, got 11x28"):
        lenet.build(["a", "b"], size=(11, 28))
    assert lenet.build(["a", "b"], size=(12, 12))(torch.zeros(1, 1, 12, 12)).logits.shape == (1, 2)


def test_lenet_counts_what_the_textbooks_count() -> None:
    network = lenet.build([str(n) for n in range(10)])
    assert sum(p.numel() for p in network.parameters()) == 61_706
    assert network.backbone.stages[0][1][0].weight.shape == (6, 1, 5, 5)


def test_heads_are_named_and_flatten_needs_a_size() -> None:
    with pytest.raises(NotFound, match="pool"):
        backbone_classifier.build(["a"], backbone="resnet18", head="pol")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="flatten"):
        backbone_classifier.build(["a"], backbone="test_resnet", head="flatten")


def test_dropout_reaches_the_hidden_layers_of_a_published_head() -> None:
    with torch.device("meta"):
        for backbone in ("vgg16", "alexnet"):
            network = backbone_classifier.build(["a", "b"], backbone=backbone, head="paper", dropout=0.3)
            drops = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
            assert len(drops) >= 2
            assert [p for p in drops if p] == [0.3] * len([p for p in drops if p])


def test_normalising_is_the_textbook_formula_and_keeps_the_memory_format() -> None:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8).to(memory_format=torch.channels_last)
    result = Normalise(mean.tolist(), std.tolist())(pixels)
    expected = (pixels.double() / 255 - mean.reshape(1, 3, 1, 1)) / std.reshape(1, 3, 1, 1)
    assert torch.allclose(result, expected.float(), atol=1e-5)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5, 0.5)), ((0.5,), (0.0,))])
def test_impossible_normalisation_is_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="std"):
        Normalise(mean, std)


def test_one_value_stands_for_all_channels() -> None:
    assert Normalise.for_channels((0.5,), (0.5,), channels=3).channels == 3


def test_heads_return_the_vector_that_the_last_layer_sees() -> None:
    maps = torch.rand(2, 4, 3, 3)
    logits, embedding = LinearHead(36, 5)(maps)
    assert (logits.shape, embedding.shape) == ((2, 5), (2, 36))
    logits, embedding = ConvHead(4, 5)(maps)
    assert logits.shape == (2, 5)
    assert torch.equal(embedding, maps.mean((2, 3)))
