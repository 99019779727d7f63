"""Which regions of two pictures match, on networks of which we know how they are built."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn

from nayan.core.errors import ConfigError
from nayan.explain.embedding.matching import match_pictures, strongest_links
from nayan.explain.embedding.pair import explain_pair
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.classification.models import lenet
from nayan.tasks.embedding.models.siamese import siamese

SMALL = Preprocess((64, 64), "stretch", mean=(0.5,), std=(0.5,), channels=1)


def _embedder(pooling: str) -> nn.Module:
    torch.manual_seed(0)
    network = siamese((), channels=1, size=(64, 64), pooling=pooling, dim=8, mean=(0.5,), std=(0.5,))
    nn.init.normal_(network.head.linear.bias)
    return network.eval()


def _pictures(seed: int = 0) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.rand(1, 1, 64, 64, generator=random) * 255 for _ in range(2)]


def _cosine(network: nn.Module, pictures: list[torch.Tensor]) -> float:
    with torch.no_grad():
        first, second = (network(each) for each in pictures)
    return float((first.vectors * second.vectors).sum())


@pytest.mark.parametrize(("pooling", "named"), [("gap", "mean"), ("gem", "gem"), ("flatten", "flatten")])
def test_what_the_positions_add_makes_up_the_similarity(pooling: str, named: str) -> None:
    network, pictures = _embedder(pooling), _pictures()
    match = match_pictures(network, *pictures)
    assert (match.method, match.pooling) == ("sum", named)
    assert match.similarity == pytest.approx(_cosine(network, pictures), abs=1e-4)
    for heat in match.heats:
        assert heat.sum() == pytest.approx(match.similarity, abs=1e-4)
    assert match.links.shape == (match.heats[0].size, match.heats[1].size)
    assert match.links.sum(axis=1).reshape(match.heats[0].shape) == pytest.approx(match.heats[0])


def test_two_spots_match_each_other_wherever_they_lie() -> None:
    first, second = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    first[..., 8:16, 16:24] = second[..., 48:56, 40:48] = 255
    network = nn.Sequential(nn.AvgPool2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    match = match_pictures(network, first, second)
    assert match.method == "sum"
    assert np.unravel_index(match.heats[0].argmax(), (8, 8)) == (1, 2)
    assert strongest_links(match.links, count=5) == [(1 * 8 + 2, 6 * 8 + 5, pytest.approx(1.0))]


class Squares(nn.Module):
    """The squared brightness of each cell of 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(8)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.cells(pixels / 255).flatten(1) ** 2


def test_a_network_whose_vector_is_no_sum_is_covered_patch_by_patch() -> None:
    first, second = torch.full((1, 1, 64, 64), 90.0), torch.full((1, 1, 64, 64), 90.0)
    first[..., 8:16, 16:24] = second[..., 8:16, 16:24] = 255
    second[..., 0:8, 56:64] = 200
    match = match_pictures(Squares(), first, second)
    assert match.method == "cover"
    assert match.links is None
    assert np.unravel_index(match.heats[0].argmax(), (8, 8)) == (1, 2)
    assert match.heats[1][0, 7] < 0  # the spot that the first does not have speaks against it


def test_a_classifier_is_compared_by_what_its_last_layer_sees() -> None:
    pictures = [torch.rand(1, 1, 28, 28) * 255 for _ in range(2)]
    match = match_pictures(lenet.build(["a", "b"]).eval(), *pictures)
    assert match.method == "cover"
    assert -1 <= match.similarity <= 1


def test_the_story_names_the_verdict_of_the_threshold_and_holds_what_it_draws(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    file = tmp_path / "other.png"
    PillowImage.fromarray(np.flip(image, axis=1)).save(file)
    subject = Subject(_embedder("gap"), SMALL, image=image, decode_args={"thresholds": [2.0]})
    story = explain_pair(subject, other=file, steps=2)
    cosine = story.panels[0].data["similarity"]
    assert [panel.title for panel in story.panels] == [
        f"Similarity {cosine:.3f}, distance {np.sqrt(2 - 2 * cosine):.3f}",
        "What matches what",
        "Is it faithful to the first picture?",
        "Is it faithful to the second picture?",
    ]
    assert "so these are the same" in story.panels[0].text
    assert len(story.panels[1].data["links"]) <= 8
    json.dumps(story.to_json())
    other = explain_pair(Subject(subject.network, SMALL, image=image, decode_args={"thresholds": [0.0]}),
                         other=image[:, ::-1].copy(), steps=0)  # fmt: skip
    assert len(other.panels) == 2
    assert "so these are different" in other.panels[0].text


def test_a_second_picture_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="the second is missing"):
        explain_pair(Subject(_embedder("gap"), SMALL, image=np.zeros((8, 8, 3), np.uint8)))
