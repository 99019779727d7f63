"""The only decoder of the house: any picture file becomes (H, W, 3) uint8 RGB, upright.

    file or bytes ─ magic ─┬─ JPEG, gray or RGB ─ simplejpeg (full, 1/2, 1/4 or 1/8) ─┐
                           └─ anything else ───── Pillow ─ 8 bits ─ white ─ RGB ──────┴─ upright ─ Image

What a picture means is decided here, once, for training, prediction and everything between:

- *Orientation* of EXIF or XMP is applied. A broken EXIF block does not stop good pixels.
- *16 bits* are scaled by the range of the type, so 65535 becomes 255; nothing is clipped or wrapped.
  12-bit TIFFs scale by 4095. 32-bit integers and floats have no range that means "white", so the
  smallest of 1 (floats only), 255 and 65535 that holds every value is taken, and the picture's own
  minimum and maximum where none does.
- *Transparency* (alpha, palette, one transparent colour) is laid on white.
- *CMYK* goes through its embedded ICC profile, or through the plain formula without one. Profiles of
  RGB pictures are left alone: their numbers are used as they stand, as every training tool does.
- *Animations and multi-page files* give their first frame.

Files are decoded whole, so truncated and damaged ones are refused; huge ones are refused before
anything is decoded. Whatever is wrong is a `FormatError`. Files are opened for reading only.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from nayan.core.errors import FormatError
from nayan.core.magic import HEAD_BYTES, PICTURE_SUFFIXES, beginning_of, kind_of, looks_like_picture
from nayan.core.pixels import to_rgb, upright, valid_orientation
from nayan.core.types import Image, Size

__all__ = [
    "MAX_JPEG_BYTES",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "ImageInfo",
    "as_stored",
    "looks_like_picture",
    "open_image",
    "probe",
]

MAX_PIXELS = 100_000_000
"""Pictures that declare more pixels than this are refused before they are decoded."""

MAX_JPEG_BYTES = 256 * 2**20
"""JPEG files are read into memory as a whole, so larger ones are refused."""

# Pillow's parsers that run here. Left out on purpose: those that start external programs or read
# scientific containers (EPS, WMF, FITS, HDF5, ...). The last four have weak signatures: tried last.
_FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PSD", "ICO"),
    *("ICNS", "PPM", "QOI", "DDS", "SUN", "SGI", "PCX", "TGA"),
)
_ANIMATIONS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_ORIENTATION_TAG = 0x0112

_DAMAGED = "get the file again from its source, or remove it"

# How many times larger than `at_least` a scaled JPEG must stay, by the denominator of its scale. The
# box filter of a scaled decode then disappears under the antialiased resize that follows: at least
# 45 dB against a full decode in the worst photograph of benchmarks/decode.py.
_MARGINS = {8: 2.25, 4: 2.1, 2: 1.75}

# libjpeg's complaints about files whose pixels are good: stray bytes between segments, odd headers.
_HARMLESS = ("extraneous bytes", "Invalid SOS parameters", "JFIF revision", "Adobe color transform")

_MAX_TAGS = 4096  # of a TIFF; real ones have about twenty

# Progressive JPEGs may repeat the whole picture in any number of scans; real ones have about ten.
_MAX_SCANNED_PIXELS = 20 * MAX_PIXELS


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header of a picture file says.

    Attributes:
        format: Pillow's name of the format: "JPEG", "PNG", "TIFF", ...
        size: (height, width) of the upright picture.
        mode: Pillow's name of the stored pixels: "RGB", "L", "I;16", "CMYK", "P", ...
        frames: frames of an animation or pages of a document; 1 for a plain picture.
        orientation: 1 (upright) to 8, as EXIF or XMP says; 1 where they say nothing valid.
    """

    format: str
    size: Size
    mode: str
    frames: int
    orientation: int

    @property
    def animated(self) -> bool:
        """Whether the file is an animation, of which `open_image` gives the first frame."""
        return self.frames > 1 and self.format in _ANIMATIONS


def open_image(source: Path | str | bytes, at_least: Size | None = None) -> Image:
    """Decode a picture to (H, W, 3) uint8 RGB, upright; the module's head says what that means.

    Args:
        source: a file's path, or the bytes of a file.
        at_least: (height, width) of the upright picture that will be needed. A JPEG that is much
            larger is then decoded at 1/2, 1/4 or 1/8 of its size, with both sides still well above
            `at_least`: follow with one antialiased resize (`nayan.runtime.preprocess.resize`).
            Without it every pixel is decoded, bit for bit as Pillow does.

    Returns:
        A new, writable, contiguous array.

    Raises:
        FormatError: if the file is missing, empty, no picture, truncated, damaged or too large;
            or if it is HEIC and pillow-heif is not installed.

    >>> open_image(b"P5 2 1 255 " + bytes([0, 200])).tolist()
    [[[0, 0, 0], [200, 200, 200]]]
    """
    name = _name(source)
    with _stream(source, name=name) as stream, _QUIET:
        head = _head(stream, name=name)
        if kind_of(head) == "JPEG":
            data = stream.read(MAX_JPEG_BYTES + 1)
            with _refusing(name, "JPEG"):
                pixels = _decode_jpeg(data, name, at_least=at_least)
            if pixels is not None:
                return pixels
            stream = io.BytesIO(data)
        return _decode_with_pillow(stream, name, head=head)


