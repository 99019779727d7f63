"""Painting photographs in a style: its words, one by one, with tiny real networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.core.types import Image, Original, Picture
from nayan.tasks.generation.stylization.catalog import LAYERS
from nayan.tasks.generation.stylization.colours import as_bright, luminance, with_colours_of
from nayan.tasks.generation.stylization.draw import annotate, pair
from nayan.tasks.generation.stylization.findings import panels, summary
from nayan.tasks.generation.stylization.metric import StylizationMetric, mistakes, structure
from nayan.tasks.generation.stylization.optimising import Effort, paint, scales
from nayan.tasks.generation.stylization.spectrum import Spectrum
from nayan.tasks.generation.stylization.stylizing import full_size, painter, sized
from nayan.tasks.generation.stylization.teacher import Teacher, Weights, build_teacher


def noisy(height: int = 48, width: int = 64, *, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def scene(height: int = 48, width: int = 64) -> Image:
    """Return a red disc before a blue wall."""
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - height / 2, x - width / 2) < height / 3
    return np.where(disc[..., None], (220, 40, 30), (30, 60, 170)).astype(np.uint8)


def stripes(height: int = 40, width: int = 56) -> Image:
    """Return a style: thin black and yellow stripes."""
    bright = np.arange(width) // 3 % 2 == 0
    row = np.where(bright[:, None], (240, 210, 20), (10, 10, 10)).astype(np.uint8)
    return np.broadcast_to(row, (height, width, 3)).copy()


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    torch.manual_seed(0)
    return build_teacher("test_resnet", source="none", weights=Weights())


# --- the picture as waves


@pytest.mark.parametrize("size", [(24, 32), (25, 31)])
def test_a_picture_is_the_same_when_its_waves_are_added_up(size: tuple[int, int]) -> None:
    start = torch.rand(1, 3, *size) * 255
    torch.testing.assert_close(Spectrum(start, start)(), start, rtol=0, atol=0.01)


def test_a_style_of_one_colour_is_no_division_by_zero() -> None:
    start = torch.rand(1, 3, 16, 16) * 255
    made = Spectrum(start, torch.full((1, 3, 8, 8), 77.0))()
    torch.testing.assert_close(made, start, rtol=0, atol=0.05)


def test_large_shapes_change_more_readily_than_pixels() -> None:
    picture = Spectrum(torch.full((1, 3, 32, 32), 128.0), torch.rand(1, 3, 32, 32) * 255)
    with torch.no_grad():
        picture.waves += 0.1
    moved = torch.fft.rfft2(picture().detach() - 128).abs()[0, 0]
    assert float(moved[0, 1]) > 5 * float(moved[0, 12])


# --- by gradients


def test_a_photograph_is_painted_from_coarse_to_fine() -> None:
    assert scales((300, 600), 512) == [(64, 128), (128, 256), (256, 512)]
    assert scales((20, 40), 512) == [(20, 40)]  # never larger than it is, and at least once
    assert scales((600, 800), 100) == [(75, 100)]


def test_a_painting_is_nearer_to_the_style_than_its_photograph(teacher: Teacher) -> None:
    photograph, heard = scene(), []
    before = photograph.copy()
    effort = Effort(size=64, steps=12)
    made = paint(teacher, photograph, stripes(), effort=effort, on_step=lambda *at: heard.append(at))
    assert made.shape == photograph.shape
    assert made.dtype == np.uint8
    assert (photograph == before).all()
    assert heard == [(done, 12) for done in range(1, 13)]
    shown = teacher.look_at(_tensor(photograph))
    losses = teacher.losses(_tensor(made), shown)
    assert float(losses["style"]) < 0.8 * teacher.weights.style  # the photograph's own is the weight


def test_the_same_seed_paints_the_same_picture(teacher: Teacher) -> None:
    one, two, other = (
        paint(teacher, scene(), stripes(), effort=Effort(size=48, steps=3, seed=seed)) for seed in (0, 0, 1)
    )
    assert (one == two).all()
    assert (one != other).any()


def test_a_painting_that_keeps_colours_keeps_them(teacher: Teacher) -> None:
    photograph = scene()
    made = paint(teacher, photograph, stripes(), effort=Effort(size=48, steps=4, keep_colours=True))
    disc, wall = made[24, 32].astype(int), made[2, 2].astype(int)
    assert disc[0] > disc[2]
    assert wall[2] > wall[0]


def test_unknown_backbones_are_asked_at_their_stages(teacher: Teacher) -> None:
    assert teacher.layers.style == ("conv1", "layer1", "layer2", "layer3")
    assert teacher.layers.content == ("layer2",)


@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_known_backbones_exist(name: str) -> None:
    with torch.device("meta"):  # nothing is computed
        teacher = build_teacher(name, source="none", weights=Weights())
        maps = teacher.features(torch.empty(1, 3, 64, 64))
    areas = [maps[layer].shape[2] for layer in LAYERS[name].style]
    assert areas == sorted(areas, reverse=True)


# --- by a trained network


def halves(pixels: np.ndarray[Any, Any], *, photograph: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Stand for a graph: the picture, half as bright."""
    assert pixels.shape == photograph.shape
    assert photograph.shape[1] % 4 == photograph.shape[2] % 4 == 0
    return {"picture": photograph.astype(np.float32) / 510}


