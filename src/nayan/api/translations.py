"""The verb that turns pictures of one domain into pictures of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nayan.api.common import Place
from nayan.core.errors import ConfigError


def translate(
    model: Place,
    sources: Place | Sequence[Place],
    *,
    to: str,
    out: Place,
    imgsz: int | None = None,
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Write pictures as another domain would show them, each as large as it was.

    Args:
        model: a run folder or a bundle of a translator.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        to: the domain: "A" or "B", or its name.
        out: a file for one picture, or a folder.
        imgsz: pixels of the shorter side of what the network looks at; None: as it learnt.
        stdin: lines with one path each.

    Returns:
        `{"source", "file"}` a picture, or `{"source", "error"}` where the file cannot be read.

    Raises:
        ConfigError: if the model does not translate, or an option is impossible.
        NotFound: if the model does not know the domain.
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.runtime.bundle import open_bundle

    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    bundle = open_bundle(Path(model))
    if bundle.spec.task != "translation":
        raise ConfigError(
            f"translating needs a translator, this model is for {bundle.spec.task}",
            hint="train one on two domains: nayan train DATA --task generate --model cyclegan",
        )
    if bundle.graph.suffix != ".onnx":
        raise ConfigError(
            f"{bundle.graph}: is not in the format ONNX",
            hint="use the bundle of the run it was exported from",
        )
    from nayan.tasks.generation.translation.translating import PictureTranslator, translate_files

    translator = PictureTranslator(bundle.graph, bundle.spec, to=to, side=imgsz)
    return translate_files(translator, samples, out=Path(out))
