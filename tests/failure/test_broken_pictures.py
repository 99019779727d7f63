"""Whatever is wrong with a picture is one FormatError that names the file and says what was found."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from nayan.core import image as image_module
from nayan.core.errors import DataError, FormatError
from nayan.core.image import open_image, probe


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    y, x = np.mgrid[0:120, 0:160]
    noise = np.random.default_rng(0).integers(0, 64, (120, 160, 3))
    pixels = (np.stack([x, y, x + y], axis=-1) % 192 + noise).astype(np.uint8)
    file = io.BytesIO()
    PillowImage.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def test_an_error_names_the_file_what_was_found_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded("JPEG")[:2000])
    with pytest.raises(FormatError) as caught:
        open_image(path)
    assert caught.value.message == f"{path}: a truncated JPEG: Premature end of JPEG file"
    assert "remove it" in caught.value.hint
    assert isinstance(caught.value, DataError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM", "TGA"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_picture_is_refused(kind: str, part: float) -> None:
    data = encoded(kind)
    with pytest.raises(FormatError, match=r"picture in memory: a (truncated|damaged) "):
        open_image(data[: int(len(data) * part)])


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("at_least", [None, (10, 10)])
def test_a_truncated_jpeg_is_refused_on_every_path(
    mode: str, options: dict[str, Any], at_least: tuple[int, int] | None
) -> None:
    data = encoded("JPEG", mode, **options)
    for missing in (20, len(data) // 3):
        with pytest.raises(FormatError, match="a truncated JPEG"):
            open_image(data[:-missing], at_least)


def test_a_jpeg_with_damaged_pixels_is_refused_although_pillow_reads_it() -> None:
    data = bytearray(encoded("JPEG", quality=95))
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff\xfe\x00\x04\xaa\xaa" + bytes(34)
    with pytest.raises(FormatError, match="a damaged JPEG: Corrupt JPEG data"):
        open_image(bytes(data))


@pytest.mark.parametrize("read", [open_image, probe])
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "not a picture: begins with '<!DOCTYPE html>'"),
        (b"class,image\n1,a.jpg\n", "not a picture: begins with 'class,image'"),
        (b"\n\n", "not a picture: begins with ''"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "not a picture: begins with '%!PS-Adobe-3.0 EPSF-3.0'",
        ),
        (b"\x00\x01\x02\x03" * 9, "not a picture: begins with the bytes 00 01 02 03 00 01 02 03"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a damaged PNG: its header makes no sense"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a truncated JPEG: Truncated File Read"),
        (b"GIF89a" + bytes(20), "a damaged GIF: its header makes no sense"),
        (b"P5 0 5 255\n", "a damaged PPM"),
        (b"II*\0", "a damaged TIFF"),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(60), "a damaged TIFF: declares 65535 tags"),
        (b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 40), "a damaged TIFF: declares 1099511627776 tags"),
    ],
)
def test_what_is_no_picture_is_told_by_how_it_begins(read: Any, data: bytes, found: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(data)
    assert caught.value.message.startswith(f"picture in memory: {found}")
    assert caught.value.hint


def test_a_picture_without_pixels_is_refused() -> None:
    bitmap = bytearray(encoded("BMP"))
    bitmap[18:22] = bytes(4)
    with pytest.raises(FormatError, match=r"0 x 120 pixels|damaged BMP"):
        open_image(bytes(bitmap))
    with pytest.raises(FormatError, match=r"declares 0 x 7 pixels"):
        image_module._check_size("x", (7, 0))


def bomb(kind: str, side: int) -> bytes:
    """Return a tiny file whose header declares side x side pixels."""
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        body = b"IDAT" + zlib.compress(b"")
        chunks = [
            struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body)
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    if kind == "GIF":
        return b"GIF89a" + struct.pack("<HH", side, side) + encoded("GIF", "P")[10:]
    if kind == "BMP":
        return b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, side, side, 1, 24, 0) + bytes(24)
    data = bytearray(encoded("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("read", [open_image, probe])
@pytest.mark.parametrize("side", [10_001, 60_000])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "JPEG"])
def test_a_bomb_is_refused_for_the_size_that_it_declares(read: Any, kind: str, side: int) -> None:
    with pytest.raises(FormatError, match=r"declares [\d ,x]+ pixels.*at most 100,000,000") as caught:
        read(bomb(kind, side))
    assert caught.value.hint == "make a smaller copy of it"


def test_a_bomb_costs_less_than_50_mb_and_a_big_file_is_not_read_for_it(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb("PNG", 60_000))
    os.truncate(path, 2**30)  # sparse: a gigabyte behind the header
    code = (
        "import resource, sys\n"
        "from nayan.core.image import open_image\n"
        "from nayan.core.errors import FormatError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    open_image(sys.argv[1])\n"
        "except FormatError:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 50 * 1024


def test_a_png_text_bomb_is_refused() -> None:
    text = b"zTXtbomb\0\0" + zlib.compress(bytes(2 * 2**20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    data = encoded("PNG")
    with pytest.raises(FormatError, match="a damaged PNG: Decompressed data too large"):
        open_image(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpeg_of_countless_scans_is_refused(mode: str) -> None:
    data = encoded("JPEG", mode, progressive=True)

    many = data[:-2] + b"\xff\xda" * 110_000 + b"\xff\xd9"
    with pytest.raises(FormatError, match=r"160 x 120 pixels \(width x height\) in 1100\d\d scans"):
        open_image(many)


def test_scans_are_counted_too_where_pillow_decides() -> None:
    data = encoded("JPEG")
    table = data.index(b"\xff\xdb")
    stray = data[:table] + b"\1\2\3" + data[table:-2] + b"\xff\xda" * 110_000
    with pytest.raises(FormatError, match=r"in 1100\d\d scans"):
        open_image(stray)
    odd = bytearray(data[:-2] + b"\xff\xda" * 110_000)
    odd[data.index(b"\xff\xc0") + 11] = 0x31  # a subsampling that only Pillow decodes
    with pytest.raises(FormatError, match=r"in 1100\d\d scans"):
        open_image(bytes(odd))


def test_a_jpeg_file_of_absurd_length_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "MAX_JPEG_BYTES", 2**20)
    with pytest.raises(FormatError, match="a JPEG of more than 1 MB"):
        open_image(encoded("JPEG") + bytes(2**20))


def test_an_error_without_a_text_is_named_by_its_type() -> None:
    with (
        pytest.raises(FormatError, match="x: a damaged PNG: MemoryError"),
        image_module._refusing("x", "PNG"),
    ):
        raise MemoryError


def test_a_heic_picture_without_pillow_heif_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(FormatError, match="a HEIC") as caught:
        open_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    assert caught.value.hint == 'pip install "nayan[heic]"'


def test_a_damaged_heic_is_refused_too() -> None:
    pytest.importorskip("pillow_heif")
    with pytest.raises(FormatError, match="a damaged HEIC"):
        open_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))


@pytest.mark.parametrize("read", [open_image, probe])
def test_a_path_that_leads_to_no_file_says_so(tmp_path: Path, read: Any) -> None:
    with pytest.raises(FormatError, match=r"a\.jpg: no such file; expected a picture"):
        read(tmp_path / "a.jpg")
    with pytest.raises(FormatError, match="a folder; expected a picture"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file; expected a picture"):
        read(tmp_path / "pipe")


def test_a_file_that_may_not_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded("PNG"))

    def refuse(*_: object) -> None:  # root may open anything, so a mode of 000 proves nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FormatError, match=r"secret\.png: cannot be opened: Permission denied"):
        open_image(path)


def test_a_picture_on_a_read_only_path_is_read_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded("JPEG"))
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    open_image(path)
    probe(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
