"""Pictures of every kind become (H, W, 3) uint8 RGB, upright, and mean the same however they are stored."""

import io
import struct
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps, features
from PIL.PngImagePlugin import PngInfo

from nayan.core.image import _QUIET, PICTURE_SUFFIXES, looks_like_picture, open_image, probe
from nayan.runtime.preprocess import Preprocess


def photo(height: int = 40, width: int = 56) -> PillowImage.Image:
    """Return a smooth picture whose four corners differ."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    return PillowImage.fromarray((np.stack([x, y, 1 - x * y], axis=-1) * 255).astype(np.uint8))


def encoded(image: PillowImage.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: object) -> PillowImage.Exif:
    block = PillowImage.Exif()
    block[0x0112] = orientation
    return block


LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}


@pytest.mark.parametrize("kind", [*LOSSLESS, "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format_comes_out_upright(kind: str, orientation: int) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    upright = photo()
    # The stored picture is the one that Pillow turns into `upright`.
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    stamped = upright.copy()
    stamped.getexif()[0x0112] = undo
    stored = ImageOps.exif_transpose(stamped)
    data = encoded(stored, kind, exif=exif(orientation), **LOSSLESS.get(kind, {}))
    pixels = open_image(data)
    assert pixels.shape == (40, 56, 3)
    assert np.abs(pixels.astype(int) - np.asarray(upright)).mean() < 3
    info = probe(data)
    assert (info.size, info.format) == ((40, 56), kind)
    assert info.orientation == orientation


def test_a_heic_picture_is_read_where_pillow_heif_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    data = encoded(photo(64, 80), "HEIF", quality=95)
    assert np.abs(open_image(data).astype(int) - np.asarray(photo(64, 80))).mean() < 4
    assert probe(data).size == (64, 80)


@pytest.mark.parametrize(
    "metadata",
    [
        b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='?'/>",
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
    ],
)
def test_unreadable_metadata_does_not_stop_good_pixels(metadata: bytes) -> None:
    plain = encoded(photo(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(metadata) + 2) + metadata
    data = plain[:2] + segment + plain[2:]
    np.testing.assert_array_equal(open_image(data), open_image(plain))
    assert probe(data).orientation == 1


def test_a_jpeg_whose_metadata_pillow_gives_up_on_is_taken_as_it_is_stored() -> None:
    plain = encoded(photo(), "JPEG")
    profile = b"\xff\xe2\0\x0eICC_PROFILE\0"  # ends before its number
    data = plain[:2] + b"\xff\xe1\0\x08Exif\0\0" + profile + plain[2:]
    np.testing.assert_array_equal(open_image(data), open_image(plain))


def test_an_exif_block_that_is_not_hexadecimal_does_not_stop_good_pixels() -> None:
    texts = PngInfo()
    texts.add_text("Raw profile type exif", "\n\nexif\n  this is no hexadecimal number")
    data = encoded(photo(), "PNG", pnginfo=texts)
    np.testing.assert_array_equal(open_image(data), np.asarray(photo()))
    assert probe(data).orientation == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_counts_as_upright(value: int) -> None:
    data = encoded(photo(), "JPEG", exif=exif(value))
    np.testing.assert_array_equal(open_image(data), open_image(encoded(photo(), "JPEG")))


def test_an_orientation_in_xmp_is_applied() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    assert open_image(encoded(photo(), "JPEG", xmp=xmp)).shape == (56, 40, 3)
    assert probe(encoded(photo(), "WEBP", xmp=xmp)).size == (56, 40)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_path_gives_the_pixels_of_pillow(mode: str, options: dict[str, Any]) -> None:
    data = encoded(photo(77, 131).convert(mode), "JPEG", quality=85, **options)
    with PillowImage.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(open_image(data), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("orientation", "expected"), [(1, (200, 320)), (6, (320, 200))])
def test_a_large_jpeg_is_decoded_smaller_but_never_below_what_is_needed(
    orientation: int, expected: tuple[int, int]
) -> None:
    data = encoded(photo(400, 640), "JPEG", exif=exif(orientation))
    needed = (100, 170) if orientation == 1 else (170, 100)
    assert open_image(data, needed).shape[:2] == expected
    assert open_image(data).shape[:2] == tuple(2 * side for side in expected)
    assert min(open_image(data, (20, 20)).shape[:2]) == 50
    assert open_image(data, (399, 10)).shape[:2] == tuple(2 * side for side in expected)
    assert open_image(data, (39, 39)).shape[:2] == tuple(side // 2 for side in expected)


def test_other_formats_are_decoded_whole_even_if_less_is_needed() -> None:
    assert open_image(encoded(photo(400, 640), "PNG"), (20, 20)).shape == (400, 640, 3)


def test_a_scaled_decode_and_one_resize_are_nearly_the_full_decode_and_the_same_resize() -> None:
    rng = np.random.default_rng(0)
    coarse = PillowImage.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    data = encoded(coarse.resize((640, 480), PillowImage.Resampling.BICUBIC), "JPEG", quality=90)
    shrink = Preprocess((112, 112))
    scaled, whole = open_image(data, shrink.at_least()), open_image(data)
    assert scaled.shape == (240, 320, 3)
    error = np.mean((shrink(scaled)[0].astype(float) - shrink(whole)[0]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 45


RAMP16 = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
RAMP8 = np.arange(256, dtype=np.uint8).reshape(16, 16)


def tiff(
    samples: bytes, *, bits: int, sample_format: int = 1, photometric: int = 1, order: str = "<"
) -> bytes:
    """Return a 16 x 16 gray TIFF made by hand, for types that Pillow reads but does not write."""
    tags = [(256, 16), (257, 16), (258, bits), (259, 1), (262, photometric), (273, 200), (277, 1), (278, 16)]
    tags += [(279, len(samples)), (339, sample_format)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    return (head + struct.pack(order + "H", len(tags)) + entries).ljust(200, b"\0") + samples


@pytest.mark.parametrize(
    "data",
    [
        encoded(PillowImage.fromarray(RAMP16), "PNG"),
        encoded(PillowImage.fromarray(RAMP16), "TIFF"),
        encoded(PillowImage.fromarray(RAMP16), "JPEG2000", irreversible=False),
        b"P5 16 16 65535\n" + RAMP16.astype(">u2").tobytes(),
        tiff(RAMP16.astype(">u2").tobytes(), bits=16, order=">"),
        tiff(RAMP16.astype("<i4").tobytes(), bits=32, sample_format=2),
        tiff(RAMP16[::-1, ::-1].astype("<u2").tobytes(), bits=16, photometric=0),
    ],
    ids=["png", "tiff", "jpeg2000", "pgm", "big_endian_tiff", "int32_tiff", "white_is_zero_tiff"],
)
def test_sixteen_bits_are_scaled_and_neither_clipped_nor_wrapped(data: bytes) -> None:
    pixels = open_image(data)
    np.testing.assert_array_equal(pixels, np.repeat(RAMP8[..., None], 3, axis=2))


def test_twelve_bits_are_scaled_by_4095() -> None:
    values = np.linspace(0, 4095, 256).round().astype(int)
    packed = bytearray()
    for first, second in values.reshape(-1, 2):
        packed += bytes([first >> 4, (first & 15) << 4 | second >> 8, second & 255])
    pixels = open_image(tiff(bytes(packed), bits=12))
    assert np.abs(pixels[..., 0].astype(int) - RAMP8).max() <= 1
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("scale", [1 / 255, 1, 257])
def test_floats_are_scaled_by_the_smallest_usual_range_that_holds_them(scale: float) -> None:
    image = PillowImage.fromarray(RAMP8.astype(np.float32) * np.float32(scale))
    np.testing.assert_array_equal(open_image(encoded(image, "TIFF"))[..., 0], RAMP8)


def test_numbers_without_a_usual_range_are_scaled_between_their_own_extremes() -> None:
    floats = PillowImage.fromarray((RAMP8.astype(np.float32) - 100) * 1000)
    np.testing.assert_array_equal(open_image(encoded(floats, "TIFF"))[..., 0], RAMP8)
    unsigned = (RAMP8.astype(np.uint64) * 0x01010101).astype("<u4")
    np.testing.assert_array_equal(open_image(tiff(unsigned.tobytes(), bits=32))[..., 0], RAMP8)
    signed = (RAMP8.astype(int) * 257 - 32768).astype("<i2")
    np.testing.assert_array_equal(open_image(tiff(signed.tobytes(), bits=16, sample_format=2))[..., 0], RAMP8)


def test_float_pictures_of_one_value_or_of_none_are_read_without_a_warning() -> None:
    for value, expected in ((-5.0, 0), (np.nan, 0), (0.0, 0), (1.0, 255)):
        image = PillowImage.fromarray(np.full((2, 2), value, np.float32))
        assert open_image(encoded(image, "TIFF")).max() == expected
    values = np.array([[0, 1, np.inf, -np.inf, np.nan]], np.float32)
    pixels = open_image(encoded(PillowImage.fromarray(values), "TIFF"))
    assert pixels[0, :, 0].tolist() == [0, 255, 255, 0, 0]


def transparent_pictures() -> dict[str, bytes]:
    """Return pictures with a black, transparent left half and an opaque, dark red or gray right half."""
    alpha = np.zeros((4, 8), np.uint8)
    alpha[:, 4:] = 255
    dark = np.zeros((4, 8, 3), np.uint8)
    dark[:, 4:] = (100, 0, 0)
    rgba = PillowImage.fromarray(np.dstack([dark, alpha]))
    gray = PillowImage.fromarray(dark[..., 0])
    wide = PillowImage.fromarray(dark[..., 0].astype(np.uint16) * 257)
    palette = PillowImage.fromarray((dark[..., 0] > 0).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 100, 0, 0])
    both = PillowImage.merge("LA", (gray, PillowImage.fromarray(alpha)))
    return {
        "rgba_png": encoded(rgba, "PNG"),
        "rgba_webp": encoded(rgba, "WEBP", lossless=True, exact=True),
        "la_png": encoded(both, "PNG"),
        "la_tga": encoded(both, "TGA"),
        "palette_png": encoded(palette, "PNG", transparency=0),
        "palette_alpha_png": encoded(palette, "PNG", transparency=b"\0\xff"),
        "gif": encoded(palette, "GIF", transparency=0),
        "gray_trns_png": encoded(gray, "PNG", transparency=0),
        "rgb_trns_png": encoded(rgba.convert("RGB"), "PNG", transparency=(0, 0, 0)),
        "gray16_trns_png": encoded(wide, "PNG", transparency=0),
    }


@pytest.mark.parametrize("name", transparent_pictures())
def test_transparency_is_laid_on_white(name: str) -> None:
    pixels = open_image(transparent_pictures()[name])
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:, 0] == 100).all()


def test_half_transparency_is_mixed_with_white() -> None:
    pixels = open_image(encoded(PillowImage.new("RGBA", (1, 1), (0, 100, 200, 128)), "PNG"))
    assert np.abs(pixels[0, 0].astype(int) - (127, 177, 227)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "RGBa", "YCbCr", "HSV", "LAB"])
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    from nayan.core.pixels import to_rgb

    image = PillowImage.new(mode, (3, 2))
    assert (to_rgb(image).mode, to_rgb(image).size) == ("RGB", (3, 2))


def test_a_lab_tiff_has_the_colours_of_its_rgb_original() -> None:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(photo(), *profiles, outputMode="LAB")
    assert lab is not None
    assert np.abs(open_image(encoded(lab, "TIFF")).astype(int) - np.asarray(photo())).mean() < 3


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(kind: str) -> None:
    ink = PillowImage.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = open_image(encoded(ink, kind))
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 4


def cmyk_profile(paper_lightness: int) -> bytes:
    """Return a minimal ICC printer profile: paper of that L* (0-255), from which any ink leads to black."""
    corners = bytearray()
    for corner in range(16):
        corners += bytes([paper_lightness if corner == 0 else 0, 128, 128])
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(corners) + ramp * 3
    table += b"\0" * (-len(table) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", 128 + 4 + 12 + len(table), b"test", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


def test_cmyk_goes_through_its_embedded_profile() -> None:
    cyan = PillowImage.new("CMYK", (8, 8), (128, 0, 0, 0))
    assert open_image(encoded(cyan, "TIFF"))[0, 0].tolist() == [127, 255, 255]
    through = open_image(encoded(cyan, "TIFF", icc_profile=cmyk_profile(255)))
    assert (np.abs(through.astype(int) - 118) <= 2).all()  # halfway from L* = 100 to 0 is sRGB 118


@pytest.mark.parametrize("profile", [b"no profile at all", cmyk_profile(128)[:200]])
def test_a_broken_profile_leaves_plain_cmyk(profile: bytes) -> None:
    ink = PillowImage.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_array_equal(
        open_image(encoded(ink, "JPEG", icc_profile=profile)), open_image(encoded(ink, "JPEG"))
    )


def test_a_profile_of_another_colour_space_leaves_plain_cmyk() -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ink = PillowImage.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(open_image(encoded(ink, "TIFF", icc_profile=srgb)).astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_or_page_is_read_and_the_others_are_counted(kind: str) -> None:
    frames = [PillowImage.new("RGB", (9, 7), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert open_image(data)[3, 4].tolist() == [255, 0, 0]
    info = probe(data)
    assert (info.frames, info.animated) == (3, kind != "TIFF")


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "Blüte 花 #1 100%.jpg"
    path.write_bytes(encoded(photo(), "PNG"))
    np.testing.assert_array_equal(open_image(path), np.asarray(photo()))
    np.testing.assert_array_equal(open_image(str(path)), np.asarray(photo()))
    assert probe(path).format == "PNG"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_result_is_writable_and_contiguous(kind: str, orientation: int) -> None:
    options = {} if kind == "BMP" else {"exif": exif(orientation)}
    pixels = open_image(encoded(photo(), kind, **options))
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    assert pixels.dtype == np.uint8


def test_a_jpeg_with_stray_bytes_between_its_segments_is_read() -> None:
    plain = encoded(photo(), "JPEG")
    table = plain.index(b"\xff\xdb")
    np.testing.assert_array_equal(
        open_image(plain[:table] + b"\x01\x02\x03" + plain[table:]), open_image(plain)
    )


def test_a_jpeg_of_a_subsampling_without_a_name_is_read_by_pillow() -> None:
    data = bytearray(encoded(photo(16, 16), "JPEG", subsampling=2))
    frame = data.index(b"\xff\xc0")
    data[frame + 11] = 0x31  # luma three times as wide as chroma: legal, and nobody writes it
    assert open_image(bytes(data)).shape == (16, 16, 3)


def test_warnings_of_pillow_are_not_shown_and_filters_are_left_as_they_were() -> None:
    palette = PillowImage.new("P", (4, 4))
    palette.putpalette([0, 0, 0, 255, 255, 255])
    icon = bytearray(encoded(PillowImage.new("RGBA", (16, 16), "red"), "ICO", sizes=[(16, 16)]))
    icon[6] = 32  # the directory says 32 wide, the picture in it is 16: Pillow warns
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert open_image(bytes(icon)).shape == (16, 16, 3)
    assert caught == []
    assert list(warnings.filters) == before


def test_pillow_stays_silent_until_the_last_thread_is_out() -> None:
    before = list(warnings.filters)
    with _QUIET:
        with _QUIET:
            inside = list(warnings.filters)
        assert list(warnings.filters) == inside != before
    assert list(warnings.filters) == before


def test_many_threads_decode_alike_and_leave_the_warning_filters_alone() -> None:
    data = [encoded(photo(), kind) for kind in ("PNG", "JPEG", "GIF")] * 8
    alone = [open_image(item) for item in data]
    before = list(warnings.filters)
    together: dict[int, np.ndarray] = {}

    def work(start: int) -> None:
        for index in range(start, len(data), 4):
            together[index] = open_image(data[index])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[index], picture) for index, picture in enumerate(alone))
    assert list(warnings.filters) == before


def test_a_file_is_told_a_picture_by_its_suffix_and_without_one_by_its_first_bytes(tmp_path: Path) -> None:
    assert {".jpg", ".png", ".heic", ".tiff", ".webp"} <= PICTURE_SUFFIXES
    assert looks_like_picture(Path("a/UPPER.JPEG"))
    assert not looks_like_picture(Path("a/notes.txt"))
    assert not looks_like_picture(Path("a/.hidden.jpg"))
    assert not looks_like_picture(tmp_path / "missing")
    (tmp_path / "photo").write_bytes(encoded(photo(), "WEBP"))
    (tmp_path / "Makefile").write_text("all:\n")
    assert looks_like_picture(tmp_path / "photo")
    assert not looks_like_picture(tmp_path / "Makefile")
    assert not looks_like_picture(tmp_path)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "ICO", "PPM"]
)
def test_probe_agrees_with_the_decoded_picture(kind: str) -> None:
    data = encoded(photo(32, 48), kind)
    info = probe(data)
    assert info.size == open_image(data).shape[:2]
    assert info.format == kind
