"""From options to all that a run stands on: data, model, preprocessing. Each choice is written down."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from nayan.core.config import TrainConfig
from nayan.core.errors import ConfigError
from nayan.core.events import EventLog
from nayan.core.machine import cores
from nayan.core.registry import Catalog, resolve
from nayan.core.types import Boxes, Dataset, Label, MaskSource, Size
from nayan.data.pixels import count_pixels, median_frequency_weights
from nayan.data.sides import choose_longer_side, choose_own_side, choose_shape, choose_side
from nayan.data.splits import Splits
from nayan.data.tiled import Views, tile_views
from nayan.data.turned import with_turns
from nayan.parts.weights import (
    WeightsReport,
    load_weights,
    read_metadata,
    stated_normalisation,
)
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.tiles import Tiling
from nayan.tasks.base import Task
from nayan.tasks.cards import Entry, TaskCard
from nayan.tasks.tiling import choose_tiling
from nayan.training.freeze import Stages, parse_freeze
from nayan.training.loader import class_weights
from nayan.training.looks import Looks, look_at
from nayan.training.machine import SMALL_PICTURE, choose_precision, device_kind, set_threads
from nayan.training.opening import Opened
from nayan.training.order import STRIDE, half_size, input_sizes
from nayan.training.policies import AnyAugment, choose_augment


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What was chosen.

    Attributes:
        config: with every None resolved.
        origins: where each value came from; "auto: REASON" for those that were chosen here.
        card, entry: of the task and the model.
        splits: the data.
        learnt: the training pictures as they are learnt: in tiles, or turned, where that is asked for.
        tiling: the tiles in which pictures are looked at; None for whole pictures.
        views: the training pictures in these tiles.
        model_args: what the builder was called with, beside the classes.
        preprocess: of the network.
        augment: of the training pictures.
        fabric: device and precision.
        task, network, stages: what learns.
        weights: what was loaded into it.
    """

    config: TrainConfig
    origins: dict[str, str]
    card: TaskCard
    entry: Entry
    splits: Splits
    learnt: Dataset
    tiling: Tiling | None
    views: Views | None
    model_args: dict[str, Any]
    preprocess: Preprocess
    augment: AnyAugment
    fabric: Fabric
    task: Task
    network: Any
    stages: Stages
    weights: WeightsReport


