"""The verb that says what pictures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place, needs_training, open_predictor
from nayan.core.errors import ConfigError

if TYPE_CHECKING:
    from nayan.runtime.predictor import Predictor


def caption(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    top: int = 1,
    beam: int | None = None,
    batch: int | None = None,
    backend: str = "auto",
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Say in a sentence what pictures show; a broken one stops no other.

    Args:
        model: a run folder or a bundle of a captioner, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        top: sentences of each picture, the best first.
        beam: beginnings of a sentence that are followed at the same time; 1 takes the best word each time.
            None for those of the exported graph. Another number runs the weights of the bundle in torch.
        batch: pictures at once; None for as many as are quickest without much memory.
        backend: as for `load`.
        stdin: lines with one path each.

    Returns:
        `{"source", "size": [h, w], "captions": [{"caption", "score", "logprob"}]}` a picture, or
        `{"source", "error"}`. "logprob" is that of the whole sentence; "score" is the geometric mean of the
        probabilities of its words, by which sentences are ranked.

    Raises:
        ConfigError: if the model writes no captions, or not so many.
        DataError: if a source does not exist or holds no picture.
        MissingExtra: for another `beam` without torch.
    """
    from nayan.data.pictures import find_pictures
    from nayan.tasks.generation.captioning.writing import write_captions

    if top < 1 or (beam is not None and beam < 1):
        raise ConfigError(f"top {top}, beam {beam}: both are 1 or more", hint="leave them out")
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    predictor = _predictor(model, backend, beam=beam, pictures=len(samples))
    wide = int(predictor.spec.model_args["beam"])
    if top > wide:
        raise ConfigError(f"top {top}: {wide} sentences are searched for", hint=f"add beam {top}")
    return write_captions(predictor, samples, top=top, batch=batch)


def _predictor(model: Place | Predictor, backend: str, *, beam: int | None, pictures: int) -> Predictor:
    """Return what writes, with a search of that width."""
    from nayan.runtime.bundle import open_bundle
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.generation.captioning.writing import check_writes

    if isinstance(model, Predictor):
        check_writes(model.spec)
        if beam not in (None, model.spec.model_args["beam"]):
            raise ConfigError(
                f"beam {beam}: this predictor searches for {model.spec.model_args['beam']}",
                hint="give the run folder or the bundle in place of the predictor",
            )
        return model
    bundle = open_bundle(Path(model))
    spec = bundle.spec
    check_writes(spec)
    if beam in (None, spec.model_args["beam"]):
        return open_predictor(bundle, backend, pictures=pictures)
    with needs_training(f"a beam of {beam}, which is not that of the exported graph,"):
        from nayan.export.torch_backend import TorchBackend
        from nayan.tasks.predicting import make_predictor
        from nayan.tasks.restore import restore_bundle

        other = spec.with_(model_args={**spec.model_args, "beam": beam})
        network = restore_bundle(replace(bundle, spec=other)).network
    assert network is not None  # a bundle has one
    return make_predictor(other, TorchBackend(network))
