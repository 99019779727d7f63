"""From the numbers of words to sentences, and from those to the rows of JSON and CSV. No torch here."""

# B pictures, K sentences of each, T numbers of a sentence

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ShapeError
from nayan.core.types import Caption
from nayan.core.vocabulary import END, Vocabulary, words_of
from nayan.runtime.preprocess import Placement

OUTPUTS = ("tokens", "logprob")
IMPOSSIBLE = -1e9
"""Log-probability of what is not to be said."""


def decode(
    raw: Mapping[str, NDArray[Any]],
    placements: Sequence[Placement],
    *,
    words: Sequence[str] = (),
    **_args: Any,
) -> list[Caption]:
    """Turn the outputs for a batch into one caption each: some sentences with their scores, the best first.

    Args:
        raw: "tokens" (B, K, T), the numbers of the words, and "logprob" (B, K), that of each sentence.
        placements: how each picture was laid into the input; only their number counts.
        words: of the vocabulary that the network learnt.
        **_args: further decode arguments of a bundle; there are none.

    Returns:
        B captions, none for an empty batch; see `score_of` for what their scores mean.

    Raises:
        BundleError: if an output is missing or not finite, or a number is no word.
        ShapeError: if an output has another shape.

    >>> raw = {"tokens": np.array([[[5, 4, 2, 0]]]), "logprob": np.array([[0.0]])}
    >>> decode(raw, [Placement((4, 4), (1.0, 1.0), (0.0, 0.0))], words=("three", "red"))
    [Caption(texts=('red three',), scores=(1.0,))]
    """
    missing = [name for name in OUTPUTS if name not in raw]
    if missing:
        raise BundleError(
            f"a captioner returns {' and '.join(OUTPUTS)}, this model returns "
            f"{', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    tokens, logprob = np.asarray(raw["tokens"]), np.asarray(raw["logprob"], np.float64)
    if tokens.ndim != 3 or len(tokens) != len(placements) or logprob.shape != tokens.shape[:2]:
        raise ShapeError(
            f"'tokens' must have the shape ({len(placements)}, K, T) and 'logprob' ({len(placements)}, K), "
            f"got {tokens.shape} and {logprob.shape}"
        )
    if not np.isfinite(logprob).all():
        raise BundleError(
            "the model returned a 'logprob' that is not finite",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    vocabulary = Vocabulary(tuple(words))
    return [_caption(*each, vocabulary) for each in zip(tokens.astype(np.int64), logprob, strict=True)]


def spelled(words: str) -> str:
    """Return words that are parted by blanks as people write them: signs stand at the word before, or after.

    >>> spelled("a red ( ripe ) apple , in a store .")
    'a red (ripe) apple, in a store.'
    """
    return re.sub(r"([(\[]) ", r"\1", re.sub(r" ([.,;:!?%)\]])", r"\1", words))


def score_of(logprob: float, words: int) -> float:
    """Return the geometric mean of the probabilities of a sentence's words and of its end, in [0, 1].

    Divided by their number, sentences of different length can be compared.

    >>> round(score_of(math.log(0.25), 1), 6)
    0.5
    """
    return math.exp(min(0.0, logprob / (words + 1)))


def logprob_of(text: str, score: float) -> float:
    """Return the log-probability of a whole sentence, as `score_of` was given it.

    >>> round(logprob_of("red", 0.5), 4) == round(math.log(0.25), 4)
    True
    """
    return (len(words_of(text)) + 1) * math.log(max(score, np.finfo(np.float64).tiny))


def to_records(
    prediction: Caption,
    classes: Sequence[str],  # noqa: ARG001  the words are in the caption
    *,
    conf: float | Sequence[float] | None = None,
    top: int = 1,
) -> list[dict[str, Any]]:
    """Return one row a sentence, the best first: `{"label", "score", "logprob"}`.

    Args:
        prediction: of a picture.
        classes: not needed.
        conf: least score that is shown.
        top: at most so many sentences.

    >>> to_records(Caption(("red three", "red two"), (0.5, 0.1)), [])
    [{'label': 'red three', 'score': 0.5, 'logprob': -2.079442}]
    """
    least = float(np.min(conf)) if conf is not None else 0.0
    pairs = zip(prediction.texts, prediction.scores or (1.0,) * len(prediction.texts), strict=True)
    return [
        {"label": text, "score": round(score, 6), "logprob": round(logprob_of(text, score), 6)}
        for text, score in list(pairs)[:top]
        if score >= least
    ]


def _caption(tokens: NDArray[np.int64], logprob: NDArray[np.float64], vocabulary: Vocabulary) -> Caption:
    """Return the sentences of (K, T) numbers; those that a narrow search had to make up are left out."""
    texts: dict[str, float] = {}
    for numbers, value in zip(tokens, logprob, strict=True):
        if value < IMPOSSIBLE / 1000:
            continue
        try:
            text = spelled(vocabulary.decode(numbers))
        except ShapeError as error:
            raise BundleError(
                f"the model says a word that is not in its list: {error.message}",
                hint="its spec.json belongs to another model; run `nayan check-bundle MODEL`",
            ) from error
        count = int((numbers == END).argmax()) if (numbers == END).any() else len(numbers)
        texts.setdefault(text, score_of(float(value), count))
    if not texts or "" in texts:
        raise BundleError(
            "the model returned no sentence",
            hint="its weights are damaged; run `nayan check-bundle MODEL`",
        )
    return Caption(tuple(texts), tuple(texts.values()))
