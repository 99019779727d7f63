"""The verb that makes portraits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place
from nayan.core.errors import ConfigError

if TYPE_CHECKING:
    from nayan.runtime.predictor import Predictor


def portrait(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    out: Place,
    background: str = "blur",
    strength: float = 1.0,
    feather: float = 0.0,
    person: str | None = None,
    backend: str = "auto",
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Write pictures of a person before another background, or before the same one out of focus.

    Args:
        model: a run folder or a bundle of a segmenter, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        out: a file for one picture, or a folder.
        background: "blur", "gray", "none" (transparent), "white", "black", "#rrggbb", or a picture file.
        strength: of the blur: 1 is a fast portrait lens, 0 none, up to 5.
        feather: softens the border of the person, in thousandths of the picture's diagonal.
        person: the class that is cut out; None for "person" and the like, of two classes the foreground.
        backend: as for `load`.
        stdin: lines with one path each.

    Returns:
        `{"source", "file", "share"}` a picture, the last how much of it the person is; or
        `{"source", "error"}` where none was found or the file cannot be read.

    Raises:
        ConfigError: if the model does not segment, or an option is impossible.
        NotFound: if the model has no such class.
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.api.using import load
    from nayan.data.pictures import find_pictures
    from nayan.runtime.predictor import Predictor

    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    predictor = model if isinstance(model, Predictor) else load(model, backend=backend)
    if predictor.spec.task != "segmentation":
        raise ConfigError(
            f"a portrait needs a model that segments, this one is for {predictor.spec.task}",
            hint="train one on pictures with masks of people: nayan train DATA",
        )
    from nayan.tasks.segmentation.portrait.compose import Look
    from nayan.tasks.segmentation.portrait.making import background_of, make_portraits

    look = Look(background_of(background), strength, feather)
    return make_portraits(predictor, samples, look=look, person=person, out=Path(out))