def set_up(
    config: TrainConfig,
    origins: dict[str, str],
    log: EventLog,
    *,
    opened: Opened,
    fabric: Fabric,
    fetch_weights: bool = True,
) -> Setup:
    """Choose what was left open, build the network and load its weights.

    Args:
        config: as given.
        origins: where each value came from.
        log: for notes.
        opened: the data and the task.
        fabric: of this process.
        fetch_weights: False where a checkpoint brings them.

    Raises:
        NayanError: whatever is wrong with the data, the options or the weights, before anything is trained.
    """
    choose = _Choices(config, origins)
    kind = device_kind(config.device)
    splits, card = opened.splits, opened.card
    for name in card.recipe.ignores:
        if origins[name] == "option":
            raise ConfigError(f"--{name.replace('_', '-')} means nothing to {card.name}", hint="leave it out")
    choose("task", card.verb, f"the data have {' or '.join(card.targets)} as targets")
    choose("format", splits.recognition.reader.name, splits.recognition.reason)
    entry = _entry(config, card, opened.model)
    choose("model", entry.name, opened.reason)
    if card.backbone_is_model:
        choose("backbone", entry.name, "the model")
    named = bool(config.backbone or entry.args.get("backbone")) or card.backbone_is_model
    named = named or entry.pretrained != "imagenet"
    named = named and config.backbone not in entry.own_backbones
    published = entry.pretrained if (entry.weights or config.backbone) and named else "none"
    choose(
        "weights", published, f"what {entry.name} has" if named else "no network to take them from is named"
    )
    tiling = _tiling(config, card)
    views = None if tiling is None else tile_views(splits.train, tiling)
    learnt = splits.train if views is None else views.data
    if views is not None:
        log("note", text=f"train: {learnt.notes[-1]}")
    looks = look_at(learnt)
    _choose_side(choose, card, entry, learnt=learnt, looks=looks, log=log)
    preprocess = _preprocess(
        entry,
        choose.config,
        looks,
        shaped="MaskSource" in card.targets,
        own_range=card.recipe.own_range,
    )
    choose("imgsz", max(preprocess.size), f"the size that {entry.name} was made for")
    if config.multi_scale:
        _check_multi_scale(config, card, entry, preprocess.size)
    pretrained = is_pretrained(choose.config, card)
    choose("progressive", *_progressive(card, entry, preprocess.size, pretrained=pretrained))
    policy, augment = choose_augment(config.augment, card, entry, looks=looks, mixup=config.mixup)
    choose.always("augment", policy, f"{'gray' if looks.gray else 'colour'} pictures of {looks.median} px")
    if policy == "turned":
        known, learnt = len(learnt.classes), with_turns(learnt)
        log("note", text=f"each of {known:,} identities is four: turned by a quarter it is another")
    if card.backbone_is_model:
        smooth = 0.1 if pretrained or policy == "photo" else 0.0
        choose("label_smoothing", smooth, "photographs are noisily labelled")
        choose("dropout", 0.2 if policy == "photo" else 0.0, f"{policy} pictures")
    choose("weight_decay", 0.05 if config.optimizer == "adamw" else 5e-4, config.optimizer)
    choose.always("batch", _batch(config, len(learnt), card.recipe.batch), "the size of the data")
    choose.always("device", kind if config.device == "auto" else config.device, "what PyTorch finds")
    choose.always("precision", choose_precision(config.precision, kind), f"the fastest on this {kind}")
    small = max(preprocess.size) <= SMALL_PICTURE  # where threads mostly wait for the interpreter
    choose("workers", 1 if small else cores(), "small pictures" if small else "one a core")
    task_type: type[Task] = resolve(card.task)
    task = task_type(**_task_options(choose.config, card, splits))
    set_threads(preprocess.size)
    torch.manual_seed(config.seed)
    source = choose.config.weights or "none"
    file = None if source in ("imagenet", "coco", "none") else Path(source)
    if file and not card.recipe.own_range:
        preprocess = _as_stated(preprocess, file)
    args = _model_args(choose.config, card, entry, preprocess)
    args |= task.data_args(entry, learnt, preprocess=preprocess)
    entry = replace(entry, inputs=task.inputs(entry, learnt.classes, args=args))
    for name, (value, why) in task.choices(entry, args).items():
        choose(name, value, why)
        args[name] = value
    network: Any = task.build(entry, learnt.classes, **args)
    taught = card.recipe.taught
    report = load_weights(network, (file or source) if fetch_weights and not taught else "none", entry)
    log("note", text=task.taught_by(file or source) if taught else report.summary)
    network = network.to(fabric.device).to(memory_format=torch.channels_last)
    stages = network.stages()
    parse_freeze(config.freeze, [name for name, _ in stages], pretrained=pretrained)
    return Setup(
        config=choose.config,
        origins=choose.origins,
        card=card,
        entry=entry,
        splits=splits,
        learnt=learnt,
        tiling=tiling,
        views=views,
        model_args=args,
        preprocess=preprocess,
        augment=augment,
        fabric=fabric,
        task=task,
        network=network,
        stages=stages,
        weights=report,
    )


def is_pretrained(config: TrainConfig, card: TaskCard) -> bool:
    """Say whether the network itself begins with weights from elsewhere, all options being chosen."""
    return config.weights != "none" and not card.recipe.taught


class _Choices:
    """Fills open options in and remembers why."""

    def __init__(self, config: TrainConfig, origins: dict[str, str]) -> None:
        self.config = config
        self.origins = dict(origins)

    def __call__(self, name: str, value: Any, why: str) -> None:
        """Set an option that was left open."""
        if getattr(self.config, name) is None:
            self.always(name, value, why)

    def always(self, name: str, value: Any, why: str) -> None:
        """Set an option, unless it already has the value."""
        if getattr(self.config, name) != value:
            self.config = self.config.model_copy(update={name: value})
            self.origins[name] = f"auto: {why}"


