"""Boxes that are wrong: what is refused, what is mended, and how it is told."""

import math
from pathlib import Path

import numpy as np
import pytest
from drawn import pixels
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nayan.core.errors import FormatError, LabelError
from nayan.core.image import open_image, probe
from nayan.core.types import Boxes, Sample
from nayan.data.headers import picture_infos
from nayan.data.readers.boxes import BoxFaults, BoxSet, box_notes, boxes_of, number

ROOT = Path("d")


def one(xyxy: tuple[float, ...], **options: object) -> tuple[Boxes, list[str]]:
    """Return what becomes of a box in a picture of 20 x 10 pixels (width x height), and the notes."""
    faults = BoxFaults(ROOT)
    boxes = BoxSet((10, 20), faults)
    assert boxes.add(xyxy, 1, line="d/a.txt:3", **options) == bool(len(boxes.boxes()))
    return boxes.boxes(), faults.notes()


def test_a_good_box_stays_as_it_is() -> None:
    boxes, notes = one((1.5, 2, 20, 10))
    assert (boxes.xyxy.tolist(), boxes.labels.tolist(), notes) == ([[1.5, 2, 20, 10]], [1], [])
    assert boxes.crowd is None
    assert boxes.areas is None


@pytest.mark.parametrize(
    ("xyxy", "kept", "note"),
    [
        ((5, 5, 5, 8), [], "left out: 1 box without area (a.txt:3)"),
        ((5, 5, 4, 8), [], "left out: 1 box without area (a.txt:3)"),
        ((5, 5, 5 + 1e-9, 8), [], "left out: 1 box without area (a.txt:3)"),
        ((20, 1, 25, 5), [], "left out: 1 box wholly outside of the picture (a.txt:3)"),
        ((1, -9, 2, 0), [], "left out: 1 box wholly outside of the picture (a.txt:3)"),
        ((-3, 1, 25, 5), [[0, 1, 20, 5]], "cut to the picture: 1 box that stuck out of it (a.txt:3)"),
        ((1, 1, 5, 11), [[1, 1, 5, 10]], "cut to the picture: 1 box that stuck out of it (a.txt:3)"),
        ((-0.25, 1, 20.25, 5), [[0, 1, 20, 5]], None),
    ],
)
def test_impossible_boxes_are_left_out_or_cut_and_counted(
    xyxy: tuple[float, ...], kept: list[list[float]], note: str | None
) -> None:
    boxes, notes = one(xyxy)
    assert boxes.xyxy.tolist() == kept
    assert notes == ([note] if note else [])


def test_exchanged_corners_are_put_in_order_where_the_format_stores_corners() -> None:
    boxes, notes = one((8, 9, 2, 3), corners=True)
    assert boxes.xyxy.tolist() == [[2, 3, 8, 9]]
    assert notes == ["put in order: 1 box whose left and right, or top and bottom, were exchanged (a.txt:3)"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_boxes_that_are_not_finite_are_refused_with_their_place(value: float) -> None:
    with pytest.raises(LabelError, match=r"d/a\.txt:3: the box 1, 2, .*, 4 is not finite"):
        one((1, 2, value, 4))


@pytest.mark.parametrize("value", ["car", None, True, "nan", [1], "", 10**400, "1e999"])
def test_coordinates_that_are_no_numbers_are_refused_with_their_place(value: object) -> None:
    with pytest.raises(FormatError, match=r"a\.xml:7: xmin is .*, expected a finite number"):
        number(value, line=lambda: "a.xml:7", what="xmin")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_numbers_and_their_text_are_the_same(value: float) -> None:
    assert number(value, line="", what="x") == number(str(value), line="", what="x") == float(value)


def test_many_faults_are_one_sentence_with_the_first_places() -> None:
    faults = BoxFaults(ROOT)
    asked = []

    def place(line: int) -> str:
        asked.append(line)
        return f"d/a.txt:{line}"

    boxes = BoxSet((10, 20), faults)
    for line in range(1, 1201):
        boxes.add((1, 1, 1, 1), 0, line=lambda line=line: place(line))
    faults.count("left out: {files} and {rows} of {pictures}", "elsewhere:1")
    assert faults.notes() == [
        "left out: 1,200 boxes without area (a.txt:1, a.txt:2, a.txt:3, ...)",
        "left out: 1 file and 1 row of 1 picture (elsewhere:1)",
    ]
    assert asked == [1, 2, 3]


def test_fractions_where_pixels_are_due_are_refused() -> None:
    faults = BoxFaults(ROOT)
    boxes = BoxSet((10, 20), faults)
    boxes.add((0.1, 0.1, 0.5, 0.9), 0, line=lambda: "d/a.xml:4")
    boxes.add((0.1, 0.1, 0.5, 1.0), 0, line="d/a.xml:9")
    with pytest.raises(
        LabelError, match=r"a\.xml:4: every box .* within 0 and 1, but .* xmin in pixels\n.*YOLO"
    ):
        faults.check_pixels("xmin in pixels")
    boxes.add((3, 1, 7, 9), 0, line="d/a.xml:14")
    faults.check_pixels("xmin in pixels")
    BoxFaults(ROOT).check_pixels("no box at all is no fault")


def test_a_box_of_a_picture_of_one_pixel_is_no_fraction() -> None:
    faults = BoxFaults(ROOT)
    BoxSet((1, 1), faults).add((0, 0, 1, 1), 0, line="a:1")
    faults.check_pixels("pixels")
    assert faults.notes() == []


def test_a_declared_size_that_is_wrong_is_told() -> None:
    faults = BoxFaults(ROOT)
    boxes = BoxSet((10, 20), faults, declared=(100, 200), place="d/a.xml:2")
    assert boxes.add((1, 1, 5, 5), 0, line="d/a.xml:3")
    assert faults.notes() == [
        "the declared size of 1 picture is not that of the file; the file counts (a.xml:2)"
    ]


def test_a_box_that_fits_only_the_declared_size_is_refused() -> None:
    boxes = BoxSet((10, 20), BoxFaults(ROOT), declared=(100, 200))
    with pytest.raises(
        LabelError,
        match=r"a\.xml:3: the box 1, 1, 50, 50 lies outside of the picture of 20 x 10 .* within the declared "
        r"200 x 100\n.*resized after it was annotated",
    ):
        boxes.add((1, 1, 50, 50), 0, line="a.xml:3")
    assert boxes.add((1, 1, 500, 500), 0, line="a.xml:4")  # fits neither: cut to the picture
    assert boxes.boxes().xyxy.tolist() == [[1, 1, 20, 10]]


@pytest.mark.parametrize("declared", [None, (0, 0), (10, 20)])
def test_no_declared_size_is_no_fault(declared: tuple[int, int] | None) -> None:
    faults = BoxFaults(ROOT)
    BoxSet((10, 20), faults, declared=declared, place="a:1")
    assert faults.notes() == []


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_drawn_before_the_orientation_are_turned_with_the_picture(
    tmp_path: Path, orientation: int
) -> None:
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[3:9, 11:31] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "1.png", exif=exif)
    (info,) = picture_infos([tmp_path / "1.png"])
    assert info is not None
    faults = BoxFaults(tmp_path)
    boxes = BoxSet(info.size, faults, declared=(24, 40), orientation=info.orientation, place="a.json:2")
    boxes.add((11, 3, 31, 9), 0, line="a.json:3")
    ys, xs = np.nonzero(open_image(tmp_path / "1.png")[..., 0])
    assert boxes.boxes().xyxy.tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    assert faults.notes() == [
        "turned with the EXIF orientation of the picture: the boxes of 1 picture, drawn before it was "
        "applied (a.json:2)"
    ]


