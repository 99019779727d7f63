"""The parts that a translator stands on: the pool, the order of pictures, the scores, one way of a graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from nayan.core.errors import BundleError, ConfigError, DataError, NotFound, ShapeError
from nayan.core.types import Domain, Image, Label, Original, Sample, Translation
from nayan.data.results import result_files
from nayan.parts.instance_norm import InstanceNorm
from nayan.parts.patch_discriminator import LEAST_SIDE, PatchDiscriminator
from nayan.runtime.onnx_file import only_outputs
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.generation.translation.decode import OUTPUTS, across, decode, domain_index
from nayan.tasks.generation.translation.draw import annotate, journey, sheet
from nayan.tasks.generation.translation.findings import panels, summary
from nayan.tasks.generation.translation.metric import TranslationMetric, mistakes
from nayan.tasks.generation.translation.pool import PicturePool
from nayan.tasks.generation.translation.translating import MOST_SIDE, PictureTranslator, translate_files
from nayan.training.order import shared_batches

# the pool


def numbered(start: int, count: int) -> torch.Tensor:
    return torch.arange(start, start + count).float().reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def test_a_pool_keeps_and_returns_pictures_until_it_is_full() -> None:
    pool = PicturePool(1, (2, 2), capacity=3)
    assert torch.equal(pool.exchange(numbered(1, 3)), numbered(1, 3))
    assert pool.pictures[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_a_full_pool_gives_every_other_time_an_earlier_picture_and_keeps_the_new_one() -> None:
    torch.manual_seed(0)
    pool = PicturePool(1, (2, 2), capacity=4)
    pool.exchange(numbered(1, 4))
    shown = pool.exchange(numbered(101, 400))[:, 0, 0, 0]
    earlier = shown != torch.arange(101, 501)
    assert 160 < int(earlier.sum()) < 240
    assert bool((shown[earlier] < torch.arange(101, 501)[earlier]).all())
    assert len(set(shown.tolist())) == 400  # nothing is shown twice: who is given away is replaced


def test_a_pool_without_room_remembers_nothing() -> None:
    pool = PicturePool(1, (2, 2), capacity=0)
    assert torch.equal(pool.exchange(numbered(7, 2)), numbered(7, 2))


def test_what_a_pool_is_given_is_not_changed() -> None:
    torch.manual_seed(0)
    pool = PicturePool(1, (2, 2), capacity=1)
    given = numbered(1, 20).clone()
    pool.exchange(given)
    assert torch.equal(given, numbered(1, 20))


# layers


def test_instance_normalisation_is_that_of_torch() -> None:
    maps = torch.randn(2, 3, 5, 7)
    expected = torch.nn.InstanceNorm2d(3)(maps)
    torch.testing.assert_close(InstanceNorm(3)(maps), expected)
    torch.testing.assert_close(InstanceNorm(3)(maps.to(memory_format=torch.channels_last)), expected)


def test_a_patch_is_judged_by_70_pixels_and_no_others() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(1, width=2)
    for part in list(judge.layers):  # a normalised map knows the whole picture
        if isinstance(part, InstanceNorm):
            part.forward = lambda maps: maps  # type: ignore[method-assign]
    picture = torch.randn(1, 1, 160, 160, requires_grad=True)
    logits = judge(picture)
    logits[0, 0, 9, 9].backward()
    assert picture.grad is not None
    rows = picture.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == 70
    assert PatchDiscriminator(3, width=2)(torch.zeros(1, 3, LEAST_SIDE, LEAST_SIDE)).shape == (1, 1, 1, 1)


# the order


@pytest.mark.parametrize("batch", [2, 4])
def test_every_batch_holds_as_many_pictures_of_each_group(batch: int) -> None:
    groups = [0] * 9 + [1] * 4
    dealt = shared_batches(3, 0, groups=groups, batch=batch)
    assert len(dealt) == -(-13 // batch)
    for part in dealt:
        assert np.asarray(groups)[part].tolist() == [0, 1] * (batch // 2)


def test_nothing_of_a_group_comes_again_before_all_of_it_was_seen() -> None:
    groups = [0] * 9 + [1] * 4
    dealt = np.concatenate(shared_batches(3, 0, groups=groups, batch=2))
    few = [row for row in dealt.tolist() if groups[row] == 1]
    assert sorted(few[:4]) == [9, 10, 11, 12]
    many = [row for row in dealt.tolist() if groups[row] == 0]
    assert len(set(many)) == len(many) == 7


def test_another_epoch_has_another_order_and_the_same_one_the_same() -> None:
    groups = [0, 1] * 20
    first, again, other = (
        np.concatenate(shared_batches(3, epoch, groups=groups, batch=2)).tolist() for epoch in (0, 0, 1)
    )
    assert first == again != other


# the scores


def painted(colour: tuple[int, int, int], count: int, seed: int = 0) -> list[Image]:
    rng = np.random.default_rng(seed)
    noise = rng.integers(-20, 20, (count, 16, 16, 3))
    return [(np.asarray(colour) + each).clip(0, 255).astype(np.uint8) for each in noise]


RED, BLUE = (200, 40, 30), (30, 60, 200)


def scored(made_of_a: list[Image], made_of_b: list[Image]) -> dict[str, float]:
    """Score translations of 20 red pictures and 20 blue ones, of which each comes home."""
    metric = TranslationMetric(["red", "blue"])
    for domain, (own, made) in enumerate(((painted(RED, 20), made_of_a), (painted(BLUE, 20), made_of_b))):
        for picture, there in zip(own, made, strict=True):
            translation = Translation(there, there, picture, picture)
            metric.update([translation], [Original(lambda p=picture: p, about=Domain(domain))])
    return metric.compute()


def test_translations_that_look_like_the_other_domain_have_no_distance_to_it() -> None:
    scores = scored(painted(BLUE, 20, 1), painted(RED, 20, 1))
    assert abs(scores["kid"]) < 0.02 * scores["kid_untranslated"]
    assert scores["cycle_psnr"] == 100.0


def test_who_changes_nothing_is_as_far_away_as_before() -> None:
    scores = scored(painted(RED, 20), painted(BLUE, 20))
    assert scores["kid"] == pytest.approx(scores["kid_untranslated"], rel=0.05)


def test_each_way_has_a_score_of_its_own() -> None:
    scores = scored(painted(BLUE, 20, 1), painted(BLUE, 20))
    assert abs(scores["kid_to_b"]) < 0.02 * scores["kid_to_a"]
    assert scores["kid"] == pytest.approx((scores["kid_to_a"] + scores["kid_to_b"]) / 2)


def test_who_does_not_come_home_loses_decibels() -> None:
    metric = TranslationMetric(["red", "blue"])
    for domain in (0, 0, 1, 1):
        picture = np.full((8, 8, 3), 100, np.uint8)
        off = picture + 51  # a fifth of the range: 20 log10(5) = 13.98 dB
        made = Translation(picture, picture, off if domain == 0 else picture, picture)
        metric.update([made], [Original(lambda p=picture: p, about=Domain(domain))])
    assert metric.compute()["cycle_psnr"] == pytest.approx((2 * 13.98 + 2 * 100) / 4, abs=0.01)
    assert metric.details()["cycle_psnr"]["red"] == pytest.approx(13.98, abs=0.01)
    assert metric.details()["pictures"] == {"red": 2, "blue": 2}
    assert "2 pictures of red, 2 of blue" in metric.protocol


def test_what_cannot_be_judged_is_refused() -> None:
    picture = painted(RED, 1)[0]
    made = Translation(picture, picture, picture, picture)
    metric = TranslationMetric(["red", "blue"])
    with pytest.raises(ShapeError, match="1 translations of 0 pictures"):
        metric.update([made], [])
    with pytest.raises(DataError, match="a picture whose domain is not known cannot be judged"):
        metric.update([made], [Original(lambda: picture, about=Label(0))])
    metric.update([made] * 2, [Original(lambda: picture, about=Domain(0))] * 2)
    with pytest.raises(DataError, match="2 pictures of red and 0 of blue"):
        metric.compute()


def test_what_a_person_should_look_at_is_painted_for_both_ways() -> None:
    reds, blues = painted(RED, 5), painted(BLUE, 3)
    targets = [Original(lambda p=p: p, about=Domain(0)) for p in reds]
    targets += [Original(lambda p=p: p, about=Domain(1)) for p in blues]
    made = [Translation(blues[0], blues[1], p, p) for p in (*reds, *blues)]
    records = mistakes(made, targets, ["red", "blue"], limit=4)
    assert [(r["from"], r["to"], r["row"]) for r in records] == [
        ("red", "blue", 0),
        ("red", "blue", 4),
        ("blue", "red", 5),
        ("blue", "red", 7),
    ]
    assert all(r["cycle_psnr"] == 100.0 and r["painted"].shape[2] == 3 for r in records)


# decoding and drawing


def test_the_outputs_become_four_pictures_and_the_domain_says_which_two_matter() -> None:
    place = Placement((8, 8), (1.0, 1.0), (0.0, 0.0))
    raw = {
        name: np.full((1, 2, 3, 3), value, np.float32)
        for name, value in zip(OUTPUTS, (0, 0.2, 0.4, 1), strict=True)
    }
    (found,) = decode(raw, [place])
    assert [part[0, 0, 0] for part in across(found, 0)] == [51, 102]  # to B and back to A
    assert [part[0, 0, 0] for part in across(found, 1)] == [0, 255]
    with pytest.raises(BundleError, match="a translator returns to_a, to_b, back_a, back_b, this model to_a"):
        decode({"to_a": raw["to_a"]}, [place])


def test_a_domain_is_named_by_its_letter_or_its_class() -> None:
    assert domain_index("B", ("apple", "orange")) == domain_index("Orange", ("apple", "orange")) == 1
    with pytest.raises(NotFound, match="no domain is named 'pear'"):
        domain_index("pear", ("apple", "orange"))


def test_pictures_are_painted_beside_their_translations() -> None:
    red, blue = painted(RED, 1)[0], painted(BLUE, 1)[0]
    row = journey(red, blue, red, names=("red", "blue"))
    third = row.shape[1] // 3
    assert row[60, third // 2, 0] > row[60, third // 2, 2]
    assert row[60, third + third // 2, 2] > row[60, third + third // 2, 0]
    assert annotate(np.zeros((40, 60, 3), np.uint8), Translation(red, blue, red, blue), ["a", "b"]).ndim == 3
    assert sheet([red, blue], [Original(np.zeros, about=Domain(0)), None], ["a", "b"]).shape[2] == 3


# what is told


def told(**metrics: float) -> dict[str, Any]:
    scores = {"kid": 0.02, "kid_to_a": 0.02, "kid_to_b": 0.02, "kid_untranslated": 0.2, "cycle_psnr": 24.0}
    return {
        "split": "test",
        "metrics": {**scores, **metrics},
        "details": {
            "pictures": {"apple": 120, "orange": 110},
            "protocol": "chance",
            "cycle_psnr": {"apple": 23.0, "orange": 25.0},
        },
        "worst": [
            {"from": "apple", "to": "orange", "cycle_psnr": 22.5, "picture": "gallery/1.jpg", "id": "1"}
        ],
        "exhibit": {"film": "film.webp"},
    }


def test_a_good_translator_has_a_verdict_and_no_worries() -> None:
    found = summary(told())
    assert "90 % of the way is covered" in found.verdict[0]
    assert "24.0 dB" in found.verdict[1]
    assert found.worries == ()
    assert [tile.value for tile in found.tiles] == ["0.0200", "24.0 dB"]
    titles = [panel.title for panel in panels(told())]
    assert titles == ["apple → orange → apple", "How it learned to translate", "Both ways"]
    json.dumps([dict(panel.data) for panel in panels(told())])


@pytest.mark.parametrize(
    ("metrics", "worry"),
    [
        ({"kid": 0.19, "kid_to_a": 0.19, "kid_to_b": 0.19}, "hardly nearer to the other domain"),
        ({"kid_to_a": 0.19, "kid": 0.105}, "The way to “apple” is not learnt yet (5 % covered)"),
        ({"cycle_psnr": 12.0}, "The way back gives another picture (12.0 dB)"),
    ],
)
def test_what_went_wrong_is_said(metrics: dict[str, float], worry: str) -> None:
    assert any(worry in each for each in summary(told(**metrics)).worries)


def test_a_translation_that_is_farther_away_is_not_called_a_way() -> None:
    assert "they are no nearer" in summary(told(kid=0.3)).verdict[0]


def test_nothing_is_told_of_nothing() -> None:
    assert summary({}).verdict == ()
    assert panels({}) == []


# one way of a graph


@pytest.fixture(scope="module")
def two_ways() -> bytes:
    """Return an ONNX graph of pictures of any size: `to_a` is darker, `to_b` brighter."""
    nodes = [
        helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "range"], ["shares"]),
        helper.make_node("Mul", ["shares", "half"], ["to_a"]),
        helper.make_node("Add", ["to_a", "half"], ["back_b"]),
        helper.make_node("Sqrt", ["shares"], ["to_b"]),
        helper.make_node("Mul", ["to_b", "third"], ["back_a"]),
    ]
    constants = {"range": 255.0, "half": 0.5, "third": 1 / 3}
    graph = helper.make_graph(
        nodes,
        "two ways",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["B", "h", "w", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", "y", "x", 3]) for name in OUTPUTS],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("wanted", [["to_b"], ["back_b"], ["to_a", "back_a"], list(OUTPUTS)])
def test_a_cut_graph_gives_what_is_wanted_as_before_and_computes_nothing_else(
    two_ways: bytes, wanted: list[str]
) -> None:
    cut = only_outputs(two_ways, wanted)
    onnx.checker.check_model(onnx.load_from_string(cut))
    whole, part = (
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (two_ways, cut)
    )
    assert [output.name for output in part.get_outputs()] == wanted
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    for name in wanted:
        assert np.array_equal(*(each.run([name], {"picture": pixels})[0] for each in (whole, part)))
    nodes = {node.output[0] for node in onnx.load_from_string(cut).graph.node}
    needless = {"to_b": {"to_a"}, "back_b": {"to_b", "back_a"}}
    assert not nodes & needless.get(wanted[0], set())
    if wanted == ["to_b"]:
        assert [entry.name for entry in onnx.load_from_string(cut).graph.initializer] == ["range"]


def test_an_output_that_a_graph_does_not_have_cannot_be_cut_out(two_ways: bytes) -> None:
    with pytest.raises(BundleError, match="gives back_a, back_b, to_a, to_b, not to_c"):
        only_outputs(two_ways, ["to_c"])
    with pytest.raises(BundleError, match="not an ONNX model"):
        only_outputs(b"\xff" * 12, ["to_b"])


SPEC = Spec("translation", "cyclegan", {}, ("apple", "orange"), Preprocess((32, 32), "stretch"))


@pytest.fixture
def graph(two_ways: bytes, tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(two_ways)
    return tmp_path / "model.onnx"


def test_a_picture_keeps_its_size_and_shape_and_is_looked_at_as_the_network_learnt(graph: Path) -> None:
    translator = PictureTranslator(graph, SPEC, to="orange")
    assert translator.looked_at((32, 32)) == (32, 32)
    assert translator.looked_at((100, 200)) == (32, 64)
    assert translator.looked_at((1000, 30)) == (1068, 32)
    assert max(translator.looked_at((10, 9000))) <= MOST_SIDE
    made = translator(np.full((100, 210, 3), 64, np.uint8))
    assert made.shape == (100, 210, 3)
    assert np.abs(made.astype(int) - 128).max() <= 1  # sqrt(1/4) = 1/2


def test_detail_beyond_what_the_network_sees_is_kept(graph: Path) -> None:
    rng = np.random.default_rng(0)
    fine = (rng.integers(0, 2, (256, 256, 1)) * 60 + 70).repeat(3, axis=2).astype(np.uint8)
    made = PictureTranslator(graph, SPEC, to="B")(fine)
    assert np.corrcoef(made[..., 0].ravel(), fine[..., 0].ravel())[0, 1] > 0.95
    assert made.mean() > fine.mean() + 40  # as bright as the translation is


def test_a_side_can_be_asked_for_within_reason(graph: Path) -> None:
    assert PictureTranslator(graph, SPEC, to="A", side=64).looked_at((300, 300)) == (64, 64)
    with pytest.raises(ConfigError, match="--imgsz 9000: a translator looks at 16 to 4096 px"):
        PictureTranslator(graph, SPEC, to="A", side=9000)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(graph: Path, tmp_path: Path) -> None:
    def broken() -> Image:
        raise DataError("broken.png: cut off")

    samples = [Sample("broken.png", broken), Sample("good.png", lambda: np.full((20, 30, 3), 64, np.uint8))]
    records = translate_files(PictureTranslator(graph, SPEC, to="A"), samples, out=tmp_path / "out")
    assert records[0] == {"source": "broken.png", "error": "broken.png: cut off"}
    assert Path(records[1]["file"]) == tmp_path / "out" / "good.jpg"
    assert (tmp_path / "out" / "good.jpg").is_file()


# where results go


def test_results_have_names_of_their_own_and_never_those_of_the_pictures(tmp_path: Path) -> None:
    samples = [Sample(f"{folder}/a.png", np.zeros, path=tmp_path / folder / "a.png") for folder in "xy"]
    assert [file.name for file in result_files(samples, tmp_path / "out")] == ["a.jpg", "a_2.jpg"]
    assert result_files(samples[:1], tmp_path / "b.webp") == [tmp_path / "b.webp"]
    with pytest.raises(ConfigError, match="one file for 2 pictures"):
        result_files(samples, tmp_path / "b.jpg")
    with pytest.raises(ConfigError, match="expected a folder, or a file ending in"):
        result_files(samples, tmp_path / "b.tiff")
    with pytest.raises(ConfigError, match="is one of the pictures, which are never changed"):
        result_files(samples[:1], tmp_path / "x", suffix=".png")
