"""From a translator's outputs to pictures: either way and back, or the one way that was asked for."""

# B pictures, (h, w) their size, C channels

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from nayan.core.errors import BundleError, NotFound
from nayan.core.types import Image, Translation
from nayan.runtime.preprocess import Placement
from nayan.tasks.generation.pictures import decode_pictures

OUTPUTS = ("to_a", "to_b", "back_a", "back_b")


def decode(
    raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **_args: Any
) -> list[Translation]:
    """Turn the outputs for a batch into the translations of each picture, of the size that the network gives.

    Args:
        raw: "to_a", "to_b", "back_a", "back_b", each (B, h, w, C) float32 in [0, 1], with 1 or 3 channels.
        placements: of the pictures that were given; only their number counts.
        **_args: a bundle's decode arguments; not needed.

    Raises:
        BundleError: if an output is missing or not finite.
        ShapeError: if one is not (B, h, w, 1 or 3) with B pictures.

    >>> import numpy as np
    >>> gray = dict.fromkeys(OUTPUTS, np.full((1, 1, 1, 1), 0.5, np.float32))
    >>> decode(gray, [Placement((1, 1), (1.0, 1.0), (0.0, 0.0))])[0].to_b.tolist()
    [[[128, 128, 128]]]
    """
    missing = [name for name in OUTPUTS if name not in raw]
    if missing:
        raise BundleError(
            f"a translator returns {', '.join(OUTPUTS)}, this model {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    columns = (decode_pictures({"picture": raw[name]}, placements) for name in OUTPUTS)
    return [Translation(*(each.pixels for each in row)) for row in zip(*columns, strict=True)]


def across(prediction: Translation, domain: int) -> tuple[Image, Image]:
    """Return the translation to the other domain, and the way back from it.

    Args:
        prediction: of a picture.
        domain: of the picture, 0 for A and 1 for B.
    """
    if domain == 0:
        return prediction.to_b, prediction.back_a
    return prediction.to_a, prediction.back_b


def domain_index(name: str, classes: Sequence[str]) -> int:
    """Return 0 for A and 1 for B, by the letter or by the name of the class.

    Raises:
        NotFound: if it is neither.

    >>> domain_index("b", ("apple", "orange")), domain_index("apple", ("apple", "orange"))
    (1, 0)
    """
    for names in (("a", "b"), tuple(each.lower() for each in classes)):
        if name.lower() in names:
            return names.index(name.lower())
    raise NotFound("domain", name, tuple(dict.fromkeys(("A", "B", *classes))))


def to_records(
    prediction: Translation,
    classes: Sequence[str],  # noqa: ARG001  every task is asked alike
    *,
    conf: float | Sequence[float] | None = None,  # noqa: ARG001
    top: int = 1,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return one row, `{"picture": [h, w]}`: how large the translations are; the pixels are for files.

    >>> import numpy as np
    >>> to_records(Translation(*[np.zeros((4, 6, 3), np.uint8)] * 4), [])
    [{'picture': [4, 6]}]
    """
    return [{"picture": list(prediction.to_b.shape[:2])}]
