"""The slice of restoration, part by part: holes, cuts, decoding, scores, pictures of any size."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError, DataError, ShapeError
from nayan.core.types import Image, Label, Original
from nayan.export.torch_backend import TorchBackend
from nayan.runtime.inputs import holes, make_inputs, shrunk, while_learning
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import MAX_SIDE, Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.generation.restoration.baselines import plain, telea
from nayan.tasks.generation.restoration.catalog import MODELS
from nayan.tasks.generation.restoration.decode import decode
from nayan.tasks.generation.restoration.draw import annotate, given_picture, triptych
from nayan.tasks.generation.restoration.filling import boxes_mask, fill
from nayan.tasks.generation.restoration.findings import panels, summary
from nayan.tasks.generation.restoration.metric import RestorationMetric, mistakes
from nayan.tasks.generation.restoration.restored import Restored
from nayan.tasks.generation.restoration.task import RestorationTask
from nayan.tasks.generation.restoration.upscaling import enlarge, reach
from nayan.training.augment import Augment

PLACE = Placement((32, 32), (1.0, 1.0), (0.0, 0.0))


def picture(height: int = 40, width: int = 56, *, seed: int = 0) -> Image:
    """Return a picture of waves, so that what is missing can be guessed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 32
    waves = [128 + 90 * np.sin(3 * x * rng.uniform(0.5, 1) + 3 * y * rng.uniform(0.5, 1)) for _ in range(3)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


def original(image: Image) -> Original:
    return Original(lambda *_at_least: image)


def predictor_of(name: str, *, side: int = 32, noise: float = 0.05, **args: Any) -> Predictor:
    """Return a small network with random weights, in torch."""
    torch.manual_seed(0)
    task = RestorationTask()
    network: Any = task.build(MODELS[name], (), size=(side, side), **args)
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=noise)
    inputs = task.inputs(MODELS[name], (), args={"scale": 2, **args})
    model_args = {**MODELS[name].args, **args}
    spec = Spec("restoration", name, model_args, (), Preprocess((side, side), "cut"), inputs=inputs)
    return Predictor(spec, TorchBackend(network), decode)


# what is taken away


def test_the_same_pixels_always_get_the_same_holes_and_others_get_others() -> None:
    first, second = picture(), picture(seed=1)
    assert np.array_equal(holes(first), holes(first.copy()))
    assert not np.array_equal(holes(first), holes(second))


def test_holes_are_boxes_where_pictures_are_judged_and_strokes_too_where_the_network_learns() -> None:
    inputs = MODELS["inpainting"].inputs
    learning = while_learning(inputs)
    assert "learning" not in learning["hole"]
    many = [picture(64, 64, seed=seed) for seed in range(30)]
    judged, learnt = make_inputs(inputs, many)["hole"], make_inputs(learning, many)["hole"]
    assert set(np.unique(judged)) == {0, 1}
    strokes = [row for row, (a, b) in enumerate(zip(judged, learnt, strict=True)) if not np.array_equal(a, b)]
    assert 3 <= len(strokes) <= 18
    assert all(learnt[row].any() for row in strokes)


def test_a_small_picture_is_the_antialiased_bicubic_one() -> None:
    checker = np.indices((16, 16)).sum(axis=0)[..., None] % 2 * np.full(3, 255)
    small = shrunk(checker.astype(np.uint8), scale=2)
    assert small.shape == (8, 8, 3)
    assert np.ptp(small.astype(int)) <= 30  # the finest pattern disappears instead of turning into another


def test_a_cut_keeps_pixels_as_they_are_and_enlarges_only_what_is_too_small() -> None:
    image, cut = picture(40, 56), Preprocess((32, 32), "cut")
    pixels, placement = cut(image)
    assert np.array_equal(pixels, image[4:36, 12:44])
    assert placement.scale == (1.0, 1.0)
    assert cut(image[:16, :16])[0].shape == (32, 32, 3)
    assert cut.at_least() == (MAX_SIDE, MAX_SIDE)


def test_a_random_cut_is_a_part_of_the_picture_pixel_by_pixel() -> None:
    image = picture(40, 56)
    for seed in range(5):
        part = Augment(spans=(1.0, 1.0))(image, np.random.default_rng(seed), size=(32, 32))
        windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32, 3))[:, :, 0]
        assert (windows == part).all(axis=(2, 3, 4)).any()
    assert Augment(spans=(1.0, 1.0))(image, np.random.default_rng(0), size=(64, 64)).shape == (64, 64, 3)


# what is made of it


