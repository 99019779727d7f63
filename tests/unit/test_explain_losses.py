"""What is told of losses of masks follows from their formulas."""

import numpy as np
import pytest
import torch
from segmented import SMALL, scene, small_unet, subject

from nayan.explain.segmentation.edges import overlooked, sliding_border, small_square
from nayan.explain.segmentation.edges import scene as four_mistakes
from nayan.explain.segmentation.losses import explain_losses, push_of, strength, values_of
from nayan.explain.subject import Subject
from nayan.tasks.segmentation.losses import LOSSES


@pytest.fixture(scope="module")
def story():
    return explain_losses(subject(small_unet(), mask=scene()[1]))


def test_every_loss_is_least_at_the_true_border(story) -> None:
    offsets = story.panels[0].data["offset_px"]
    for name, values in story.panels[0].data["values"].items():
        assert abs(offsets[int(np.argmin(values))]) <= 0.5, name


def test_the_slope_is_that_of_the_values(story) -> None:
    offsets = np.array(story.panels[1].data["offset_px"])
    for name, slopes in story.panels[1].data["slopes"].items():
        values = np.array(story.panels[0].data["values"][name])
        assert np.allclose(np.gradient(values, offsets)[2:-2], slopes[2:-2], atol=0.05 * np.abs(slopes).max())


def test_a_pixel_missed_of_the_smaller_class_costs_tversky_more_than_one_too_many(story) -> None:
    for name in ("dice", "tversky", "lovasz"):
        values = story.panels[0].data["values"][name]
        assert values[-1] > 1.1 * values[0]


def test_a_rare_class_is_worth_far_more_to_shares_than_to_means(story) -> None:
    _, _, thin, rare = (panel.data for panel in story.panels[:4])

    def to_win(data, name):
        return data["values"][name][0] - data["values"][name][-1]

    assert to_win(rare, "dice") > 10 * to_win(rare, "ce")
    assert to_win(rare, "lovasz") > 10 * to_win(rare, "ce")
    assert to_win(thin, "ce") > 5 * to_win(rare, "ce")


def test_the_push_goes_where_each_loss_is_known_for(story) -> None:
    shares = story.panels[4].data["shares"]
    assert shares["border"]["closed gap"] > 2 * shares["ce"]["closed gap"]
    assert shares["dice"]["rare class"] > 3 * shares["ce"]["rare class"]
    assert shares["focal"]["all that is right"] < 0.5 * shares["ce"]["all that is right"]
    assert all(sum(each.values()) == pytest.approx(1) for each in shares.values())


def test_the_push_is_the_gradient_downhill() -> None:
    made = four_mistakes()
    logits = torch.from_numpy(made.probabilities).log()[None]
    truth = torch.from_numpy(made.truth.astype(np.int64))[None]
    for name in LOSSES:
        push = push_of(logits, truth, name)
        better = values_of(logits + 0.01 * torch.from_numpy(push)[None] / np.abs(push).max(), truth, name)
        assert better < values_of(logits, truth, name)
        assert np.allclose(push.sum(axis=0), 0, atol=1e-5 * np.abs(push).max() + 1e-8)
    gap = push_of(logits, truth, "ce")[:, made.regions["closed gap"] & (made.truth == 0)]
    assert (gap[0] > 0).all()  # pushed towards the background
    assert strength(np.array([[[1.0]], [[-0.4]], [[-0.6]]], np.float32)).tolist() == [[1.0]]


def test_on_a_picture_void_pixels_are_not_pushed(story) -> None:
    shares = story.panels[5].data["shares"]
    assert all(sum(each.values()) == pytest.approx(1, abs=1e-4) for each in shares.values())


def test_without_a_mask_or_a_picture_the_scenes_are_shown() -> None:
    assert len(explain_losses(subject(small_unet())).panels) == 5
    assert len(explain_losses(Subject(small_unet(), SMALL)).panels) == 5


def test_scenes_have_the_truth_that_they_say() -> None:
    logits, truth = sliding_border(torch.tensor([32.0]))
    assert torch.equal(logits.argmax(dim=1), truth)
    thing = small_square()
    logits, truth = overlooked(torch.tensor([0.9]), thing)
    assert thing.sum() == 16
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(1, 64, 64))
    assert torch.equal(logits.argmax(dim=1), truth)
    made = four_mistakes()
    assert np.allclose(made.probabilities.sum(axis=0), 1, atol=1e-6)
    assert sum(region.sum() for region in made.regions.values()) == made.truth.size
