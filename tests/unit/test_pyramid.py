"""Maps at several strides: the numbers are timm's own, the names those of the weight files."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nayan.core.errors import ConfigError, NotFound, WeightsError
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.parts.weights import load_weights

TINY = "test_resnet"  # timm's own miniature of the family, made for tests


class Network(nn.Module):
    """The least that `load_weights` fills: a pyramid, a neck of our own and a head."""

    def __init__(self, pyramid: Pyramid) -> None:
        super().__init__()
        self.normalise = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.backbone = pyramid
        self.neck = nn.Conv2d(pyramid.channels[-1], 8, 1)
        self.head = nn.Linear(8, 3)


def shaken(name: str) -> dict[str, torch.Tensor]:
    """Return the state dict of a whole published network with values that no fresh one has."""
    model = timm.create_model(name)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.01, 0.02)
    return dict(model.state_dict())


def timms_maps(name: str, file: Path, images: torch.Tensor, **args: object) -> list[torch.Tensor]:
    """Return the maps of timm's own feature extractor, its weights loaded by timm."""
    model = timm.create_model(
        name,
        features_only=True,
        out_indices=(2, 3, 4),
        pretrained=True,
        pretrained_cfg_overlay={"file": str(file), "custom_load": False},
        **args,
    ).eval()
    with torch.no_grad():
        maps: list[torch.Tensor] = model(images)
    return maps


@pytest.mark.parametrize("name", [TINY, "resnet18"])
def test_a_published_file_fills_the_pyramid_and_the_maps_are_those_of_timm(name: str, tmp_path: Path) -> None:
    save_file(shaken(name), tmp_path / "weights.safetensors")
    network = Network(build_pyramid(name, size=(64, 96))).eval()
    report = load_weights(network, tmp_path / "weights.safetensors")
    assert all(key.startswith("backbone.model.") for key in report.loaded)
    assert len(report.loaded) == len(network.backbone.model.state_dict())
    assert not report.head_loaded
    images = torch.rand(2, 3, 64, 96)
    expected = timms_maps(name, tmp_path / "weights.safetensors", images)
    with torch.no_grad():
        maps = network.backbone(images)
    assert [m.shape[1] for m in maps] == list(network.backbone.channels)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.data
def test_the_imagenet_file_of_mobilenetv2_fills_the_pyramid(data_packs: Path) -> None:
    file = data_packs / "weights" / "mobilenetv2_100_imagenet.safetensors"
    network = Network(build_pyramid("mobilenetv2_100", size=(96, 96), pad_type="same")).eval()
    report = load_weights(network, file)
    assert len(report.loaded) == len(network.backbone.model.state_dict())
    assert "mean [0.5, 0.5, 0.5]" in report.summary  # as the file states
    images = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        maps = network.backbone(images)
    for ours, theirs in zip(maps, timms_maps("mobilenetv2_100", file, images, pad_type="same"), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.data
def test_the_file_of_another_architecture_is_refused(data_packs: Path) -> None:
    network = Network(build_pyramid("mobilenetv2_100", size=(96, 96)))
    with pytest.raises(WeightsError, match="looks like squeezenet1_0"):
        load_weights(network, data_packs / "weights" / "squeezenet1_0_imagenet.safetensors")


def test_a_file_of_our_own_fills_neck_and_head_too_and_what_it_has_more_is_reported(tmp_path: Path) -> None:
    trained = Network(build_pyramid(TINY, size=(64, 64)))
    state = {**trained.state_dict(), "temperature": torch.ones(1)}
    save_file(state, tmp_path / "weights.safetensors")
    network = Network(build_pyramid(TINY, size=(64, 64)))
    report = load_weights(network, tmp_path / "weights.safetensors")
    assert report.head_loaded
    assert report.unexpected == ("temperature",)
    assert torch.equal(network.neck.weight, trained.neck.weight)
    loaded = load_file(tmp_path / "weights.safetensors")
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("strides", [(8, 16, 32), (16,), (4, 8)])
def test_every_parameter_stands_in_one_stage_and_learns(strides: tuple[int, ...]) -> None:
    pyramid = build_pyramid("resnet18" if strides == (16,) else TINY, size=(64, 64), strides=strides)
    sum(m.sum() for m in pyramid(torch.rand(2, 3, 64, 64))).backward()  # type: ignore[union-attr]
    assert [n for n, p in pyramid.named_parameters() if p.grad is None] == []
    staged = [id(p) for _, stage in pyramid.stages for p in stage.parameters()]
    assert sorted(staged) == sorted(id(p) for p in pyramid.parameters())


def test_a_network_for_one_size_is_made_for_the_size_that_is_asked_for() -> None:
    with torch.device("meta"):
        pyramid = build_pyramid("swin_tiny_patch4_window7_224", size=(64, 64), strides=(8,))
        assert [tuple(m.shape) for m in pyramid(torch.rand(1, 3, 64, 64))] == [(1, 192, 8, 8)]
    assert pyramid.published.fixed_size == (64, 64)


def test_gray_pictures_have_one_channel() -> None:
    assert build_pyramid(TINY, channels=1, size=(32, 32))(torch.rand(2, 1, 32, 32))[0].shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("name", "strides", "message"),
    [
        ("squeezenet1_0", (8, 16), "do not pad"),
        ("vit_tiny_patch16_224", (8, 16, 32), r"maps of the strides \[16\], but \[8, 16, 32\]"),
        (TINY, (16, 8), r"but \[16, 8\] are needed"),
        (TINY, (8, 64), "smaller than one cell of stride 64"),
    ],
)
def test_a_backbone_without_the_maps_is_refused(name: str, strides: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_pyramid(name, size=(48, 48), strides=strides)


def test_an_argument_that_the_backbone_does_not_know_is_named() -> None:
    with pytest.raises(ConfigError, match="pad_type"):
        build_pyramid(TINY, size=(64, 64), pad_type="same")


@pytest.mark.parametrize("name", ["resnet81", "resnet18.of_my_own"])
def test_an_unknown_name_is_answered_with_near_ones(name: str) -> None:
    with pytest.raises(NotFound, match="resnet18"):
        build_pyramid(name, size=(64, 64))
