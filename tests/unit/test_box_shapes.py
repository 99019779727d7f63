"""How large the boxes of a data set are in the input: what anchors are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nayan.core.errors import FormatError
from nayan.core.types import Boxes, Dataset, Label, Sample
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.detection.shapes import box_shapes

LETTERBOX = Preprocess((100, 100), "letterbox")


def boxes(*rows: tuple[float, float, float, float], crowd: list[bool] | None = None) -> Boxes:
    return Boxes(
        np.array(rows, np.float32).reshape(-1, 4),
        np.zeros(len(rows), np.int64),
        crowd=None if crowd is None else np.array(crowd),
    )


def dataset(*samples: Sample) -> Dataset:
    return Dataset(samples, ("thing",), Path(), "test")


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


def test_boxes_are_measured_in_the_letterboxed_input() -> None:
    sample = Sample("a", lambda: picture(200, 400), boxes((0, 0, 200, 100), (10, 10, 50, 90)))
    assert box_shapes(dataset(sample), LETTERBOX) == pytest.approx(np.array([[0.5, 0.25], [0.1, 0.2]]))


def test_stretching_changes_the_shape_and_cropping_keeps_it() -> None:
    sample = Sample("a", lambda: picture(200, 400), boxes((0, 0, 100, 100)))
    stretched = box_shapes(dataset(sample), Preprocess((100, 100), "stretch"))
    cropped = box_shapes(dataset(sample), Preprocess((100, 100), "crop"))
    assert stretched[0].tolist() == pytest.approx([0.25, 0.5])
    assert cropped[0].tolist() == pytest.approx([0.5, 0.5])


def test_of_a_file_only_the_header_is_read(tmp_path: Path) -> None:
    def load() -> NDArray[np.uint8]:
        raise AssertionError("no pixel is needed")

    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    sample = Sample("a", load, boxes((0, 0, 100, 50)), path=tmp_path / "a.png")
    assert box_shapes(dataset(sample), LETTERBOX).tolist() == [[0.5, 0.25]]


def test_crowds_specks_broken_pictures_and_pictures_without_boxes_do_not_count() -> None:
    def broken() -> NDArray[np.uint8]:
        raise FormatError("cannot be read")

    samples = (
        Sample(
            "crowd", lambda: picture(100, 100), boxes((0, 0, 50, 50), (0, 0, 20, 20), crowd=[True, False])
        ),
        Sample("speck", lambda: picture(100, 100), boxes((0, 0, 0.5, 20))),
        Sample("broken", broken, boxes((0, 0, 30, 30))),
        Sample("empty", broken, Boxes.none()),
        Sample("label", broken, Label(0)),
        Sample("unknown", broken),
    )
    found = box_shapes(dataset(*samples), LETTERBOX)
    assert found == pytest.approx(np.array([[0.2, 0.2]]))
    assert found.dtype == np.float32


def test_without_boxes_there_are_no_shapes() -> None:
    assert box_shapes(dataset(), LETTERBOX).shape == (0, 2)
