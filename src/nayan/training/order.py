"""Where randomness comes from in training: pure functions of the seed and the position.

Nothing random is ever carried along. The order of samples depends on (seed, epoch), a sample's
augmentation on (seed, epoch, index), a step's dropout and mixing on (seed, round, epoch, step), the size
of its pictures on (seed, epoch, step).
So a position is enough to resume bit for bit, and the number of workers cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Size

_ORDER, _SAMPLE, _STEP, _SIZE, _IDENTITIES, _GROUPS = 1, 2, 3, 4, 5, 6  # keeps the streams apart
STRIDE = 32  # of the coarsest map of detectors; the side of their input is a multiple of it


def epoch_order(
    seed: int, epoch: int, *, count: int, weights: Sequence[float] | None = None
) -> NDArray[np.int64]:
    """Return the indices 0..count-1 in the order in which epoch `epoch` sees them.

    With `weights` (one a sample, any positive scale) it draws `count` indices with replacement instead.

    >>> epoch_order(0, 1, count=5).tolist() == epoch_order(0, 1, count=5).tolist()
    True
    """
    rng = np.random.default_rng((seed, _ORDER, epoch))
    if weights is None:
        return rng.permutation(count)
    share = np.asarray(weights, np.float64)
    return rng.choice(count, size=count, replace=True, p=share / share.sum())


def sample_rng(seed: int, epoch: int, *, index: int) -> np.random.Generator:
    """Return the generator of one sample's augmentation in one epoch."""
    return np.random.default_rng((seed, _SAMPLE, epoch, index))


def step_seed(seed: int, part: int, *, epoch: int, step: int, rank: int = 0) -> int:
    """Return a 63-bit seed for the dropout and mixing of one step of round `part`."""
    state = np.random.SeedSequence((seed, _STEP, part, epoch, step, rank)).generate_state(1, np.uint64)
    return int(state[0] >> 1)


@dataclass(frozen=True, slots=True)
class Meetings:
    """How identities meet in a batch.

    Attributes:
        identities: one a picture.
        each: about so many pictures of one in a batch.
    """

    identities: tuple[int, ...]
    each: int


@dataclass(frozen=True, slots=True)
class Shares:
    """That every batch holds as many pictures of each group.

    Attributes:
        groups: one a picture.
    """

    groups: tuple[int, ...]


def epoch_batches(
    seed: int,
    epoch: int,
    *,
    count: int,
    batch: int,
    weights: Sequence[float] | None = None,
    meetings: Meetings | Shares | None = None,
) -> list[NDArray[np.int64]]:
    """Return the indices of each batch of an epoch: by chance, weighted, as identities meet, or shared."""
    if isinstance(meetings, Shares):
        return shared_batches(seed, epoch, groups=meetings.groups, batch=batch)
    if meetings is not None:
        return identity_batches(seed, epoch, identities=meetings.identities, batch=batch, each=meetings.each)
    return split_batches(epoch_order(seed, epoch, count=count, weights=weights), batch)


def input_sizes(size: Size, share: float) -> list[Size]:
    """Return the sizes of input between which multi-scale training changes, the smallest first.

    The longer side takes every multiple of 32 that is at most `share` shorter or longer than it was; the
    other side follows it to its nearest multiple.

    >>> input_sizes((128, 128), 0.3)
    [(96, 96), (128, 128), (160, 160)]
    >>> input_sizes((300, 300), 0.0)
    []
    """
    longer = max(size)
    first, last = math.ceil(longer * (1 - share) / STRIDE), math.floor(longer * (1 + share) / STRIDE)
    factors = [number * STRIDE / longer for number in range(max(1, first), last + 1)]
    rounded = [[max(1, round(side * factor / STRIDE)) * STRIDE for side in size] for factor in factors]
    return [(height, width) for height, width in rounded]


def half_size(size: Size) -> Size:
    """Return half a (height, width), up to the next multiple of the stride: pictures to begin with.

    Most of what is learnt at first can be seen in small pictures, which cost a quarter (progressive resizing:
    Karras et al. 2017, arXiv:1710.10196, for generators; Tan and Le 2021, arXiv:2104.00298, for classifiers).

    >>> half_size((352, 480))
    (192, 256)
    """
    return -(-size[0] // (2 * STRIDE)) * STRIDE, -(-size[1] // (2 * STRIDE)) * STRIDE


def step_size(seed: int, epoch: int, *, step: int, sizes: Sequence[Size]) -> Size:
    """Return one of the sizes for the pictures of a step, the same in every process."""
    rng = np.random.default_rng((seed, _SIZE, epoch, step))
    return sizes[int(rng.integers(len(sizes)))]


def identity_batches(
    seed: int, epoch: int, *, identities: Sequence[int], batch: int, each: int
) -> list[NDArray[np.int64]]:
    """Return the batches of an epoch in which identities meet themselves: about `each` pictures of some.

    The pictures of each identity are shuffled and cut into nearly equal hands of at most `each`, and the
    hands are dealt to the batches one after the other, those of one identity to different ones. So every
    picture is seen once, no batch is much larger than another, and an identity with many pictures fills none.

    Args:
        seed: of the run.
        epoch: which one.
        identities: one a picture.
        batch: pictures a step, roughly: as many batches are dealt as `split_batches` cuts.
        each: pictures of one identity in a batch, at least 2; fewer where it has fewer.

    >>> [np.array([0, 0, 0, 1, 1, 2])[part].tolist() for part in
    ...  identity_batches(0, 0, identities=[0, 0, 0, 1, 1, 2], batch=3, each=2)]
    [[0, 2], [0, 0, 1, 1]]
    """
    rng = np.random.default_rng((seed, _IDENTITIES, epoch))
    labels = np.asarray(identities, np.int64)
    hands: list[NDArray[np.int64]] = []
    for label in rng.permutation(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        hands += np.array_split(members, -(-len(members) // each))
    count = -(-len(labels) // batch)
    return [np.concatenate(hands[start::count]) for start in rng.permutation(count)]


def shared_batches(seed: int, epoch: int, *, groups: Sequence[int], batch: int) -> list[NDArray[np.int64]]:
    """Return the batches of an epoch in which every group has the same share, one of each in turn.

    An epoch takes about as many pictures as there are: of a small group some come more than once, of a large
    one some are left for another epoch. Within a group nothing comes again before all of it was seen.

    Args:
        seed: of the run.
        epoch: which one.
        groups: one a picture.
        batch: pictures a step; as many of each group as go into it, at least 1.

    >>> [np.array([0, 0, 0, 0, 1, 1])[part].tolist() for part in
    ...  shared_batches(0, 0, groups=[0, 0, 0, 0, 1, 1], batch=2)]
    [[0, 1], [0, 1], [0, 1]]
    """
    rng = np.random.default_rng((seed, _GROUPS, epoch))
    labels = np.asarray(groups, np.int64)
    steps = -(-len(labels) // batch)
    names = np.unique(labels)
    each = max(1, batch // len(names))
    hands = []
    for name in names:
        members = np.flatnonzero(labels == name)
        rounds = -(-steps * each // len(members))
        dealt = np.concatenate([rng.permutation(members) for _ in range(rounds)])
        hands.append(dealt[: steps * each].reshape(steps, each))
    return list(np.stack(hands, axis=2).reshape(steps, -1))  # (steps, each, groups)


def split_batches(order: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches of at most `batch`, all nearly of one size.

    Equal sizes leave no tiny last batch, whose gradient would weigh too much.

    >>> [len(part) for part in split_batches(np.arange(10), 4)]
    [4, 3, 3]
    """
    return np.array_split(order, max(1, -(-len(order) // batch)))
