"""What embedders minimise: worked by hand, and against plain formulas written anew."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nayan.parts.losses.contrastive import contrastive_loss, pair_distances
from nayan.parts.pooling import GeM, Mean
from nayan.tasks.embedding.models.arcface import AngularMargin
from nayan.tasks.embedding.models.siamese import Contrastive
from nayan.tasks.embedding.models.supcon import SupervisedContrast
from nayan.tasks.embedding.models.triplet import Triplets
from nayan.tasks.embedding.network import EmbeddingRaw

WHO = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])


def vectors(*, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(len(WHO), 6, generator=generator), dim=1)


def test_same_pairs_cost_their_squared_distance_and_others_what_they_lack_of_the_margin() -> None:
    distances = torch.tensor([0.0, 0.5, 0.5, 1.2, 1.5])
    same = torch.tensor([True, True, False, False, False])
    expected = torch.tensor([0.0, 0.25, 0.49, 0.0, 0.0])
    torch.testing.assert_close(contrastive_loss(distances, same, margin=1.2), expected)


def test_pairs_are_all_of_two_different_pictures() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    distances, first, second = pair_distances(points)
    torch.testing.assert_close(distances, torch.tensor([5.0, 4.0, 3.0]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]


def test_two_vectors_at_one_place_have_a_finite_gradient() -> None:
    points = torch.ones(2, 3, requires_grad=True)
    pair_distances(points)[0].sum().backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_the_siamese_loss_is_the_mean_over_same_pairs_and_over_those_others_that_are_too_near() -> None:
    x = vectors()
    pulls, pushes = [], []
    for i in range(len(WHO)):
        for j in range(i + 1, len(WHO)):
            distance = float((x[i] - x[j]).norm())
            if WHO[i] == WHO[j]:
                pulls.append(distance**2)
            elif distance < 1.3:
                pushes.append((1.3 - distance) ** 2)
    found = Contrastive(1.3)(EmbeddingRaw(x), WHO)
    assert float(found["pull"]) == pytest.approx(sum(pulls) / len(pulls), rel=1e-5)
    assert float(found["push"]) == pytest.approx(sum(pushes) / len(pushes), rel=1e-5)


@pytest.mark.parametrize("miner", ["all", "semihard", "hard"])
def test_the_triplet_loss_is_the_mean_over_the_mined_triplets(miner: str) -> None:
    x, margin, losses = vectors(), 0.4, []
    for a in range(len(WHO)):
        for p in range(len(WHO)):
            for n in range(len(WHO)):
                if a == p or WHO[a] != WHO[p] or WHO[a] == WHO[n]:
                    continue
                gap = float((x[a] - x[n]).square().sum() - (x[a] - x[p]).square().sum())
                if {"all": gap < margin, "semihard": 0 < gap < margin, "hard": gap <= 0}[miner]:
                    losses.append(margin - gap)
    found = Triplets(margin, miner)(EmbeddingRaw(x), WHO)  # type: ignore[arg-type]
    assert losses
    assert float(found["triplet"]) == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_arcface_is_cross_entropy_with_a_margin_on_the_true_angle() -> None:
    x, generator = vectors(), torch.Generator().manual_seed(5)
    proxies = torch.randn(6, 4, generator=generator)
    cosines = x @ F.normalize(proxies, dim=0)
    logits = cosines.clone()
    for row, who in enumerate(WHO.tolist()):
        angle = math.acos(float(cosines[row, who]))
        assert angle + 0.5 < math.pi  # beyond, the paper has no formula
        logits[row, who] = math.cos(angle + 0.5)
    expected = F.cross_entropy(16 * logits, WHO)
    found = AngularMargin(4, 6, 0.5, 16.0)(EmbeddingRaw(x, proxies), WHO)
    torch.testing.assert_close(found["arcface"], expected, rtol=1e-4, atol=1e-5)


def test_the_proxies_of_arcface_get_their_gradient_through_the_raw_outputs() -> None:
    proxies = torch.randn(6, 4, generator=torch.Generator().manual_seed(5), requires_grad=True)
    AngularMargin(4, 6, 0.5, 16.0)(EmbeddingRaw(vectors(), proxies), WHO)["arcface"].backward()
    assert proxies.grad is not None
    assert proxies.grad.abs().sum() > 0


def test_supervised_contrast_is_the_mean_log_share_of_the_same_among_all_others() -> None:
    x, t, losses = vectors(), 0.2, []
    for i in range(len(WHO)):
        others = [j for j in range(len(WHO)) if j != i]
        like = [j for j in others if WHO[j] == WHO[i]]
        if like:
            scores = torch.stack([x[i] @ x[j] / t for j in others])
            logs = {j: float(x[i] @ x[j] / t - scores.logsumexp(0)) for j in like}
            losses.append(-sum(logs.values()) / len(like))
    found = SupervisedContrast(t)(EmbeddingRaw(x), WHO)
    assert float(found["supcon"]) == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_the_generalised_mean_lies_between_the_mean_and_the_largest_and_is_exact_for_whole_powers() -> None:
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(GeM(p=1.0)(maps), Mean()(maps))
    torch.testing.assert_close(GeM(p=2.0)(maps), maps.square().mean((2, 3)).sqrt())
    largest = maps.amax((2, 3))
    assert (GeM(p=60.0)(maps) > 0.9 * largest).all()
    assert (GeM(p=3.0)(maps) < largest).all()
