"""Filling networks with weights: what is taken, what is reported, what is refused."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from nayan.core.errors import WeightsError
from nayan.parts import hub
from nayan.parts.normalise import Normalise
from nayan.parts.weights import load_weights
from nayan.tasks.classification.models import backbone_classifier, lenet
from nayan.tasks.classification.network import Classifier

CLASSES = ("cat", "dog", "owl")
TINY = "test_efficientnet"  # timm's own miniature of the family, made for tests


def tiny(classes: tuple[str, ...] = CLASSES, backbone: str = TINY, **args: object) -> Classifier:
    return backbone_classifier.build(classes, backbone=backbone, **args)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    model = timm.create_model(TINY)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return dict(model.state_dict())


@pytest.fixture
def file(published: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    save_file(published, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_none_loads_nothing_and_says_so() -> None:
    report = load_weights(tiny(), "none")
    assert (report.loaded, report.head_loaded) == ((), False)
    assert "random" in report.summary


def test_a_published_file_fills_the_backbone_and_leaves_a_classifier_of_another_size(
    file: Path, published: dict[str, torch.Tensor]
) -> None:
    network = tiny()
    before = network.state_dict()["head.layers.linear.weight"].clone()
    report = load_weights(network, file)
    ours = network.backbone.model.state_dict()
    assert all(torch.equal(ours[key], published[key]) for key in ours)
    assert torch.equal(network.state_dict()["head.layers.linear.weight"], before)
    assert not report.head_loaded
    assert set(report.mismatched) == {"head.layers.linear.weight", "head.layers.linear.bias"}
    assert report.missing == ()
    assert report.unexpected == ()
    assert "the classifier starts anew" in report.summary


def test_a_published_file_fills_the_classifier_too_where_it_fits_and_gives_the_published_answers(
    file: Path, published: dict[str, torch.Tensor]
) -> None:
    network = tiny(tuple(str(n) for n in range(1000))).eval()
    assert load_weights(network, file).head_loaded
    model = timm.create_model(TINY).eval()
    model.load_state_dict(published)
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = model(network.normalise(pixels))
        assert torch.allclose(network(pixels).logits, expected, atol=1e-4)


def test_keys_that_a_training_script_prefixed_are_recognised(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file({f"module.{key}": tensor for key, tensor in published.items()}, tmp_path / "p.safetensors")
    assert len(load_weights(tiny(), tmp_path / "p.safetensors").loaded) > 50


def test_a_file_without_the_counters_of_batch_normalisation_is_complete(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    old = {key: tensor for key, tensor in published.items() if not key.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    assert load_weights(tiny(), tmp_path / "old.safetensors").missing == ()


def test_the_weights_of_a_bundle_come_back_with_classifier_temperature_and_normalisation(
    tmp_path: Path,
) -> None:
    trained = tiny(mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5))
    trained.temperature.fill_(1.7)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    network = tiny()
    report = load_weights(network, tmp_path)  # the folder of the bundle
    assert report.head_loaded
    assert all(torch.equal(tensor, trained.state_dict()[key]) for key, tensor in network.state_dict().items())


def test_a_bundle_for_other_classes_gives_its_backbone_but_not_its_temperature(tmp_path: Path) -> None:
    trained = tiny(("a", "b"))
    trained.temperature.fill_(1.7)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    network = tiny()
    assert not load_weights(network, tmp_path).head_loaded
    assert network.temperature.item() == 1.0


def test_a_network_for_gray_pictures_answers_as_the_colour_one_does_to_gray_pictures(file: Path) -> None:
    level = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    colour, gray = tiny(**level).eval(), tiny(**level, channels=1).eval()
    load_weights(colour, file)
    load_weights(gray, file)
    gray.head.load_state_dict(colour.head.state_dict())
    pixels = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(gray(pixels).logits, colour(pixels.expand(1, 3, 64, 64)).logits, atol=1e-4)


def test_weights_of_another_architecture_are_refused_with_the_first_differences_and_their_name(
    tmp_path: Path,
) -> None:
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "other.safetensors")
    network = tiny()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(network, tmp_path / "other.safetensors")
    assert f"does not belong to {TINY}" in caught.value.message
    assert "tensors match" in caught.value.message
    assert "the file lacks it" in caught.value.message
    assert "and " in caught.value.message.splitlines()[-1]
    assert "test_resnet" in caught.value.hint
    assert caught.value.exit_code == 4
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_a_deeper_network_of_the_same_family_is_refused_although_every_key_is_found(tmp_path: Path) -> None:
    with torch.device("meta"):
        deep = timm.create_model("resnet34").state_dict()
    zeros = {key: torch.zeros(tensor.shape, dtype=torch.float16) for key, tensor in deep.items()}
    save_file(zeros, tmp_path / "deep.safetensors")
    with pytest.raises(WeightsError, match="the network lacks it") as caught:
        load_weights(tiny(backbone="resnet18"), tmp_path / "deep.safetensors")
    assert "resnet34" in caught.value.hint


def test_a_file_of_nothing_known_says_what_to_do(tmp_path: Path) -> None:
    save_file({"a.weight": torch.zeros(2)}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError) as caught:
        load_weights(tiny(), tmp_path / "odd.safetensors")
    assert "--weights none" in caught.value.hint


def test_a_wider_layer_is_shown_with_both_shapes(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    wide = {**published, "conv_stem.weight": torch.zeros(99, 3, 3, 3)}
    save_file(wide, tmp_path / "wide.safetensors")
    with pytest.raises(
        WeightsError, match=r"conv_stem.weight: the file has \(99, 3, 3, 3\), the network has"
    ):
        load_weights(tiny(), tmp_path / "wide.safetensors")


def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"never read")
    with pytest.raises(WeightsError, match="reads no pickles") as caught:
        load_weights(tiny(), tmp_path / "net.pth")
    assert "safetensors.torch" in caught.value.hint
    assert "weights_only=True" in caught.value.hint


def test_a_damaged_or_absent_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(tiny(), tmp_path / "cut.safetensors")
    with pytest.raises(WeightsError, match="no file of weights"):
        load_weights(tiny(), tmp_path / "absent.safetensors")


def test_a_file_that_states_its_normalisation_brings_it_along(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "stated.safetensors"
    save_file(published, path, metadata={"input": "160 RGB mean 0.5 std 0.5"})
    network = tiny()
    report = load_weights(network, path)
    assert torch.equal(network.normalise.offset, Normalise((0.5,) * 3, (0.5,) * 3).offset)
    assert "mean [0.5, 0.5, 0.5]" in report.summary


def test_hub_weights_come_out_of_a_filled_cache_without_asking_anybody(
    published: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny()
    repository = timm.get_pretrained_cfg(TINY).hf_hub_id.replace("/", "--")
    snapshot = tmp_path / f"models--{repository}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (tmp_path / f"models--{repository}" / "refs").mkdir()
    (tmp_path / f"models--{repository}" / "refs" / "main").write_text("0" * 40)
    save_file(published, snapshot / "model.safetensors")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    report = load_weights(network, "imagenet")
    assert len(report.loaded) == len(network.backbone.model.state_dict())
    assert torch.equal(network.state_dict()["backbone.model.conv_stem.weight"], published["conv_stem.weight"])


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("empty_cache")
def test_an_unreachable_hub_is_said_at_once_with_the_three_ways_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(WeightsError, match="cannot be reached") as caught:
        load_weights(tiny(), "imagenet")
    assert all(way in caught.value.hint for way in ("--weights FILE", "--weights none", "HF_HOME"))
    assert huggingface_hub.constants.HF_HUB_OFFLINE is False


@pytest.mark.usefixtures("empty_cache")
def test_offline_mode_is_named_when_the_cache_lacks_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        load_weights(tiny(), "imagenet")


def test_torchvision_weights_that_cannot_be_fetched_name_their_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="squeezenet1_0 cannot be fetched from https") as caught:
        load_weights(tiny(backbone="squeezenet1_0"), "imagenet")
    assert "TORCH_HOME" in caught.value.hint


def test_a_network_without_published_weights_says_so() -> None:
    with pytest.raises(WeightsError, match="nobody publishes weights for lenet"):
        load_weights(lenet.build(CLASSES), "imagenet")
    without = next(n for n in timm.list_models() if not timm.get_pretrained_cfg(n).has_weights)
    known = hub.Published(without, "timm")
    with pytest.raises(WeightsError, match="timm knows no weights"):
        hub.published_weights(known)


@pytest.mark.data
@pytest.mark.parametrize(("name", "tensors"), [("mobilenetv2_100", 314), ("squeezenet1_0", 52)])
def test_real_imagenet_files_load_whole(data_packs: Path, name: str, tensors: int) -> None:
    path = data_packs / "weights" / f"{name}_imagenet.safetensors"
    classes = tuple(str(n) for n in range(1000))
    network = backbone_classifier.build(classes, backbone=name, head="paper")
    report = load_weights(network, path)
    assert len(report.loaded) == tensors == len(load_file(path))
    assert report.head_loaded
    assert not load_weights(tiny(backbone=name), path).head_loaded
