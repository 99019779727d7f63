"""What the values of masks mean is decided by a table or by themselves, told, and held to in every file."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from masked import SIZE, halves, masked, masks_of, painted
from PIL import Image

from nayan.core.errors import FormatError, LabelError
from nayan.core.types import VOID, Dataset
from nayan.data.readers import mask_values
from nayan.data.readers.mask_meaning import BINARY
from nayan.data.readers.mask_tables import voc_colour
from nayan.data.readers.masks import MasksReader

RED, GREEN = (200, 0, 0), (0, 200, 0)


def read(root: Path, *masks: np.ndarray | Image.Image, table: str = "", name: str = "classes.csv",
         suffix: str = "png", quality: int = 90) -> Dataset:  # fmt: skip
    """Write masks with a picture each, and perhaps a table, and read them."""
    files: dict = {f"images/{number}.jpg": number for number in range(len(masks))}
    masked(root, files | ({name: table} if table else {}))
    (root / "masks").mkdir(exist_ok=True)
    for number, mask in enumerate(masks):
        image = mask if isinstance(mask, Image.Image) else _image(mask)
        image.save(root / f"masks/{number}.{suffix}", **({"quality": quality} if suffix == "jpg" else {}))
    return MasksReader().read(root, "all")


def _image(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8 if mask.max() < 256 else np.uint16))


def shows(data: Dataset, number: int = 0) -> list[int]:
    """Return the classes along the middle row of a mask."""
    row = masks_of(data)[f"images/{number}.jpg"][SIZE[0] // 2]
    return [int(row[0]), *(int(b) for a, b in itertools.pairwise(row) if a != b)]


def test_black_and_white_are_background_and_foreground(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0, 255, 0))
    assert data.classes == BINARY
    assert shows(data) == [0, 1, 0]
    assert "masks: 0 is 'background', 255 is 'foreground'" in data.notes
    assert data.info["mapping"]["values"] == {"0": "background", "255": "foreground"}


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        ((0, 1), BINARY, [0, 1]),
        ((0, 1, 255), BINARY, [0, 1, VOID]),
        ((0, 65535), BINARY, [0, 1]),
        ((0, 1, 2), ("0", "1", "2"), [0, 1, 2]),
        ((2, 0, 1, 255), ("0", "1", "2"), [2, 0, 1, VOID]),
        ((0, 2, 3, 255), ("0", "2", "3"), [0, 1, 2, VOID]),
        ((0, 127, 255), ("0", "127", "255"), [0, 1, 2]),
        ((7, 26, 11), ("7", "11", "26"), [0, 2, 1]),
        ((0, 300, 1000), ("0", "300", "1000"), [0, 1, 2]),
        ((1, 2, 3), ("1", "2", "3"), [0, 1, 2]),
    ],
)
def test_numbers_become_classes(tmp_path: Path, values: tuple, classes: tuple, expected: list) -> None:
    data = read(tmp_path, halves(*values))
    assert data.classes == classes
    assert shows(data) == expected
    says = data.info["mapping"]["note"]
    assert ("counted without gaps" in says) == (len(classes) > 2 and classes[-1] != str(len(classes) - 1))
    assert ("void" in says) == (VOID in expected)


def test_a_mask_of_one_value_counts_with_the_others(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0), halves(255), halves(0, 255))
    assert [shows(data, number) for number in range(3)] == [[0], [1], [0, 1]]


def test_masks_from_jpeg_are_parted_at_128_and_that_is_told(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0, 255, 0, 255, 0), suffix="jpg", quality=60)
    assert data.classes == BINARY
    assert shows(data) == [0, 1, 0, 1, 0]
    assert any("from 128 on" in note and "compression or soft edges" in note for note in data.notes)
    assert data.info["mapping"]["kind"] == "threshold"


def test_soft_edges_are_parted_at_128(tmp_path: Path) -> None:
    soft = Image.fromarray(np.kron(halves(0, 255), np.ones((8, 8))).astype(np.uint8)).rotate(30)
    data = read(tmp_path, soft.resize(SIZE[::-1], Image.Resampling.BICUBIC))
    assert data.info["mapping"]["kind"] == "threshold"
    assert set(masks_of(data)["images/0.jpg"].ravel().tolist()) == {0, 1}


def test_numbers_in_a_jpeg_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"0\.jpg: is a JPEG.*changes the numbers(.|\n)*as PNG"):
        read(tmp_path, halves(0, 3, 7, 11), suffix="jpg")


def test_a_palette_gives_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(halves(0, 1, 2).astype(np.uint8))
    image.putpalette([200, 10, 10, 0, 0, 90, 4, 5, 6])
    data = read(tmp_path, image)
    assert data.classes == ("0", "1", "2")
    assert shows(data) == [0, 1, 2]


def test_palettes_that_differ_are_read_by_their_colours(tmp_path: Path) -> None:
    images = []
    for order in ((RED, GREEN), (GREEN, RED)):
        image = Image.fromarray(halves(0, 1).astype(np.uint8))
        image.putpalette([*order[0], *order[1]])
        images.append(image)
    data = read(tmp_path, *images)
    assert data.classes == ("#00c800", "#c80000")
    assert [shows(data, number) for number in (0, 1)] == [[1, 0], [0, 1]]


def test_gray_palettes_that_differ_are_read_by_their_levels(tmp_path: Path) -> None:
    images = []
    for order in ((0, 255), (255, 0)):
        image = Image.fromarray(halves(0, 1).astype(np.uint8))
        image.putpalette([level for level in order for _ in range(3)])
        images.append(image)
    data = read(tmp_path, *images, Image.fromarray(halves(255).astype(np.uint8)))
    assert data.classes == BINARY
    assert [shows(data, number) for number in (0, 1, 2)] == [[0, 1], [1, 0], [1]]


def test_colours_are_named_after_themselves_without_a_table(tmp_path: Path) -> None:
    data = read(tmp_path, painted(halves(1, 0, 2), {1: RED, 2: GREEN}))
    assert data.classes == ("#000000", "#00c800", "#c80000")
    assert shows(data) == [2, 0, 1]
    assert any("the colours #000000, #00c800, #c80000 are 3 classes" in note for note in data.notes)


def test_gray_saved_as_colours_is_gray_and_alpha_is_ignored(tmp_path: Path) -> None:
    levels = halves(0, 255).astype(np.uint8)
    see_through = np.zeros_like(levels)
    data = read(tmp_path, Image.fromarray(np.stack([levels] * 3 + [see_through], axis=2)),
                Image.fromarray(np.stack([levels, see_through], axis=2)))  # fmt: skip
    assert data.classes == BINARY
    assert shows(data) == shows(data, 1) == [0, 1]


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    with pytest.raises(FormatError, match="different colours were found"):
        read(tmp_path, Image.fromarray(noise))
    with pytest.raises(FormatError, match=r"is a JPEG, whose compression changes colours"):
        read(tmp_path / "jpeg", painted(halves(0, 1), {0: RED, 1: GREEN}), suffix="jpg")


def test_numbers_of_objects_are_too_many_for_classes(tmp_path: Path) -> None:
    many = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE)
    with pytest.raises(LabelError, match=r"768 classes; a mask holds at most 255(.|\n)*number objects"):
        read(tmp_path, many)


TABLES = {
    "id,name,r,g,b\n0,road,200,0,0\n1,sky,0,200,0\n2,void,0,0,0\n": "classes.csv",
    "name,r,g,b\nroad,200,0,0\nsky,0,200,0\nUnlabelled,0,0,0\n": "class_dict.csv",
    "Pixel Value, Class\n0, road\n1, sky\n2, ignore\n": "_classes.csv",
    "id;name\n0;road\n1;sky\n2;don't care\n": "classes.csv",
    "road\nsky\nvoid\n": "codes.txt",
    "__ignore__\nroad\nsky\nvoid\n": "class_names.txt",
    "# label:color_rgb:parts:actions\nroad:200,0,0::\nsky:0,200,0::\nvoid:0,0,0::\n": "labelmap.txt",
    "200 0 0\troad\n0 200 0\tsky\n0 0 0\tVoid\n": "label_colors.txt",
}


@pytest.mark.parametrize(("table", "name"), TABLES.items(), ids=list(TABLES.values()))
def test_a_table_names_the_numbers_and_void_is_no_class(tmp_path: Path, table: str, name: str) -> None:
    data = read(tmp_path, halves(0, 1, 2, 255), table=table, name=name)
    assert data.classes == ("road", "sky")
    assert shows(data) == [0, 1, VOID]
    assert any(f"2 classes of {name}; void (neither learnt nor judged)" in note for note in data.notes)


@pytest.mark.parametrize("name", ["classes.csv", "class_dict.csv", "labelmap.txt", "label_colors.txt"])
def test_a_table_names_the_colours(tmp_path: Path, name: str) -> None:
    table = next(table for table, other in TABLES.items() if other == name)
    data = read(tmp_path, painted(halves(1, 0, 2), {0: RED, 1: GREEN}), table=table, name=name)
    assert data.classes == ("road", "sky")
    assert shows(data) == [1, 0, VOID]


def test_palettes_in_the_colours_of_the_table_count_by_these(tmp_path: Path) -> None:
    image = Image.fromarray(halves(0, 1).astype(np.uint8))
    image.putpalette([*GREEN, *RED])
    table = next(iter(TABLES))
    assert shows(read(tmp_path, image, table=table)) == [1, 0]


def test_colours_in_a_jpeg_count_as_the_nearest_of_the_table(tmp_path: Path) -> None:
    table = next(iter(TABLES))
    image = painted(halves(0, 1), {0: RED, 1: GREEN})
    data = read(tmp_path, image, table=table, suffix="jpg", quality=95)
    assert any("the nearest one counts" in note for note in data.notes)
    assert (masks_of(data)["images/0.jpg"][:, [0, -1]] == [0, 1]).all()


@pytest.mark.parametrize(
    ("table", "name", "values", "classes"),
    [
        ("person\n", "classes.txt", (0, 255), ("background", "person")),
        ("person\n", "classes.txt", (0, 1), ("background", "person")),
        ("none\nperson\n", "classes.txt", (0, 255), ("none", "person")),
        ("id,name\n0,none\n255,person\n", "classes.csv", (0, 255), ("none", "person")),
        ("cat\ndog\n", "classes.txt", (0, 1, 2), ("background", "cat", "dog")),
        ("name,r,g,b\na,0,0,0\nb,100,100,100\nc,90,90,90\n", "classes.csv", (0, 100, 90), ("a", "b", "c")),
    ],
)
def test_a_table_that_leaves_something_unsaid_is_understood(
    tmp_path: Path, table: str, name: str, values: tuple, classes: tuple
) -> None:
    data = read(tmp_path, halves(*values), table=table, name=name)
    assert data.classes == classes
    assert shows(data) == list(range(len(classes)))


def test_colours_of_vocs_palette_are_known_without_a_table_of_colours(tmp_path: Path) -> None:
    colours = {n: tuple(voc_colour(n).to_bytes(3, "big")) for n in range(3)}
    data = read(tmp_path, painted(halves(0, 2, 1), colours), table="none\ncat\ndog\n", name="classes.txt")
    assert data.classes == ("none", "cat", "dog")
    assert shows(data) == [0, 2, 1]
    with pytest.raises(
        FormatError, match=r"in colours \(#000000, #c80000\), of which classes\.txt says nothing"
    ):
        read(tmp_path / "x", painted(halves(0, 1), {1: RED}), table="none\ncat\n", name="classes.txt")


def test_voc_itself_has_its_names(tmp_path: Path) -> None:
    image = Image.fromarray(halves(0, 15, 255).astype(np.uint8))
    image.putpalette([part for n in range(256) for part in voc_colour(n).to_bytes(3, "big")])
    masked(tmp_path, {"JPEGImages/a.jpg": 1})
    (tmp_path / "SegmentationClass").mkdir()
    image.save(tmp_path / "SegmentationClass/a.png")
    data = MasksReader().read(tmp_path, "all")
    assert (len(data.classes), data.classes[15]) == (21, "person")
    assert set(masks_of(data)["JPEGImages/a.jpg"].ravel().tolist()) == {0, 15, VOID}


@pytest.mark.parametrize(("suffix", "values"), [("labelIds", (7, 26, 0)), ("labelTrainIds", (0, 13, 255))])
def test_cityscapes_has_its_19_classes(tmp_path: Path, suffix: str, values: tuple) -> None:
    masked(tmp_path, {
        "leftImg8bit/train/x/a_leftImg8bit.png": 1, f"gtFine/train/x/a_gtFine_{suffix}.png": halves(*values),
    })  # fmt: skip
    data = MasksReader().read(tmp_path, "train")
    assert (len(data.classes), data.classes[13]) == (19, "car")
    assert next(iter(masks_of(data).values()))[0, ::12].tolist() == [0, 13, VOID]


def test_a_value_outside_the_table_is_refused_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"1\.png: the value 9 stands for no class of classes\.csv \(384 pix"
    ):
        read(tmp_path, halves(0, 1), halves(0, 9), table=next(iter(TABLES)))
    with pytest.raises(FormatError, match=r"the value 9 and 1 other values? stands for no class"):
        read(tmp_path / "more", halves(0, 9, 9, 8), table="a\nb\nc\n", name="classes.txt")


def test_a_value_that_turns_up_later_names_file_value_and_first_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_values, "ALL", 1)
    monkeypatch.setattr(mask_values, "SPREAD", 2)  # the first and the last
    data = read(tmp_path, halves(0, 1, 2), halves(0, 0, 0, 5), halves(0, 1, 2))
    with pytest.raises(FormatError, match=r"1\.png: the value 5 at x 24, y 0 stands for no class \(192 such"):
        data.samples[1].target.load()
    assert data.samples[2].target.load().ids[0, ::11].tolist() == [0, 1, 2]


def test_a_coloured_file_among_gray_ones_is_refused_when_it_is_read(tmp_path: Path) -> None:
    gray = Image.fromarray(np.stack([halves(0, 255).astype(np.uint8)] * 3, axis=2))
    data = read(tmp_path, gray, gray)
    painted(halves(0, 1), {1: RED}).save(tmp_path / "masks/1.png")
    with pytest.raises(FormatError, match=r"1\.png: the colour 200,0,0 at x 16, y 0, but the other"):
        data.samples[1].target.load()


def test_16_bits_and_colours_that_are_unknown_are_refused_too(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0, 300, 1000))
    _image(halves(0, 301, 5000)).save(tmp_path / "masks/0.png")
    with pytest.raises(FormatError, match="the value 301 at x 11"):
        data.samples[0].target.load()


def test_broken_masks_are_left_to_whoever_loads_them_unless_all_are(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0, 255), halves(0, 255))
    (tmp_path / "masks/0.png").write_bytes(b"nothing")
    again = MasksReader().read(tmp_path, "all")
    assert again.classes == data.classes
    with pytest.raises(FormatError, match=r"0\.png: not a picture"):
        again.samples[0].target.load()
    (tmp_path / "masks/1.png").write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"0\.png: not a picture"):
        MasksReader().read(tmp_path, "all")


@pytest.mark.parametrize(
    ("table", "name", "message"),
    [
        ("id,name\n0,a\nx,b\n", "classes.csv", r"classes\.csv:3: 'x' is no whole number from 0 to 65535"),
        ("id,name\n0,a\n0,b\n", "classes.csv", r"the id 0 stands twice"),
        ("id,name\n0,a\n1,a\n", "classes.csv", r"the name 'a' stands twice"),
        ("id,name,r,g,b\n0,a,1,2,3\n1,b,1,2,3\n", "classes.csv", r"the colour 1,2,3 stands twice"),
        ("id,name\n0\n", "classes.csv", r"classes\.csv:2: 1 cells, but the header has 2"),
        ("id,name\n0, \n", "classes.csv", r"classes\.csv:2: the name of the class is missing"),
        ("name,r,g,b\na,1,2,300\n", "class_dict.csv", r"class_dict\.csv:2: '300' is no whole number"),
        ("a:1,2,900::\n", "labelmap.txt", r"labelmap\.txt:1: '900'"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(
    tmp_path: Path, table: str, name: str, message: str
) -> None:
    with pytest.raises((FormatError, LabelError), match=message):
        read(tmp_path, halves(0, 1), table=table, name=name)


@pytest.mark.parametrize("table", ["file,label\n1.png,a\n", "first,second\n1,2\n", "\n", "x"])
def test_tables_of_other_things_are_passed_over(tmp_path: Path, table: str) -> None:
    assert read(tmp_path, halves(0, 255), table=table).classes == BINARY


def test_void_may_stand_twice_and_lines_may_be_empty(tmp_path: Path) -> None:
    data = read(tmp_path, halves(0, 1, 2), table="id,name\n0,void\n\n1,a\n2,void\n")
    assert shows(data) == [VOID, 0, VOID]