def raw_of(picture: NDArray[Any], given: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
    return {"picture": picture.astype(np.float32)[None] / 255, "given": given.astype(np.float32)[None] / 255}


def test_outputs_that_are_no_pictures_are_refused() -> None:
    whole = np.zeros((8, 8, 3))
    with pytest.raises(BundleError, match="a restorer returns picture and given, this model returns logits"):
        decode({"logits": whole}, [PLACE])
    with pytest.raises(ShapeError, match=r"'given' must have the shape \(1, h, w, 3 or 4\)"):
        decode(raw_of(whole, whole[..., :2]), [PLACE])
    with pytest.raises(ShapeError, match=r"must have the shape \(2, h, w, 3\)"):
        decode(raw_of(whole, whole), [PLACE, PLACE])
    with pytest.raises(BundleError, match="'picture' that is not finite"):
        decode(raw_of(np.full_like(whole, np.nan), whole), [PLACE])
    with pytest.raises(ShapeError, match="what was given is"):
        Restored(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))


def restored(truth: Image, *, error: int, hole: bool = True) -> Restored:
    """Return a restoration that is off by `error` everywhere."""
    made = np.clip(truth.astype(int) + error, 0, 255).astype(np.uint8)
    if not hole:
        return Restored(made, shrunk(truth, scale=2))
    known = np.full((*truth.shape[:2], 1), 255, np.uint8)
    known[10:20, 10:20] = 0
    return Restored(made, np.concatenate([truth * (known > 0), known], axis=2))


@pytest.mark.parametrize("hole", [True, False])
def test_scores_are_of_what_was_missing_and_stand_beside_those_without_a_network(hole: bool) -> None:
    truths = [picture(32, 32, seed=seed) for seed in range(4)]
    metric = RestorationMetric(())
    made = [restored(truth, error=2, hole=hole) for truth in truths]
    metric.update(made, [original(truth) for truth in truths])
    scores = metric.compute()
    assert scores["psnr"] == pytest.approx(10 * np.log10(255**2 / 4), abs=0.2)
    assert scores["psnr_gain"] == pytest.approx(scores["psnr"] - scores["psnr_plain"])
    assert 0 < scores["ssim_plain"] <= 1
    details = metric.details()
    assert details["kind"] == ("filled" if hole else "enlarged")
    assert details["pictures"] == 4
    json.dumps(details, allow_nan=False)


def test_a_metric_asks_for_originals() -> None:
    truth = picture(32, 32)
    with pytest.raises(DataError, match="compared with its original"):
        RestorationMetric(()).update([restored(truth, error=0)], [Label(0)])  # type: ignore[list-item]
    with pytest.raises(ShapeError, match="1 restored pictures for 0 originals"):
        RestorationMetric(()).update([restored(truth, error=0)], [])
    with pytest.raises(DataError, match="no picture could be judged"):
        RestorationMetric(()).compute()


def test_the_worst_pictures_come_first_and_some_usual_ones_after_them() -> None:
    truths = [picture(32, 32, seed=seed) for seed in range(9)]
    made = [restored(truth, error=row) for row, truth in enumerate(truths)]
    records = mistakes(made, [original(t) for t in truths], (), limit=6)
    assert [record["row"] for record in records if record["kind"] == "worst"] == [8, 7, 6, 5]
    typical = [record["row"] for record in records if record["kind"] == "typical"]
    assert typical
    assert set(typical) <= {3, 4, 5}
    assert all(record["painted"].shape[1] > 3 * 32 for record in records)


def test_telea_fills_a_hole_from_its_border_and_nothing_else() -> None:
    flat = np.full((20, 20, 3), 90, np.uint8)
    missing = boxes_mask((20, 20), [(5, 5, 12, 9)])
    dirty = flat.copy()
    dirty[missing] = 255
    filled = telea(dirty, missing).astype(int)
    assert np.abs(filled - flat).max() <= 2
    assert np.array_equal(filled[~missing], flat[~missing])


def test_a_triptych_shows_holes_in_colour_and_small_pictures_as_squares() -> None:
    truth = picture(32, 32)
    small, filled = restored(truth, error=1, hole=False), restored(truth, error=1)
    assert np.array_equal(given_picture(small)[::2, ::2], small.given)
    assert (given_picture(filled)[filled.missing] == (236, 72, 153)).all()  # type: ignore[index]
    assert triptych(filled, truth).shape[0] == 256
    assert annotate(truth, filled, ()).shape[1] < triptych(filled, truth).shape[1]
    assert plain(small).shape == truth.shape


