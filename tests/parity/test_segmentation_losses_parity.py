"""The losses of masks against those of segmentation_models.pytorch, where it is installed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nayan.parts.losses.dense_focal import dense_focal_loss
from nayan.parts.losses.dice import dice_loss
from nayan.parts.losses.lovasz import lovasz_softmax_loss
from nayan.parts.losses.tversky import tversky_loss

theirs: Any = pytest.importorskip("segmentation_models_pytorch").losses


@pytest.fixture(params=range(3))
def pair(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Return logits (2, 4, 9, 8) and classes (2, 9, 8) of which every class has pixels, some void."""
    generator = torch.Generator().manual_seed(request.param)
    target = torch.randint(0, 4, (2, 9, 8), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return 2 * torch.randn(2, 4, 9, 8, generator=generator), target


def test_dice(pair: tuple[Tensor, Tensor]) -> None:
    expected = theirs.DiceLoss("multiclass", ignore_index=255, smooth=1.5)(*pair)  # they halve all counts
    torch.testing.assert_close(dice_loss(*pair, smooth=3.0), expected)


def test_tversky(pair: tuple[Tensor, Tensor]) -> None:
    loss = theirs.TverskyLoss("multiclass", ignore_index=255, alpha=0.2, beta=0.6, smooth=0.0)
    torch.testing.assert_close(tversky_loss(*pair, alpha=0.2, beta=0.6, smooth=0.0), loss(*pair))


def test_lovasz(pair: tuple[Tensor, Tensor]) -> None:
    for per_picture in (False, True):
        expected = theirs.LovaszLoss("multiclass", per_image=per_picture, ignore_index=255)(*pair)
        torch.testing.assert_close(lovasz_softmax_loss(*pair, per_picture=per_picture), expected)


def test_focal_of_two_classes(pair: tuple[Tensor, Tensor]) -> None:
    logits, target = pair[0][:, :2], torch.where(pair[1] == 255, 255, pair[1] % 2)
    loss = theirs.FocalLoss("binary", ignore_index=255, gamma=1.5)
    expected = loss(logits[:, 1] - logits[:, 0], target)
    torch.testing.assert_close(dense_focal_loss(logits, target, gamma=1.5), expected)
