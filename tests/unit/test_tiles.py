"""Large pictures in tiles: prediction, merging at seams, and data sets of tiles."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, FormatError
from nayan.core.types import Boxes, Dataset, Image, Label, Sample
from nayan.data.tiled import tile_dataset, tile_views
from nayan.runtime.predictor import Predictor, evaluate, predict_samples
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.runtime.tiles import Tiling, merge, predict_tiled, tiles


def boxes(
    *rows: tuple[float, float, float, float],
    scores: list[float] | None = None,
    labels: list[int] | None = None,
) -> Boxes:
    return Boxes(
        np.array(rows, np.float32).reshape(-1, 4),
        np.array(labels or [0] * len(rows), np.int64),
        np.array(scores if scores is not None else [0.9] * len(rows), np.float32),
    )


def bright(images: list[Image]) -> list[Boxes]:
    """Find the one bright rectangle of each picture."""
    found = []
    for image in images:
        rows, columns = np.nonzero(image[..., 0] > 128)
        found.append(
            boxes((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
            if len(rows)
            else Boxes.none()
        )
    return found


def picture(*place: int, size: tuple[int, int] = (100, 250)) -> Image:
    image = np.zeros((*size, 3), np.uint8)
    left, top, right, bottom = place
    image[top:bottom, left:right] = 255
    return image


def seeing_tiles(side: int, overlap: float = 0.2) -> Predictor:
    """Return a predictor that finds the bright rectangle of each tile in the pixels of the network."""
    tiling = Tiling(side, overlap)
    spec = Spec("detection", "bright", {}, ("it",), Preprocess((100, 100), "letterbox"), tiling=tiling)

    def decode(raw: Mapping[str, Any], placements: Sequence[Placement]) -> list[Boxes]:
        found = bright(list(raw["pixels"] * (raw["pixels"] != 114)))
        moved = [place.into_original(boxes.xyxy) for boxes, place in zip(found, placements, strict=True)]
        return [Boxes(xyxy, boxes.labels, boxes.scores) for xyxy, boxes in zip(moved, found, strict=True)]

    return Predictor(spec, lambda pixels: {"pixels": pixels}, decode)


@pytest.mark.parametrize("place", [(10, 10, 20, 30), (80, 10, 120, 30), (5, 5, 240, 95), (150, 60, 250, 100)])
@pytest.mark.parametrize("whole", [True, False])
def test_an_object_is_found_once_wherever_it_lies(place: tuple[int, int, int, int], whole: bool) -> None:
    found = predict_tiled(bright, picture(*place), tile=100, overlap=0.2, whole=whole, batch=2)
    assert found.xyxy.tolist() == [list(place)]


def test_weak_detections_are_dropped_before_merging() -> None:
    def weak(images: list[Image]) -> list[Boxes]:
        return [boxes((5, 5, 25, 25), scores=[0.04]) for _ in images]

    assert len(predict_tiled(weak, picture(0, 0, 0, 0), tile=100)) == 0
    assert len(predict_tiled(weak, picture(0, 0, 0, 0), tile=100, whole=False, least=0.01)) == 3


def test_a_picture_without_objects_has_no_boxes() -> None:
    found = predict_tiled(bright, picture(0, 0, 0, 0), tile=100)
    assert len(found) == 0
    assert found.scores is not None
    assert len(merge([], (10, 10))) == 0


def test_a_picture_smaller_than_a_tile_is_looked_at_once() -> None:
    calls: list[int] = []

    def counting(images: list[Image]) -> list[Boxes]:
        calls.append(len(images))
        return bright(images)

    assert len(predict_tiled(counting, picture(1, 1, 9, 9, size=(50, 60)), tile=100)) == 1
    assert calls == [1]


def test_two_objects_that_overlap_in_one_tile_both_stay() -> None:
    pair = boxes((10, 10, 50, 50), (14, 10, 54, 50), scores=[0.9, 0.8])
    assert len(merge([((0, 0, 100, 100), pair)], (100, 180))) == 2


def test_of_two_tiles_that_see_one_object_the_better_score_stays() -> None:
    found = [((0, 0, 100, 100), boxes((82, 10, 96, 30), scores=[0.6])),
             ((80, 0, 180, 100), boxes((2, 11, 16, 31), scores=[0.7]))]  # fmt: skip
    merged = merge(found, (100, 180))
    assert merged.xyxy.tolist() == [[82, 11, 96, 31]]
    assert merged.scores is not None
    assert merged.scores.tolist() == pytest.approx([0.7])


def test_of_equal_scores_the_box_that_shows_more_stays() -> None:
    # The tiles differ by one column: the first lacks the last one of the object.
    found = [((0, 0, 80, 60), boxes((1, 0, 80, 4))), ((1, 0, 81, 60), boxes((0, 0, 80, 4)))]
    assert merge(found, (60, 81)).xyxy.tolist() == [[1, 0, 81, 4]]


def test_objects_of_two_classes_in_one_place_both_stay() -> None:
    found = [((0, 0, 100, 100), boxes((82, 10, 96, 30), labels=[0])),
             ((80, 0, 180, 100), boxes((2, 10, 16, 30), labels=[1]))]  # fmt: skip
    assert len(merge(found, (100, 180))) == 2


def test_a_small_object_in_front_of_a_cut_one_is_not_swallowed() -> None:
    # The large one is cut at x = 100 in the left tile; the small one lies whole in both.
    found = [((0, 0, 100, 100), boxes((40, 10, 100, 90))),
             ((80, 0, 180, 100), boxes((0, 10, 60, 90), (4, 40, 14, 50)))]  # fmt: skip
    merged = merge(found, (100, 180))
    assert sorted(merged.xyxy.tolist()) == [[40, 10, 140, 90], [84, 40, 94, 50]]


def test_a_whole_box_explains_a_piece_even_with_a_lower_score() -> None:
    found = [((0, 0, 100, 100), boxes((70, 10, 100, 50), scores=[0.95])),
             ((60, 0, 160, 100), boxes((10, 10, 60, 50), scores=[0.5]))]  # fmt: skip
    assert merge(found, (100, 160)).xyxy.tolist() == [[70, 10, 120, 50]]


def test_samples_are_read_whole_and_a_broken_one_does_not_stop_the_others() -> None:
    def broken() -> Image:
        raise FormatError("broken")

    samples = [Sample("a", broken), Sample("b", lambda: picture(80, 10, 120, 30))]
    first, second = predict_samples(seeing_tiles(100), samples)
    assert first[1] is None
    assert isinstance(first[2], FormatError)
    assert isinstance(second[2], Boxes)
    assert second[2].xyxy.tolist() == [[80, 10, 120, 30]]


def test_ground_truth_without_scores_is_merged_too() -> None:
    truth = Boxes(np.array([[1, 1, 5, 5]], np.float32), np.array([2]))
    assert merge([((0, 0, 50, 50), truth)], (50, 50)).labels.tolist() == [2]


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0.2), ((10, 0), 0.2), (10, 1.0), (10, -0.1)])
def test_impossible_tiles_are_refused(tile: int | tuple[int, int], overlap: float) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        tiles((100, 100), tile, overlap=overlap)


def test_a_model_that_finds_no_boxes_cannot_use_tiles() -> None:
    with pytest.raises(ConfigError, match="tiles need a model that finds boxes or masks, this one gives str"):
        predict_tiled(lambda images: ["cat"] * len(images), picture(0, 0, 1, 1), tile=100)


def data(tmp_path: Path) -> Dataset:
    image = np.random.default_rng(0).integers(0, 255, (100, 180, 3), dtype=np.uint8)
    PillowImage.fromarray(image).save(tmp_path / "large.png")
    truth = Boxes(
        np.array([[10, 10, 30, 30], [90, 40, 110, 60], [75, 0, 81, 10]], np.float32),
        np.array([0, 1, 2]),
        crowd=np.array([False, False, True]),
        areas=np.array([200, 100, 30], np.float32),
    )
    return Dataset(
        (
            Sample("in/large.png", lambda *_: image, truth, tmp_path / "large.png"),
            Sample("memory.png", lambda *_: image[:50, :60], Boxes.none()),
            Sample("unknown.png", lambda *_: image, None),
        ),
        ("a", "b", "c"), tmp_path, "coco", notes=("first",),
    )  # fmt: skip


def test_a_data_set_of_tiles_shows_the_cut_pictures_and_boxes(tmp_path: Path) -> None:
    dataset = data(tmp_path)
    cut = tile_dataset(dataset, 100, overlap=0.2, min_visible=0.5)
    assert [sample.id for sample in cut.samples] == [
        *("in/large@0,0.png", "in/large@80,0.png", "memory.png", "unknown@0,0.png", "unknown@80,0.png")
    ]
    left, right = (sample.target for sample in cut.samples[:2])
    assert isinstance(left, Boxes)
    assert isinstance(right, Boxes)
    assert left.labels.tolist() == [0, 1, 2]
    assert left.xyxy[1].tolist() == [90, 40, 100, 60]
    assert left.areas is not None
    assert left.areas.tolist() == [200, 50, 30]
    assert right.xyxy.tolist() == [[10, 40, 30, 60]]  # the third shows 1 of 6 columns
    whole = dataset.samples[0].load()
    assert np.array_equal(cut.samples[1].load((8, 8)), whole[:, 80:180])
    assert cut.samples[1].path is None
    assert cut.samples[3].target is None
    assert cut.notes == ("first", "3 pictures are seen as 5 tiles")


def test_the_whole_picture_is_shown_too_where_that_is_asked_for(tmp_path: Path) -> None:
    cut = tile_dataset(data(tmp_path), 100, whole=True)
    assert [sample.id for sample in cut.samples[2:5]] == [
        *("in/large@whole.png", "memory.png", "unknown@0,0.png")
    ]
    assert cut.samples[2].load().shape == (100, 180, 3)


def test_a_picture_that_cannot_be_read_stays_one_sample_for_the_loader_to_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    broken = Sample("broken.png", lambda *_: picture(0, 0, 1, 1), Boxes.none(), tmp_path / "broken.png")
    views = tile_views(Dataset((broken,), ("a",), tmp_path, "coco"), Tiling(100))
    assert views.data.samples == (broken,)
    assert not views.places


def test_a_picture_is_decoded_once_for_all_of_its_tiles() -> None:
    decoded: list[str] = []

    def sample(name: str) -> Sample:
        def load(*_: object) -> Image:
            decoded.append(name)
            return picture(0, 0, 5, 5)

        return Sample(name, load, Boxes.none())

    names = [f"{number}.png" for number in range(6)]
    cut = tile_dataset(Dataset(tuple(map(sample, names)), ("a",), Path(), "drawn"), 100)
    decoded.clear()
    for tile in cut.samples:
        tile.load()
    assert decoded == names
    cut.samples[0].load()  # not kept any more
    assert decoded == [*names, "0.png"]


def test_threads_that_want_tiles_of_one_picture_decode_it_once() -> None:
    decoded: list[str] = []

    def load(*_: object) -> Image:
        decoded.append("a")
        time.sleep(0.02)
        return picture(0, 0, 5, 5)

    cut = tile_dataset(Dataset((Sample("a", load, Boxes.none()),), ("a",), Path(), "drawn"), 50)
    decoded.clear()
    with ThreadPoolExecutor(4) as pool:
        tiles_seen = list(pool.map(lambda sample: sample.load(), cut.samples))
    assert len(tiles_seen) == 18
    assert decoded == ["a"]


def test_what_is_found_in_views_is_put_together_as_prediction_does_it(tmp_path: Path) -> None:
    places = [(80, 10, 120, 30), (5, 5, 240, 95), (10, 10, 20, 30)]
    images = [picture(*place) for place in places]
    samples = tuple(
        Sample(f"{number}.png", lambda *_, image=image: image, boxes(place, scores=[1.0]))
        for number, (image, place) in enumerate(zip(images, places, strict=True))
    )
    dataset = Dataset(samples, ("it",), tmp_path, "drawn", "val")
    predictor = seeing_tiles(100)
    views = tile_views(dataset, Tiling(100))
    flat = Predictor(predictor.spec.with_(tiling=None), predictor.run, predictor.decode)
    joined = views.join((sample.id, flat([sample.load()])[0]) for sample in views.data.samples)
    whole = [found for _, _, found in predict_samples(predictor, samples)]
    assert [sample.id for sample, _ in joined] == [sample.id for sample in samples]
    for (_, found), expected, called in zip(joined, whole, predictor(images), strict=True):
        assert isinstance(expected, Boxes)
        assert isinstance(called, Boxes)
        assert found.xyxy.tolist() == expected.xyxy.tolist() == called.xyxy.tolist()
    assert joined[0][1].xyxy.tolist() == [list(places[0])]


def test_a_predictor_is_evaluated_on_whole_pictures_merged_from_tiles() -> None:
    seen: list[tuple[Any, Any]] = []

    class Collect:
        def update(self, predictions: Sequence[Any], targets: Sequence[Any]) -> None:
            seen.extend(zip(predictions, targets, strict=True))

        def compute(self) -> dict[str, float]:
            return {"pictures": float(len(seen))}

    samples = [Sample("a", lambda *_: picture(80, 10, 120, 30), boxes((80, 10, 120, 30)))]
    assert evaluate(seeing_tiles(100), samples, Collect()).scores == {"pictures": 1.0}
    assert seen[0][0].xyxy.tolist() == seen[0][1].xyxy.tolist()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"side": 0}, "impossible"),
        ({"side": 100.0}, r"tiles of 100\.0 px"),
        ({"side": True}, "tiles of True px"),
        ({"side": 100, "overlap": 1.0}, "impossible"),
        ({"side": 100, "least": 2.0}, r"detections from 2\.0 on"),
    ],
)
def test_impossible_tilings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Tiling(**fields)


def test_only_boxes_can_be_cut(tmp_path: Path) -> None:
    labelled = Dataset((Sample("a", lambda: picture(0, 0, 1, 1), Label(0)),), ("x",), tmp_path, "folder")
    with pytest.raises(ConfigError, match="only boxes and masks can be cut into tiles"):
        tile_dataset(labelled, 50)
    with pytest.raises(ConfigError, match="a fraction from 0 to 1"):
        tile_dataset(labelled, 50, min_visible=1.5)
