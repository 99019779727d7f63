"""The losses of masks: what they say of easy cases, of void pixels and of nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from nayan.parts.losses.cross_entropy import dense_cross_entropy
from nayan.parts.losses.dense_focal import dense_focal_loss
from nayan.parts.losses.dice import dice_loss
from nayan.parts.losses.focal import focal_loss
from nayan.parts.losses.lovasz import lovasz_softmax_loss
from nayan.parts.losses.tversky import tversky_loss

Loss = Callable[..., Tensor]

LOSSES: dict[str, Loss] = {
    "cross_entropy": dense_cross_entropy,
    "smoothed": partial(dense_cross_entropy, label_smoothing=0.1),
    "weighted": partial(dense_cross_entropy, class_weights=torch.tensor([1.0, 5.0, 0.2])),
    "focal": dense_focal_loss,
    "focal_root": partial(dense_focal_loss, gamma=0.5),
    "focal_weighted": partial(dense_focal_loss, class_weights=torch.tensor([1.0, 5.0, 0.2])),
    "dice": dice_loss,
    "dice_raw": partial(dice_loss, smooth=0.0),
    "dice_absent": partial(dice_loss, absent=True),
    "tversky": tversky_loss,
    "lovasz": lovasz_softmax_loss,
    "lovasz_per_picture": partial(lovasz_softmax_loss, per_picture=True),
}
losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def drawn(seed: int, *, classes: int = 3, void: float = 0.2) -> tuple[Tensor, Tensor]:
    """Return logits (2, K, 6, 7) and classes (2, 6, 7), some of them void."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, classes, 6, 7, generator=generator)
    target = torch.randint(0, classes, (2, 6, 7), generator=generator)
    target[torch.rand(target.shape, generator=generator) < void] = 255
    return logits.requires_grad_(), target


def sure(target: Tensor, classes: int = 3) -> Tensor:
    """Return logits that leave no doubt of the target."""
    return 60 * F.one_hot(target.where(target != 255, 0), classes).movedim(-1, 1).float() - 30


@losses
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), void=st.sampled_from([0.0, 0.3, 0.97]))
def test_the_loss_and_its_gradient_are_finite_and_void_pixels_do_not_matter(
    loss: Loss, seed: int, void: float
) -> None:
    logits, target = drawn(seed, void=void)
    value = loss(logits, target)
    assert value.shape == ()
    assert value.isfinite()
    assert value >= 0
    value.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    is_void = (target == 255)[:, None].expand_as(logits)
    assert not logits.grad[is_void].any()
    changed = torch.where(is_void, torch.full_like(logits, -7.0), logits.detach())
    torch.testing.assert_close(loss(changed, target), value.detach())


@losses
def test_pictures_of_which_nothing_is_known_cost_nothing_and_teach_nothing(loss: Loss) -> None:
    logits, _ = drawn(0)
    value = loss(logits, torch.full((2, 6, 7), 255))
    assert value.item() == 0
    value.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@losses
def test_the_loss_falls_along_its_gradient(loss: Loss) -> None:
    logits, target = drawn(1)
    before = loss(logits, target)
    before.backward()
    assert logits.grad is not None
    step = logits.detach() - 0.1 * logits.grad / logits.grad.norm()
    assert loss(step, target) < before


@pytest.mark.parametrize(
    "name", ["cross_entropy", "focal", "dice", "dice_raw", "dice_absent", "tversky", "lovasz"]
)
def test_a_perfect_answer_costs_nothing_even_where_a_class_is_absent(name: str) -> None:
    _, target = drawn(2)
    target[target == 2] = 1
    value = LOSSES[name](sure(target).requires_grad_(), target)
    assert value.item() == pytest.approx(0, abs=1e-5)
    value.backward()


@pytest.mark.parametrize("name", ["dice_raw", "lovasz"])
def test_a_wholly_wrong_answer_costs_one(name: str) -> None:
    _, target = drawn(3, classes=2)
    wrong = sure(torch.where(target == 255, 255, 1 - target), 2)
    assert LOSSES[name](wrong, target).item() == pytest.approx(1, abs=1e-5)


@losses
def test_half_precision_logits_are_computed_in_full(loss: Loss) -> None:
    logits, target = drawn(4)
    value = loss(logits.detach().bfloat16(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.detach().bfloat16().float(), target))


@losses
def test_the_order_in_memory_does_not_matter(loss: Loss) -> None:
    logits, target = drawn(5)
    other = logits.detach().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(loss(other, target), loss(logits, target).detach())