def test_a_report_says_what_is_won_and_warns_where_it_is_little() -> None:
    truths = [picture(32, 32, seed=seed) for seed in range(3)]
    for error, told, worry in (
        (0, "more than Telea", "Only 3 pictures"),
        (60, "less than Telea", "no better"),
    ):
        metric = RestorationMetric(())
        metric.update([restored(t, error=error) for t in truths], [original(t) for t in truths])
        found = {"metrics": metric.compute(), "details": metric.details(), "split": "test", "worst": []}
        said = summary(found)
        assert told in said.verdict[0]
        assert any(worry in each for each in said.worries)
        assert panels(found)[0].table is not None
    assert summary({}).verdict == ()
    assert panels({}) == []


# pictures of any size


@pytest.mark.parametrize("size", [(30, 41), (9, 17), (70, 33)])
def test_tiles_have_no_seams_and_a_picture_may_have_any_size(size: tuple[int, int]) -> None:
    predictor = predictor_of("super_resolution", blocks=2, width=8)
    image = picture(*size)
    whole, tiled = enlarge(predictor, image), enlarge(predictor, image, tile=16)
    assert whole.shape == (2 * size[0], 2 * size[1], 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # float32 rounds otherwise in other shapes


@pytest.mark.parametrize("scale", [2, 4])
def test_no_pixel_beyond_the_reach_matters_and_some_at_it_do(scale: int) -> None:
    torch.manual_seed(0)
    network: Any = RestorationTask().build(
        MODELS["super_resolution"], (), scale=scale, blocks=1, width=4, size=(32, 32)
    )
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # every weight above 0: nothing cancels out
            torch.nn.init.constant_(module.weight, 0.1)
    small = torch.full((1, 21, 21, 3), 255, dtype=torch.uint8)
    other = small.clone()
    other[:, 10, 10] = 0
    with torch.no_grad():
        made = [network(torch.empty(0), small=each).picture for each in (small, other)]
    changed = (made[0] != made[1]).any(dim=1)[0].nonzero()
    away = (changed // scale - 10).abs().max()
    assert int(away) == reach({"blocks": 1})


def test_only_holes_are_filled_and_every_other_pixel_stays() -> None:
    predictor = predictor_of("inpainting", width=4)
    image = picture(150, 90)
    missing = boxes_mask((150, 90), [(3, 5, 20, 30), (60, 40, 66, 130), (0, 140, 90, 144)])
    image[missing] = (255, 0, 255)
    before = image.copy()
    filled = fill(predictor, image, missing)
    assert np.array_equal(filled[~missing], before[~missing])
    assert np.array_equal(image, before)
    assert not (filled[missing] == (255, 0, 255)).all(axis=1).any()


@pytest.mark.parametrize("size", [(20, 24), (32, 32), (64, 300)])
def test_a_hole_is_filled_with_what_lies_around_it(size: tuple[int, int]) -> None:
    predictor = predictor_of("inpainting", width=4, noise=0.0)  # so that it is the plain guess
    image = picture(*size)
    box = (size[1] // 2 - 4, size[0] // 2 - 4, size[1] // 2 + 4, size[0] // 2 + 4)
    missing = boxes_mask(size, [box])
    damaged = np.where(missing[..., None], 0, image).astype(np.uint8)
    filled = fill(predictor, damaged, missing)
    assert np.abs(filled[missing].astype(int) - image[missing]).mean() < 25


def test_a_large_hole_is_looked_at_from_farther_away() -> None:
    predictor = predictor_of("inpainting", width=4, noise=0.0)
    image = np.full((120, 160, 3), (40, 120, 200), np.uint8)
    missing = boxes_mask((120, 160), [(20, 10, 150, 110)])
    filled = fill(predictor, np.where(missing[..., None], 255, image).astype(np.uint8), missing)
    assert np.abs(filled.astype(int) - image).max() <= 2


def test_what_cannot_be_filled_or_enlarged_is_refused() -> None:
    filler, enlarger = (
        predictor_of("inpainting", width=4),
        predictor_of("super_resolution", blocks=1, width=4),
    )
    image = picture()
    missing = boxes_mask((40, 56), [(3, 3, 9, 9)])
    checks: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (ConfigError, "to fill holes takes a model of inpainting", lambda: fill(enlarger, image, missing)),
        (ConfigError, "to enlarge takes a model of super_resolution", lambda: enlarge(filler, image)),
        (ShapeError, "needs a mask of that size", lambda: fill(filler, image, missing[1:])),
        (DataError, "nothing of the picture is missing", lambda: fill(filler, image, missing & False)),
        (DataError, "all of the picture is missing", lambda: fill(filler, image, missing | True)),
        (
            ConfigError,
            "--box 3,3,90,9 does not lie in a picture of 56x40",
            lambda: boxes_mask((40, 56), [(3, 3, 90, 9)]),
        ),
    ]
    for kind, message, call in checks:
        with pytest.raises(kind, match=message):
            call()