def _choose_side(
    choose: _Choices, card: TaskCard, entry: Entry, *, learnt: Dataset, looks: Looks, log: EventLog
) -> None:
    """Choose the side of the input where nobody said it, and round it to what the network can halve."""
    if "MaskSource" in card.targets:
        choose("imgsz", *choose_longer_side(looks.sizes))
    elif not card.backbone_is_model and entry.preprocess.fit == "letterbox":
        truths = [s.target for s in learnt.samples if isinstance(s.target, Boxes)]
        choose("imgsz", *choose_side(truths, looks.sizes, most=entry.preprocess.size[0]))
    elif card.recipe.multiple:
        choose("imgsz", *choose_own_side(looks.sizes, card.recipe.multiple, most=entry.preprocess.size[0]))
    asked = choose.config.imgsz
    multiple = (
        max(entry.multiple, STRIDE) if choose.config.backbone and entry.multiple > 1 else entry.multiple
    )
    if asked is None or asked % multiple == 0:
        return
    side = max(1, round(asked / multiple)) * multiple
    why = f"the input of {entry.name} is a multiple of {multiple} px"
    log("note", text=f"--imgsz {asked} becomes {side}: {why}")
    choose.always("imgsz", side, f"{asked} was asked for, and {why}")


def _check_multi_scale(config: TrainConfig, card: TaskCard, entry: Entry, size: Size) -> None:
    """Raise ConfigError where the size of the input cannot vary as asked for."""
    asked = f"--multi-scale {config.multi_scale:g}"
    if {"Label", "Identity"} & set(card.targets):
        raise ConfigError(
            f"{asked} is for detection and segmentation, this is {card.name}", hint="leave it out"
        )
    if entry.fixed_size:
        raise ConfigError(
            f"{asked}: {entry.name} takes pictures of one size only", hint="leave it out, or use --model yolo"
        )
    if entry.inputs:
        raise ConfigError(
            f"{asked}: the {' and '.join(entry.inputs)} of {entry.name} are made for one size of picture",
            hint="leave it out, or use --model faster_rcnn, which proposes by itself",
        )
    if len(input_sizes(size, config.multi_scale)) < 2:
        raise ConfigError(
            f"{asked}: no two multiples of {STRIDE} px are that near to {max(size)} px",
            hint=f"give at least {math.ceil(100 * STRIDE / max(size)) / 100:g}",
        )


LEAST_HALF = 128
"""Pixels; below, a picture of half the side shows too little."""


def _progressive(card: TaskCard, entry: Entry, size: Size, *, pretrained: bool) -> tuple[float, str]:
    """Return the share of the epochs that see pictures of half the side, and why."""
    if not card.recipe.progressive:
        return 0.0, f"{card.name} always sees them whole"
    if entry.fixed_size or min(half_size(size)) < LEAST_HALF:
        return 0.0, f"{entry.name} at {size[0]}x{size[1]}"
    if not pretrained:
        return 0.0, "from scratch"
    return card.recipe.progressive, "a third of the time"


_OF_TASKS = (
    "far",
    "loss",
    "gradient_penalty",
    "ttur",
    "cycle",
    "identity",
    "perceptual",
    "style",
    "content_weight",
    "style_weight",
)
"""Options that a task takes, unless its card ignores them."""
_OF_BUILDERS = ("up", "pooling", "dim", "margin", "width", "spectral_norm", "diffaug", "scale", "adversarial")
"""Options that the builder of a network takes, where they are given."""

LEAST_TILE = 32
"""Pixels; from smaller tiles nothing can be learnt, and there would be millions."""


def _tiling(config: TrainConfig, card: TaskCard) -> Tiling | None:
    if 0 < config.tile < LEAST_TILE:
        raise ConfigError(
            f"--tile {config.tile}: a tile has {LEAST_TILE} px or more",
            hint="640 is usual; the usual object should fit into the overlap of two tiles",
        )
    return choose_tiling(card, config.tile, config.overlap)


