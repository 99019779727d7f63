"""One training run, from options to a trained network and its folder.

runs/<task>/<model>[N]/
config.yaml  events.jsonl  status.json  results.csv     written here
checkpoints/                                            for --resume
evaluation/augmented.jpg                                training pictures as the network saw them
evaluation/<split>.json  model/  report.html            written by the verb, once training is over
"""

from __future__ import annotations

import contextlib
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nayan.core.config import TrainConfig, config_text, make_config
from nayan.core.errors import ConfigError, DataError, NayanError, Stopped
from nayan.core.events import EventLog, Listener, read_events
from nayan.core.types import Boxes, Dataset, Label, MaskSource, Original
from nayan.data.fingerprint import fingerprint
from nayan.data.pixels import count_pixels, unlearnt_classes
from nayan.runtime.fsio import write_file
from nayan.runtime.spec import Spec
from nayan.training.checkpoint import Checkpoint, load_checkpoint
from nayan.training.feeds import Feeds
from nayan.training.folder import (
    Status,
    clear_folder,
    keep_snapshot,
    new_folder,
    read_status,
    show_augmented,
    write_results,
)
from nayan.training.freeze import Round
from nayan.training.interrupt import Interrupted
from nayan.training.job import Job, Progress
from nayan.training.loop import fit
from nayan.training.machine import choose_precision, device_kind, make_fabric
from nayan.training.opening import Opened, open_data
from nayan.training.plan import fit_epochs, log_plan, measure
from nayan.training.rounds import plan_rounds
from nayan.training.setup import Setup, is_pretrained, set_up

