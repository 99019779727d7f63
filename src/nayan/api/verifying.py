"""The verb that decides whether two pictures show the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place

if TYPE_CHECKING:
    from nayan.runtime.predictor import Predictor


def verify(
    model: Place | Predictor, a: Place, b: Place, *, far: float | None = None, backend: str = "auto"
) -> dict[str, Any]:
    """Say whether two pictures show the same, such as one person.

    Args:
        model: a run folder or a bundle of an embedder, or what `load` returned.
        a: a picture file.
        b: another one.
        far: the false-accept rate for which to decide, one of those that the bundle keeps a threshold for;
            None for the one that was wanted in training.
        backend: as for `load`.

    Returns:
        `{"a", "b", "distance", "probability", "same", "threshold", "far", "tar", ...}`: the distance of the
        unit vectors in [0, 2]; the probability where same and different are as likely beforehand; and the
        threshold with what is known of its error rates, see `nayan.tasks.embedding.verifying.Rule.to_json`.

    Raises:
        ConfigError: if the model gives no vectors, or keeps no threshold for this rate.
        BundleError: if it keeps none at all.
        DataError: if a picture cannot be read.
    """
    from nayan.tasks.embedding.verifying import verify_two

    return verify_two(_opened(model, backend, pictures=2), Path(a), Path(b), far=far)


def verify_pairs(
    model: Place | Predictor,
    pairs: Place | Sequence[tuple[Place, Place]],
    *,
    far: float | None = None,
    backend: str = "auto",
) -> dict[str, Any]:
    """Say of many pairs of pictures whether they show the same; one that cannot be read stops no other.

    Args:
        model: as for `verify`.
        pairs: a CSV with the columns image_a and image_b, paths relative to it, and perhaps the column same
            with the answers; or pairs of files.
        far: as for `verify`.
        backend: as for `load`.

    Returns:
        `{"threshold", "far", "tar", ..., "pairs"}`, each of these
        `{"a", "b", "distance", "probability", "same"}` or `{"a", "b", "error"}`. Where the table has answers,
        they are each pair's "expected", and "metrics" says how many decisions are right.

    Raises:
        ConfigError, BundleError: as `verify`.
        DataError: if the table cannot be read.
    """
    from nayan.data.readers.pair_tables import Question, read_questions
    from nayan.tasks.embedding.verifying import verify_many

    if isinstance(pairs, str | Path):
        questions, base = read_questions(Path(pairs)), Path(pairs).parent
    else:
        questions, base = [Question("", str(a), str(b), None) for a, b in pairs], Path()
    return verify_many(_opened(model, backend, pictures=2 * len(questions)), questions, base=base, far=far)


def _opened(model: Place | Predictor, backend: str, *, pictures: int) -> Predictor:
    from nayan.api.using import load
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.embedding.verifying import check_compares

    if isinstance(model, Predictor):
        return model
    predictor = load(model, backend=backend, pictures=pictures)
    check_compares(predictor.spec)
    return predictor
