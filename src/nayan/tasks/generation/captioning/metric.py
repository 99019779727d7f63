"""Are captions true, and how near are they to what people say? NumPy only."""

# N pictures

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Caption
from nayan.core.vocabulary import words_of
from nayan.runtime.preprocess import Placement
from nayan.tasks.generation.captioning.alignment import nearest
from nayan.tasks.generation.captioning.bleu import ORDERS, bleu
from nayan.tasks.generation.captioning.decode import spelled

__all__ = ["CaptioningMetric", "mistakes"]

MOST = 20
"""Words that are listed of a kind."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One picture.

    Attributes:
        said: words of the best sentence.
        known: words of each true one.
        truth: the nearest of them.
        changes: (said, true) of each word that is another one.
        score: of the best sentence, in [0, 1].
    """

    said: tuple[str, ...]
    known: tuple[tuple[str, ...], ...]
    truth: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]
    score: float

    @property
    def is_true(self) -> bool:
        """Whether it says exactly what one of the true sentences says."""
        return not self.changes

    @property
    def wrong(self) -> float:
        """Changes for each true word: 0 is right, 1 and more is nothing right."""
        return len(self.changes) / len(self.truth)


class CaptioningMetric:
    """Collects captions with those of people and scores them.

    Args:
        classes: not needed.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._judged: list[Judgement] = []

    @property
    def protocol(self) -> str:
        """What the numbers depend on, in words."""
        counts = sorted({len(each.known) for each in self._judged}) or [0]
        number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
        return (
            f"the best sentence of {len(self._judged):,} pictures against {number} true one"
            f"{'' if number == '1' else 's'} of each; small letters, every sign a word; exact: word for word "
            "one of them; BLEU of the whole set, not smoothed (Papineni et al. 2002)"
        )

    def update(self, predictions: Sequence[Caption], targets: Sequence[Caption]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets.
            DataError: if a target is no caption.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} captions for {len(targets)} pictures")
        self._judged += [judge(*each) for each in zip(predictions, targets, strict=True)]

    def compute(self) -> dict[str, float]:
        """Return the scores of all that was added, each in [0, 1].

        `exact`: share of the pictures of which exactly one of the true sentences is said. `bleu1` to `bleu4`.
        """
        if not self._judged:
            raise DataError("no caption could be judged")
        said, known = [each.said for each in self._judged], [each.known for each in self._judged]
        exact = sum(each.is_true for each in self._judged) / len(self._judged)
        return {
            "exact": exact,
            **{f"bleu{order}": bleu(said, known, orders=order) for order in range(1, ORDERS + 1)},
        }

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,  # noqa: ARG002  every task is asked alike
        placements: Sequence[Placement] = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable.

        Returns:
            `protocol`; `pictures`; `sentences` (how many different ones are said); `words` (how many
            different ones are said) of `known_words` (in the true sentences); `never_said` and
            `confusions`, lists of the most frequent: {"word", "count"} and {"said", "truth", "count"}, "" for
            a word that is missing or too much.
        """
        said = Counter(word for each in self._judged for word in each.said)
        known = Counter(
            word for each in self._judged for word in {word for words in each.known for word in words}
        )
        never = [(word, count) for word, count in known.most_common() if word not in said]
        changes = Counter(change for each in self._judged for change in each.changes)
        return {
            "protocol": self.protocol,
            "pictures": len(self._judged),
            "sentences": len({each.said for each in self._judged}),
            "words": len(said),
            "known_words": len(known),
            "never_said": [{"word": word, "count": count} for word, count in never[:MOST]],
            "never_said_count": len(never),
            "confusions": [
                {"said": a, "truth": b, "count": count} for (a, b), count in changes.most_common(MOST)
            ],
        }


def judge(prediction: Caption, target: Caption) -> Judgement:
    """Compare the best sentence of a picture with the true ones.

    Raises:
        DataError: if the target is no caption.
    """
    if not isinstance(target, Caption):
        raise DataError("a caption is compared with those of people, and there is none")
    said = tuple(words_of(prediction.texts[0]))
    known = tuple(tuple(words_of(text)) for text in target.texts)
    truth, changes = nearest(said, known)
    return Judgement(said, known, tuple(truth), tuple(changes), (prediction.scores or (1.0,))[0])


def mistakes(
    predictions: Sequence[Caption],
    targets: Sequence[Caption],
    classes: Sequence[str],  # noqa: ARG001  every task is asked alike
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return what a person should look at: the worst sentences first, then, where there is room, true ones.

    Args:
        predictions: one a picture.
        targets: what people say.
        classes: not needed.
        limit: at most so many.
        calibration: not needed.

    Returns:
        `{"row", "is_true", "said", "truth", "score", "wrong"}` each; of equally wrong ones the surest first,
        of true ones the least sure.
    """
    judged = [judge(*each) for each in zip(predictions, targets, strict=True)]
    order = sorted(range(len(judged)), key=lambda row: _urgency(judged[row]))
    return [
        {
            "row": row,
            "is_true": judged[row].is_true,
            "said": predictions[row].texts[0],
            "truth": spelled(" ".join(judged[row].truth)),
            "score": judged[row].score,
            "wrong": judged[row].wrong,
        }
        for row in order[:limit]
    ]


def _urgency(judged: Judgement) -> tuple[float, float]:
    """Return what sorts first what a person should see first."""
    return -judged.wrong, judged.score if judged.is_true else -judged.score
