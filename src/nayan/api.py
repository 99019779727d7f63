"""The verbs of nayan, each a few lines: the only place that ties the layers together.

The command line parses into these functions, and `import nayan` shows them. Whatever only some verbs
need (torch, pydantic, ONNX Runtime) is imported inside them, so that each starts as fast as it can.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nayan.core.errors import ConfigError, DataError, MissingExtra, NayanError, NotFound
from nayan.core.events import Listener
from nayan.core.image import open_image, probe
from nayan.core.registry import resolve
from nayan.core.story import Story
from nayan.core.types import Boxes, Dataset, Sample
from nayan.runtime.preprocess import Preprocess
from nayan.tasks import CARDS, by_verb
from nayan.tasks.tiling import in_tiles

if TYPE_CHECKING:
    from nayan.data.convert import ConversionReport
    from nayan.data.doctor import Diagnosis
    from nayan.data.splits import Splits
    from nayan.export import ExportReport
    from nayan.runtime.bundle import Bundle, Check
    from nayan.runtime.predictor import Predictor
    from nayan.runtime.spec import Spec
    from nayan.tasks.cards import Entry, TaskCard
    from nayan.tasks.restore import Restored
    from nayan.training.run import Run

Place = str | Path
"""A file or folder."""

_SMALL = Preprocess((28, 28), "stretch", mean=(0.0,) * 3, std=(1.0,) * 3)
"""What a network described in words takes, unless it is told otherwise."""

_DEMO: dict[str, dict[str, Any]] = {"classification": {"model": "lenet", "weights": "none", "epochs": 40}}
"""How the demo trains: well within three minutes on two cores."""

_TRAINING_PACKAGES = {"torch", "torchvision", "timm", "lightning_fabric", "matplotlib", "jinja2", "onnx"}


def train(
    data: Place | None, *, config: Path | None = None, on_event: Listener | None = None, **options: Any
) -> Run:
    """Train a model on a folder of pictures.

    Args:
        data: a data set of any format that `nayan.data.readers` knows; None if the file names it.
        config: a YAML file of options; explicit ones go before it.
        on_event: called with every event of the run, see `nayan.core.events`.
        **options: those of `nayan.core.config.TrainConfig`, by name.

    Returns:
        The finished run: its folder, scores, bundle and report.

    Raises:
        ConfigError: for an unknown or impossible option.
        DataError: if the data cannot be trained on.
        MissingExtra: without `pip install "nayan[train]"`.

    Example:
        run = nayan.train("flowers", model="mobilenetv2_100", epochs=5)
        run.metrics["accuracy"]
    """
    from nayan.core.config import make_config

    if data is None and config is None:
        raise ConfigError("no data to train on", hint="nayan train DATA, with DATA a folder of pictures")
    resolved, origins = make_config({**options, "data": data}, config)
    with _needs_training("training"):
        from nayan.delivery import deliver
        from nayan.training.run import train_run

        return deliver(train_run(resolved, origins, listeners=_listeners(on_event)))


def resume(run: Place, *, on_event: Listener | None = None, **options: Any) -> Run:
    """Go on with an interrupted run where it stopped; the result is that of a run that never was.

    Args:
        run: its folder.
        on_event: called with every event.
        **options: those that may change without changing the result, such as `device` or `workers`.

    Raises:
        ConfigError: if the folder is no run, or an option would change the result.
    """
    with _needs_training("training"):
        from nayan.delivery import deliver
        from nayan.training.run import resume_config, train_run

        config, origins = resume_config(Path(run), options)
        listeners = _listeners(on_event)
        return deliver(train_run(config, origins, listeners=listeners, resume_from=Path(run)))


def load(model: Place, *, backend: str = "auto") -> Predictor:
    """Open a trained model: `load("runs/classify/lenet")([image])` gives one prediction a picture.

    Args:
        model: a run folder or a bundle.
        backend: "auto", "onnx" or "openvino".

    Raises:
        BundleError: if anything about the bundle is not as it was written.
    """
    from nayan.runtime.bundle import open_bundle

    return _predictor(open_bundle(Path(model)), backend)


def predict(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    conf: float | Literal["auto"] | None = None,
    iou: float | None = None,
    top: int | None = None,
    batch: int = 16,
    backend: str = "auto",
    save: Place | None = None,
    stdin: Iterable[str] | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    stock: Place | None = None,
) -> list[dict[str, Any]]:
    """Return what a model sees in pictures; a picture that cannot be read does not stop the others.

    Args:
        model: a run folder, a bundle, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        conf: least score that is shown; "auto" for the thresholds fitted on validation, with which a
            picture may have no answer. None: all classes of a classifier, "auto" for a detector.
        iou: for detectors: two boxes of a class that overlap more are one object.
        top: at most so many rows a picture; None for 5 classes, or all objects.
        batch: pictures at once.
        backend: as for `load`.
        save: folder for annotated copies of the pictures.
        stdin: lines with one path each.
        tile: look at tiles of this side in px, for small objects in large pictures; 0 for whole pictures,
            None as the model was trained.
        overlap: of the tiles, as a fraction; None as the model was trained, else 0.2.
        stock: a CSV or YAML list of slots with what should be in them; each picture gets a "stock" with a
            row a slot, see `nayan.tasks.detection.scene.stock`.

    Returns:
        `{"source", "size": [h, w], "predictions": [{"label", "score"}]}` a picture, or
        `{"source", "error"}`; in the order of the sources.

    Raises:
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.runtime.predictor import Predictor, predict_samples

    if batch < 1 or (top is not None and top < 1):
        raise ConfigError(f"batch {batch}, top {top}: both are at least 1")
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    predictor = model if isinstance(model, Predictor) else load(model, backend=backend)
    predictor = in_tiles(predictor, tile, overlap)
    spec = predictor.spec
    card = CARDS[spec.task]
    to_records = resolve(f"{card.decode.partition(':')[0]}:to_records")
    conf = card.shown if conf is None else conf  # type: ignore[assignment]  # a card says "auto" or a number
    threshold = spec.decode_args.get("thresholds") if conf == "auto" else conf
    limit = {} if top is None else {"top": top}
    predictor = _sooner(predictor, threshold, iou)
    records: list[dict[str, Any]] = []
    select = getattr(import_module(card.decode.partition(":")[0]), "select", None)
    compare = None if stock is None else _stock_of(Path(stock), spec)
    for sample, _, outcome in predict_samples(predictor, samples, batch=batch):
        if isinstance(outcome, NayanError):
            records.append({"source": sample.id, "error": outcome.message})
            continue
        rows = to_records(outcome, spec.classes, conf=threshold, **limit)
        size = list(probe(_file(sample)).size)
        records.append({"source": sample.id, "size": size, "predictions": rows})
        if compare is not None:
            records[-1]["stock"] = compare(rows, size)
        if save is not None:
            shown = select(outcome, threshold, classes=len(spec.classes)) if select else outcome
            picture = resolve(f"{card.draw}:annotate")(sample.load(), shown, spec.classes)
            _save_picture(picture, Path(save), len(records), sample)
    return records


