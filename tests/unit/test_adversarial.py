"""The losses of two networks against each other, and the changes that both look through."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nayan.core.errors import NotFound
from nayan.parts.differentiable_augment import KINDS, DifferentiableAugment
from nayan.parts.losses.adversarial import (
    ADVERSARIAL,
    between,
    discriminator_loss,
    generator_loss,
    slope_penalty,
)

REAL, FAKE = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([-3.0, 0.2, 1.5])


def test_the_losses_are_those_of_their_papers() -> None:
    p, q = REAL.sigmoid(), FAKE.sigmoid()
    expected = {
        "minimax": (-(p.log().mean() + (1 - q).log().mean()), (1 - q).log().mean()),
        "non_saturating": (-(p.log().mean() + (1 - q).log().mean()), -q.log().mean()),
        "hinge": ((1 - REAL).clamp(min=0).mean() + (1 + FAKE).clamp(min=0).mean(), -FAKE.mean()),
        "least_squares": ((REAL - 1).pow(2).mean() / 2 + FAKE.pow(2).mean() / 2, (FAKE - 1).pow(2).mean() / 2),
        "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    }
    assert set(expected) == set(ADVERSARIAL)
    for kind, (judge, draw) in expected.items():
        torch.testing.assert_close(discriminator_loss(kind, REAL, FAKE), judge)
        torch.testing.assert_close(generator_loss(kind, FAKE), draw)


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_the_two_pull_the_logits_of_drawn_pictures_apart(kind: str) -> None:
    logits = torch.tensor([0.3, -0.4], requires_grad=True)
    (judge,) = torch.autograd.grad(discriminator_loss(kind, torch.zeros(2), logits), logits)
    (draw,) = torch.autograd.grad(generator_loss(kind, logits), logits)
    if kind == "least_squares":  # it pulls to 0 from both sides, and to 1
        assert judge.sign().tolist() == [1, -1]
    else:
        assert bool((judge > 0).all())
    assert bool((draw < 0).all())


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_logits_far_out_and_maps_of_them_give_finite_losses(kind: str) -> None:
    far = torch.tensor([[[1e4, -1e4]]])
    assert bool(discriminator_loss(kind, far, far).isfinite())
    assert bool(generator_loss(kind, far).isfinite())


def test_an_unknown_loss_is_refused_by_both() -> None:
    with pytest.raises(NotFound, match="no adversarial loss is named 'mini'"):
        discriminator_loss("mini", REAL, FAKE)
    with pytest.raises(NotFound, match="no adversarial loss is named 'mini'"):
        generator_loss("mini", FAKE)


def test_the_slope_penalty_is_that_of_the_discriminator_at_the_pictures_and_has_a_gradient() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    pictures = torch.zeros(5, 1, 1, 2, requires_grad=True)
    logits = (pictures.flatten(1) * weight).sum(1)
    assert slope_penalty(logits, pictures).item() == 25.0
    penalty = slope_penalty(logits, pictures, slope=1.0)
    assert penalty.item() == 16.0
    penalty.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * 4 * torch.tensor([0.6, 0.8]))


def test_pictures_between_two_lie_on_the_line() -> None:
    torch.manual_seed(0)
    middle = between(torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2))
    assert bool((middle == middle[:, :, :1, :1]).all())
    assert 0.3 < float(middle.mean()) < 0.7
    assert float(middle.std()) > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_keeps_the_shape_differs_between_pictures_and_lets_gradients_through(kind: str) -> None:
    torch.manual_seed(1)
    pictures = torch.rand(1, 3, 16, 16).repeat(6, 1, 1, 1).requires_grad_()
    changed = DifferentiableAugment([kind])(pictures)
    assert changed.shape == pictures.shape
    assert not torch.equal(changed[0], changed[1])
    (gradient,) = torch.autograd.grad(changed.square().sum(), pictures)
    assert bool(gradient.abs().sum(dim=(1, 2, 3)).gt(0).all())


def test_translation_only_moves_and_cutout_only_makes_gray() -> None:
    torch.manual_seed(2)
    dot = torch.zeros(40, 1, 16, 16)
    dot[:, :, 8, 8] = 1.0
    moved = DifferentiableAugment(["translation"])(dot)
    assert moved.sum(dim=(1, 2, 3)).tolist() == [1.0] * 40
    assert moved.sum(dim=0)[0].nonzero().amin(0).tolist() == [6, 6]  # an eighth of 16 px, either way
    assert moved.sum(dim=0)[0].nonzero().amax(0).tolist() == [10, 10]
    holes = DifferentiableAugment(["cutout"])(torch.ones(40, 2, 16, 16))
    assert set(holes.unique().tolist()) == {0.0, 1.0}
    assert float((holes == 0).float().mean()) < 0.25


def test_kinds_are_applied_in_one_order_and_none_changes_nothing() -> None:
    assert DifferentiableAugment(["cutout", "colour"]).kinds == ("colour", "cutout")
    pictures: Tensor = torch.rand(2, 1, 4, 4)
    assert DifferentiableAugment()(pictures) is pictures