def probe(source: Path | str | bytes) -> ImageInfo:
    """Return what the header of a picture says, without decoding its pixels.

    A file that `probe` accepts may still be truncated: only `open_image` knows.

    Raises:
        FormatError: as `open_image` does, for what can be seen in the header.

    >>> probe(b"P5 2 1 255 " + bytes([0, 200])).size
    (1, 2)
    """
    name = _name(source)
    with _stream(source, name=name) as stream, _QUIET:
        image = _open_with_pillow(stream, name, head=_head(stream, name=name))
        kind = str(image.format)
        with _refusing(name, kind):
            frames = int(getattr(image, "n_frames", 1))
        orientation = _orientation(image)
        width, height = image.size
        # Pillow gives the upright size of a TIFF before and after decoding, of others never.
        swapped = orientation >= 5 and kind != "TIFF"
        return ImageInfo(
            kind, (width, height) if swapped else (height, width), image.mode, frames, orientation
        )


@contextmanager
def as_stored(source: Path | str | bytes) -> Iterator[tuple[PillowImage.Image, int]]:
    """Yield a picture decoded whole but in the mode in which it is stored, with its orientation.

    For files whose numbers are no colours, see `nayan.core.stored`; what is shown is opened by `open_image`.

    Raises:
        FormatError: as `open_image` does.
    """
    name = _name(source)
    with _stream(source, name=name) as stream, _QUIET:
        image = _open_with_pillow(stream, name, head=_head(stream, name=name))
        with _refusing(name, str(image.format)):
            image.load()
            _check_size(name, (image.height, image.width))
        yield image, _orientation(image)


# ---- reading ----------------------------------------------------------------------------------------


def _name(source: Path | str | bytes) -> str:
    return "picture in memory" if isinstance(source, bytes) else str(source)


@contextmanager
def _stream(source: Path | str | bytes, *, name: str) -> Iterator[BinaryIO]:
    """Open a file or bytes for reading; pipes and devices are refused, for they might never end."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    path = Path(source)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
        raise FormatError(f"{name}: {found}; expected a picture", hint="check the path")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise FormatError(
            f"{name}: cannot be opened: {error.strerror}", hint="check its permissions"
        ) from error
    with stream:
        yield stream


def _head(stream: BinaryIO, *, name: str) -> bytes:
    """Return the first bytes of a file that is not empty, and rewind it."""
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if not head:
        raise FormatError(f"{name}: the file is empty (0 bytes)", hint=_DAMAGED)
    return head


def _check_size(name: str, size: Size, *, scans: int = 1) -> None:
    """Refuse pictures without pixels and decompression bombs."""
    pixels = size[0] * size[1]
    declared = f"{name}: declares {size[1]} x {size[0]} pixels (width x height)"
    if pixels <= 0:
        raise FormatError(declared, hint=_DAMAGED)
    if pixels > MAX_PIXELS:
        raise FormatError(
            f"{declared}; at most {MAX_PIXELS:,} pixels are decoded", hint="make a smaller copy of it"
        )
    if scans * pixels > _MAX_SCANNED_PIXELS:
        raise FormatError(f"{declared} in {scans} scans, which no camera writes", hint="save it anew")


@contextmanager
def _refusing(name: str, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a FormatError that names the file.

    On damaged files Pillow raises nearly every built-in exception (OSError, SyntaxError, ValueError,
    TypeError, struct.error, IndexError, zlib.error, MemoryError, ...), so all of them are translated;
    none is swallowed.
    """
    try:
        yield
    except FormatError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        state = "truncated" if "truncated" in reason.lower() else "damaged"
        raise FormatError(f"{name}: a {state} {kind}: {reason}", hint=_DAMAGED) from error


