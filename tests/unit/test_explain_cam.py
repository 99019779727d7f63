"""Grad-CAM on a network of which we know where it looks."""

import numpy as np
import pytest
import torch
from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.explain.cam import explain_cam, grad_cam
from nayan.explain.faithfulness import blur, measure_faithfulness, pixel_ranks
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess


class UpperLeftReader(nn.Module):
    """Class 1 is fine texture in the upper left quarter, class 0 is nothing at all."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4))
        self.decide = nn.Linear(2 * 8 * 8, 2)
        with torch.no_grad():
            self.maps[0].weight.zero_()
            self.maps[0].bias.zero_()
            laplacian = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
            self.maps[0].weight[0, 0] = laplacian / 255
            self.decide.bias.copy_(torch.tensor([4.0, -4.0]))
            self.decide.weight.zero_()
            self.decide.weight.view(2, 2, 8, 8)[1, 0, :4, :4] = 1.0

    def forward(self, pixels):
        return self.decide(self.maps(pixels).flatten(1))


@pytest.fixture
def net():
    return UpperLeftReader()


@pytest.fixture
def pixels():
    """A strong checkerboard in the upper left, a weak one in the lower right, on gray."""
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    image = torch.full((1, 1, 32, 32), 125.0)
    image[..., 2:14, 2:14] += 120 * board[2:14, 2:14]
    image[..., 20:28, 20:28] += 30 * board[20:28, 20:28]
    return image


def test_the_heat_lies_where_the_answer_comes_from(net, pixels):
    cam = grad_cam(net, pixels, label=1)
    assert cam.layer == "maps.2"
    assert cam.heat.shape == (8, 8)
    assert cam.heat.max() == 1.0
    assert cam.heat[:4, :4].sum() / cam.heat.sum() > 0.7


def test_it_is_the_weighted_sum_of_the_paper(net, pixels):
    cam = grad_cam(net, pixels, label=1)
    maps = net.maps(pixels)[0]
    # eq. 1: the mean gradient of the first map is 16 weights of 1 on 64 cells, of the second 0
    by_hand = (0.25 * maps[0]).clamp(min=0).detach().numpy()
    assert np.allclose(cam.heat, by_hand / by_hand.max(), atol=1e-6)


def test_without_a_label_the_predicted_class_is_explained(net, pixels):
    assert grad_cam(net, pixels).label == 1
    assert grad_cam(net, torch.zeros_like(pixels)).label == 0


def test_a_class_that_nothing_speaks_for_has_no_heat(net, pixels):
    assert not grad_cam(net, pixels, label=0).heat.any()


def test_looking_leaves_mode_gradients_and_hooks_alone(net, pixels):
    net.train()
    with torch.no_grad():
        grad_cam(net, pixels, label=1)
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_frozen_network_can_be_explained(net, pixels):
    net.requires_grad_(False)
    assert grad_cam(net, pixels, label=1).heat.max() == 1.0


def test_deleting_the_hottest_first_falls_faster_and_inserting_them_rises_faster_than_a_random_order(
    net, pixels
):
    cam = grad_cam(net, pixels, label=1)
    scores = measure_faithfulness(net, pixels, heat=cam.heat, label=1, steps=16)
    assert scores.deletion_auc < scores.random_deletion_auc - 0.05
    assert scores.insertion_auc > scores.random_insertion_auc + 0.05


def test_a_map_of_the_wrong_place_is_found_out(net, pixels):
    wrong = np.zeros((8, 8))
    wrong[4:, 4:] = 1
    scores = measure_faithfulness(net, pixels, heat=wrong, label=1, steps=16)
    assert scores.deletion_auc > scores.random_deletion_auc
    assert scores.insertion_auc < scores.random_insertion_auc


def test_the_curves_begin_and_end_at_the_whole_pictures(net, pixels):
    scores = measure_faithfulness(net, pixels, heat=np.ones((8, 8)), label=1, steps=4)
    whole = net(pixels).softmax(dim=1)[0, 1].item()
    assert scores.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert scores.deletion[0] == pytest.approx(whole)
    assert scores.insertion[-1] == pytest.approx(whole)
    assert scores.insertion[0] == pytest.approx(net(blur(pixels)).softmax(dim=1)[0, 1].item())


def test_insertion_starts_from_a_flat_picture_where_the_network_sees_through_the_blur(net, pixels):
    assert measure_faithfulness(net, pixels, heat=np.ones((8, 8)), label=1, steps=1).start == "blurred"
    bright = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(1, 2))  # a mean survives any blur
    scores = measure_faithfulness(bright, pixels, heat=np.ones((8, 8)), label=1, steps=1)
    assert scores.start == "flat"
    flat = pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    assert scores.insertion[0] == pytest.approx(bright(flat).softmax(dim=1)[0, 1].item())


def test_the_same_seed_gives_the_same_random_orders(net, pixels):
    first, second = (
        measure_faithfulness(net, pixels, heat=np.ones((8, 8)), label=1, steps=4, seed=3) for _ in range(2)
    )
    assert np.array_equal(first.random_deletion, second.random_deletion)


def test_every_pixel_has_a_rank_of_its_own():
    ranks = pixel_ranks(np.random.default_rng(0).random((3, 3)), (7, 5))
    assert sorted((ranks.ravel() * 35).round().astype(int)) == list(range(35))


def test_blurring_keeps_the_mean_of_a_flat_picture_and_a_single_pixel():
    assert torch.allclose(blur(torch.full((1, 3, 24, 30), 77.0)), torch.tensor(77.0))
    assert blur(torch.ones(1, 1, 1, 1)).item() == 1.0


def test_no_steps_are_refused(net, pixels):
    with pytest.raises(ConfigError, match="steps and num_random must be at least 1"):
        measure_faithfulness(net, pixels, heat=np.ones((8, 8)), label=1, steps=0)


def subject(net, pixels):
    image = np.repeat(pixels[0, 0].numpy().astype(np.uint8)[:, :, None], 3, axis=2)
    gray = Preprocess((32, 32), "stretch", mean=(0.5,), std=(0.5,), channels=1)
    return Subject(net, gray, ("nothing", "something"), image)


def test_the_story_names_the_class_and_gives_a_verdict(net, pixels):
    story = explain_cam(subject(net, pixels), steps=8)
    assert story.title == "Where is something?"
    assert story.panels[0].data["label"] == 1
    assert "Both hold here" in story.panels[1].text
    assert story.panels[1].svg.startswith("<svg")
    assert story.panels[1].table.rows[0][0] == "deletion"


def test_a_class_may_be_asked_for_by_name(net, pixels):
    story = explain_cam(subject(net, pixels), class_name="nothing", steps=2)
    assert "Nothing in this stage speaks for the class" in story.panels[0].text
    assert "Neither holds here" in story.panels[1].text or "Only one" in story.panels[1].text
    with pytest.raises(NotFound, match="did you mean 'something'"):
        explain_cam(subject(net, pixels), class_name="somethin")
