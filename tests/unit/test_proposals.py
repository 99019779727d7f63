"""Selective search: the same pixels always give the same boxes, and a cache never gives others."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError, MissingExtra, ShapeError
from nayan.runtime.inputs import make_inputs
from nayan.runtime.proposals import REMEMBERED, SAME_IOU, SMALLEST_SIDE, Mode, cached, propose

TRUTH = np.array([[20, 10, 50, 30], [8, 40, 24, 64]], np.float32)


def picture(shift: int = 0) -> NDArray[np.uint8]:
    """Two plain rectangles on a slightly noisy background, at the places of `TRUTH`."""
    pixels = np.random.default_rng(0).integers(190, 210, (80, 100, 3), dtype=np.uint8)
    pixels[10:30, 20 + shift : 50 + shift] = (200, 30, 40)
    pixels[40:64, 8:24] = (20, 60, 180)
    return pixels


def test_plain_objects_are_among_the_proposals() -> None:
    boxes = propose(picture(), count=60)
    assert boxes.shape == (60, 4)
    assert boxes.dtype == np.float32
    assert (iou_matrix(TRUTH, boxes).max(axis=1) > 0.7).all()


def test_the_same_pixels_give_the_same_boxes_although_opencv_shuffles_them() -> None:
    first = propose(picture(), count=60)
    assert all(np.array_equal(propose(picture(), count=60), first) for _ in range(3))


def test_fewer_are_the_first_of_more() -> None:
    assert np.array_equal(propose(picture(), count=5), propose(picture(), count=60)[:5])


def test_no_box_repeats_another_or_is_a_mere_border() -> None:
    boxes = propose(picture(), count=60)
    boxes = boxes[boxes.any(axis=1)]
    assert len(boxes) > 3
    assert np.triu(iou_matrix(boxes, boxes), 1).max() <= SAME_IOU
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= SMALLEST_SIDE
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= (100, 80)).all()


def test_what_a_picture_does_not_give_is_filled_with_zeros() -> None:
    boxes = propose(np.full((32, 48, 3), 90, np.uint8), count=4)
    assert boxes.tolist() == [[0, 0, 48, 32], [0] * 4, [0] * 4, [0] * 4]
    assert not propose(np.zeros((1, 1, 3), np.uint8), count=2).any()


def test_a_gray_picture_is_searched_too() -> None:
    gray = picture()[:, :, :1]
    assert np.array_equal(propose(gray, count=9), propose(np.repeat(gray, 3, axis=2), count=9))


@pytest.mark.parametrize(("mode", "more_than"), [("single", 1), ("quality", 20)])
def test_modes_differ_in_how_much_they_find(mode: Mode, more_than: int) -> None:
    found = propose(picture(), count=300, mode=mode).any(axis=1).sum()
    assert found > more_than


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\(h, w, 1 or 3\) uint8"):
        propose(np.zeros(shape, np.uint8), count=1)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="'best'"):
        propose(picture(), count=1, mode="best")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got 0"):
        propose(picture(), count=0)


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cv2"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="OpenCV"):
        propose(picture(), count=1)


class Counted:
    """`propose`, and how often it was really asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pixels: NDArray[np.uint8], *, count: int, mode: Mode = "fast") -> NDArray[np.float32]:
        self.calls += 1
        return propose(pixels, count=count, mode=mode)


def test_a_cache_answers_alike_and_asks_once(tmp_path: Path) -> None:
    inner = Counted()
    remembered = cached(tmp_path / "proposals", inner)
    first = remembered(picture(), count=10)
    assert np.array_equal(remembered(picture(), count=10), first)
    assert np.array_equal(propose(picture(), count=10), first)
    assert inner.calls == 1
    assert len(list((tmp_path / "proposals").iterdir())) == 1


def test_a_cache_serves_every_count_from_one_search(tmp_path: Path) -> None:
    inner = Counted()
    remembered = cached(tmp_path, inner)
    for count in (3, 60, 1):
        assert np.array_equal(remembered(picture(), count=count), propose(picture(), count=count))
    assert inner.calls == 1
    remembered(picture(), count=REMEMBERED + 1)
    assert inner.calls == 2


def test_a_cache_tells_pixels_and_arguments_apart(tmp_path: Path) -> None:
    inner = Counted()
    remembered = cached(tmp_path, inner)
    remembered(picture(), count=10)
    remembered(picture(shift=1), count=10)
    remembered(picture(), count=10, mode="single")
    remembered(picture().reshape(100, 80, 3), count=10)  # the same bytes in another shape
    assert inner.calls == 4


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_of_the_cache_is_made_again(tmp_path: Path, content: bytes) -> None:
    remembered = cached(tmp_path)
    first = remembered(picture(), count=10)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert np.array_equal(remembered(picture(), count=10), first)
    assert np.array_equal(np.load(file)[:10], first)


def test_a_file_with_something_else_is_made_again(tmp_path: Path) -> None:
    remembered = cached(tmp_path)
    first = remembered(picture(), count=10)
    (file,) = tmp_path.iterdir()
    np.save(file, np.zeros((3, 5), np.float32))
    assert np.array_equal(remembered(picture(), count=10), first)


def test_further_inputs_are_made_as_an_entry_describes_them(tmp_path: Path) -> None:
    described = {"proposals": {"method": "selective_search", "count": 7, "mode": "single"}}
    made = make_inputs(described, [picture(), picture(shift=3)])
    assert set(made) == {"proposals"}
    assert made["proposals"].shape == (2, 7, 4)
    assert np.array_equal(made["proposals"][0], propose(picture(), count=7, mode="single"))
    remembered = make_inputs(described, [picture(), picture(shift=3)], folder=tmp_path)
    assert np.array_equal(remembered["proposals"], made["proposals"])
    assert len(list(tmp_path.iterdir())) == 2


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"proposals: unknown method 'guess'(.|\n)*selective_search"):
        make_inputs({"proposals": {"method": "guess"}}, [picture()])