def watch(
    model: Place | Predictor,
    source: Place,
    *,
    lines: Sequence[str] = (),
    zones: Sequence[str] = (),
    scene: Place | None = None,
    anchor: Literal["bottom", "centre"] | None = None,
    stock: Place | None = None,
    conf: float | Literal["auto"] = "auto",
    tile: int | None = None,
    overlap: float | None = None,
    every: int = 1,
    fps: float | None = None,
    seconds: float | None = None,
    batch: int = 8,
    backend: str = "auto",
    out: Place | None = None,
    save: bool = False,
    on_progress: Callable[[int, int | None, float], None] | None = None,
) -> dict[str, Any]:
    """Follow the objects of a video or camera, and count what crosses lines, stays in zones and is in stock.

    Args:
        model: a run folder or a bundle of a detector, or what `load` returned.
        source: a video file, an animated GIF, or "camera:0".
        lines: "x1,y1,x2,y2[:name]" in pixels or fractions; "in" is from the left of the line to its right.
        zones: "x,y,x,y,x,y[,...][:name]", or two corners of a rectangle.
        scene: a YAML file with lines and zones.
        anchor: which point of a box counts; "bottom" (the middle of the lower edge) unless the scene says.
        stock: a CSV or YAML list of slots with what should be in them.
        conf: score from which on a detection is trusted; "auto" for the thresholds fitted on validation.
        tile: look at tiles of this side in px, for small objects in large frames; 0 for whole frames, None as
            the model was trained.
        overlap: of the tiles, as a fraction; None as the model was trained, else 0.2.
        every: only each so manieth frame.
        fps: at most so many frames for each second of the video.
        seconds: of the video after which to stop.
        batch: frames at once.
        backend: as for `load`.
        out: folder for `events.csv`, `tracks.csv`, `summary.json` and the like; None writes nothing.
        save: also write the annotated video there.
        on_progress: called with (frames read, frames in all if known, seconds of video).

    Returns:
        `{"source", "frames", "seconds", "tracks", "lines", "zones", "stock", "events", "files", ...}`.

    Raises:
        ConfigError: if the model is no detector, or an option is impossible.
        DataError: if the source cannot be read.
    """
    from nayan.data.video import open_video
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.detection.scene.regions import gather
    from nayan.tasks.detection.scene.stock import read_slots
    from nayan.tasks.detection.scene.watch import Plan, watch_video

    regions = gather(lines, zones, file=None if scene is None else Path(scene), anchor=anchor)
    predictor = model if isinstance(model, Predictor) else load(model, backend=backend)
    spec = predictor.spec
    if spec.task != "detection":
        raise ConfigError(f"a video needs a detector, this model is for {spec.task}")
    high = _trusted(spec.decode_args.get("thresholds")) if conf == "auto" else conf
    low = min(0.1, float(np.min(high)) / 2)
    predictor = replace(predictor, spec=spec.with_(decode_args={**spec.decode_args, "conf": low}))
    predictor = in_tiles(predictor, tile, overlap)
    plan = Plan(
        classes=spec.classes,
        scene=regions,
        slots=() if stock is None else read_slots(Path(stock), spec.classes),
        high=high,
        low=low,
        every=every,
        fps=fps,
        seconds=seconds,
        batch=batch,
    )

    with open_video(source) as video:
        folder = None if out is None else Path(out)
        return watch_video(predictor, video, plan, out=folder, save=save, on_progress=on_progress)


