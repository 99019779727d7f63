"""What only some segmenters have: ways up, bridges, scores that begin at zero, sizes that are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from nayan.core.errors import ConfigError, MissingExtra, NotFound, WeightsError
from nayan.parts.decoder import UNetDecoder
from nayan.parts.grid_pool import GridPool
from nayan.parts.lone_norm import LoneNorm, learn_from_one
from nayan.parts.normalise import Normalise
from nayan.parts.upsample import UPS, Interpolate, bilinear_kernel, learnt_bilinear, upsampling
from nayan.parts.weights import load_weights
from nayan.tasks.segmentation.models.fcn import fcn
from nayan.tasks.segmentation.models.smp import smp_segmenter
from nayan.tasks.segmentation.models.torchvision_segmenters import torchvision_segmenter
from nayan.tasks.segmentation.models.unet import unet
from nayan.tasks.segmentation.network import SegmentationRaw, Segmenter

HALF: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
CLASSES = ("a", "b", "c")
TINY = "test_resnet"


def pixels(size: tuple[int, int] = (64, 64), count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8)


class TestUpsampling:
    @pytest.mark.parametrize("up", UPS)
    def test_every_kind_doubles_the_map(self, up: Any) -> None:
        assert upsampling(6, 4, up=up)(torch.zeros(2, 6, 3, 5)).shape == (2, 4, 6, 10)

    def test_another_kind_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="transposed, bilinear, nearest, not by 'bicubic'"):
            upsampling(4, 4, up="bicubic")  # type: ignore[arg-type]

    @pytest.mark.parametrize("factor", [2, 8])
    def test_a_learnt_one_begins_as_bilinear_interpolation_away_from_the_border(self, factor: int) -> None:
        x = torch.randn(1, 3, 5, 6)
        found, expected = learnt_bilinear(3, factor=factor)(x), Interpolate(factor)(x)
        assert found.shape == expected.shape
        inside = slice(factor // 2, -(factor // 2))
        torch.testing.assert_close(found[..., inside, inside], expected[..., inside, inside])

    @pytest.mark.parametrize("factor", [2, 4, 32])
    def test_every_pixel_gets_one_whole_share_of_the_cells_around_it(self, factor: int) -> None:
        kernel = bilinear_kernel(factor)
        shares = kernel.reshape(2, factor, 2, factor).sum(dim=(0, 2))
        torch.testing.assert_close(shares, torch.ones(factor, factor))

    def test_mixing_channels_before_interpolation_is_mixing_them_afterwards(self) -> None:
        layer: Any = upsampling(6, 4, up="bilinear")
        x = torch.randn(1, 6, 3, 5)
        torch.testing.assert_close(layer(x), layer[0](layer[1](x)))


class TestDecoder:
    def test_steps_are_named_by_the_stride_to_which_they_lead(self) -> None:
        decoder = UNetDecoder((8, 16, 32), (4, 6), strides=(2, 4))
        assert list(decoder.steps) == ["4", "2"]
        maps = [torch.zeros(1, 8, 16, 16), torch.zeros(1, 16, 8, 8), torch.zeros(1, 32, 4, 4)]
        assert decoder(maps).shape == (1, 4, 16, 16)

    def test_without_bridges_the_finer_maps_are_not_looked_at(self) -> None:
        torch.manual_seed(0)
        maps = [torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8), torch.randn(1, 32, 4, 4)]
        others = [torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8), maps[2]]
        for skips in (True, False):
            decoder = UNetDecoder((8, 16, 32), (4, 6), strides=(2, 4), skips=skips).eval()
            with torch.no_grad():
                assert torch.equal(decoder(maps), decoder(others)) != skips


class TestUnet:
    def test_the_papers_width_has_the_papers_parameters(self) -> None:
        network = unet(["a", "b"], width=64, channels=1, size=(64, 64), mean=(0.5,), std=(0.5,))
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        # 31,030,658 with a bias in each 3x3 convolution, where ours has the two values of batch normalisation
        biases = sum(m.out_channels for m in convolutions if m.bias is None)
        assert (
            sum(m.weight.numel() for m in convolutions)
            + biases
            + sum(m.bias.numel() for m in convolutions if m.bias is not None)
            == 31_030_658
        )

    def test_it_ends_at_the_finest_map_of_its_backbone(self) -> None:
        strides = {
            name: unet(CLASSES, backbone=name, size=(64, 64), **HALF).get_submodule("backbone").strides
            for name in (TINY, "test_convnext")
        }
        assert strides == {TINY: (2, 4, 8, 16, 32), "test_convnext": (4, 8, 16, 32)}

    def test_published_weights_of_the_backbone_are_found(self, tmp_path: Path) -> None:
        model = timm.create_model(TINY)
        save_file(model.state_dict(), tmp_path / "weights.safetensors")
        network: Any = unet(CLASSES, backbone=TINY, size=(64, 64), **HALF)
        report = load_weights(network, tmp_path / "weights.safetensors")
        assert not report.head_loaded
        assert torch.equal(network.backbone.model.conv1[0].weight, model.conv1[0].weight)

    def test_it_goes_on_from_its_own_weights_to_other_classes(self, tmp_path: Path) -> None:
        trained, fresh = (unet(names, width=4, size=(64, 64), **HALF) for names in (CLASSES, ("x", "y")))
        save_file(trained.state_dict(), tmp_path / "weights.safetensors")
        report = load_weights(fresh, tmp_path / "weights.safetensors")
        assert set(report.mismatched) == {"head.logits.weight", "head.logits.bias"}
        ours, theirs = fresh.state_dict(), trained.state_dict()
        assert {k for k in ours if not torch.equal(ours[k], theirs[k])} == set(report.mismatched)

    def test_nobody_publishes_weights_of_the_papers_own_encoder(self) -> None:
        with pytest.raises(WeightsError, match="nobody publishes weights"):
            load_weights(unet(CLASSES, width=4, size=(64, 64), **HALF), "imagenet")

    @pytest.mark.parametrize(("backbone", "size"), [(None, (72, 64)), (TINY, (64, 80))])
    def test_sizes_that_the_stride_does_not_divide_are_refused(
        self, backbone: str | None, size: tuple[int, int]
    ) -> None:
        with pytest.raises(
            ConfigError, match=f"multiple of {16 if backbone is None else 32} px, got"
        ) as info:
            unet(CLASSES, backbone=backbone, size=size, **HALF)
        assert "try " in info.value.hint

    def test_dropout_stands_at_the_bottom_or_before_the_head(self) -> None:
        own = unet(CLASSES, width=4, dropout=0.3, size=(64, 64), **HALF)
        other = unet(CLASSES, backbone=TINY, dropout=0.3, size=(64, 64), **HALF)
        rates = [{m.p for m in n.modules() if isinstance(m, nn.Dropout | nn.Dropout2d)} for n in (own, other)]
        assert rates == [{0.0, 0.3}, {0.3}]


class TestFcn:
    def test_the_finer_ones_begin_as_the_coarsest_alone(self) -> None:
        network = fcn(CLASSES, backbone=TINY, size=(64, 64), **HALF)
        sees, scores = network.get_submodule("backbone"), network.get_submodule("scores")
        fine, middle, coarse = sees(torch.randn(2, 3, 64, 64))
        others = [torch.randn_like(fine), torch.randn_like(middle), coarse]
        assert torch.equal(scores([fine, middle, coarse]), scores(others))
        assert not torch.equal(scores([fine, middle, -coarse]), scores(others))

    def test_zero_scores_still_learn(self) -> None:
        network = fcn(CLASSES, backbone=TINY, size=(64, 64), **HALF)
        network(pixels()).logits.square().sum().backward()
        fusion: Any = network.get_submodule("scores")
        assert all(score.score.weight.grad.abs().sum() > 0 for score in fusion.scores)

    def test_vgg_is_the_default_and_gives_the_last_maps_of_its_strides(self) -> None:
        with torch.device("meta"):
            channels = fcn(CLASSES, size=(64, 64), **HALF).get_submodule("backbone").channels
        assert channels == (512, 512, 512)

    @pytest.mark.parametrize("wrong", [{"stride": 4}, {"size": (64, 70)}])
    def test_what_does_not_fit_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"8, 16 or 32, not 4|multiple of 32 px, got 64x70"):
            fcn(CLASSES, backbone=TINY, **{"size": (64, 64), **wrong}, **HALF)


class TestSmp:
    def test_without_the_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
        with pytest.raises(MissingExtra, match="segmentation_models_pytorch is not installed") as info:
            smp_segmenter(CLASSES, architecture="unet", backbone=TINY, size=(64, 64), **HALF)
        assert 'pip install "nayan[smp]"' in info.value.hint

    def test_an_older_package_is_named_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        package = pytest.importorskip("segmentation_models_pytorch")
        monkeypatch.delattr(package, "Segformer")
        with pytest.raises(MissingExtra, match="a newer segmentation_models_pytorch, which has Segformer"):
            smp_segmenter(CLASSES, architecture="segformer", backbone=TINY, size=(64, 64), **HALF)

    def test_unknown_architectures_and_impossible_sizes_are_refused(self) -> None:
        with pytest.raises(NotFound, match="no model is named 'smp/unett'"):
            smp_segmenter(CLASSES, architecture="unett", backbone=TINY, size=(64, 64), **HALF)
        with pytest.raises(ConfigError, match="smp/pan needs pictures of at least 256 px, got 128x256"):
            smp_segmenter(CLASSES, architecture="pan", backbone=TINY, size=(128, 256), **HALF)
        with pytest.raises(ConfigError, match="multiple of 32"):
            smp_segmenter(CLASSES, architecture="unet", backbone=TINY, size=(60, 64), **HALF)

    def test_dropout_goes_where_the_architecture_has_it_and_is_refused_elsewhere(self) -> None:
        pytest.importorskip("segmentation_models_pytorch")
        for given, expected in ((0.0, 0.2), (0.4, 0.4)):
            network = smp_segmenter(
                CLASSES, architecture="fpn", backbone=TINY, size=(64, 64), dropout=given, **HALF
            )
            assert {m.p for m in network.modules() if isinstance(m, nn.Dropout2d)} == {expected}
        with pytest.raises(ConfigError, match="smp/unet has no dropout, got"):
            smp_segmenter(CLASSES, architecture="unet", backbone=TINY, size=(64, 64), dropout=0.4, **HALF)

    def test_a_backbone_that_the_decoder_cannot_stand_on_is_refused(self) -> None:
        pytest.importorskip("segmentation_models_pytorch")
        with pytest.raises(ConfigError, match=r"vgg11 cannot be built|are needed"):
            smp_segmenter(CLASSES, architecture="deeplabv3plus", backbone="vgg11", size=(64, 64), **HALF)


class TestTorchvision:
    NAME = "lraspp_mobilenet_v3_large"

    def build(self, classes: int = 3, name: str = NAME, **args: Any) -> Any:
        return torchvision_segmenter(
            [str(n) for n in range(classes)], architecture=name, **{"size": (64, 64), **args}, **HALF
        )

    def published(self) -> dict[str, Tensor]:
        torch.manual_seed(3)
        model = torchvision.models.get_model(self.NAME, weights=None, weights_backbone=None, num_classes=21)
        return dict(model.state_dict())

    def test_published_weights_fill_all_but_the_classes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        given = self.published()
        weights = torchvision.models.get_model_weights(self.NAME).DEFAULT
        monkeypatch.setattr(
            type(weights), "get_state_dict", lambda *_args, **_options: given
        )  # the hub, which a test may not ask
        for classes, whole in ((21, True), (3, False)):
            network = self.build(classes)
            report = load_weights(network, "coco")
            assert report.head_loaded == whole
            state = network.model.state_dict()
            new = {key for key in given if not torch.equal(state[key], given[key])}
            assert new == set(report.mismatched)
            assert all("_classifier" in key for key in new)

    def test_the_logits_are_those_of_torchvision(self) -> None:
        network = self.build(21).eval()
        model = torchvision.models.get_model(self.NAME, weights=None, weights_backbone=None, num_classes=21)
        model.load_state_dict(network.model.state_dict())
        images = pixels((64, 96))
        with torch.no_grad():
            expected = model.eval()(network.normalise(images))["out"]
            assert torch.equal(network(images).logits, expected)

    def test_an_auxiliary_head_speaks_only_while_it_learns(self) -> None:
        network = self.build(name="deeplabv3_mobilenet_v3_large")
        assert network.train()(pixels()).auxiliary.shape == (2, 3, 64, 64)
        assert network.eval()(pixels()).auxiliary is None

    def test_gray_small_and_unknown_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="3 channels, got 1"):
            self.build(channels=1)
        with pytest.raises(ConfigError, match="at least 32 px, got 16x64"):
            self.build(size=(16, 64))
        with pytest.raises(NotFound, match="no model is named 'fcn_resnet5'"):
            self.build(name="fcn_resnet5")

    def test_dropout_is_torchvisions_own_unless_it_is_given(self) -> None:
        for given, expected in ((0.0, 0.5), (0.3, 0.3)):
            network = self.build(name="deeplabv3_mobilenet_v3_large", dropout=given)
            aspp = network.model.classifier[0]
            assert {m.p for m in aspp.modules() if isinstance(m, nn.Dropout)} == {expected}


class TestSegmenter:
    def test_a_chain_that_begins_with_its_own_normalisation_needs_none(self) -> None:
        class Head(nn.Module):
            def forward(self, x: Tensor) -> SegmentationRaw:
                return SegmentationRaw(x)

        sees = nn.Sequential(Normalise(**HALF), nn.Conv2d(3, 2, 1))
        network = Segmenter([("backbone", sees), ("head", Head())])
        assert network.stages()[0][1] is sees
        probabilities = network.deploy(network(pixels((4, 4))))["probabilities"]
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, 4, 4))


class TestLoneNorm:
    def test_several_values_are_normalised_as_ever(self) -> None:
        x = torch.randn(3, 4, 2, 2)
        torch.testing.assert_close(LoneNorm(4)(x), nn.BatchNorm2d(4)(x))

    def test_a_single_value_is_normalised_by_what_was_seen_before_and_changes_nothing(self) -> None:
        norm = LoneNorm(2)
        norm(torch.randn(8, 2, 1, 1))
        before = {key: value.clone() for key, value in norm.state_dict().items()}
        x = torch.randn(1, 2, 1, 1, requires_grad=True)
        found = norm(x)
        torch.testing.assert_close(found, norm.eval()(x))
        assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
        found.sum().backward()
        assert x.grad is not None

    def test_values_stay_where_a_norm_is_replaced(self) -> None:
        layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4, eps=1e-3, momentum=0.2)))
        layers(torch.randn(2, 3, 4, 4))
        before = {key: value.clone() for key, value in layers.state_dict().items()}
        learn_from_one(layers)
        norm: Any = layers.get_submodule("1.0")
        assert (type(norm), norm.eps, norm.momentum) == (LoneNorm, 1e-3, 0.2)
        assert all(torch.equal(value, before[key]) for key, value in layers.state_dict().items())


@pytest.mark.parametrize("cells", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (6, 12), (7, 5), (20, 31)])
def test_a_grid_of_means_is_torchs_own(cells: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(GridPool(cells)(x), F.adaptive_avg_pool2d(x, cells))
