"""Our wrapping of segmentation_models.pytorch's decoders against their own networks, weights copied."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nayan.tasks.segmentation.models.smp import ARCHITECTURES, smp_segmenter

theirs: Any = pytest.importorskip("segmentation_models_pytorch")

HALF = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
CLASSES = ("a", "b", "c")


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv2_050"])
def test_with_their_weights_it_gives_their_numbers(name: str, backbone: str) -> None:
    chosen = ARCHITECTURES[name]
    size = (256, 256) if name == "pan" else (64, 96)
    torch.manual_seed(0)
    network: Any = smp_segmenter(CLASSES, architecture=name, backbone=backbone, size=size, **HALF).eval()
    options = {**dict(chosen.options)}
    if chosen.output_stride != 32:
        options["encoder_output_stride"] = chosen.output_stride
    other = getattr(theirs, chosen.kind)(
        f"tu-{backbone}", encoder_weights=None, classes=len(CLASSES), **options
    ).eval()
    state = other.encoder.model.state_dict()
    encoder = network.backbone.model.state_dict()
    state.update({key: encoder[key] for key in state if key in encoder})
    assert len(set(encoder) - set(state)) == 0, "timm names a map's layers as it names the whole network's"
    other.encoder.model.load_state_dict(state)
    other.decoder.load_state_dict(network.decoder.layers.state_dict())
    other.segmentation_head.load_state_dict(network.head.layers.state_dict())
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        expected = other(network.normalise(images))
        torch.testing.assert_close(network(images).logits, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_a_map_at_stride_two_takes_part() -> None:
    network = smp_segmenter(CLASSES, architecture="unet", backbone="test_convnext", size=(64, 64), **HALF)
    assert isinstance(network.backbone, nn.Module)
    assert tuple(network.backbone.strides) == (4, 8, 16, 32)  # type: ignore[arg-type]
    with torch.no_grad():
        logits = network(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).logits
    assert logits.shape == (2, 3, 64, 64)