def val(
    model: Place,
    data: Place,
    *,
    split: str | None = None,
    format: str | None = None,
    batch: int = 16,
    backend: str = "auto",
    tile: int | None = None,
    overlap: float | None = None,
) -> dict[str, Any]:
    """Score a model on data with known answers, through the bundle that would be deployed.

    Classes are matched by name: the data may list them in another order, or lack some.

    Args:
        model: a run folder or a bundle.
        data: a data set.
        split: "train", "val", "test" or "all"; by default test, else val, else all.
        format: name of the reader; None to recognise it.
        batch: pictures at once.
        backend: as for `load`.
        tile: as for `predict`.
        overlap: as for `predict`.

    Returns:
        `{"task", "model", "data", "split", "pictures", "metrics", "seconds", "failures"}`.

    Raises:
        DataError: if the data has a class that the model does not know, or no picture can be read.
    """
    from nayan.data.classes import match_classes
    from nayan.data.splits import read_split
    from nayan.runtime.predictor import evaluate

    predictor = in_tiles(load(model, backend=backend), tile, overlap)
    spec = predictor.spec
    dataset = match_classes(read_split(Path(data), split, format=format), spec.classes)
    metric = resolve(CARDS[spec.task].metric)(spec.classes)
    result = evaluate(predictor, dataset.samples, metric, batch=batch)
    return {
        "task": CARDS[spec.task].verb,
        "model": spec.model,
        "data": str(data),
        "split": dataset.split,
        "pictures": result.pictures,
        "metrics": dict(result.scores),
        "seconds": round(result.seconds, 3),
        "failures": [{"source": sample.id, "error": error.message} for sample, error in result.failures],
    }


