"""How good is a translator? Do its pictures look like the other domain's, and does the way back find home?

NumPy only. Two things are asked for, since each alone is easy: whoever changes nothing comes home perfectly,
and whoever paints any picture of the other domain looks like it.
"""

# Na pictures of the domain A, Nb of B; D features of each

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Domain, Image, Original, Translation
from nayan.runtime.preprocess import Placement, resize
from nayan.tasks.generation.distances import kid
from nayan.tasks.generation.features import Extractor, chance
from nayan.tasks.generation.picture_scores import psnr
from nayan.tasks.generation.translation.decode import across
from nayan.tasks.generation.translation.draw import journey

REMEMBERED = 20_000
"""Real pictures whose features are kept: validation sees the same ones after each epoch."""

Features = NDArray[np.float32]


class TranslationMetric:
    """Collects translations of pictures whose domain is known.

    Pictures are compared at the size of the network's input, whatever their own is.

    Args:
        classes: the names of the two domains.
        extractor: what pictures are compared by; None for convolutions of chance.
    """

    def __init__(self, classes: Sequence[str], *, extractor: Extractor | None = None) -> None:
        self.classes = tuple(classes)
        self.extractor = extractor or chance()
        self._domains: list[int] = []
        self._real: list[Features] = []
        self._made: list[Features] = []
        self._home: list[float] = []

    def update(self, predictions: Sequence[Translation], targets: Sequence[Original]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many of both.
            DataError: if the domain of a picture is not known.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} translations of {len(targets)} pictures")
        for prediction, target in zip(predictions, targets, strict=True):
            domain = domain_of(target)
            made, back = across(prediction, domain)
            self._domains.append(domain)
            self._real.append(_of_real(target, self.extractor))
            self._made.append(self.extractor([made])[0])
            self._home.append(psnr(back, _sized(target, back)))

    def compute(self) -> dict[str, float]:
        """Return the scores of all that was added.

        `kid`: how far translations are from pictures of the domain that they were translated to, the mean of
        both ways, less is better; `kid_to_a`, `kid_to_b`: of each way; `kid_untranslated`: the same of the
        pictures as they were, which a translation has to beat. They depend on `protocol`.
        `cycle_psnr`: how well the way back gives the pictures again, in dB, more is better.

        Raises:
            DataError: if there are not two pictures of each domain.
        """
        (real_a, made_b), (real_b, made_a) = self._of(0), self._of(1)
        if min(len(real_a), len(real_b)) < 2:
            raise DataError(
                f"{len(real_a)} pictures of {self.classes[0]} and {len(real_b)} of {self.classes[1]}: how "
                "far a translation is from its domain takes two of each",
                hint="add pictures to the smaller of them",
            )
        to_a, to_b = kid(real_a, made_a), kid(real_b, made_b)
        return {
            "kid": (to_a + to_b) / 2,
            "kid_to_a": to_a,
            "kid_to_b": to_b,
            "kid_untranslated": kid(real_a, real_b),
            "cycle_psnr": float(np.mean(self._home)),
        }

    @property
    def protocol(self) -> str:
        """All that the distances depend on beside the pictures: what they are compared by, and how many."""
        a, b = (self._domains.count(domain) for domain in (0, 1))
        return f"{self.extractor.name}; {a:,} pictures of {self.classes[0]}, {b:,} of {self.classes[1]}"

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,  # noqa: ARG002  every task is asked alike
        placements: Sequence[Placement] = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        Args:
            calibration: not needed.
            placements: not needed.

        Returns:
            `pictures` {class: how many}; `protocol`; `cycle_psnr` {class: dB of its pictures there and back}.
        """
        count = {name: self._domains.count(domain) for domain, name in enumerate(self.classes)}
        home = np.asarray(self._home)
        domains = np.asarray(self._domains)
        return {
            "pictures": count,
            "protocol": self.protocol,
            "cycle_psnr": {
                name: float(home[domains == domain].mean())
                for domain, name in enumerate(self.classes)
                if count[name]
            },
        }

    def _of(self, domain: int) -> tuple[Features, Features]:
        """Return the features of the pictures of a domain, and of their translations."""
        rows = [row for row, each in enumerate(self._domains) if each == domain]
        if not rows:
            nothing = np.zeros((0, 0), np.float32)
            return nothing, nothing
        return np.stack([self._real[row] for row in rows]), np.stack([self._made[row] for row in rows])


def mistakes(
    predictions: Sequence[Translation],
    targets: Sequence[Original],
    classes: Sequence[str],
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return what a person should look at: translations of both domains there and back, evenly spaced.

    Args:
        predictions: one a picture.
        targets: with their domains.
        classes: names of the two domains.
        limit: at most so many, half of each domain.
        calibration: not needed.

    Returns:
        `{"row", "from", "to", "cycle_psnr", "painted"}` each: the names of the two domains, how well the way
        back found home in dB, and the picture, its translation and the way back side by side.
    """
    domains = [domain_of(target) for target in targets]
    records = []
    for domain in (0, 1):
        rows = [row for row, each in enumerate(domains) if each == domain]
        for at in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), limit // 2)).astype(int)):
            made, back = across(predictions[rows[at]], domain)
            picture = _sized(targets[rows[at]], back)
            records.append(
                {
                    "row": rows[at],
                    "from": classes[domain],
                    "to": classes[1 - domain],
                    "cycle_psnr": round(psnr(back, picture), 2),
                    "painted": journey(picture, made, back, names=(classes[domain], classes[1 - domain])),
                }
            )
    return records


def domain_of(target: Original) -> int:
    """Return 0 for a picture of A, 1 for one of B.

    Raises:
        DataError: if it is not known.
    """
    about = target.about if isinstance(target, Original) else None
    if not isinstance(about, Domain):
        raise DataError(
            "a picture whose domain is not known cannot be judged",
            hint="put the pictures of one into testA/ and those of the other into testB/",
        )
    return about.index


def _sized(target: Original, like: Image) -> Image:
    """Return the picture itself at the size of what the network gave."""
    return resize(target.load(), (like.shape[0], like.shape[1]))


@lru_cache(maxsize=REMEMBERED)
def _of_real(original: Original, extractor: Extractor) -> Features:
    """Return the (D,) features of one real picture."""
    features: Features = extractor([original.load()])[0]
    return features