PACKAGES = ("nayan", "torch", "torchvision", "timm", "lightning-fabric", "numpy", "pillow")
_COUNTED = {"Boxes": "objects", "MaskSource": "pixels"}
MAY_CHANGE = ("epochs", "patience", "device", "workers", "checkpoint_every")  # on resuming


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        folder: everything about it.
        task: verb, such as "classify".
        model: name of the catalogue entry.
        data: what it was trained on.
        split: on which `metrics` were measured.
        metrics: named scores of the bundle; of segmenters also "iou_per_class", by the names of the classes.
        bundle: what is deployed.
        report: the page to read.
        seconds: from the start of the command.
    """

    folder: Path
    task: str
    model: str
    data: Path
    split: str
    metrics: Mapping[str, Any]
    bundle: Path
    report: Path
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network that has learnt, ready to be exported, scored and reported.

    Attributes:
        folder: of the run.
        setup: data, network and choices; the network holds the best weights, calibrated.
        spec: of the bundle, without scores.
        calibration: what was fitted on validation, for the report.
        log: goes on taking events.
        timings: seconds a part.
        started: `time.monotonic()` at the start of the command.
    """

    folder: Path
    setup: Setup
    spec: Spec
    calibration: Mapping[str, Any]
    log: EventLog
    timings: dict[str, float]
    started: float

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Note how long the block takes."""
        begun = time.monotonic()
        yield
        self.timings[part] = round(time.monotonic() - begun, 3)


def train_run(
    config: TrainConfig,
    origins: dict[str, str],
    *,
    listeners: Sequence[Listener] = (),
    resume_from: Path | None = None,
) -> Trained:
    """Train as the config says, in a new run folder or in that of an interrupted run.

    Args:
        config: options; None values are chosen.
        origins: where each value came from.
        listeners: called with every event.
        resume_from: folder of a run whose latest checkpoint is gone on from.

    Raises:
        NayanError: data, options, weights or disk; what was trained so far is kept. Before training began
            there is nothing to keep, and the new folder is gone again.
    """
    started = time.monotonic()
    if config.epochs and config.time and origins["epochs"] == origins["time"] == "option":
        raise ConfigError(
            f"--epochs {config.epochs} and --time {config.time:.0f}s contradict each other",
            hint="give one of them",
        )
    kind = device_kind(config.device)
    fabric = make_fabric(config.device, choose_precision(config.precision, kind))
    main = fabric.is_global_zero
    opened = open_data(config)
    own = resume_from or (new_folder(config, opened) if main else Path())
    folder = Path(fabric.broadcast(str(own)))  # the first process decides for all
    log = EventLog(folder / "events.jsonl", *listeners, Status(folder)) if main else EventLog(None)
    try:
        return _train(
            config,
            origins,
            folder,
            opened=opened,
            log=log,
            fabric=fabric,
            started=started,
            resuming=bool(resume_from),
        )
    except Interrupted as stop:
        log("stop", reason=stop.message)
        raise
    except (NayanError, OSError) as error:
        with contextlib.suppress(OSError):  # on a full disk this cannot be written either
            log("failed", text=str(error))
        begun = (folder / "config.yaml").exists()
        if main and not begun:
            clear_folder(folder, remove=config.out is None)
        if isinstance(error, OSError):
            hint = f"mend that, then go on with `nayan train --resume {folder}`" if begun else ""
            raise Stopped(f"{folder}: {error}", hint=hint) from error
        raise


def resume_config(folder: Path, options: Mapping[str, Any]) -> tuple[TrainConfig, dict[str, str]]:
    """Return the config of an interrupted run, with the options that may change.

    Raises:
        ConfigError: if the folder is no run, it is finished, or an option would change the result.
    """
    file = folder / "config.yaml"
    if not file.is_file():
        raise ConfigError(
            f"{folder} is no run: it has no config.yaml", hint="give the folder that --out named"
        )
    status = read_status(folder)
    if status.get("state") == "finished":
        raise ConfigError(f"{folder} has finished; there is nothing to resume", hint="start a new run")
    forbidden = sorted(set(options) - set(MAY_CHANGE))
    if forbidden:
        raise ConfigError(
            f"--{forbidden[0]} cannot change on resuming: the result would be neither run's",
            hint=f"what may change: {', '.join(MAY_CHANGE)}",
        )
    config, origins = make_config(options, file)
    return config, {name: "resumed" if came == str(file) else came for name, came in origins.items()}


def _train(
    config: TrainConfig,
    origins: dict[str, str],
    folder: Path,
    *,
    opened: Opened,
    log: EventLog,
    fabric: Any,
    started: float,
    resuming: bool,
) -> Trained:
    timings: dict[str, float] = {}
    checkpoint = load_checkpoint(folder / "checkpoints") if resuming else None
    setup = set_up(config, origins, log, opened=opened, fabric=fabric, fetch_weights=checkpoint is None)
    data_id = fingerprint(setup.splits.train)
    if resuming:
        _check_same_data(folder, data_id)
    _log_start(log, setup, data_id)
    feeds = Feeds(setup, (), log, folder)
    stages = [(name, sum(p.numel() for p in stage.parameters())) for name, stage in setup.stages]
    pretrained = is_pretrained(setup.config, setup.card)
    rounds = plan_rounds(
        setup.config,
        stages,
        recipe=setup.card.recipe,
        pretrained=pretrained,
        pictures=len(setup.learnt),
    )
    rounds = (
        _stored_rounds(checkpoint, config.epochs)
        if checkpoint
        else tuple(feeds.affordable(stretch) for stretch in rounds)
    )
    costs = measure(feeds, rounds)
    if config.time and not checkpoint:
        rounds = fit_epochs(rounds, costs, pictures=len(setup.learnt), budget=config.time)
    feeds.rounds = rounds = fabric.broadcast(rounds)  # what one process measured holds for all
    feeds.setup = setup = resolve_rounds(setup, rounds)
    if fabric.is_global_zero:
        told = config_text(setup.config, setup.origins, without=setup.card.recipe.ignores)
        write_file(folder / "config.yaml", told)
    log_plan(feeds, rounds, costs)
    if fabric.is_global_zero:
        show_augmented(feeds, folder)
    timings["start"] = time.monotonic() - started
    job = Job(
        fabric=fabric,
        task=setup.task,
        network=setup.network,
        stages=setup.stages,
        rounds=rounds,
        open_round=feeds.open,
        config=setup.config,
        weight_decay=setup.config.weight_decay or 0.0,
        ema=setup.config.ema or 0.0,
        log=log,
        checkpoints=folder / "checkpoints",
        best_by=setup.card.recipe.best_by if setup.task.best_by is None else setup.task.best_by,
        best_is=setup.card.recipe.best_is,
        judged_on=len(setup.splits.val),
        deadline=started + config.time if config.time else None,
        after_epoch=lambda progress: write_results(folder, progress),
        snapshot=lambda epoch: keep_snapshot(setup.task, setup.network, epoch, folder=folder),
    )
    begun = time.monotonic()
    progress = fit(job, checkpoint)
    timings["training"] = time.monotonic() - begun
    begun = time.monotonic()
    calibration = setup.task.calibrate(setup.network, feeds.judged())
    timings["calibration"] = time.monotonic() - begun
    feeds.close()
    if broken := feeds.broken_pictures:
        log(
            "warning",
            text=f"{len(broken)} pictures could not be read and were left out: " + ", ".join(broken[:5]),
            hint="run `nayan doctor DATA` for the whole list",
        )
    spec = _spec(setup, calibration, data_id, progress)
    return Trained(folder, setup, spec, calibration, log, timings, started)


def _log_start(log: EventLog, setup: Setup, data_id: str) -> None:
    splits = setup.splits
    parts = {"train": splits.train, "val": splits.val, **({"test": splits.test} if splits.test else {})}
    log(
        "start",
        config=setup.config.model_dump(mode="json"),
        origins=setup.origins,
        command=["nayan", *sys.argv[1:]],
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        data={
            "path": str(splits.train.root),
            "format": splits.recognition.reader.name,
            "reason": splits.recognition.reason,
            "summary": splits.summary,
            "classes": list(splits.train.classes),
            "pictures": {name: len(data) for name, data in parts.items()},
            "counts": {name: _counts(data) for name, data in parts.items()},
            "counted": _COUNTED.get(setup.card.targets[0], "pictures"),
            "fingerprint": data_id,
            "made": splits.made,
            "notes": list(splits.notes),
        },
    )
    for note in splits.notes:
        log("note", text=note)
    others = [data for data in (splits.val, splits.test) if data is not None]
    for name, where in unlearnt_classes(splits.train, others).items():
        log(
            "warning",
            text=f"the class {name} is in {' and '.join(where)}, but in no mask of train: "
            "it cannot be learnt, and its IoU there is 0",
            hint="move pictures of it into train, or leave it out with --classes",
        )


def _counts(data: Dataset) -> dict[str, int]:
    """Return how many pictures, objects or pixels there are of each class; pixels of some masks only."""
    if any(isinstance(sample.target, MaskSource) for sample in data.samples):
        return dict(zip(data.classes, count_pixels(data).tolist(), strict=True))
    targets = [s.target.about if isinstance(s.target, Original) else s.target for s in data.samples]
    found = [target.labels for target in targets if isinstance(target, Boxes)]
    found += [np.array([target.index]) for target in targets if isinstance(target, Label)]
    labels = np.bincount(np.concatenate([np.zeros(0, np.int64), *found]), minlength=len(data.classes))
    return {name: int(count) for name, count in zip(data.classes, labels, strict=True)}


def _check_same_data(folder: Path, data_id: str) -> None:
    first = next(
        (record for record in read_events(folder / "events.jsonl") if record["event"] == "start"), None
    )
    if first and first["data"]["fingerprint"] != data_id:
        raise DataError(
            f"{first['data']['path']}: the data have changed since the run began",
            hint="put them back as they were, or start a new run",
        )


def resolve_rounds(setup: Setup, rounds: Sequence[Round]) -> Setup:
    """Return the setup with the options that the recipe decided filled in, as in the last round."""
    last = rounds[-1]
    decided = {
        "epochs": last.epochs,
        "lr": last.lr,
        "views": last.views or None,
        "ema": setup.card.recipe.ema,
    }
    missing = {name: value for name, value in decided.items() if getattr(setup.config, name) is None}
    origins = {**setup.origins, **dict.fromkeys(missing, f"auto: the recipe for the round {last.name}")}
    return replace(setup, config=setup.config.model_copy(update=missing), origins=origins)


def _stored_rounds(checkpoint: Checkpoint, epochs: int | None) -> tuple[Round, ...]:
    rounds = tuple(Round(**record) for record in checkpoint.facts["rounds"])
    last = rounds[-1]
    return (*rounds[:-1], Round(**{**checkpoint.facts["rounds"][-1], "epochs": epochs or last.epochs}))


def _spec(setup: Setup, calibration: Mapping[str, Any], data_id: str, progress: Progress) -> Spec:
    return Spec(
        task=setup.card.name,
        model=setup.entry.name,
        model_args=setup.model_args,
        classes=setup.learnt.classes,
        preprocess=setup.preprocess,
        decode_args={
            **setup.task.decode_args,
            **{name: calibration[name] for name in ("thresholds", "same") if name in calibration},
        },
        inputs=dict(setup.entry.inputs),
        tiling=setup.tiling,
        provenance={
            "data": {
                "path": str(setup.splits.train.root),
                "fingerprint": data_id,
                "format": setup.config.format,
            },
            "weights": setup.config.weights,
            "licence": {"code": setup.entry.licence, "weights": setup.entry.weights},
            "seed": setup.config.seed,
            "epochs": len(progress.history),
            "steps": progress.steps_taken,
            "versions": {name: version(name) for name in PACKAGES},
        },
    )
