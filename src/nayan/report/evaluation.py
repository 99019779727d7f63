"""Scores a bundle as it will be deployed and writes what the report tells about it. Torch-free."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from nayan.core.errors import DataError, NayanError
from nayan.core.image import probe
from nayan.core.registry import resolve
from nayan.core.types import Boxes, Dataset, Image, Sample, Size
from nayan.runtime.fsio import write_file
from nayan.runtime.predictor import Predictor, predict_samples
from nayan.runtime.preprocess import resize
from nayan.tasks import CARDS
from nayan.tasks.measuring import make_metric

MISTAKES = 24
THUMBNAIL = 320  # longer side in px


def write_evaluation(
    run: Path,
    predictor: Predictor,
    data: Dataset,
    *,
    calibration: Mapping[str, Any],
    learnt: Dataset | None = None,
    features: str | None = None,
) -> dict[str, float]:
    """Predict a split, write `evaluation/<split>.json` with its gallery of mistakes, and return the scores.

    Args:
        run: its folder.
        predictor: made from the bundle.
        data: with targets.
        calibration: what was fitted on validation, from `Task.calibrate`.
        learnt: the training pictures, where the task's exhibit is to be made.
        features: by which drawn pictures are compared, see `make_metric`.

    Raises:
        DataError: if a picture has no target to compare with, or not one can be read.
    """
    _check_targets(data)
    card = CARDS[predictor.spec.task]
    module = card.metric.partition(":")[0]
    compact = resolve(card.compact) if card.compact else _whole
    # identities are those of the data: the model never saw them
    classes = data.classes if "Identity" in card.targets else predictor.spec.classes
    metric = make_metric(card, classes, features=features)
    seen: list[tuple[Sample, Any]] = []
    failures: list[dict[str, str]] = []
    for sample, _, outcome in predict_samples(predictor, data.samples):
        if isinstance(outcome, NayanError):
            failures.append({"id": sample.id, "error": outcome.message})
        else:
            metric.update([outcome], [sample.target])
            seen.append((sample, compact(outcome)))
    if not seen:
        raise DataError(f"{data.root}: not one picture of the {data.split} split can be read")
    predictions, targets = [outcome for _, outcome in seen], [sample.target for sample, _ in seen]
    scores: dict[str, float] = dict(metric.compute())
    preprocess = predictor.spec.preprocess
    tiling = predictor.spec.tiling
    sizes = [_size(sample) for sample, _ in seen if isinstance(sample.target, Boxes)]
    # of the part of a picture that the network sees: by how much it is shrunk says how large objects are
    placements = [preprocess.placement(size if tiling is None else tiling.shown(size)) for size in sizes]
    worst = resolve(f"{module}:mistakes")(
        predictions, targets, classes, limit=MISTAKES, calibration=calibration
    )
    document = {
        "schema_version": 1,
        "task": card.name,
        "split": data.split,
        "metrics": scores,
        "imgsz": max(preprocess.size),
        "tile": None if tiling is None else tiling.side,
        "details": metric.details(calibration=calibration, placements=placements),
        "calibration": {name: value for name, value in calibration.items() if name != "thresholds"},
        "thresholds": calibration.get("thresholds", []),
        "worst": [
            _picture(run, data.split, samples, record=record, draw=card.draw, classes=classes)
            for record in worst
            for samples in ([seen[row][0] for row in (record.pop("row"), *record.pop("others", ()))],)
        ],
        "failures": failures,
    }
    (run / "evaluation").mkdir(exist_ok=True)
    if learnt is not None and card.exhibit:
        show = resolve(card.exhibit)
        document["exhibit"] = show(predictor, data, learnt, folder=run / "evaluation")
    write_file(run / "evaluation" / f"{data.split}.json", json.dumps(document, ensure_ascii=False))
    return scores


def _whole(prediction: Any) -> Any:
    return prediction


def _check_targets(data: Dataset) -> None:
    unknown = [sample.id for sample in data.samples if sample.target is None]
    if unknown:
        raise DataError(
            f"{data.root}: {len(unknown):,} of {len(data):,} pictures of the {data.split} split have no "
            f"ground truth to compare with, the first is {unknown[0]}",
            hint="annotate them (an empty list of boxes says that there is nothing), or take them out",
        )


def _size(sample: Sample) -> Size:
    """Return the (height, width) of the whole picture, from the head of its file where it has one."""
    if sample.path is not None:
        return probe(sample.path).size
    height, width = sample.load().shape[:2]
    return height, width


def _picture(
    run: Path,
    split: str,
    samples: Sequence[Sample],
    *,
    record: dict[str, Any],
    draw: str,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Return the record of a mistake with the picture that is written for it.

    A task that can point at its mistakes paints them: `mistake(picture, record, classes)` of its draw
    module gives the thumbnail, or for one of several pictures `beside(pictures, record, classes)`. Where the
    prediction itself is a picture, `metric.mistakes` has painted it already, as "painted". Where there is
    none of these the picture is shown as it is.
    """
    module, sample, painted = importlib.import_module(draw), samples[0], record.pop("painted", None)
    if painted is not None:
        image = painted
    elif len(samples) > 1:
        image = module.beside([each.load() for each in samples], record, classes)
    elif hasattr(module, "mistake"):
        image = module.mistake(sample.load(), record, classes)
    else:
        image = _thumbnail(sample)
    gallery = run / "evaluation" / "gallery"
    gallery.mkdir(parents=True, exist_ok=True)
    name = f"{split}_{len(list(gallery.glob(split + '_*'))):04d}.jpg"
    PillowImage.fromarray(image).save(gallery / name, quality=85)
    return {"id": sample.id, **record, "picture": f"gallery/{name}"}


def _thumbnail(sample: Sample) -> Image:
    image = sample.load((THUMBNAIL, THUMBNAIL))
    longer = max(image.shape[:2])
    if longer <= THUMBNAIL:
        return image
    height, width = (max(1, round(side * THUMBNAIL / longer)) for side in image.shape[:2])
    return resize(image, (height, width))
