"""From pictures to what is said of each: rows for JSON, CSV and the terminal, and annotated copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, NayanError
from nayan.core.image import probe
from nayan.core.registry import resolve
from nayan.core.types import Sample
from nayan.runtime.predictor import Predictor, predict_samples
from nayan.runtime.spec import Spec
from nayan.tasks import CARDS

if TYPE_CHECKING:
    from nayan.tasks.segmentation.predicting import MaskRequest

Rows = list[dict[str, Any]]
Compare = Callable[[Rows, list[int]], Rows]
"""From the rows and the [height, width] of a picture to those of its stock."""
Prelabel = Callable[[Sequence[Mapping[str, Any]], Path], dict[str, str]]
"""From records, and the folder for the files, to the text of each file by its path in there."""


def predict_records(
    predictor: Predictor,
    samples: Iterable[Sample],
    *,
    conf: float | Literal["auto"] | None = None,
    iou: float | None = None,
    top: int | None = None,
    batch: int | None = None,
    save: Path | None = None,
    stock: Path | None = None,
    out: Path | None = None,
    wanted: Mapping[str, Any] | None = None,
) -> Rows:
    """Return what a model sees in picture files; one that cannot be read does not stop the others.

    Args:
        predictor: the model.
        samples: files.
        conf: least score that is shown; "auto" for the thresholds of the model, None for what its task
            usually shows.
        iou: for detectors: two boxes of a class that overlap more are one object.
        top: at most so many rows a picture, at least 1; None for what the task usually shows.
        batch: pictures at once, at least 1; None for `usual_batch` of the model.
        save: folder for annotated copies of the pictures.
        stock: a list of slots with what should be in them.
        out: folder for files of masks.
        wanted: of masks, by the names of `tasks.segmentation.predicting.MaskRequest`.

    Raises:
        NotFound: for a class that the model does not have.
        ConfigError: for an option that does not fit the model.
    """
    spec = predictor.spec
    card = CARDS[spec.task]
    decoding = import_module(card.decode.partition(":")[0])
    shown = card.shown if conf is None else conf
    threshold: Any = spec.decode_args.get("thresholds") if shown == "auto" else shown
    limit = {} if top is None else {"top": top}
    compare = None if stock is None else _comparison(stock, spec)
    request: Any = _mask_request(spec, wanted or {}, out)
    to_rows = decoding.to_records if request is None else request.rows
    predictor = _sooner(predictor, threshold, iou)
    records: Rows = []
    for sample, _, outcome in predict_samples(predictor, samples, batch=batch):
        if isinstance(outcome, NayanError):
            records.append({"source": sample.id, "error": outcome.message})
            continue
        rows = to_rows(outcome, spec.classes, conf=threshold, **limit)
        size = list(probe(_file(sample)).size)
        records.append({"source": sample.id, "size": size, "predictions": rows})
        if compare is not None:
            records[-1]["stock"] = compare(rows, size)
        if request is not None and out is not None and request.masks:
            name = f"{len(records):05d}_{_file(sample).stem}"
            written = request.write(outcome, spec.classes, folder=out, name=name)
            records[-1]["files"] = [str(path) for path in written]
        if save is not None:
            select = getattr(decoding, "select", None)
            painted = select(outcome, threshold, classes=len(spec.classes)) if select else outcome
            picture = resolve(f"{card.draw}:annotate")(sample.load(), painted, spec.classes)
            _save_picture(picture, save, len(records), sample)
    return records


def row_columns(spec: Spec) -> tuple[str, ...]:
    """Return what stands in every row of a model's predictions, in a table of them.

    They are those of its task, so that tables have the same columns whatever was found.
    """
    card = CARDS[spec.task]
    if "Identity" in card.targets:
        return ("embedding",)
    if "Original" in card.targets:
        return ("picture",)
    if "MaskSource" in card.targets:
        return ("label", "score", "area", "share", "area_mm2", "count")
    return ("label", "score", "x1", "y1", "x2", "y2") if card.places else ("label", "score")


def prelabeller(spec: Spec, format: str) -> Prelabel:
    """Return what turns the records of a model into files of annotations.

    Args:
        spec: of the model.
        format: "coco" or "yolo".

    Raises:
        ConfigError: if no format of annotations can hold what the model finds.
    """
    card = CARDS[spec.task]
    if not card.prelabels:
        raise ConfigError(
            f"--format {format} is for boxes, this model is for {spec.task}", hint="use json or csv"
        )
    write = resolve(card.prelabels)
    return lambda records, folder: write(records, spec.classes, format=format, folder=folder)


def _mask_request(spec: Spec, wanted: Mapping[str, Any], out: Path | None) -> MaskRequest | None:
    """Return what is wanted of masks; None where the model gives none."""
    if "MaskSource" not in CARDS[spec.task].targets:
        if wanted:
            raise ConfigError(
                f"--{next(iter(wanted)).replace('_', '-')} is for masks, this model is for {spec.task}",
                hint="leave it out",
            )
        return None
    from nayan.tasks.segmentation.predicting import MaskRequest

    request = MaskRequest(**wanted)
    request.check(spec.classes, out)
    return request


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


def _comparison(stock: Path, spec: Spec) -> Compare:
    """Return what compares the rows of a picture with a list of slots."""
    from nayan.tasks.detection.scene.stock import check_stock, read_slots

    if spec.task != "detection":
        raise ConfigError(f"comparing stock needs a detector, this model is for {spec.task}")
    slots = read_slots(stock, spec.classes)

    def compare(rows: Rows, size: list[int]) -> Rows:
        boxes = np.array([row["box"] for row in rows], np.float64).reshape(-1, 4)
        counts = check_stock(slots, [row["label"] for row in rows], boxes, size=(size[0], size[1]))
        return [count.row() for count in counts]

    return compare


def _file(sample: Sample) -> Path:
    assert sample.path is not None  # only files are looked for
    return sample.path


def _save_picture(picture: np.ndarray[Any, Any], folder: Path, number: int, sample: Sample) -> None:
    """Write a picture under the number and name of its source, as equal names may come from two folders."""
    folder.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(folder / f"{number:05d}_{_file(sample).stem}.jpg", quality=92)
