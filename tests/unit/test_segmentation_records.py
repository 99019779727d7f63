import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nayan.core import rle
from nayan.core.errors import ConfigError, FormatError, ShapeError
from nayan.core.types import VOID, SemanticMask
from nayan.tasks.segmentation.colours import colour_of
from nayan.tasks.segmentation.records import mask_files, packed, rows, unpacked, write_masks

NAMES = ("background", "cell", "wall")


def mask() -> SemanticMask:
    ids = np.zeros((20, 30), np.uint8)
    ids[5:15, 5:15] = 1
    ids[8:11, 8:11] = 2
    ids[:, 29] = VOID
    scores = np.full(ids.shape, 0.75, np.float32)
    scores[ids == 2] = 0.5
    return SemanticMask(ids, scores)


def test_each_class_has_its_score_area_and_share_the_largest_first() -> None:
    found = rows(mask(), NAMES, mm_per_px=0.5)
    assert [row["label"] for row in found] == ["background", "cell", "wall"]
    assert found[1] == {"label": "cell", "score": 0.75, "area": 91, "share": 91 / 600, "area_mm2": 22.75}
    assert found[2]["score"] == 0.5
    assert sum(row["area"] for row in found) == 600 - 20


def test_ground_truth_scores_one_and_rows_can_be_left_out() -> None:
    assert {row["score"] for row in rows(SemanticMask(mask().ids), NAMES)} == {1.0}
    assert [row["label"] for row in rows(mask(), NAMES, conf=0.6)] == ["background", "cell"]
    assert len(rows(mask(), NAMES, top=1)) == 1
    assert rows(SemanticMask(np.full((2, 2), VOID, np.uint8)), NAMES) == []


def test_run_lengths_and_polygons_hold_the_pixels_of_each_class() -> None:
    for row in rows(mask(), NAMES, mask="rle"):
        np.testing.assert_array_equal(rle.decode(row["mask"]), mask().ids == NAMES.index(row["label"]))
    cell = rows(mask(), NAMES, mask="polygons", tolerance=0)[1]["mask"]
    assert cell == [
        {
            "outer": [[5, 5], [15, 5], [15, 15], [5, 15]],
            "holes": [[[8, 11], [11, 11], [11, 8], [8, 8]]],
        }
    ]


def test_files_are_read_by_others_as_they_were_written(tmp_path: Path) -> None:
    files = mask_files(mask(), NAMES, ["ids", "colour", "rle", "polygons", "ids"], mm_per_px=2.0)
    paths = write_masks(files, tmp_path / "new", "a")
    assert [path.name for path in paths] == ["a.ids.png", "a.colour.png", "a.rle.json", "a.polygons.json"]
    np.testing.assert_array_equal(np.array(Image.open(paths[0])), mask().ids)
    coloured = Image.open(paths[1])
    np.testing.assert_array_equal(np.array(coloured), mask().ids)
    assert coloured.convert("RGB").getpixel((6, 6)) == colour_of(1)
    runs, outlines = (json.loads(path.read_text(encoding="utf-8")) for path in paths[2:])
    assert runs["size"] == [20, 30]
    assert runs["classes"] == list(NAMES)
    assert runs["predictions"][1]["area_mm2"] == 364
    assert [row["label"] for row in outlines["predictions"]] == ["cell", "wall"], "no background"


def test_a_packed_mask_is_the_mask_or_a_small_copy_of_it() -> None:
    np.testing.assert_array_equal(unpacked(packed(mask().ids, side=30)), mask().ids)
    small = unpacked(packed(mask().ids, side=15))
    assert small.shape == (10, 15)
    assert set(np.unique(small)) <= {0, 1, 2, VOID}


def test_what_is_no_packed_mask_is_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "PNG")
    coloured = base64.b64encode(stream.getvalue()).decode()
    for text, complaint in (
        ("%%%", "cannot be read"),
        ("aGk=", "cannot be read"),
        (coloured, "gray PNG, got RGB"),
    ):
        with pytest.raises(FormatError, match=complaint):
            unpacked(text)
    with pytest.raises(FormatError, match="cannot be read"):
        unpacked(packed(mask().ids, side=30)[:80])


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ShapeError, match="class 2 needs a name, there are 2"):
        rows(mask(), NAMES[:2])
    for question in ({"top": 0}, {"mm_per_px": 0.0}, {"mm_per_px": float("nan")}):
        with pytest.raises(ConfigError, match="at least one row, and more than 0 mm"):
            rows(mask(), NAMES, **question)
    with pytest.raises(ConfigError, match="no form of masks is named 'bmp'"):
        mask_files(mask(), NAMES, ["bmp"])  # type: ignore[list-item]


@pytest.mark.data
def test_polygons_of_real_masks_are_the_masks(data_packs: Path) -> None:
    from pycocotools import mask as coco

    for pack, name in (("segment-human", "*.png"), ("segment-membrane", "*.png")):
        path = sorted((data_packs / pack / "test/masks").glob(name))[0]
        inside = np.array(Image.open(path).convert("L")) > 127
        row = rows(SemanticMask(inside.astype(np.uint8)), ("background", "cell"), mask="polygons")
        drawn = np.zeros(inside.shape, bool)
        for part in next(each["mask"] for each in row if each["label"] == "cell"):
            rings = [part["outer"], *part["holes"]]
            filled = [
                rle.decode(coco.merge(coco.frPyObjects([np.ravel(ring).tolist()], *inside.shape)))
                for ring in rings
            ]
            drawn |= filled[0] & ~np.any([np.zeros(inside.shape, bool), *filled[1:]], axis=0)
        assert (drawn & inside).sum() / (drawn | inside).sum() > 0.98
