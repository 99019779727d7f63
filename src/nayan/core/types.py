"""The values that cross borders: pictures, targets, predictions, samples.

Ground truth and prediction share types. All of them are NumPy and immutable; torch never appears here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError

Image = NDArray[np.uint8]
"""(H, W, 3) RGB, upright."""

Size = tuple[int, int]
"""(height, width) in pixels, always in that order."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class for a whole picture."""

    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ShapeError(f"class indices count from 0, got {self.index}")


Role = Literal["", "gallery", "query"]
"""Of a picture where pictures are searched: among which, for which; "" is both."""


@dataclass(frozen=True, slots=True)
class Identity(Label):
    """Who or what a picture shows, where even those are to be told apart that were never seen in training.

    Each split has identities of its own, so that `index` means nothing in another one.

    Attributes:
        index: the identity, among the classes of its data set.
        name: of the sample, by which pairs refer to it.
        role: what the picture is for where pictures are searched.
        pairs: (name of another picture, whether it shows the same) each, with which it is to be compared.
    """

    name: str = ""
    role: Role = ""
    pairs: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Domain(Label):
    """One of two sets of pictures that are to be translated into each other; no picture has a known twin.

    Attributes:
        index: 0 for A, 1 for B.
    """

    def __post_init__(self) -> None:
        if self.index not in (0, 1):
            raise ShapeError(f"there are two domains, 0 and 1, got {self.index}")


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture shows, in words: ground truth and prediction alike.

    Attributes:
        texts: one or more sentences, each describing the whole picture, without white space around it; of a
            prediction the best first.
        scores: of each, in [0, 1]; None for ground truth.

    >>> Caption(("a red three", "the digit 3 in red")).texts[0]
    'a red three'
    """

    texts: tuple[str, ...]
    scores: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            raise ShapeError("a caption has one sentence or more, got none")
        if self.scores is not None and len(self.scores) != len(self.texts):
            raise ShapeError(f"{len(self.texts)} sentences need as many scores, got {len(self.scores)}")
        for text in self.texts:
            if not text or text != text.strip():
                raise ShapeError(f"a caption is a sentence without white space around it, got {text!r}")


UNIT = 1e-3
"""How far the length of a unit vector may be from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A picture as a point on the unit sphere: what shows the same lies near.

    Attributes:
        vector: (D,) float32 of length 1.

    >>> Embedding(np.array([0.6, 0.8], np.float32)).distance(Embedding(np.array([1, 0], np.float32)))
    0.8944271802902222
    """

    vector: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or self.vector.dtype != np.float32:
            raise ShapeError(f"an embedding is (D,) float32, got {self.vector.shape} {self.vector.dtype}")
        length = float(np.linalg.norm(self.vector))
        if not abs(length - 1) <= UNIT:  # also when it is NaN
            raise ShapeError(f"an embedding has the length 1, got {length:.4g}")

    def distance(self, other: Embedding) -> float:
        """Return the Euclidean distance to another one, from 0 (the same) over 1.41 (nothing alike) to 2."""
        return float(np.linalg.norm(self.vector - other.vector))


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """One probability a class for a whole picture.

    Attributes:
        probabilities: (C,) float32, each in [0, 1], summing to 1.
    """

    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1:
            raise ShapeError(f"probabilities must have the shape (C,), got {self.probabilities.shape}")

    @property
    def label(self) -> int:
        """Index of the most probable class."""
        return int(self.probabilities.argmax())

    @property
    def score(self) -> float:
        """Probability of the most probable class, in [0, 1]."""
        return float(self.probabilities.max())

    def top(self, k: int) -> list[tuple[int, float]]:
        """Return the `k` most probable classes as (index, probability), the best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(int(i), float(self.probabilities[i])) for i in order]


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Objects in a picture, each with its place and class: ground truth and prediction alike.

    A picture that is known to show none of the classes has `Boxes.none()`; a picture about which nothing
    is known has no target at all.

    Attributes:
        xyxy: (N, 4) float32 left, top, right, bottom in pixels of the original upright picture; the right
            and bottom edges are exclusive.
        labels: (N,) int64 classes, from 0.
        scores: (N,) float32 in [0, 1]; None for ground truth.
        crowd: (N,) bool, where one box stands for many objects that are not told apart (COCO's `iscrowd`);
            None where there are none. Nothing is learnt from such a box and nothing found in it counts as
            wrong.
        areas: (N,) float32 px^2 that the objects themselves cover, where that is known; it decides which
            of them are small. None: the area of the box.
    """

    xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None
    crowd: NDArray[np.bool_] | None = None
    areas: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.xyxy.ndim != 2 or self.xyxy.shape[1] != 4 or self.xyxy.dtype != np.float32:
            raise ShapeError(f"boxes are (N, 4) float32, got {self.xyxy.shape} {self.xyxy.dtype}")
        if self.labels.dtype != np.int64:
            raise ShapeError(f"labels are int64, got {self.labels.dtype}")
        for name in ("labels", "scores", "crowd", "areas"):
            values = getattr(self, name)
            if values is not None and values.shape != (len(self.xyxy),):
                raise ShapeError(f"{len(self.xyxy)} boxes need as many {name}, got {values.shape}")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def none(cls) -> Boxes:
        """Return no boxes: what the truth of a picture of the background is."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))

    @property
    def covered(self) -> NDArray[np.float32]:
        """(N,) px^2 of each object: `areas` where they are known, else those of the boxes."""
        if self.areas is not None:
            return self.areas
        sides = self.xyxy[:, 2:] - self.xyxy[:, :2]
        area: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
        return area

    def select(self, rows: NDArray[Any] | Sequence[int]) -> Boxes:
        """Return some of the boxes, by their numbers or by an (N,) mask.

        >>> two = Boxes(np.zeros((2, 4), np.float32), np.array([3, 5]))
        >>> two.select([1]).labels.tolist()
        [5]
        """
        index = np.asarray(rows) if len(rows) else np.zeros(0, np.int64)
        return Boxes(
            *(None if values is None else values[index] for values in (
                self.xyxy, self.labels, self.scores, self.crowd, self.areas
            ))  # type: ignore[arg-type]
        )  # fmt: skip


VOID = 255
"""In a mask: nothing is known of this pixel. It is neither learnt nor judged."""


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMask:
    """One class for every pixel: ground truth and prediction alike.

    Attributes:
        ids: (H, W) uint8 classes, from 0; `VOID` where nothing is known.
        scores: (H, W) float32 in [0, 1], how probable the class of each pixel is; None for ground truth.
    """

    ids: NDArray[np.uint8]
    scores: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.dtype != np.uint8:
            raise ShapeError(f"a mask is (H, W) uint8, got {self.ids.shape} {self.ids.dtype}")
        if self.scores is not None and self.scores.shape != self.ids.shape:
            raise ShapeError(f"a mask of {self.ids.shape} needs as many scores, got {self.scores.shape}")

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.ids.shape[0], self.ids.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class MaskSource:
    """The mask of a sample, read when asked for, as its picture is: masks of a whole data set fill a memory.

    Attributes:
        load: returns the mask in pixels of the original upright picture, as large as that is.
        path: the file that holds it, where it has one of its own.
        outlines: what it is drawn from, where it has none: a text that changes when they do.
    """

    load: Callable[[], SemanticMask]
    path: Path | None = None
    outlines: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """The picture itself as the truth: what a network that draws or restores is to come near to.

    Attributes:
        load: reads it, as `Sample.load` does.
        about: what else is known of it, such as its `Label`, which a network may be asked to draw.
    """

    load: Callable[..., Image]
    about: Target = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a network drew, restored or translated.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
    """

    pixels: Image

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ShapeError(f"a picture is (H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}")


@dataclass(frozen=True, slots=True, eq=False)
class Translation:
    """A picture as two domains would show it, and each of these turned back.

    Nobody has to know which domain the picture is of: one of the two translations is then nearly itself.

    Attributes (each (H, W, 3) uint8 RGB):
        to_a, to_b: the picture as one of the domain A, or B.
        back_a: `to_b` turned to A again: of a picture of A, nearly itself.
        back_b: `to_a` turned to B again.
    """

    to_a: Image
    to_b: Image
    back_a: Image
    back_b: Image


Target = Label | Boxes | MaskSource | SemanticMask | Caption | Original | None  # Identity, Domain: Labels
"""Ground truth. A sample of segmentation has a `MaskSource`; a `SemanticMask` is what was read from it."""
Prediction = ClassScores | Boxes | SemanticMask | Embedding | Caption | Picture | Translation


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a data set with its ground truth; the pixels are read when asked for.

    Attributes:
        id: a name that is unique in the data set and stays the same between reads: usually the
            path relative to the data set's root, with forward slashes.
        load: reads the picture. `load()` gives every pixel; `load(at_least)` may give a smaller
            version whose sides both still reach `at_least` (height, width), where the file
            format decodes that faster.
        target: the ground truth; None where it is unknown.
        path: the file that holds the picture, where it has one of its own.
    """

    id: str
    load: Callable[..., Image]
    target: Target = None
    path: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """An ordered set of samples with the names of their classes.

    Attributes:
        samples: in a fixed order that does not depend on the file system.
        classes: names; a `Label.index` or an entry of `Boxes.labels` points into them. There are none where
            pictures have captions or no truth at all.
        root: the folder or file that was read.
        format: name of the reader.
        split: "train", "val", "test" or "all".
        notes: what the reader did that its user may not expect, one sentence each.
        info: facts of the format that a round trip keeps.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    root: Path
    format: str
    split: str = "all"
    notes: tuple[str, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)