class TestCrossEntropy:
    def test_without_weights_it_is_torchs_own(self) -> None:
        logits, target = drawn(0)
        torch.testing.assert_close(
            dense_cross_entropy(logits, target), F.cross_entropy(logits, target, ignore_index=255)
        )

    def test_class_weights_divide_as_torch_does(self) -> None:
        logits, target = drawn(0)
        weights = torch.tensor([1.0, 5.0, 0.2])
        torch.testing.assert_close(
            dense_cross_entropy(logits, target, class_weights=weights),
            F.cross_entropy(logits, target, weight=weights, ignore_index=255),
        )

    def test_a_pixel_of_weight_two_counts_as_two_pixels(self) -> None:
        logits, target = drawn(0, void=0)
        twice = torch.ones(2, 6, 7)
        twice[:, :, 3] = 2
        value = dense_cross_entropy(logits, target, pixel_weights=twice)
        columns = [*range(7), 3]
        torch.testing.assert_close(value, dense_cross_entropy(logits[..., columns], target[..., columns]))

    def test_pixels_of_weight_zero_are_as_if_they_were_void(self) -> None:
        logits, target = drawn(0, void=0)
        weights = torch.ones(2, 6, 7)
        weights[:, 2] = 0
        value = dense_cross_entropy(logits, target, pixel_weights=weights)
        target[:, 2] = 255
        torch.testing.assert_close(value, dense_cross_entropy(logits, target))


class TestFocal:
    def test_with_gamma_zero_it_is_the_cross_entropy(self) -> None:
        logits, target = drawn(0)
        torch.testing.assert_close(
            dense_focal_loss(logits, target, gamma=0), dense_cross_entropy(logits, target)
        )

    def test_for_two_classes_it_is_the_papers_sigmoid_of_their_difference(self) -> None:
        logits, target = drawn(0, classes=2, void=0)
        difference = logits[:, 1] - logits[:, 0]
        torch.testing.assert_close(
            dense_focal_loss(logits, target), focal_loss(difference, target.float(), alpha=None).mean()
        )


class TestOverlap:
    def test_a_class_that_is_nowhere_counts_only_if_asked_to(self) -> None:
        logits = torch.zeros(1, 3, 4, 4)
        target = torch.zeros(1, 4, 4, dtype=torch.int64)
        target[:, 2:] = 1
        each = 1 - (2 * 8 / 3) / (16 / 3 + 8)
        assert dice_loss(logits, target, smooth=0).item() == pytest.approx(each)
        counted = dice_loss(logits, target, smooth=0, absent=True).item()
        assert counted == pytest.approx((2 * each + 1) / 3)

    def test_tversky_at_a_half_is_dice_and_at_one_the_iou(self) -> None:
        logits, target = drawn(0)
        torch.testing.assert_close(
            tversky_loss(logits, target, alpha=0.5, beta=0.5, smooth=1.0),
            dice_loss(logits, target, smooth=2.0),
        )
        hit, there, said = 1, 3, 2  # of class 1, among 4 pixels
        logits = sure(torch.tensor([[[1, 1, 0, 0]]]), 2)
        target = torch.tensor([[[1, 0, 1, 1]]])
        iou = (hit / (there + said - hit) + 0) / 2
        found = tversky_loss(logits, target, alpha=1, beta=1, smooth=0)
        assert found.item() == pytest.approx(1 - iou)

    def test_a_missed_pixel_costs_more_than_one_found_in_vain_where_beta_is_larger(self) -> None:
        target = torch.zeros(1, 1, 12, dtype=torch.int64)
        target[..., :4] = 1
        missed, in_vain = target.clone(), target.clone()
        missed[..., 3], in_vain[..., 4] = 0, 1
        for alpha, beta in ((0.1, 0.9), (0.9, 0.1)):
            costs = [tversky_loss(sure(x, 2), target, alpha=alpha, beta=beta) for x in (missed, in_vain)]
            assert (costs[0] > costs[1]) == (beta > alpha)

    def test_lovasz_of_whole_answers_is_one_less_the_mean_iou_of_the_classes_that_are_there(self) -> None:
        target = torch.tensor([[[0, 0, 1, 1, 255, 1]]])
        found = torch.tensor([[[0, 1, 1, 1, 2, 0]]])
        iou = (1 / 3 + 2 / 4) / 2
        assert lovasz_softmax_loss(sure(found), target).item() == pytest.approx(1 - iou)

    def test_lovasz_per_picture_is_the_mean_over_pictures_with_something_known(self) -> None:
        logits, target = drawn(6)
        both = lovasz_softmax_loss(logits, target, per_picture=True)
        each = [lovasz_softmax_loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
        torch.testing.assert_close(both, sum(each) / 2)
        target[1] = 255
        torch.testing.assert_close(lovasz_softmax_loss(logits, target, per_picture=True), each[0])
