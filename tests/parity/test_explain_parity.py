"""Our counts against torch's own, on networks that everybody knows."""

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from nayan.explain.kernel import parse_kernel, slide
from nayan.explain.ledger import ledger
from nayan.tasks.classification.models import lenet


def macs_of_torch(model, shape):
    tensors = [*model.named_parameters(), *model.named_buffers()]
    ghosts = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(model.eval(), ghosts, (torch.empty(1, *shape, device="meta"),))
    return counter.get_total_flops() // 2


def on_meta(build):
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize(
    ("build", "shape", "parameters", "sees"),
    [
        (lambda: lenet.build([str(n) for n in range(10)]), (1, 28, 28), 61_706, 16),
        (lambda: on_meta(torchvision.models.resnet18), (3, 224, 224), 11_689_512, 435),
        (lambda: on_meta(torchvision.models.vgg16), (3, 224, 224), 138_357_544, 212),
        (lambda: timm.create_model("mobilenetv2_100"), (3, 224, 224), 3_504_872, 491),
    ],
    ids=["lenet", "resnet18", "vgg16", "mobilenetv2"],
)
def test_parameters_and_multiply_adds_are_those_of_torch(build, shape, parameters, sees):
    model = build()
    book = ledger(model, shape)
    assert book.parameters == sum(p.numel() for p in model.parameters()) == parameters
    assert sum(row.parameters for row in book.rows) == parameters
    # Layer by layer: products outside of layers would have a row of their own.
    assert [row.name for row in book.rows if row.kind == "matmul"] == []
    assert sum(row.macs for row in book.rows) == book.macs == macs_of_torch(model, shape)
    # Published receptive fields: Araujo, Norris, Sim, "Computing Receptive Fields of CNNs", Distill 2019.
    last_map = [row for row in book.rows if row.field and row.field.grid != (1, 1)][-1]
    assert last_map.field.size == (sees, sees)


@pytest.mark.parametrize("name", ["tf_efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224"])
def test_unusual_networks_are_counted_completely(name):
    model = on_meta(lambda: timm.create_model(name))
    book = ledger(model, (3, 224, 224))
    assert sum(row.parameters for row in book.rows) == sum(p.numel() for p in model.parameters())
    assert book.macs == macs_of_torch(model, (3, 224, 224))


def test_padding_that_is_larger_at_the_end_is_shown_as_it_is():
    model = on_meta(lambda: timm.create_model("tf_efficientnet_b0"))
    assert ledger(model, (3, 224, 224)).rows[0].size == "(224 - 3 + (0 + 1))/2 + 1 = 112"


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2), (1, "same")])
def test_a_slid_kernel_gives_the_numbers_of_conv2d(stride, padding):
    gray = torch.rand(17, 23, dtype=torch.float64) * 255
    kernel = torch.from_numpy(parse_kernel("emboss").copy())
    ours = slide(gray.numpy(), kernel.numpy(), stride=stride, padding=padding).response
    theirs = nn.functional.conv2d(gray[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    assert torch.allclose(torch.from_numpy(ours), theirs)


def test_a_flipped_kernel_gives_the_numbers_of_scipy_convolve():
    from scipy.signal import convolve2d

    gray = torch.rand(9, 11, dtype=torch.float64).numpy()
    kernel = parse_kernel("emboss")
    ours = slide(gray, kernel, padding="same", flip=True).response
    assert abs(ours - convolve2d(gray, kernel, mode="same")).max() < 1e-12