def test_crowds_and_areas_are_kept_and_areas_of_boxes_alone_are_not() -> None:
    boxes = BoxSet((10, 20), BoxFaults(ROOT))
    boxes.add((0, 0, 4, 2), 0, line="", area=8)
    assert boxes.boxes().areas is None
    boxes.add((0, 0, 5, 5), 2, line="", crowd=True, area=7.5)
    boxes.add((0, 0, 5, 5), 2, line="")
    found = boxes.boxes()
    assert found.areas is not None
    assert found.crowd is not None
    assert (found.areas.tolist(), found.crowd.tolist()) == ([8, 7.5, 25], [False, True, False])


def test_writing_refuses_unknown_objects_and_classes() -> None:
    box = Boxes(np.array([[0, 0, 1, 1]], np.float32), np.array([2]))
    with pytest.raises(
        LabelError, match="a: the picture has no boxes\na picture of the background has an empty"
    ):
        boxes_of(Sample("a", load=pixels), ("x",))
    with pytest.raises(LabelError, match=r"a: a box of class 2, but there are 2 classes \(from 0\)"):
        boxes_of(Sample("a", load=pixels, target=box), ("x", "y"))
    assert boxes_of(Sample("a", load=pixels, target=box), ("x", "y", "z")) is box


def test_pictures_of_the_background_are_counted() -> None:
    samples = [Sample("a", load=pixels, target=Boxes.none()), Sample("b", load=pixels)]
    assert box_notes(samples, (), "train") == ["train has 1 picture of the background, without a box"]


def test_sizes_of_many_pictures_are_those_of_probe(tmp_path: Path) -> None:
    paths = []
    for number_of in range(80):
        kind = ("jpg", "png", "jpg", "bmp")[number_of % 4]
        image = Image.fromarray(pixels(number_of, (10 + number_of, 30)))
        image = image.convert("L") if number_of % 8 == 0 else image
        image = image.convert("CMYK") if number_of == 2 else image
        exif = Image.Exif()
        exif[0x0112] = 6
        extra = {"exif": exif} if number_of in (4, 6) else {"progressive": True} if number_of == 8 else {}
        paths.append(tmp_path / f"{number_of}.{kind}")
        image.save(paths[-1], **extra)
    assert picture_infos(paths) == [probe(path) for path in paths]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe0\x00\x10",
        b"\xff\xd8\xff\xc0\x00\x11\x08" + bytes(20),
        b"no picture",
    ],
)
def test_what_cannot_be_read_has_no_size(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(content)
    assert picture_infos([tmp_path / "1.jpg", tmp_path / "gone.jpg"]) == [None, None]
