"""Weights of whole detectors: from torchvision's cache, from files, and what is refused."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from squares import CLASSES, learn, missed_and_wrong, squares

from nayan.core.errors import WeightsError
from nayan.parts.weights import load_weights
from nayan.tasks.detection.catalog import MODELS
from nayan.tasks.detection.coco_classes import COCO_CLASSES
from nayan.tasks.detection.models.torchvision_detectors import TorchvisionDetector, torchvision_detector
from nayan.tasks.detection.models.yolo_v2 import yolo_v2
from nayan.tasks.detection.task import DetectionTask

NAME = "ssdlite320_mobilenet_v3_large"
FILE = "ssdlite320_mobilenet_v3_large_coco-a79551df.pth"  # as the hub calls it


def build(classes: tuple[str, ...] = CLASSES) -> TorchvisionDetector:
    return torchvision_detector(classes, architecture=NAME, size=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    model = torchvision.models.get_model(NAME, weights=None, weights_backbone=None, num_classes=91)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    # like the files that were trained with frozen statistics, this one does not count batches
    return {key: t for key, t in model.state_dict().items() if not key.endswith("num_batches_tracked")}


@pytest.fixture
def cache(published: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(published, folder / FILE)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return folder


@pytest.mark.usefixtures("cache")
def test_for_cocos_own_classes_the_cached_weights_fill_everything(published: dict[str, torch.Tensor]) -> None:
    network = build(COCO_CLASSES)
    report = load_weights(network, "coco", MODELS[NAME])
    state = network.model.state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in published.items())
    assert report.head_loaded
    assert set(report.loaded) == set(published)
    assert (report.missing, report.mismatched, report.unexpected) == ((), (), ())


@pytest.mark.usefixtures("cache")
def test_for_other_classes_only_the_layers_that_tell_them_apart_start_anew(
    published: dict[str, torch.Tensor],
) -> None:
    network = build()
    report = load_weights(network, "coco", MODELS[NAME])
    state = network.model.state_dict()
    assert not report.head_loaded
    assert len(report.mismatched) == 12  # weight and bias on six maps
    assert all("classification_head.module_list" in key for key in report.mismatched)
    kept = set(published) - set(report.mismatched)
    assert all(torch.equal(state[key], published[key]) for key in kept)


def test_without_network_and_cache_the_error_names_the_ways_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(
        WeightsError, match=f"the weights of {NAME} cannot be fetched from .*no route"
    ) as info:
        load_weights(build(), "coco", MODELS[NAME])
    for way in ("--weights FILE", "--weights none", "TORCH_HOME"):
        assert way in info.value.hint


def test_a_file_with_the_published_names_fills_like_the_hub(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(published, tmp_path / "published.safetensors")
    report = load_weights(build(COCO_CLASSES), tmp_path / "published.safetensors")
    assert report.head_loaded


def test_a_file_of_our_own_brings_its_normalisation(tmp_path: Path) -> None:
    torch.manual_seed(4)
    trained = torchvision_detector(
        CLASSES, architecture=NAME, size=(64, 64), mean=(0.2,) * 3, std=(0.1,) * 3
    ).eval()
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    network = build().eval()
    report = load_weights(network, tmp_path)
    assert report.head_loaded
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(network(images).logits, trained(images).logits)


def test_a_file_of_another_network_is_refused_and_nothing_is_filled(tmp_path: Path) -> None:
    save_file({"layer1.0.conv1.weight": torch.zeros(4, 4, 3, 3)}, tmp_path / "other.safetensors")
    network = build()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=f"does not belong to {NAME}: 0 of"):
        load_weights(network, tmp_path / "other.safetensors", MODELS[NAME])
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_weights_that_nobody_publishes_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(WeightsError, match="published as a whole") as info:
        load_weights(build(), "imagenet", MODELS[NAME])
    assert "--weights coco" in info.value.hint
    other: Any = yolo_v2(
        CLASSES, backbone="test_efficientnet", size=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3
    )
    with pytest.raises(WeightsError, match="nobody publishes weights of yolo_v2 for COCO") as info:
        load_weights(other, "coco", MODELS["yolo_v2"])
    assert "--weights imagenet" in info.value.hint


def own(classes: tuple[str, ...], name: str = "yolo", **args: object) -> torch.nn.Module:
    torch.manual_seed(len(classes))
    return DetectionTask().build(MODELS[name], classes, size=(64, 64), **args)


def test_a_detector_of_our_own_goes_on_from_its_weights_and_learns_other_classes(tmp_path: Path) -> None:
    trained, fresh = own(("a", "b")), own(("x", "y", "z"))
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    before = fresh.head.logits.weight.clone()
    report = load_weights(fresh, tmp_path)
    ours, theirs = fresh.state_dict(), trained.state_dict()
    new = {"head.logits.weight", "head.logits.bias"}
    assert {k for k in ours if not torch.equal(ours[k], theirs[k])} == new
    assert torch.equal(fresh.head.logits.weight, before)
    assert set(report.mismatched) == new
    assert not report.missing


def test_weights_of_another_scale_are_refused_and_nothing_is_filled(tmp_path: Path) -> None:
    save_file(own(("a", "b")).state_dict(), tmp_path / "weights.safetensors")
    network = own(("a", "b"), "yolo_s")
    before = {k: t.clone() for k, t in network.state_dict().items()}
    with pytest.raises(WeightsError, match="does not belong to yolo_s"):
        load_weights(network, tmp_path, MODELS["yolo_s"])
    assert all(torch.equal(t, before[k]) for k, t in network.state_dict().items())


@pytest.mark.parametrize(("name", "args"), [("yolo", {}), ("yolo_v2", {"backbone": "darknet19"})])
def test_backbones_of_our_own_are_published_by_nobody(name: str, args: dict[str, object]) -> None:
    for source in ("imagenet", "coco"):
        with pytest.raises(WeightsError, match=f"nobody publishes weights of {name}") as caught:
            load_weights(own(("a",), name, **args), source, MODELS[name])
        assert "--weights none" in caught.value.hint
    if args:
        assert args["backbone"] in MODELS[name].own_backbones


@pytest.mark.parametrize("entry", [e for e in MODELS if e.pretrained == "coco"], ids=lambda e: e.name)
def test_the_catalogue_says_how_many_parameters_the_published_network_has(entry: Any) -> None:
    weights: Any = torchvision.models.get_model_weights(entry.args["architecture"])
    assert entry.parameters == weights.DEFAULT.meta["num_params"]
    assert entry.name == entry.args["architecture"]


def test_statistics_follow_within_tens_of_steps_whatever_the_network_was_published_with() -> None:
    network = build().train()
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().mean((0, 2, 3))))
    with torch.no_grad():
        network(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, 0.1 * seen[0])  # torchvision: 0.03 of it


@pytest.mark.slow
@pytest.mark.timeout(900)  # the two-stage one takes 160 s of one core, and a machine may be shared
@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", NAME])
def test_it_learns_four_pictures_by_heart(name: str) -> None:
    torch.manual_seed(0)
    network = torchvision_detector(
        CLASSES, architecture=name, size=(160, 160), mean=(0.45,) * 3, std=(0.25,) * 3
    )
    if "rcnn" in name:  # 512 regions a picture, as it is published with, take five seconds a step on one core
        network.model.rpn._post_nms_top_n = {"training": 48, "testing": 48}
        network.model.roi_heads.fg_bg_sampler.batch_size_per_image = 48
    images, targets = squares(side=160)
    learn(network, images, targets, steps=80, lr=1e-3)
    learn(network, images, targets, steps=60, lr=1e-4)  # weights that rest, so that the statistics reach them
    assert missed_and_wrong(network, images, targets) == (0, 0)