@pytest.mark.parametrize("size", [(40, 60), (37, 53), (5, 9)])
def test_pictures_of_any_size_keep_it(size: tuple[int, int]) -> None:
    image = noisy(*size)
    made = painter(halves)(image)
    assert made.shape == image.shape
    assert np.abs(made.astype(int) - image // 2).max() <= 1


def test_a_picture_that_is_painted_smaller_keeps_its_detail() -> None:
    image = scene(200, 300)
    image[50:54] = 255
    made = painter(halves, size=100)(image)
    assert made.shape == image.shape
    assert luminance(made)[51].mean() > luminance(made)[40].mean() + 30


def test_full_size_adds_nothing_to_a_painting_of_that_size() -> None:
    painting = noisy()
    assert full_size(painting, scene()) is painting


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="32 to 4096"):
        painter(halves, size=size)


def test_thin_pictures_are_never_shrunk_to_nothing() -> None:
    assert sized(noisy(1, 400), 100).shape == (1, 100, 3)


# --- colours and scores


def test_a_style_of_brightness_is_as_bright_as_the_photograph() -> None:
    bright = as_bright(noisy(), scene())
    assert abs(luminance(bright).mean() - luminance(scene()).mean()) < 3
    assert (bright[..., 0] == bright[..., 2]).all()


def test_colours_of_the_photograph_are_kept_and_brightness_is_not() -> None:
    photograph = np.full((4, 4, 3), (150, 90, 60), np.uint8)
    made = with_colours_of(photograph, np.full((4, 4, 3), 200, np.uint8))
    assert abs(luminance(made).mean() - 200) < 2
    assert made[0, 0, 0] > made[0, 0, 1] > made[0, 0, 2]


def test_structure_does_not_see_contrast_or_colour() -> None:
    image = scene()
    assert structure(image, image) == pytest.approx(1)
    assert structure(image // 2 + 60, image) == pytest.approx(1, abs=0.01)
    assert abs(structure(noisy(), noisy(seed=1))) < 0.1


def original(image: Image) -> Original:
    return Original(lambda *_: image)


def test_scores_are_means_over_pictures() -> None:
    metric = StylizationMetric(())
    image = scene(48, 48)
    metric.update([Picture(image), Picture(255 - image)], [original(image), original(image)])
    scores = metric.compute()
    assert scores["structure"] < 0.9
    assert 0 < scores["repainted"] < 0.5
    assert metric.details()["pictures"] == 2


def test_what_cannot_be_judged_is_refused() -> None:
    metric = StylizationMetric(())
    with pytest.raises(ShapeError):
        metric.update([Picture(scene())], [])
    with pytest.raises(DataError):
        metric.compute()


def test_the_report_shows_photographs_beside_their_paintings() -> None:
    image = scene(48, 48)
    records = mistakes([Picture(255 - image), Picture(image)], [original(image)] * 2, (), limit=5)
    assert [record["row"] for record in records] == [0, 1]  # the most is lost of the first
    assert (
        records[0]["painted"].shape == pair(image, image).shape == annotate(image, Picture(image), ()).shape
    )
    metric = StylizationMetric(())
    metric.update([Picture(image)], [original(image)])
    document = {
        "split": "test",
        "metrics": metric.compute(),
        "details": metric.details(),
        "worst": [{**records[1], "picture": "gallery/a.jpg", "id": "a"}],
    }
    told = summary(document)
    assert any("hardly changed" in worry for worry in told.worries)
    assert panels(document)[0].data["pictures"][0]["file"] == "gallery/a.jpg"
    assert summary({}).verdict == ()
    assert panels({}) == []


def _tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
