import numpy as np
import pytest
from pycocotools import mask as coco

from nayan.core.errors import FormatError, ShapeError
from nayan.core.rle import decode, encode


def shapes() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.random((9, 7)) < 0.5, np.ones((31, 57), bool)).astype(bool)
    return [
        np.zeros((3, 4), bool),
        np.ones((3, 4), bool),
        rng.random((17, 23)) < 0.5,
        rng.random((200, 300)) < 0.02,
        blocks,
        np.ones((1, 1), bool),
        np.ones((700, 900), bool),
    ]


@pytest.mark.parametrize("mask", shapes())
def test_the_text_is_that_of_pycocotools_and_reads_back(mask: np.ndarray) -> None:
    record = encode(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert record == {"size": list(theirs["size"]), "counts": theirs["counts"].decode()}
    np.testing.assert_array_equal(decode(record), mask)
    np.testing.assert_array_equal(decode({**record, "counts": record["counts"].encode()}), mask)


def test_a_mask_without_pixels_has_no_runs() -> None:
    assert encode(np.zeros((0, 4), bool)) == {"size": [0, 4], "counts": ""}
    assert decode({"size": [0, 4], "counts": ""}).shape == (0, 4)


@pytest.mark.parametrize("mask", [np.zeros((2, 2)), np.zeros((2, 2, 2), bool)])
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"\(H, W\) bool"):
        encode(mask)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"size": [2, 2], "counts": [1, 2]}, "of 3 pixels for a mask of 2 x 2 = 4"),
        ({"size": [2, 2], "counts": [5, -1]}, "of 4 pixels"),
        ({"size": [2, 2], "counts": "2é"}, "holds the letter 'é'"),
        ({"size": [2, 2], "counts": "P"}, "ends inside a number"),
        ({"size": [2, 2], "counts": None}, "text or whole numbers, got NoneType"),
        ({"size": [2, 2], "counts": [2.0, 2]}, "text or whole numbers"),
        ({"size": 4, "counts": [4]}, r"is \[height, width\], got 4"),
        ({"size": [2, -2], "counts": [4]}, r"is \[height, width\]"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "at most"),
    ],
)
def test_damaged_records_are_refused_with_the_reason(record: dict, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        decode(record)
