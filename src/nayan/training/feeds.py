"""What each round trains on: streamed pictures, or the cached activations of a frozen base."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nayan.core.events import EventLog
from nayan.core.registry import resolve
from nayan.core.types import Dataset, Label, Original, Target
from nayan.data.cache import DecodedCache
from nayan.data.tiled import Views, tile_views
from nayan.runtime.inputs import make_inputs, while_learning
from nayan.tasks.base import Batch, Item, Judged, Metric
from nayan.tasks.measuring import make_metric
from nayan.training.augment import Augment
from nayan.training.dense import DenseAugment, PrepareDense
from nayan.training.features import VIEW_EPOCH, FeatureSource, extract, feature_bytes
from nayan.training.freeze import Round, Tail
from nayan.training.job import Feed
from nayan.training.loader import Prepare, PrepareAugmented, Source, StreamSource, class_weights
from nayan.training.order import Meetings, Shares, input_sizes
from nayan.training.scene import SceneAugment
from nayan.training.scenes import PrepareScene
from nayan.training.setup import Setup
from nayan.training.validate import Decode, judge, score

RAM_SHARE = 0.25  # of the memory that is free, for each of the caches
DISK_LIMIT = 50 * 2**30
FEATURE_BATCH = 64  # pictures a step where a step is a small head on cached features


@dataclass
class Feeds:
    """Opens the feed of each round of one run, and keeps what several rounds share.

    Attributes:
        setup: of the run.
        rounds: its rounds.
        log: for notes.
        folder: of the run, for a cache on disk.
        broken: {sample id: reason} of pictures that could not be read so far.
    """

    setup: Setup
    rounds: tuple[Round, ...]
    log: EventLog
    folder: Path
    broken: dict[str, str] = field(default_factory=dict)
    _caches: dict[str, DecodedCache] = field(default_factory=dict)
    _judge: tuple[torch.nn.Module, Source] | None = None

    def open(self, number: int) -> Feed:
        """Return what round `number` trains on and how it is validated."""
        setup, stretch = self.setup, self.rounds[number]
        if not stretch.views:
            source = self.stream(setup.learnt, augmented=True)
            if setup.views is not None:
                self._keep_tiles(source)
            self._judge = (setup.network, self.validation())
            return Feed(setup.network, source, partial(self.validate, *self._judge))
        tail = Tail(setup.stages[stretch.first :])
        views = stretch.views
        self.log(
            "note",
            text=f"round {stretch.name}: what the {stretch.first} frozen stages give is computed once "
            f"and cached, {views} view(s) a picture",
        )
        train = self._features(stretch, setup.learnt, views)
        val = self._features(stretch, setup.splits.val, 0)
        self._judge = (tail, val)
        return Feed(tail, train, partial(self.validate, *self._judge))

    def _keep_tiles(self, source: StreamSource) -> None:
        """Cut all tiles before the first epoch, which decodes each picture once."""
        assert isinstance(source.prepare, PrepareScene | PrepareDense)
        if not source.prepare.keep_all(self.setup.config.workers or 1):
            self.log(
                "warning",
                text="there is no room to keep all tiles, so pictures are decoded again for each of them",
                hint="use --cache disk, a larger --tile or a smaller --imgsz",
            )

    def judge(self) -> tuple[torch.nn.Module, Source]:
        """Return what the last round was validated with: a module and the pictures or features it takes."""
        return self._judge or (self.setup.network, self.validation())

    def judged(self) -> Iterator[Judged]:
        """Yield what the network gives for the validation pictures, with what would have been right."""
        setup = self.setup
        module, source = self.judge()
        return judge(
            module,
            source,
            network=setup.network,
            decode=self.decode,
            fabric=setup.fabric,
            views=self.views,
        )

    def validate(self, module: torch.nn.Module, source: Source) -> Mapping[str, float]:
        """Score a network or a tail of it."""
        setup = self.setup
        metric: Metric = make_metric(setup.card, setup.learnt.classes, features=setup.config.features)
        return score(
            module,
            source,
            network=setup.network,
            task=setup.task,
            metric=metric,
            decode=self.decode,
            fabric=setup.fabric,
            views=self.views,
        )

    @property
    def decode(self) -> Decode:
        """From the network's named outputs to predictions."""
        return partial(resolve(self.setup.card.decode), **self.setup.task.decode_args)

    @cached_property
    def views(self) -> Views | None:
        """The validation pictures in tiles, where the network looks at them so."""
        tiling = self.setup.tiling
        return None if tiling is None else tile_views(self.setup.splits.val, tiling)

    @property
    def broken_pictures(self) -> list[str]:
        """The names of the pictures that could not be read so far, one for all of its tiles."""
        seen = [views.places for views in (self.setup.views, self.views) if views is not None]
        places = {id: sample.id for each in seen for id, (sample, _) in each.items()}
        return sorted({places.get(id, id) for id in self.broken})

    def validation(self) -> Source:
        """Return the validation pictures as prediction sees them."""
        data = self.setup.splits.val if self.views is None else self.views.data
        return self.stream(data, augmented=False)

    def stream(self, data: Dataset, *, augmented: bool) -> StreamSource:
        """Return a source that decodes pictures; augmented ones are shuffled and divided among processes."""
        setup, config = self.setup, self.setup.config
        prepare: Callable[[int, int], Item | None]
        if augmented and isinstance(setup.augment, DenseAugment):
            sizes = input_sizes(setup.preprocess.size, config.multi_scale) if config.multi_scale else ()
            prepare = PrepareDense(
                data,
                setup.preprocess,
                setup.augment,
                config.seed,
                self._decoded(data),
                self._decoded(data, masks=True),
                self.broken,
                tuple(sizes),
                self.rounds[0].small_epochs if self.rounds else 0,
            )
        elif augmented and isinstance(setup.augment, SceneAugment):
            epochs = sum(stretch.epochs for stretch in self.rounds)
            sizes = input_sizes(setup.preprocess.size, config.multi_scale) if config.multi_scale else ()
            prepare = PrepareScene(
                data,
                setup.preprocess,
                setup.augment,
                config.seed,
                self._decoded(data),
                round(epochs * (1 - setup.augment.calm)) if epochs else 1_000_000,
                self.broken,
                self._extra,
                tuple(sizes),
            )
        elif augmented:
            assert isinstance(setup.augment, Augment)
            prepare = PrepareAugmented(
                data,
                setup.preprocess,
                setup.augment,
                config.seed,
                self._decoded(data),
                self.broken,
                partial(self._extra, learning=True),
            )
        else:
            pixels = setup.preprocess.size[0] * setup.preprocess.size[1] * setup.preprocess.channels
            keep = int(_free_memory() * RAM_SHARE) // pixels if config.cache != "off" else 0
            prepare = Prepare(data, setup.preprocess, keep, self.broken, self._extra)
        return StreamSource(
            prepare,
            len(data),
            setup.task.collate,
            batch=int(config.batch) * (setup.fabric.world_size if augmented else 1),
            seed=config.seed,
            threads=config.workers or 1,
            shuffle=augmented,
            weights=self._balance([sample.target for sample in data.samples]) if augmented else None,
            rank=setup.fabric.global_rank if augmented else 0,
            world=setup.fabric.world_size if augmented else 1,
            at_step=prepare.at_step if isinstance(prepare, PrepareScene | PrepareDense) else None,
            meetings=self._meetings([sample.target for sample in data.samples]) if augmented else None,
        )

    def _features(self, stretch: Round, data: Dataset, views: int) -> FeatureSource:
        """Return cached activations; `views` = 0 means validation: plain pictures, in order."""
        setup, config = self.setup, self.setup.config
        plain = Prepare(data, setup.preprocess, 0, self.broken)
        assert isinstance(setup.augment, Augment)  # scenes are never cached as features
        augmented = PrepareAugmented(
            data,
            setup.preprocess,
            setup.augment,
            config.seed,
            self._decoded(data) if views > 2 else None,
            self.broken,
        )
        sources: list[tuple[Source, int]] = [
            (
                StreamSource(
                    augmented if view else plain,
                    len(data),
                    setup.task.collate,
                    batch=32,
                    threads=config.workers or 1,
                    shuffle=False,
                ),
                VIEW_EPOCH + view,
            )
            for view in range(max(1, views))
        ]
        source = extract(
            setup.stages[: stretch.first],
            sources,
            fabric=setup.fabric,
            batch=min(FEATURE_BATCH, max(8, len(data) // 8)) if views else 256,
            seed=config.seed,
            shuffle=bool(views),
        )
        # of the pictures that could be read, not of all
        if not views:
            return source
        return replace(source, weights=self._balance(source.truths), meetings=self._meetings(source.truths))

    def _extra(
        self, pixels: NDArray[np.uint8], *, learning: bool = False
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the network's further inputs of one picture."""
        inputs = self.setup.entry.inputs
        inputs = while_learning(inputs) if learning else inputs
        if not inputs:
            return {}
        made = make_inputs(inputs, [pixels], folder=self.folder / "proposals")
        return {name: values[0] for name, values in made.items()}

    def affordable(self, stretch: Round) -> Round:
        """Return the round with no more views than fit into memory, at least one.

        To be asked before training and not again: a resumed run may find another amount of free memory.
        """
        if not stretch.views:
            return stretch
        setup = self.setup
        size, channels = setup.preprocess.size, setup.preprocess.channels
        pixels = torch.zeros(1, channels, *size, dtype=torch.uint8)
        one = feature_bytes(setup.stages[: stretch.first], pixels, setup.fabric) * len(setup.learnt)
        views = max(1, min(stretch.views, int(_free_memory() * RAM_SHARE) // max(1, one)))
        if views < stretch.views:
            self.log("note", text=f"memory for {views} of {stretch.views} views a picture")
        return replace(stretch, views=views)

    def _decoded(self, data: Dataset, *, masks: bool = False) -> DecodedCache | None:
        """Return the cache of decoded training pictures, or masks; "off" and validation have none."""
        config = self.setup.config
        if config.cache == "off" or data is not self.setup.learnt:
            return None
        name = "masks" if masks else "cache"
        if name not in self._caches:
            ram = config.cache in ("auto", "ram")
            self._caches[name] = DecodedCache(
                len(data),
                limit_bytes=int(_free_memory() * RAM_SHARE) if ram else DISK_LIMIT,
                path=None if ram else self.folder / f"{name}.bin",
            )
        return self._caches[name]

    def _balance(self, targets: Sequence[Target]) -> list[float] | None:
        if self.setup.config.balance != "sampler":
            return None
        labels = [target.index for target in targets if isinstance(target, Label)]
        weights = class_weights(labels, len(self.setup.learnt.classes))
        return [float(weights[label]) for label in labels]

    def _meetings(self, targets: Sequence[Target]) -> Meetings | Shares | None:
        """Return who is in the pictures, where a batch is to hold several of each, or as many of each."""
        if self.setup.card.recipe.shared:
            abouts = [target.about if isinstance(target, Original) else target for target in targets]
            return Shares(tuple(about.index for about in abouts if isinstance(about, Label)))
        each = self.setup.card.recipe.each
        if not each:
            return None
        return Meetings(tuple(target.index for target in targets if isinstance(target, Label)), each)

    def close(self) -> None:
        """Give the caches back."""
        for cache in self._caches.values():
            cache.close()


def example_batch(feeds: Feeds, count: int) -> Batch:
    """Return one augmented batch of the first `count` training pictures that can be read."""
    data = feeds.setup.learnt
    source: Any = feeds.stream(data, augmented=True)
    readable = (item for index in range(len(data)) if (item := source.prepare(index, 0)) is not None)
    return feeds.setup.task.collate(list(itertools.islice(readable, count)))


def _free_memory() -> int:
    """Return the bytes of memory that could be had now; a guess of 4 GiB where the system does not say."""
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 * 2**30
