"""Did it help? The difference of two ways to train, each with the same seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nayan.core.errors import ShapeError

LEVEL = 0.95
SLIGHT = 0.01
"""Of the accuracy: a difference of less than a point either way is none worth having."""

Verdict = Literal["helps", "harms", "no_difference", "cannot_tell"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference and how sure it is.

    Attributes:
        mean: of the differences of the pairs.
        low, high: its 95 % interval.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What the interval allows to say.

        "no_difference" is said only where the whole interval lies within a point of 0; where it is wider
        and holds 0, nobody can tell.

        >>> Difference(0.02, 0.01, 0.03).verdict, Difference(0.0, -0.05, 0.05).verdict
        ('helps', 'cannot_tell')
        """
        if self.low > 0:
            return "helps"
        if self.high < 0:
            return "harms"
        return "no_difference" if max(-self.low, self.high) < SLIGHT else "cannot_tell"


def paired_difference(without: Sequence[float], with_: Sequence[float]) -> Difference:
    """Return the mean of `with_ - without` over pairs, with Student's interval.

    It holds where the differences of single seeds are about normal. It says what other seeds would give,
    of the same pictures; what other pictures would give it does not say.

    Args:
        without: one score a seed.
        with_: the scores of the same seeds, in the same order, at least two.

    Raises:
        ShapeError: if there are not as many of both, or less than two.

    Source: Student, "The probable error of a mean", Biometrika 6, 1908.

    >>> found = paired_difference([0.5, 0.5, 0.5], [0.6, 0.7, 0.8])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)  # 0.2 +- 4.303 * 0.1 / sqrt(3)
    (0.2, -0.048, 0.448)
    """
    from scipy.stats import t

    if len(without) != len(with_) or len(without) < 2:
        raise ShapeError(f"{len(without)} and {len(with_)} scores: two pairs or more are compared")
    apart = [b - a for a, b in zip(without, with_, strict=True)]
    mean, count = statistics.fmean(apart), len(apart)
    reach = float(t.ppf(0.5 + LEVEL / 2, count - 1)) * statistics.stdev(apart) / count**0.5
    return Difference(mean, mean - reach, mean + reach)


def compared(seeds: Sequence[int], without: Sequence[float], with_: Sequence[float]) -> dict[str, Any]:
    """Return what the scores of both ways come to, JSON-serialisable.

    Args:
        seeds: of the pairs.
        without: one score a seed.
        with_: the scores of the same seeds; none where there was nothing to learn from as well.

    Returns:
        `seeds`, a row each; `accuracy`, the mean of each way; `difference`, None without pairs; `verdict`.
    """
    pairs: list[tuple[float | None, float | None]] = [(None, None)] * len(seeds)
    if with_:
        pairs = [(b, b - a) for a, b in zip(without, with_, strict=True)]
    found = paired_difference(without, with_) if with_ else None
    return {
        "seeds": [
            {"seed": seed, "plain": score, "with": helped, "difference": apart}
            for seed, score, (helped, apart) in zip(seeds, without, pairs, strict=True)
        ],
        "accuracy": {
            "plain": statistics.fmean(without),
            "with": statistics.fmean(with_) if with_ else None,
        },
        "difference": asdict(found) if found else None,
        "verdict": found.verdict if found else "nothing_kept",
    }
