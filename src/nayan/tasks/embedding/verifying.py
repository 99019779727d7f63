"""Do two pictures show the same? From files to distances, probabilities and decisions. No torch here.

pictures ── predictor ── unit vectors ── distance ──┬── at most the threshold of a false-accept rate: the same
                                                    └── logistic curve: how probable
"""

# D values of an embedding

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError
from nayan.data.pictures import file_sample
from nayan.runtime.predictor import Predictor
from nayan.runtime.spec import Spec
from nayan.tasks.embedding.confidence import FarThreshold, PairConfidence
from nayan.tasks.embedding.pair_scores import far_name, verification_scores
from nayan.tasks.embedding.search.vectors import embed_all, embed_samples

if TYPE_CHECKING:  # the table of readers loads all of them
    from nayan.data.readers.pair_tables import Question

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """How two vectors are judged, as a bundle holds it.

    Attributes:
        point: the threshold, and on how much evidence it stands.
        confidence: from a distance to a probability.
        identities: of which it was fitted; None where the bundle does not say.
    """

    point: FarThreshold
    confidence: PairConfidence
    identities: int | None = None

    def judge(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> Record:
        """Return {"distance", "probability", "same"} of two (D,) vectors of length 1.

        "probability" is of one identity where both answers are as likely beforehand. The threshold asks for
        more: it is as strict as the wanted false-accept rate, so that what is probable may yet be refused.
        """
        distance = float(np.linalg.norm(first.astype(np.float64) - second))
        probability = float(self.confidence.probability(distance))
        return {
            "distance": round(distance, 6),
            "probability": round(probability, 6),
            "same": distance <= self.point.threshold,
        }

    def to_json(self) -> Record:
        """Return the threshold with its evidence, JSON-serialisable.

        `threshold`; `far`: {"wanted"; "validation", "accepted", "different": the rate that was measured, and
        of how many pairs; "at_most": what it is below with 95 % confidence; "evidence": "good", "some" or
        "none"}; `tar`, the true-accept rate of `same_pairs` pairs; `identities`.
        """
        point = self.point
        return {
            "threshold": round(point.threshold, 6),
            "far": {
                "wanted": point.wanted,
                "validation": point.far,
                "accepted": point.accepted,
                "different": point.num_different,
                "at_most": round(point.far_bound, 6),
                "evidence": point.evidence,
            },
            "tar": point.tar,
            "same_pairs": point.num_same,
            "identities": self.identities,
        }


def check_compares(spec: Spec) -> None:
    """Raise ConfigError unless the model gives vectors."""
    if spec.task != "embedding":
        raise ConfigError(
            f"comparing needs a model that gives vectors, this one is for {spec.task}",
            hint="train one: nayan train DATA --task compare",
        )


def rule_of(spec: Spec, far: float | None = None) -> Rule:
    """Return how a model decides.

    Args:
        spec: of an embedder.
        far: one of the false-accept rates that its bundle keeps a threshold for; None for the one that was
            wanted in training.

    Raises:
        ConfigError: if the model gives no vectors, or keeps no threshold for that rate.
        BundleError: if it keeps none at all, or what it keeps makes no sense.
    """
    check_compares(spec)
    kept = spec.decode_args.get("same")
    if not kept:
        raise BundleError(
            f"this {spec.model} holds no threshold of what is the same",
            hint="train it again with validation pictures of two identities or more",
        )
    try:
        points = _points(kept)
        confidence = PairConfidence(float(kept["slope"]), float(kept["offset"]))
        wanted = float(kept["wanted"]) if far is None else far
        identities = None if kept.get("identities") is None else int(kept["identities"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the thresholds of this {spec.model} are damaged: {error!r}") from error
    for point in points:
        if np.isclose(point.wanted, wanted, rtol=1e-6, atol=0):
            return Rule(point, confidence, identities)
    listed = ", ".join(far_name(point.wanted) for point in points)
    raise ConfigError(
        f"--far {wanted:g}: this model keeps thresholds for {listed}",
        hint="give one of them, or train with --far and more identities in validation",
    )


def _points(kept: Any) -> list[FarThreshold]:
    """Return the thresholds of a bundle; one that was made before there were several has its own."""
    names = FarThreshold.__slots__
    return [FarThreshold(**{name: point[name] for name in names}) for point in kept.get("points") or [kept]]


def verify_two(predictor: Predictor, first: Path, second: Path, *, far: float | None = None) -> Record:
    """Return whether two pictures show the same: {"a", "b"}, and what `Rule.judge` and `Rule.to_json` say.

    Args:
        predictor: an embedder.
        first: a picture file.
        second: another one.
        far: as for `rule_of`.

    Raises:
        ConfigError, BundleError: as `rule_of`.
        DataError: if a picture cannot be read.
    """
    rule = rule_of(predictor.spec, far)
    vectors = embed_all(predictor, [file_sample(path, id=str(path)) for path in (first, second)])
    return {"a": str(first), "b": str(second), **rule.judge(*vectors), **rule.to_json()}


def verify_many(
    predictor: Predictor, questions: Sequence[Question], *, base: Path, far: float | None = None
) -> Record:
    """Return which pairs of pictures show the same; a picture that cannot be read stops no other pair.

    Each picture is looked at once, however many pairs name it.

    Args:
        predictor: an embedder.
        questions: the pairs.
        base: folder to which their paths are relative.
        far: as for `rule_of`.

    Returns:
        The facts of `Rule.to_json`, and `pairs`: {"a", "b", "distance", "probability", "same"} each, with
        "expected" where the table answers; {"a", "b", "error"} where a picture cannot be read. Where there
        are answers of both kinds, `metrics`: "right", the share of right decisions, and what
        `pair_scores.verification_scores` gives.

    Raises:
        ConfigError, BundleError: as `rule_of`.
        DataError: if not one picture can be read.
    """
    rule = rule_of(predictor.spec, far)
    names = dict.fromkeys(name for each in questions for name in (each.first, each.second))
    found = embed_samples(predictor, [file_sample(base / name, id=name) for name in names])
    vectors = dict(zip(found.sources, found.vectors, strict=True))
    pairs = [_answered(rule, question, vectors, dict(found.failures)) for question in questions]
    return {**rule.to_json(), "pairs": pairs, **_scored(pairs)}


def _answered(
    rule: Rule,
    question: Question,
    vectors: Mapping[str, NDArray[np.float32]],
    failures: Mapping[str, str],
) -> Record:
    record: Record = {"a": question.first, "b": question.second}
    for name in (question.first, question.second):
        if name in failures:
            return {**record, "error": failures[name]}
    record |= rule.judge(vectors[question.first], vectors[question.second])
    return record if question.same is None else {**record, "expected": question.same}


def _scored(pairs: Sequence[Record]) -> Record:
    """Return {"metrics": ...} of the pairs with a known answer; {} unless there are both kinds."""
    judged = [pair for pair in pairs if "expected" in pair]
    expected = [pair["expected"] for pair in judged]
    if len(set(expected)) < 2:
        return {}
    scores = verification_scores([pair["distance"] for pair in judged], expected)
    right = float(np.mean([pair["same"] == pair["expected"] for pair in judged]))
    return {"metrics": {"right": right, **scores}}
