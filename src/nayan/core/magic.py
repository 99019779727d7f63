"""What a file is meant to be: by its name, and by its first bytes."""

from __future__ import annotations

import re
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".hif", ".icns", ".ico"),
        *(".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx", ".pgm"),
        *(".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    )
)
"""Lower-case suffixes of the files that are taken for pictures."""

_MAGIC = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF....WEBP",
    "BMP": rb"BM....\0\0\0\0",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "AVIF": rb"....ftyp(avif|avis|(mif1|msf1)....(....)*?avif)",
    "HEIC": rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)",
    "JPEG2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "PSD": rb"8BPS",
    "ICO": rb"\0\0[\x01\x02]\0",
    "PPM": rb"P[1-6]\s",
    "QOI": rb"qoif",
    "DDS": rb"DDS ",
    "ICNS": rb"icns",
}
HEAD_BYTES = 64
"""As many bytes as `kind_of` wants to see."""


def looks_like_picture(path: Path) -> bool:
    """Tell by its name whether a file is meant to be a picture; a name without suffix by its first bytes.

    Hidden files never are. Nothing is decoded: the file may turn out to be broken.

    >>> [looks_like_picture(Path(name)) for name in ("a.JPG", "notes.txt", ".hidden.jpg")]
    [True, False, False]
    """
    if path.name.startswith("."):
        return False
    if path.suffix:
        return path.suffix.lower() in PICTURE_SUFFIXES
    try:
        with path.open("rb") as stream:
            return kind_of(stream.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def kind_of(head: bytes) -> str | None:
    """Return the format that the first bytes of a file announce; None for no picture that is known.

    >>> kind_of(b"GIF89a"), kind_of(b"<!DOCTYPE html>")
    ('GIF', None)
    """
    return next((kind for kind, magic in _MAGIC.items() if re.match(magic, head, re.DOTALL)), None)


def beginning_of(head: bytes) -> str:
    r"""Show how a file begins: its first line where that is text, else its first bytes.

    >>> print(beginning_of(b"<!DOCTYPE html>\n<head>"), beginning_of(bytes([0, 255])), sep=" or ")
    '<!DOCTYPE html>' or the bytes 00 ff
    """
    text = head.decode("utf-8", "replace").lstrip("\ufeff\r\n\t ")
    line = text.splitlines()[0][:24] if text else ""
    return repr(line) if line.isprintable() and line.isascii() else f"the bytes {head[:8].hex(' ')}"
