"""What a run is for: its data, their task, and the model that is trained unless the user names one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nayan.core.config import TrainConfig
from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.core.types import Boxes, Dataset, Label, MaskSource, Target
from nayan.data.classes import Renumbered
from nayan.data.originals import as_originals
from nayan.data.splits import Splits, open_splits
from nayan.parts.published import recognise
from nayan.parts.weights import read_file
from nayan.tasks import CARDS, card_of_model, cards_of, wanted_of
from nayan.tasks.cards import TaskCard
from nayan.training.looks import look_at

OTHER = "other"
"""Class of the pixels that are of none of the classes that `--classes` names."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The data of a run, the task that they are for, and the model.

    Attributes:
        splits: the data.
        card: of the task.
        model: name of the entry in its catalogue.
        reason: why, where the user named none.
    """

    splits: Splits
    card: TaskCard
    model: str
    reason: str


def open_data(config: TrainConfig) -> Opened:
    """Read the data, find their task and choose the model.

    Raises:
        NayanError: if the data cannot be read, or no task (or not the one that was named) learns from them.
    """
    cards = cards_of(config.task) if config.task else []
    if config.task and config.model and len(cards) > 1:
        cards = [card_of_model(config.task, config.model)]
    splits = open_splits(
        config.data,
        format=config.format,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
        targets=wanted_of(cards) if cards else (),
    )
    if config.classes:
        splits = _only_classes(splits, config.classes)
    card = _card(config, splits, cards)
    _check_validation(splits.val, card.recipe.least)
    name, why = _model(config, card, splits)
    return Opened(_of_originals(splits) if "Original" in card.targets else splits, card, name, why)


def _model(config: TrainConfig, card: TaskCard, splits: Splits) -> tuple[str, str]:
    """Return the name of the model and why it is that."""
    if config.model:
        return config.model, "the option"
    if card.backbone_is_model and config.backbone:
        return config.backbone, "the backbone"
    for kind in _kinds(splits) & card.default_for.keys():
        return card.default_for[kind], f"the data have {kind} as targets"
    usual = card.default_model, "the task's default"
    if not card.photo_model or config.backbone or config.weights == "none":
        return usual
    if _are_published(config.weights):
        return card.photo_model, "the weights are those of a published backbone"
    if look_at(splits.train).gray:
        return card.default_model, "the pictures are gray, and networks that know photographs know colours"
    return card.photo_model, "colour pictures: its backbone knows photographs"


def _check_validation(val: Dataset, least: int) -> None:
    """Raise DataError where validation has fewer than `least` pictures of a class."""
    counts = Counter(sample.target.index for sample in val.samples if isinstance(sample.target, Label))
    for number, name in enumerate(val.classes):
        if counts[number] < least:
            raise DataError(
                f"validation has {counts[number]} pictures of {name}, and scores take {least} or more",
                hint="add pictures, or leave more of them to validation: --val-fraction 0.4",
            )


def _are_published(weights: str | None) -> bool:
    """Say whether weights are those of a published network: from the hub, or a file like that."""
    if weights is None or weights == "none":
        return False
    if weights == "imagenet":
        return True
    tensors, _ = read_file(Path(weights))
    return bool(recognise({name: tensor.shape for name, tensor in tensors.items()}))


def _only_classes(splits: Splits, names: Sequence[str]) -> Splits:
    """Return the splits with the samples of some classes only, in the order of the names.

    Every pixel is something, so in masks the classes that are not named become one more, the first: `OTHER`.
    """
    known = splits.train.classes
    by_pixel = any(isinstance(sample.target, MaskSource) for sample in splits.train.samples)
    for name in names:
        if name not in known:
            raise NotFound("class", name, known)
    of_pictures = any(isinstance(sample.target, Label) for sample in splits.train.samples)
    if of_pictures and len(set(names)) < 2:
        raise ConfigError(f"--classes {' '.join(names)}: a classifier needs at least two classes")
    if by_pixel:
        names = (OTHER, *(name for name in names if name != OTHER))
    index = {known.index(name): position for position, name in enumerate(names) if name in known}

    def select(data: Dataset) -> Dataset:
        kept = tuple(
            replace(sample, target=target)
            for sample in data.samples
            if (target := _renumbered(sample.target, index, len(known))) is not None
        )
        return replace(data, samples=kept, classes=tuple(names))

    test = select(splits.test) if splits.test else None
    return replace(splits, train=select(splits.train), val=select(splits.val), test=test)


def _renumbered(target: Target, index: Mapping[int, int], count: int) -> Target:
    """Return the target with the classes of `index` in their new order; None for a picture of another class.

    A picture whose objects are all of other classes is background.
    """
    if isinstance(target, Label):
        return replace(target, index=index[target.index]) if target.index in index else None
    if isinstance(target, Boxes):
        kept = target.select(np.isin(target.labels, list(index)))
        labels = np.array([index[int(label)] for label in kept.labels], np.int64)
        return replace(kept, labels=labels)
    if isinstance(target, MaskSource):
        return replace(target, load=Renumbered(target.load, tuple(index.get(n, 0) for n in range(count))))
    return None


def _card(config: TrainConfig, splits: Splits, cards: Sequence[TaskCard]) -> TaskCard:
    """Return the card of the task that is named, of several of them the one that the data are for.

    Where none is named it is the first of all that the data are for.
    """
    kinds = _kinds(splits)
    if not cards:
        fitting = [card for card in CARDS if kinds <= {*card.targets, *card.about}]
        if not fitting:
            found = ", ".join(kinds)
            raise DataError(f"{config.data}: no task learns from {found}", hint="see `nayan models`")
        return fitting[0]
    card = next((card for card in cards if kinds & set(card.about)), cards[0])
    if "Original" not in card.targets and not kinds <= set(card.targets):
        raise ConfigError(
            f"--task {config.task} learns from {' or '.join(card.targets)}; the data have {', '.join(kinds)}"
        )
    return card


def _kinds(splits: Splits) -> set[str]:
    """Return the names of the types of what is known of the training pictures."""
    return {type(sample.target).__name__ for sample in splits.train.samples if sample.target is not None}


def _of_originals(splits: Splits) -> Splits:
    """Return the splits with every picture as its own ground truth."""
    test = as_originals(splits.test) if splits.test else None
    return replace(splits, train=as_originals(splits.train), val=as_originals(splits.val), test=test)
