"""Pictures as vectors: many at once, in memory or in a file."""

# N pictures, D values of a vector

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, NayanError
from nayan.core.types import Embedding, Sample
from nayan.runtime.fsio import write_file
from nayan.runtime.predictor import Predictor, predict_samples

OnProgress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""

SUFFIXES = (".npz", ".csv")


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Vectors of pictures.

    Attributes:
        sources: (N,) ids of the pictures that were read.
        vectors: (N, D) float32, each of length 1.
        failures: (id, reason) of those that could not be read.
        fingerprint: of the model.
    """

    sources: tuple[str, ...]
    vectors: NDArray[np.float32]
    failures: tuple[tuple[str, str], ...]
    fingerprint: str

    def save(self, path: Path) -> None:
        """Write a .npz with `source` (N,) and `embedding` (N, D), or a .csv with a column a value.

        Raises:
            ConfigError: if the name ends otherwise.
            OSError: as the operating system reports it; an older file is intact then.
        """
        check_suffix(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, self._npz() if path.suffix == ".npz" else self._csv())

    def _npz(self) -> bytes:
        stream = io.BytesIO()
        np.savez_compressed(stream, source=np.array(self.sources), embedding=self.vectors)
        return stream.getvalue()

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["source", *(f"e{number}" for number in range(self.vectors.shape[1]))])
        for source, vector in zip(self.sources, self.vectors, strict=True):
            writer.writerow([source, *(f"{value:.6f}" for value in vector)])
        return text.getvalue()


def embed_samples(
    predictor: Predictor,
    samples: Sequence[Sample],
    *,
    fingerprint: str = "",
    batch: int | None = None,
    on_progress: OnProgress | None = None,
) -> Embedded:
    """Return the vectors of pictures; one that cannot be read does not stop the others.

    Args:
        predictor: of an embedder.
        samples: pictures.
        fingerprint: of the model, for whoever keeps the vectors.
        batch: pictures a call of the network; None for `usual_batch`.
        on_progress: told how far it is.

    Raises:
        DataError: if not one picture could be read.
    """
    sources: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    failures: list[tuple[str, str]] = []
    results = predict_samples(predictor, samples, batch=batch)
    for done, (sample, _, outcome) in enumerate(results, start=1):
        if isinstance(outcome, NayanError):
            failures.append((sample.id, outcome.message))
        else:
            sources.append(sample.id)
            vectors.append(vector_of(outcome))
        if on_progress is not None:
            on_progress(done, len(samples))
    if not vectors:
        first = f"; the first: {failures[0][1]}" if failures else ""
        raise DataError(f"no picture could be embedded, {len(failures)} could not be read{first}")
    return Embedded(tuple(sources), np.stack(vectors), tuple(failures), fingerprint)


def embed_all(predictor: Predictor, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """Return the (N, D) vectors of pictures.

    Raises:
        FormatError: for the first one that cannot be read.
    """
    vectors = []
    for _, _, outcome in predict_samples(predictor, samples):
        if isinstance(outcome, NayanError):
            raise outcome
        vectors.append(vector_of(outcome))
    return np.stack(vectors)


def vector_of(prediction: object) -> NDArray[np.float32]:
    """Return the (D,) vector that an embedder gave."""
    assert isinstance(prediction, Embedding)  # whoever opens a model checks its task
    return prediction.vector


def check_suffix(path: Path) -> None:
    """Raise ConfigError unless vectors can be written to a file of that name."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"{path}: vectors are written as {' or '.join(SUFFIXES)}", hint="end the name so: vectors.npz"
        )
