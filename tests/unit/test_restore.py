from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nayan.core.errors import BundleError, ConfigError, NotFound, WeightsError
from nayan.runtime.bundle import Bundle, open_bundle, write_files
from nayan.tasks.restore import build_named, restore_bundle


def lenet_bundle(colour_bundle: Path, folder: Path, *, spoil: str = "") -> Bundle:
    """Return a bundle whose description and weights are those of a small LeNet."""
    made = build_named("lenet", channels=3, classes=3)
    state = {name: value.clone() for name, value in made.network.state_dict().items() if name != spoil}
    save_file(state, folder / "w.safetensors")
    old = open_bundle(colour_bundle)
    args = {"channels": 3, "size": made.preprocess.size, "mean": [0.5] * 3, "std": [0.5] * 3}
    spec = old.spec.with_(model="lenet", model_args=args)
    files = {"model.onnx": old.graph, "weights.safetensors": folder / "w.safetensors"}
    return open_bundle(write_files(folder / "model", spec=spec, golden=old.golden(), files=files))


def test_a_bundle_gives_back_its_network_with_its_weights(colour_bundle: Path, tmp_path: Path) -> None:
    bundle = lenet_bundle(colour_bundle, tmp_path)
    first, second = restore_bundle(bundle), restore_bundle(bundle)
    pixels = torch.zeros(1, 3, *build_named("lenet").preprocess.size, dtype=torch.uint8)
    assert not first.network.training
    assert first.classes == ("red", "green", "blue")
    with torch.inference_mode():
        assert torch.equal(first.network(pixels).logits, second.network(pixels).logits)


def test_weights_that_lack_a_layer_are_refused_by_its_name(colour_bundle: Path, tmp_path: Path) -> None:
    names = build_named("lenet").network.state_dict()
    spoilt = next(name for name in names if name.endswith("bias"))
    with pytest.raises(WeightsError, match=spoilt.replace(".", r"\.")):
        restore_bundle(lenet_bundle(colour_bundle, tmp_path, spoil=spoilt))


def test_a_bundle_that_is_only_run_says_where_the_weights_are(colour_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no weights\.safetensors"):
        restore_bundle(open_bundle(colour_bundle))


def test_a_name_gives_the_network_as_it_was_published() -> None:
    made = build_named("lenet")
    assert (made.preprocess.channels, made.classes) == (1, None)
    assert sum(p.numel() for p in made.network.parameters()) == 61_706


def test_size_channels_and_classes_can_be_chosen() -> None:
    made = build_named("resnet18", imgsz=32, channels=1, classes=7)
    with torch.inference_mode():
        logits = made.network(torch.zeros(2, 1, 32, 32, dtype=torch.uint8)).logits
    assert (made.preprocess.size, logits.shape) == ((32, 32), (2, 7))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(NotFound, match="no model is named 'lenett'"):
        build_named("lenett")
    with pytest.raises(ConfigError):
        build_named("vgg16", imgsz=8)
    with pytest.raises(WeightsError):
        build_named("lenet", weights="no/such/file.safetensors")