def doctor(
    data: Place,
    *,
    format: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    imgsz: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Say what a data set is, how much of it there is, and what is wrong with it; nothing is changed.

    Args:
        data: a folder or file.
        format: name of the reader; None to recognise it.
        only: ids or families of the checks to run; all by default.
        skip: those to leave out.
        imgsz: longer side of the network's input in px, by which objects are small or not; None for the side
            that `train` would choose.
        on_progress: called with (pictures done, pictures in all).
    """
    from nayan.data.doctor import diagnose

    return diagnose(
        Path(data),
        format=format,
        only=only or None,
        skip=skip or None,
        imgsz=imgsz,
        on_progress=on_progress,
    )


def convert(data: Place, out: Place, *, to: str, format: str | None = None) -> ConversionReport:
    """Write a data set again in another format into a new folder, and prove that nothing was lost.

    Args:
        data: only read.
        out: a new folder outside of `data`.
        to: "folder", "csv" or "idx" for classes; "coco", "yolo", ... for boxes.
        format: of the source; None to recognise it.
    """
    from nayan.data.convert import convert as write

    return write(Path(data), Path(out), to, format=format)


def split(
    data: Place,
    out: Place,
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    group: str | None = None,
    format: str | None = None,
) -> Splits:
    """Divide a data set into train, val and test in a new folder; the original is only read.

    Every class gets its share, and copies of a picture stay on one side, as do pictures of one group.
    Splits that the data already have are kept.

    Args:
        data: a data set.
        out: a new folder.
        val: fraction of the pictures to validate on.
        test: fraction of the pictures to test on.
        seed: of the drawing.
        group: what is never parted: "auto" (versions, tiles and frames of one picture or clip, by their
            names; None is the same), "none", "folder", or a regular expression whose first group names
            the camera, video, patient, ... in the name of a picture.
        format: of the data; None to recognise it.

    Returns:
        What was written.
    """
    from nayan.data.splits import open_splits, write_splits

    drawn = open_splits(
        Path(data), format=format, val_fraction=val, test_fraction=test, seed=seed, group=group
    )
    write_splits(drawn, Path(out))
    return drawn


def sample(
    task: str, out: Place, *, seed: int = 0, count: int | None = None, format: str | None = None
) -> Path:
    """Write a sample data set for a task into a new folder, without any network, and return the folder.

    Args:
        task: "classify" or "detect".
        out: a new folder.
        seed: of which pictures there are and in which split.
        count: pictures in all; None for all digits, or 300 scenes.
        format: to write for "detect": "coco" (None is the same), "yolo", "voc", ...
    """
    from nayan.data.samples import write_sample

    return write_sample(by_verb(task).verb, Path(out), seed=seed, count=count, format=format)


def models(task: str | None = None, *, search: str = "", all: bool = False) -> list[Entry]:
    """Return the catalogue of what can be trained by name.

    Args:
        task: "classify", ...; None for every task.
        search: only entries whose name or summary contains this, in any case.
        all: also every other published backbone that a name finds.

    >>> [entry.name for entry in models("classify", search="vgg")]
    ['vgg16', 'vgg19']
    """
    cards = [by_verb(task)] if task else list(CARDS)
    entries = [entry for card in cards for entry in _entries(card, all)]
    word = search.lower()
    return [entry for entry in entries if word in entry.name.lower() or word in entry.summary.lower()]


def explain(
    model: Place,
    image: Place | None = None,
    *,
    what: str = "summary",
    imgsz: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    weights: str = "none",
    data: Place | None = None,
    format: str | None = None,
    **options: Any,
) -> Story:
    """Look inside a network: tell what it is, sees or does, as a story with pictures, tables and data.

    Args:
        model: a run folder, a bundle, a name of the catalogue, a description such as
            "conv 6 5x5; relu; pool 2", or a YAML file with one. For "kernel" and "proposals" the picture may
            stand here.
        image: a picture file, for the explanations that need one.
        what: a name of `nayan.explain.EXPLANATIONS`.
        imgsz: side of the input; for a name or a description only, as the next three.
        channels: of the input, 3 or 1.
        classes: how many classes the network tells apart.
        weights: "imagenet", "coco", "none" or a file.
        data: the data set that the picture is from, for the looks that compare with its true boxes; for a run
            by default the data that it was trained on, if the picture is among them.
        format: of the data; None to recognise it.
        **options: of this explanation, such as `layer`, `kernel`, `class_name`.

    Raises:
        ConfigError: if a picture or an option is missing or does not fit.
        DataError: if the picture is not in `data`, or has no boxes there.
        NotFound: if there is no such model, explanation, layer or class.

    Example:
        nayan.explain("resnet18").panels[0].table
    """
    with _needs_training("looking inside a network"):
        from nayan.explain import EXPLANATIONS
        from nayan.explain import explain as tell
        from nayan.tasks.restore import Restored

        entry = EXPLANATIONS[what]
        if data is not None and not entry.truth:
            raise ConfigError(f"{what} does not look at true boxes", hint="leave --data out")
        if not entry.needs_network and image is None:
            model, image = "", model
        known = None if data is None or image is None else _known(Path(data), Path(image), format)
        if known is not None and not Path(model).exists():
            if classes is not None:
                raise ConfigError(
                    f"--classes {classes}: {data} says which classes there are", hint="leave one of them out"
                )
            names: int | Sequence[str] | None = known.classes
        else:
            names = classes
        restored = _restored(str(model), imgsz=imgsz, channels=channels, classes=names, weights=weights)
        if restored is None:
            bare = replace(_SMALL, size=(imgsz or 320,) * 2, fit="letterbox")
            restored = Restored(None, _SMALL if what == "kernel" else bare, known.classes if known else None)
        elif known is None and entry.truth and restored.trained_on and image is not None:
            known = _if_learnt_from(restored.trained_on, Path(image))
        return tell(
            restored.network,
            what=what,
            preprocess=restored.preprocess,
            classes=restored.classes,
            image=None if image is None else open_image(Path(image)),
            options=options,
            truth=None if known is None else _truth(known, restored.classes),
            inputs=restored.inputs,
            decode_args=restored.decode_args,
        )


def export(
    model: Place,
    *,
    to: Literal["onnx", "openvino"],
    int8: bool = False,
    data: Place | None = None,
    format: str | None = None,
    out: Place | None = None,
    max_drop: float = 0.01,
) -> ExportReport:
    """Make a bundle for another engine, or in 8 bits, and prove that it answers as the old one does.

    Args:
        model: a run folder or a bundle.
        to: the engine.
        int8: in 8-bit integers.
        data: pictures to compare on, those of its val split if it has one; for int8 by default the data
            that the model was trained with.
        format: of the data; None to recognise it.
        out: the new bundle; by default beside the old one.
        max_drop: by how much the accuracy may fall in int8, as a fraction.

    Raises:
        ExportError: with the numbers, if the answers differ too much; nothing is written then.
    """
    with _needs_training("exporting"):
        from nayan.data.classes import match_classes
        from nayan.export import export_bundle
        from nayan.runtime.bundle import open_bundle

        spec = open_bundle(Path(model)).spec
        trained_on = (spec.provenance.get("data") or {}).get("path")
        place = data or (trained_on if int8 else None)
        pictures = None if place is None else match_classes(_to_compare(Path(place), format), spec.classes)
        return export_bundle(
            Path(model),
            to=to,
            int8=int8,
            data=None if pictures is None else pictures.samples,
            out=None if out is None else Path(out),
            max_drop=max_drop,
        )


def check_bundle(model: Place, *, backend: str = "auto") -> list[Check]:
    """Check a bundle's every file, and that it still gives the answer that it gave when it was made.

    Returns:
        What was looked at, in order; the list ends at the first failure.
    """
    from nayan.runtime import bundle

    return bundle.check_bundle(Path(model), load=lambda opened: _predictor(opened, backend))


def demo(
    out: Place | None = None, *, task: str = "classify", on_event: Listener | None = None
) -> dict[str, Any]:
    """Make sample data, examine it, train on it, report, and predict a few pictures; no network is needed.

    Args:
        out: a new folder; None for the first of demo, demo2, ... that is free.
        task: "classify".
        on_event: called with every event.

    Returns:
        Where everything is, and the scores: `{"task", "model", "split", "metrics", "data", "run",
        "report", "bundle", "predictions", "seconds"}`.
    """
    begun = time.perf_counter()
    folder = Path(out) if out is not None else _free_folder("demo")
    data = sample(task, folder / "data")
    if on_event is not None:
        on_event({"event": "note", "text": f"sample data written to {data}"})
        for finding in doctor(data).findings:
            on_event({"event": "note", "text": f"doctor: {finding.message}"})
    run = train(data, on_event=on_event, out=folder / "run", **_DEMO[by_verb(task).name])
    pictures = sorted((data / "test").rglob("*.png"))
    predict(run.bundle, pictures[:: max(1, len(pictures) // 12)], save=folder / "predictions")
    return {
        "task": run.task,
        "model": run.model,
        "split": run.split,
        "metrics": dict(run.metrics),
        "data": data,
        "run": run.folder,
        "report": run.report,
        "bundle": run.bundle,
        "predictions": folder / "predictions",
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _known(data: Path, image: Path, format: str | None) -> Dataset:
    """Return the data set with only this picture of it."""
    from nayan.data.pictures import find_sample
    from nayan.data.splits import read_split

    dataset = read_split(data, "all", format=format)
    return replace(dataset, samples=(find_sample(dataset, image),))


def _if_learnt_from(data: Mapping[str, Any], image: Path) -> Dataset | None:
    """Return the data that a model was trained on with only this picture, if it is still there and in it."""
    try:
        return _known(Path(data["path"]), image, data.get("format"))
    except DataError:
        return None


def _truth(known: Dataset, classes: Sequence[str] | None) -> Boxes:
    """Return the true boxes of the one picture of a data set, counted as a network counts its classes."""
    from nayan.data.classes import match_classes

    (sample,) = (known if classes is None else match_classes(known, classes)).samples
    if not isinstance(sample.target, Boxes):
        raise DataError(
            f"{sample.id}: {known.root} does not say which objects are in it",
            hint="name a picture with boxes, if only an empty list of them",
        )
    return sample.target


def _sooner(predictor: Predictor, threshold: float | Sequence[float] | None, iou: float | None) -> Predictor:
    """Return the predictor of objects that leaves out early what will not be shown; others as they are."""
    spec = predictor.spec
    if CARDS[spec.task].targets != ("Boxes",):
        if iou is not None:
            raise ConfigError(f"--iou is for detectors, this model is for {spec.task}", hint="leave it out")
        return predictor
    asked = {"conf": threshold, "iou": iou}
    tiling = spec.tiling
    if tiling is not None and threshold is not None:  # pieces that score less help to put objects together
        del asked["conf"]
        tiling = replace(tiling, least=min(tiling.least, float(np.min(threshold))))
    changes = {name: value for name, value in asked.items() if value is not None}
    return replace(predictor, spec=spec.with_(decode_args={**spec.decode_args, **changes}, tiling=tiling))


def _stock_of(stock: Path, spec: Spec) -> Callable[[list[dict[str, Any]], list[int]], list[dict[str, Any]]]:
    """Return what compares the rows of a picture of (height, width) with a list of slots."""
    from nayan.tasks.detection.scene.stock import check_stock, read_slots

    if spec.task != "detection":
        raise ConfigError(f"comparing stock needs a detector, this model is for {spec.task}")
    slots = read_slots(stock, spec.classes)

    def compare(rows: list[dict[str, Any]], size: list[int]) -> list[dict[str, Any]]:
        boxes = np.array([row["box"] for row in rows], np.float64).reshape(-1, 4)
        counts = check_stock(slots, [row["label"] for row in rows], boxes, size=(size[0], size[1]))
        return [count.row() for count in counts]

    return compare


def _trusted(thresholds: Sequence[float] | None) -> float | list[float]:
    """Return the scores from which on detections are followed; a fitted threshold of 0 would follow noise."""
    return [max(0.05, threshold) for threshold in thresholds] if thresholds else 0.5


def _free_folder(name: str) -> Path:
    """Return the first of name, name2, name3, ... that does not exist or is empty."""
    numbered = (Path(name if number == 1 else f"{name}{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists() or not any(path.iterdir()))


def _restored(
    model: str,
    *,
    imgsz: int | None,
    channels: int | None,
    classes: int | Sequence[str] | None,
    weights: str,
) -> Restored | None:
    """Return the network that is meant by a path, a name or a description; None for no model."""
    from nayan.runtime.bundle import open_bundle
    from nayan.tasks.restore import Restored, build_named, restore_bundle

    if not model:
        return None
    path = Path(model)
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        raise ConfigError(f"{model}: there is no such file", hint="give a YAML list of steps")
    description = path.read_text(encoding="utf-8") if path.suffix in (".yaml", ".yml") else model
    if description == model and path.exists():
        if imgsz or channels or classes or weights != "none":
            raise ConfigError(
                f"{model}: a trained model has its own size, channels, classes and weights",
                hint="leave out --imgsz, --channels, --classes and --weights",
            )
        return restore_bundle(open_bundle(path))
    if re.fullmatch(r"[\w.-]+", description):
        return build_named(description, imgsz=imgsz, channels=channels, classes=classes, weights=weights)
    from nayan.explain.small_model import build_small_model

    if classes or weights != "none":
        raise ConfigError(
            "a described network has the classes that it says, and no weights",
            hint="leave out --classes and --weights",
        )
    size, count = (imgsz, imgsz) if imgsz else _SMALL.size, channels or 3
    preprocess = replace(_SMALL, size=size, channels=count, mean=(0.0,) * count, std=(1.0,) * count)
    return Restored(build_small_model(description, (count, *size)), preprocess, None)


def _entries(card: TaskCard, all_names: bool) -> list[Entry]:
    catalog = resolve(card.catalog)
    return list(catalog.everything() if all_names and hasattr(catalog, "everything") else catalog)


def _predictor(bundle: Bundle, backend: str) -> Predictor:
    from nayan.runtime.backends.choose import choose_backend
    from nayan.tasks.predicting import make_predictor

    return make_predictor(bundle.spec, choose_backend(backend, bundle.graph))


def _to_compare(data: Path, format: str | None) -> Dataset:
    """Return the validation pictures of a data set; where it has none, those that `val` takes."""
    from nayan.data.splits import read_split

    try:
        return read_split(data, "val", format=format)
    except NotFound:
        return read_split(data, format=format)


def _file(sample: Sample) -> Path:
    assert sample.path is not None  # find_pictures only finds files
    return sample.path


def _save_picture(picture: np.ndarray[Any, Any], folder: Path, number: int, sample: Sample) -> None:
    """Write a picture under the number and name of its source, as equal names may come from two folders."""
    from PIL import Image as PillowImage

    folder.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(folder / f"{number:05d}_{_file(sample).stem}.jpg", quality=92)


def _listeners(on_event: Listener | None) -> tuple[Listener, ...]:
    return (on_event,) if on_event is not None else ()


@contextlib.contextmanager
def _needs_training(what: str) -> Iterator[None]:
    """Turn a missing package of the train extra into advice."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAINING_PACKAGES:
            raise
        raise MissingExtra(f"{what} needs {error.name}, which", "train") from error
