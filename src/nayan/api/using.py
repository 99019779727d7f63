"""The verbs that use a trained model: on pictures, on video, and on data with known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nayan.api.common import Place, open_predictor
from nayan.core.errors import ConfigError
from nayan.tasks import CARDS, wanted_of
from nayan.tasks.measuring import make_metric
from nayan.tasks.tiling import in_tiles

if TYPE_CHECKING:
    from nayan.runtime.predictor import Predictor


def load(model: Place, *, backend: str = "auto", pictures: int = 1) -> Predictor:
    """Open a trained model: `load("runs/classify/lenet")([image])` gives one prediction a picture.

    Args:
        model: a run folder or a bundle.
        backend: "auto", "onnx" or "openvino".
        pictures: that you are going to predict; for more than one the cores share pictures, not layers.

    Raises:
        BundleError: if anything about the bundle is not as it was written.
    """
    from nayan.runtime.bundle import open_bundle

    return open_predictor(open_bundle(Path(model)), backend, pictures=pictures)


def predict(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    conf: float | Literal["auto"] | None = None,
    iou: float | None = None,
    top: int | None = None,
    batch: int | None = None,
    backend: str = "auto",
    save: Place | None = None,
    stdin: Iterable[str] | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    stock: Place | None = None,
    out: Place | None = None,
    masks: Sequence[Literal["ids", "colour", "rle", "polygons"]] = (),
    mm_per_px: float | None = None,
    count: str | None = None,
) -> list[dict[str, Any]]:
    """Return what a model sees in pictures; a picture that cannot be read does not stop the others.

    Args:
        model: a run folder, a bundle, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        conf: least score that is shown; "auto" for the thresholds fitted on validation, with which a
            picture may have no answer. None: all classes of a classifier, "auto" for a detector.
        iou: for detectors: two boxes of a class that overlap more are one object.
        top: at most so many rows a picture; None for 5 classes, or all objects.
        batch: pictures at once; None for as many as are quickest without much memory.
        backend: as for `load`.
        save: folder for annotated copies of the pictures.
        stdin: lines with one path each.
        tile: look at tiles of this side in px, for small objects in large pictures; 0 for whole pictures,
            None as the model was trained.
        overlap: of the tiles, as a fraction; None as the model was trained, else 0.2.
        stock: a CSV or YAML list of slots with what should be in them; each picture gets a "stock" with a
            row a slot, see `nayan.tasks.detection.scene.stock`.
        out: folder for the files of `masks`.
        masks: kinds of files that are written of each mask.
        mm_per_px: how wide a pixel is in mm, for areas in mm².
        count: class of a mask whose things are counted, parted where they touch.

    Returns:
        `{"source", "size": [h, w], "predictions": [{"label", "score"}]}` a picture, or
        `{"source", "error"}`; in the order of the sources. A row of boxes has a "box" [x1, y1, x2, y2],
        one of masks an "area" in px, a "share" of the picture and the "mask" as COCO writes run lengths.

    Raises:
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.records import predict_records

    if (batch is not None and batch < 1) or (top is not None and top < 1):
        raise ConfigError(f"batch {batch}, top {top}: both are at least 1")
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    wanted = {"masks": tuple(masks) or None, "mm_per_px": mm_per_px, "count": count}
    if not isinstance(model, Predictor):
        model = load(model, backend=backend, pictures=len(samples))
    return predict_records(
        in_tiles(model, tile, overlap),
        samples,
        conf=conf,
        iou=iou,
        top=top,
        batch=batch,
        save=None if save is None else Path(save),
        stock=None if stock is None else Path(stock),
        out=None if out is None else Path(out),
        wanted={name: value for name, value in wanted.items() if value is not None},
    )


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
    batch: int | None = None,
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
        batch: frames at once, for files; None for as many as are quickest without much memory.
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
    from nayan.runtime.predictor import Predictor, usual_batch
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
        batch=usual_batch(spec) if batch is None else batch,
    )

    look: Callable[..., list[Any]] = predictor
    with open_video(source) as video:
        folder = None if out is None else Path(out)
        return watch_video(look, video, plan, out=folder, save=save, on_progress=on_progress)


def val(
    model: Place,
    data: Place,
    *,
    split: str | None = None,
    format: str | None = None,
    batch: int | None = None,
    backend: str = "auto",
    tile: int | None = None,
    overlap: float | None = None,
    features: str | None = None,
) -> dict[str, Any]:
    """Score a model on data with known answers, through the bundle that would be deployed.

    Classes are matched by name: the data may list them in another order, or lack some.

    Args:
        model: a run folder or a bundle.
        data: a data set.
        split: "train", "val", "test" or "all"; by default test, else val, else all.
        format: name of the reader; None to recognise it.
        batch: pictures at once; None for as many as are quickest without much memory.
        backend: as for `load`.
        tile: as for `predict`.
        overlap: as for `predict`.
        features: by which what a generator drew is compared with the data: "random", "inception", or a run
            folder or bundle of a classifier or embedder; None for random ones.

    Returns:
        `{"task", "model", "data", "split", "pictures", "metrics", "seconds", "failures"}`, and
        for what is drawn the "protocol" of the scores.

    Raises:
        ConfigError: if `features` are given for a task that does not compare by any.
        DataError: if the data has a class that the model does not know, or no picture can be read.
    """
    from nayan.data.classes import match_classes
    from nayan.data.originals import as_originals
    from nayan.data.splits import read_split
    from nayan.runtime.bundle import open_bundle
    from nayan.runtime.predictor import evaluate

    bundle = open_bundle(Path(model))
    spec = bundle.spec
    targets = CARDS[spec.task].targets
    wanted = wanted_of([CARDS[spec.task]])
    dataset = read_split(Path(data), split, format=format, targets=wanted)
    # identities are those of the data: the model never saw them
    classes = dataset.classes if "Identity" in targets else spec.classes
    dataset = as_originals(dataset) if "Original" in targets else match_classes(dataset, classes)
    predictor = in_tiles(open_predictor(bundle, backend, pictures=len(dataset)), tile, overlap)
    metric = make_metric(CARDS[spec.task], classes, features=features)
    result = evaluate(predictor, dataset.samples, metric, batch=batch)
    by_class = {"iou_per_class": metric.per_class()} if hasattr(metric, "per_class") else {}
    protocol = {"protocol": metric.protocol} if hasattr(metric, "protocol") else {}
    return {
        "task": CARDS[spec.task].verb,
        "model": spec.model,
        "data": str(data),
        "split": dataset.split,
        "pictures": result.pictures,
        "metrics": {**result.scores, **by_class},
        **protocol,
        "seconds": round(result.seconds, 3),
        "failures": [{"source": sample.id, "error": error.message} for sample, error in result.failures],
    }


def _trusted(thresholds: Sequence[float] | None) -> float | list[float]:
    """Return the scores from which on detections are followed; a fitted threshold of 0 would follow noise."""
    return [max(0.05, threshold) for threshold in thresholds] if thresholds else 0.5