def _entry(config: TrainConfig, card: TaskCard, model: str) -> Entry:
    catalog: Catalog[Entry] = resolve(card.catalog)
    if not card.backbone_is_model:
        return catalog[model]
    if config.model and config.backbone and config.model != config.backbone:
        raise ConfigError(
            f"--model {config.model} and --backbone {config.backbone} contradict each other",
            hint="for classification the backbone is the model; give one of them",
        )
    return catalog[model]


def _preprocess(
    entry: Entry, config: TrainConfig, looks: Looks, *, shaped: bool, own_range: bool
) -> Preprocess:
    """Return the entry's preprocessing; without weights it is normalised by the mean of these pictures.

    A picture's background then lies near the zeros that convolutions pad with. `shaped`: the input takes the
    shape of the pictures where they share one, instead of a square. `own_range`: see `Recipe`.
    """
    preprocess = entry.preprocess
    if config.imgsz:
        size = choose_shape(looks.sizes, config.imgsz) if shaped else (config.imgsz, config.imgsz)
        preprocess = replace(preprocess, size=size)
    channels = 1 if looks.gray and entry.gray else 3
    if config.weights == "none" and not own_range:
        mean, std = looks.mean[:channels], looks.std[:channels]
        return replace(preprocess, channels=channels, mean=mean, std=std)
    if channels == preprocess.channels:
        return preprocess
    return replace(
        preprocess, channels=channels, mean=preprocess.mean[:channels], std=preprocess.std[:channels]
    )


def _batch(config: TrainConfig, pictures: int, most: int) -> int:
    """Return the batch: at most `most`, and small enough for 16 steps an epoch."""
    if config.batch != "auto":
        return config.batch
    return int(min(most, max(8, 2 ** int(np.log2(max(1, pictures // 16))))))


def _task_options(config: TrainConfig, card: TaskCard, splits: Splits) -> dict[str, Any]:
    """Return the options of the task: weights of classes, and those of `_OF_TASKS` that it knows."""
    weights = None
    by_pixel = any(isinstance(sample.target, MaskSource) for sample in splits.train.samples)
    if by_pixel and config.balance == "sampler":
        raise ConfigError(
            "--balance sampler draws pictures by their class, and here each pixel has one",
            hint="use --balance loss",
        )
    if by_pixel and config.balance == "loss":
        weights = median_frequency_weights(count_pixels(splits.train)).tolist()
    elif config.balance == "loss":
        labels = [sample.target.index for sample in splits.train.samples if isinstance(sample.target, Label)]
        weights = class_weights(labels, len(splits.train.classes)).tolist()
    own = {name: getattr(config, name) for name in _OF_TASKS if name not in card.recipe.ignores}
    return {"label_smoothing": config.label_smoothing, "class_weights": weights, **own}


def _as_stated(preprocess: Preprocess, file: Path) -> Preprocess:
    """Return the preprocessing with the mean and std that a weights file states, where it does."""
    stated = stated_normalisation(read_metadata(file))
    if stated is None or len(stated[0]) != preprocess.channels:
        return preprocess
    return replace(preprocess, mean=stated[0], std=stated[1])


def _model_args(config: TrainConfig, card: TaskCard, entry: Entry, preprocess: Preprocess) -> dict[str, Any]:
    own: dict[str, Any] = {"head": config.head} if entry.weights and card.backbone_is_model else {}
    if config.backbone and not card.backbone_is_model:
        own["backbone"] = config.backbone
    for name in _OF_BUILDERS:
        if getattr(config, name):
            own[name] = getattr(config, name)
    return {
        **entry.args,
        "channels": preprocess.channels,
        "size": preprocess.size,
        "mean": preprocess.mean,
        "std": preprocess.std,
        "dropout": entry.args.get("dropout", 0.0) if config.dropout is None else config.dropout,
        **own,
    }