class _Quiet:
    """Keep Pillow's Python warnings to itself while at least one thread decodes.

    `warnings.catch_warnings` alone is not safe between threads: two overlapping ones restore each
    other's filters. So the first thread in enters it, and the last one out leaves it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_QUIET = _Quiet()


# ---- JPEG -------------------------------------------------------------------------------------------


def _decode_jpeg(data: bytes, name: str, *, at_least: Size | None) -> Image | None:
    """Decode a gray or RGB JPEG; None where Pillow has to decide (CMYK, rare subsampling, stray bytes)."""
    if len(data) > MAX_JPEG_BYTES:
        raise FormatError(
            f"{name}: a JPEG of more than {MAX_JPEG_BYTES >> 20} MB", hint="make a smaller copy of it"
        )
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a subsampling that simplejpeg has no name for
        return None
    _check_size(name, (height, width), scans=_num_scans(data))
    if space in ("CMYK", "YCCK"):
        return None
    orientation = _jpeg_orientation(data)
    scaled = _scaled_size((height, width), at_least, orientation=orientation)
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=scaled[0], min_width=scaled[1], strict=True)
    except ValueError as error:
        if any(words in str(error) for words in _HARMLESS):
            return None
        state = "truncated" if "Premature end" in str(error) else "damaged"
        raise FormatError(f"{name}: a {state} JPEG: {error}", hint=_DAMAGED) from error
    return upright(pixels, orientation)


def _num_scans(data: bytes) -> int:
    """Return an upper bound of the number of scans: inside a scan 0xff is always followed by 0 or RST."""
    aligned = (np.frombuffer(data, "<u2", count=(len(data) - at) // 2, offset=at) for at in (0, 1))
    return sum(int(np.count_nonzero(pairs == 0xDAFF)) for pairs in aligned)  # faster than bytes.count


def _scaled_size(stored: Size, at_least: Size | None, *, orientation: int) -> Size:
    """Return the (height, width) at which a JPEG is decoded, in the frame in which it is stored."""
    if at_least is not None:
        needed = at_least[::-1] if orientation >= 5 else at_least
        for denominator, margin in _MARGINS.items():
            scaled = (-(-stored[0] // denominator), -(-stored[1] // denominator))
            if scaled[0] >= margin * needed[0] and scaled[1] >= margin * needed[1]:
                return scaled
    return stored


def _jpeg_orientation(data: bytes) -> int:
    """Return the orientation of a JPEG; Pillow is asked only if there is EXIF or XMP before the pixels."""
    header = data[: data.find(b"\xff\xda")]
    if b"Exif\0" not in header and b"tiff:Orientation" not in header:
        return 1
    try:
        image = PillowImage.open(io.BytesIO(data), formats=("JPEG",))
    except Exception:  # see _refusing; libjpeg will say what is wrong with it, if anything is
        return 1
    return _orientation(image)


# ---- everything else --------------------------------------------------------------------------------


def _decode_with_pillow(stream: BinaryIO, name: str, *, head: bytes) -> Image:
    image = _open_with_pillow(stream, name, head=head)
    if kind_of(head) == "JPEG" and isinstance(stream, io.BytesIO):
        _check_size(name, (image.height, image.width), scans=_num_scans(stream.getvalue()))
    with _refusing(name, str(image.format)):
        image.load()
        _check_size(name, (image.height, image.width))
        orientation = _orientation(image)  # after loading: PNG may keep it behind the pixels
        return upright(np.array(to_rgb(image)), orientation)


def _open_with_pillow(stream: BinaryIO, name: str, *, head: bytes) -> PillowImage.Image:
    """Read a header with Pillow and refuse what should not be decoded."""
    kind = kind_of(head)
    if kind == "HEIC":
        _register_heif(name)
    if kind == "TIFF":
        _check_tags(stream, name, head=head)
    with _refusing(name, kind or "picture"):
        try:
            image = PillowImage.open(stream, formats=("HEIF",) if kind == "HEIC" else _formats())
        except UnidentifiedImageError as error:
            if kind is None:
                message = f"{name}: not a picture: begins with {beginning_of(head)}"
                raise FormatError(message, hint="remove it, or put the real picture in its place") from error
            raise FormatError(
                f"{name}: a damaged {kind}: its header makes no sense", hint=_DAMAGED
            ) from error
        except PillowImage.DecompressionBombError as error:
            found = re.findall(r"\d+", str(error))[0]
            message = f"{name}: declares {int(found):,} pixels; at most {MAX_PIXELS:,} are decoded"
            raise FormatError(message, hint="make a smaller copy of it") from error
    _check_size(name, (image.height, image.width))
    return image


def _check_tags(stream: BinaryIO, name: str, *, head: bytes) -> None:
    """Refuse a TIFF with an absurd number of tags, which Pillow would read one by one for seconds."""
    order, is_big = ("<" if head.startswith(b"II") else ">"), b"+" in head[2:4]  # + marks a BigTIFF
    with _refusing(name, "TIFF"):
        (offset,) = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)
        stream.seek(offset)
        (num_tags,) = struct.unpack(order + ("Q" if is_big else "H"), stream.read(8 if is_big else 2))
        stream.seek(0)
    if num_tags > _MAX_TAGS:
        raise FormatError(f"{name}: a damaged TIFF: declares {num_tags} tags", hint=_DAMAGED)


@cache
def _formats() -> tuple[str, ...]:
    """Return those of the allowed formats that this build of Pillow knows."""
    PillowImage.init()
    return tuple(name for name in _FORMATS if name in PillowImage.OPEN)


def _register_heif(name: str) -> None:
    """Teach Pillow to read HEIC; only called when there is such a file, for the import takes time."""
    try:
        import pillow_heif
    except ImportError as error:
        message = f"{name}: a HEIC (HEIF) picture, which needs pillow-heif to be read"
        raise FormatError(message, hint='pip install "nayan[heic]"') from error
    pillow_heif.register_heif_opener()


def _orientation(image: PillowImage.Image) -> int:
    """Return the EXIF or XMP orientation, 1 to 8; 1 where it is missing, impossible or unreadable."""
    try:
        return valid_orientation(image.getexif().get(_ORIENTATION_TAG))
    except Exception:  # see _refusing; a broken EXIF block must not stop good pixels
        return 1
