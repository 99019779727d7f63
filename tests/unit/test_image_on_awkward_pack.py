"""Every file of the pack of awkward pictures does what its manifest says a good reader does."""

import csv
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from nayan.core.errors import FormatError
from nayan.core.image import looks_like_picture, open_image, probe
from nayan.runtime.preprocess import resize

pytestmark = pytest.mark.data


def manifest() -> Iterator[tuple[str, str]]:
    """Yield (file, what a good reader does); nothing where the packs are not there."""
    path = Path(os.environ.get("NAYAN_DATA", "/nowhere")) / "awkward" / "MANIFEST.csv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            yield from ((row["file"], row["what_a_good_reader_does"]) for row in csv.DictReader(stream))


@pytest.fixture
def pack(data_packs: Path) -> Path:
    return data_packs / "awkward"


@pytest.mark.parametrize(("name", "wanted"), list(manifest()))
def test_a_file_does_what_the_manifest_says(pack: Path, name: str, wanted: str) -> None:
    path = pack / name
    if wanted.startswith("reject"):
        with pytest.raises(FormatError, match=r"^[^\n]+: ") as caught:
            open_image(path)
        assert str(path) in caught.value.message
        assert caught.value.hint
    elif wanted.startswith("skip"):
        assert not looks_like_picture(path)
    elif name.endswith(".heic") and find_spec("pillow_heif") is None:
        with pytest.raises(FormatError, match="HEIC") as caught:
            open_image(path)
        assert "nayan[heic]" in caught.value.hint
    else:
        pixels = open_image(path)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape == (*probe(path).size, 3)
        assert looks_like_picture(path) or path.suffix not in ("", ".jpg")


def test_the_manifest_has_66_files(data_packs: Path) -> None:
    assert len(list(manifest())) == 66


def test_the_eight_orientations_are_one_picture(pack: Path) -> None:
    small = [resize(open_image(pack / f"exif_orientation_{n}.jpg"), (60, 90)) for n in range(1, 9)]
    assert open_image(pack / "exif_orientation_7.jpg").shape == (1200, 1800, 3)
    for other in small[1:]:
        assert np.abs(other.astype(int) - small[0]).mean() < 2


@pytest.mark.parametrize("name", ["sixteen_bit.pgm", "sixteen_bit_gray.png", "sixteen_bit_gray.tif"])
def test_sixteen_bit_pictures_keep_their_order_of_grays(pack: Path, name: str) -> None:
    with PillowImage.open(pack / name) as image:
        stored = np.asarray(image).astype(float)
    pixels = open_image(pack / name)[..., 0]
    assert np.abs(pixels - stored / 257).max() <= 0.5
    assert (pixels == 255).mean() < 0.05


def test_cmyk_and_lab_have_the_right_colours(pack: Path) -> None:
    for name in ("cmyk.jpg", "cmyk.tif"):  # red letters on black
        pixels = open_image(pack / name).astype(int)
        assert pixels.mean() < 30
        assert pixels[..., 0].max() - pixels[..., 1].max() > 100
    lab, plain = open_image(pack / "lab.tif").astype(int), open_image(pack / "photo.bmp")
    assert np.abs(lab - plain).mean() < 3


def test_an_orientation_in_xmp_alone_is_applied(pack: Path) -> None:
    assert probe(pack / "orientation_in_xmp.png").orientation == 3
