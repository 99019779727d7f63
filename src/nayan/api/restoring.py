"""The verbs that restore pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place

if TYPE_CHECKING:
    from nayan.runtime.predictor import Predictor


def upscale(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    out: Place,
    backend: str = "auto",
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Write pictures two or four times larger, as the model was trained; a broken one stops no other.

    Args:
        model: a run folder or a bundle of super_resolution, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        out: a file for one picture, or a folder, where results are PNG.
        backend: as for `load`.
        stdin: lines with one path each.

    Returns:
        `{"source", "file", "size": [h, w]}` a picture, or `{"source", "error"}`.

    Raises:
        ConfigError: if the model does not enlarge, or `out` does not fit.
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.tasks.generation.restoration.making import enlarge_files

    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    return enlarge_files(_predictor(model, backend), samples, out=Path(out))


def inpaint(
    model: Place | Predictor,
    image: Place,
    *,
    out: Place,
    mask: Place | None = None,
    boxes: Sequence[str] = (),
    backend: str = "auto",
) -> dict[str, Any]:
    """Write a picture with parts of it filled in from what surrounds them; all other pixels stay as they are.

    Args:
        model: a run folder or a bundle of inpainting, or what `load` returned.
        image: a file of any size.
        out: a file; as .png every pixel outside of the holes is what it was, a .jpg is encoded anew.
        mask: a picture as large as the image, white where it is to be filled.
        boxes: "left,top,right,bottom" in px, beside a mask or in place of one.
        backend: as for `load`.

    Returns:
        `{"source", "file", "size": [h, w], "filled"}`, the last the share of the picture.

    Raises:
        ConfigError: if the model does not fill holes, or a box cannot be, or nothing is to be filled.
        DataError: if a file cannot be read, or picture and mask are not of one size.
    """
    from nayan.data.pictures import file_sample
    from nayan.tasks.generation.restoration.making import fill_file

    return fill_file(
        _predictor(model, backend),
        file_sample(Path(image), id=Path(image).as_posix()),
        mask=None if mask is None else Path(mask),
        boxes=boxes,
        out=Path(out),
    )


def _predictor(model: Place | Predictor, backend: str) -> Predictor:
    from nayan.api.using import load
    from nayan.runtime.predictor import Predictor

    return model if isinstance(model, Predictor) else load(model, backend=backend)
