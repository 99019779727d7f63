"""Captions for files of pictures, by a bundle. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nayan.core.errors import ConfigError, NayanError
from nayan.core.image import probe
from nayan.core.types import Sample
from nayan.runtime.predictor import Predictor, predict_samples
from nayan.runtime.spec import Spec
from nayan.tasks.generation.captioning.decode import to_records


def check_writes(spec: Spec) -> None:
    """Raise ConfigError unless a model writes captions."""
    if spec.task != "captioning":
        raise ConfigError(
            f"to write captions takes a captioner, this model is {spec.model} for {spec.task}",
            hint="nayan train DATA --task generate --model captioner",
        )


def write_captions(
    predictor: Predictor, samples: Iterable[Sample], *, top: int = 1, batch: int | None = None
) -> list[dict[str, Any]]:
    """Return what a captioner says of picture files; one that cannot be read does not stop the others.

    Args:
        predictor: of a model that writes.
        samples: files.
        top: sentences of each picture, at most as many as the model searches for.
        batch: pictures at once; None for `usual_batch` of the model.

    Returns:
        `{"source", "size": [h, w], "captions": [{"caption", "score", "logprob"}]}` a picture, the best
        sentence first; or `{"source", "error"}`.

    Raises:
        ConfigError: if the model does not write captions.
    """
    check_writes(predictor.spec)
    records: list[dict[str, Any]] = []
    for sample, _, outcome in predict_samples(predictor, samples, batch=batch):
        if isinstance(outcome, NayanError):
            records.append({"source": sample.id, "error": outcome.message})
            continue
        assert sample.path is not None  # only files are looked for
        rows: Any = to_records(outcome, (), top=top)  # type: ignore[arg-type]
        captions = [
            {"caption": row["label"], "score": row["score"], "logprob": row["logprob"]} for row in rows
        ]
        records.append({"source": sample.id, "size": list(probe(sample.path).size), "captions": captions})
    return records
