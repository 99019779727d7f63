"""Distances of pictures as a frozen network sees them."""

import pytest
import torch

from nayan.core.errors import NotFound
from nayan.parts.losses.perceptual import (
    Features,
    build_features,
    content_loss,
    describe,
    gram,
    moments,
    style_distances,
    style_loss,
    total_variation,
)

LAYERS = ("layer1", "layer2")


@pytest.fixture(scope="module")
def features() -> Features:
    torch.manual_seed(0)
    return build_features("test_resnet", layers=LAYERS, weights="none")


def picture(seed: int = 0, *, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, 32, 40, generator=torch.Generator().manual_seed(seed)) * 255


def test_features_stay_as_they_are_whatever_surrounds_them(features: Features) -> None:
    before = {name: values.clone() for name, values in features.state_dict().items()}
    around = torch.nn.Sequential(torch.nn.Linear(1, 1))
    around.add_module("judge", features)
    around.train()
    features(picture(count=3))
    assert not any(module.training for module in features.modules())
    assert not any(parameter.requires_grad for parameter in features.parameters())
    assert all(torch.equal(values, before[name]) for name, values in features.state_dict().items())


def test_a_picture_is_as_it_should_be_when_it_is_what_is_wanted(features: Features) -> None:
    maps = features(picture())
    assert float(content_loss(maps, maps)) == 0
    assert float(style_loss(maps, describe(maps, gram), gram)) == 0
    other = features(picture(1))
    assert float(content_loss(other, maps)) > 0.01
    assert float(style_loss(other, describe(maps, gram), gram)) > 0


@pytest.mark.parametrize("statistic", [gram, moments])
def test_a_style_does_not_say_where_things_are(statistic: object) -> None:
    assert statistic in (gram, moments)
    maps = torch.rand(2, 5, 4, 6)
    shuffled = maps.flatten(2)[:, :, torch.randperm(24)].reshape(2, 5, 4, 6)
    torch.testing.assert_close(statistic(maps), statistic(shuffled))  # type: ignore[operator]


def test_distances_do_not_depend_on_the_scale_of_a_layer() -> None:
    maps, wanted = {"a": torch.rand(1, 4, 5, 5)}, {"a": torch.rand(1, 4, 5, 5)}
    large, large_wanted = {"a": 7 * maps["a"]}, {"a": 7 * wanted["a"]}
    torch.testing.assert_close(content_loss(maps, wanted), content_loss(large, large_wanted))
    torch.testing.assert_close(
        style_loss(maps, describe(wanted, gram), gram), style_loss(large, describe(large_wanted, gram), gram)
    )


def test_the_photograph_itself_is_one_unit_from_the_style() -> None:
    maps, wanted = {"a": torch.rand(1, 4, 5, 5)}, describe({"a": torch.rand(1, 4, 5, 5)}, gram)
    away = style_distances(maps, wanted, gram)
    torch.testing.assert_close(style_loss(maps, wanted, gram, unit=away), torch.tensor(1.0))


def test_gradients_reach_the_pixels(features: Features) -> None:
    pixels = picture().requires_grad_()
    content_loss(features(pixels), features(picture(1))).backward()
    assert pixels.grad is not None
    assert float(pixels.grad.abs().max()) > 0


def test_smooth_features_take_means_where_the_network_takes_the_largest() -> None:
    smooth = build_features("squeezenet1_0", layers=("features.3",), weights="none", smooth=True)
    assert not any(isinstance(module, torch.nn.MaxPool2d) for module in smooth.modules())
    stages = [module for _, stage in smooth.backbone.stages for module in stage.modules()]
    assert not any(isinstance(module, torch.nn.MaxPool2d) for module in stages)
    assert any(isinstance(module, torch.nn.AvgPool2d) for module in stages)


def test_layers_before_a_rectifier_are_not_overwritten_by_it() -> None:
    features = build_features("squeezenet1_0", layers=("features.0", "features.1"), weights="none")
    maps = features(picture())
    assert float(maps["features.0"].min()) < 0 <= float(maps["features.1"].min())


def test_nothing_behind_the_last_layer_is_run() -> None:
    features = build_features("resnet18", layers=("layer1",), weights="none")
    seen = []
    features.backbone.model.layer4.register_forward_hook(lambda *_: seen.append("layer4"))  # type: ignore[union-attr,operator]
    features(picture())
    assert not seen


def test_an_unknown_layer_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match=r"layer9.*did you mean|layer9"):
        build_features("test_resnet", layers=("layer9",), weights="none")


def test_smoothness_counts_neighbours_of_both_directions() -> None:
    rows = torch.zeros(1, 1, 4, 4)
    rows[:, :, ::2] = 255
    assert float(total_variation(rows)) == float(total_variation(rows.transpose(2, 3))) == 1.0
    assert float(total_variation(torch.full((1, 3, 4, 4), 9.0))) == 0
