"""The twelve COCO numbers: nayan against pycocotools (and faster-coco-eval), in turn, in one process.

    pip install pycocotools faster-coco-eval
    python benchmarks/coco_scores.py [--pictures 500] [--classes 80]

Invented detections of invented objects, about seven objects and a hundred detections a picture, as on COCO.
Each side starts from what it has in memory: nayan from boxes in arrays, the others from a data set that they
have indexed; their reading of JSON is not counted. Processor time on one core, A B A B ..., medians. The last
line is one JSON document. Target: nayan is not slower than the fastest.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from nayan.core.types import Boxes
from nayan.tasks.detection.coco_scores import coco_scores

PEERS = {
    "pycocotools": ("pycocotools.coco", "COCO", "pycocotools.cocoeval", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "COCO", "faster_coco_eval", "COCOeval_faster"),
}


def invent(pictures: int, classes: int, *, seed: int = 0) -> tuple[list[Boxes], list[Boxes]]:
    """Return detections and objects of 640x480 pictures."""
    rng = np.random.default_rng(seed)
    predictions, truths = [], []
    for _ in range(pictures):
        truth = some_boxes(rng, rng.poisson(7), classes)
        near = np.repeat(truth.xyxy, 6, axis=0) + rng.normal(0, 6, (6 * len(truth), 4))
        stray = some_boxes(rng, 58, classes)
        xyxy = np.concatenate([near, stray.xyxy]).astype(np.float32)
        labels = np.concatenate([np.repeat(truth.labels, 6), stray.labels])
        scores = np.concatenate([rng.beta(2, 3, len(near)), rng.beta(1, 8, len(stray))])
        predictions.append(Boxes(xyxy, labels, scores.astype(np.float32)))
        truths.append(truth)
    return predictions, truths


def some_boxes(rng: np.random.Generator, count: int, classes: int) -> Boxes:
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (count, 2)))
    corner = rng.uniform(0, [500, 350], (count, 2))
    xyxy = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
    return Boxes(xyxy, rng.integers(0, classes, count))


def peer(
    name: str, predictions: list[Boxes], truths: list[Boxes], *, classes: int
) -> Callable[[], list[float]]:
    """Return what scores the same boxes with another package and gives its twelve numbers."""
    data_module, data_class, score_module, score_class = PEERS[name]
    coco = getattr(importlib.import_module(data_module), data_class)
    evaluation = getattr(importlib.import_module(score_module), score_class)

    def records(pictures: list[Boxes]) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for picture, boxes in enumerate(pictures):
            sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
            for row in range(len(boxes)):
                (x, y), (w, h) = boxes.xyxy[row, :2].tolist(), sides[row].tolist()
                record = {"id": len(found) + 1, "image_id": picture, "category_id": int(boxes.labels[row])}
                record |= {"bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
                if boxes.scores is not None:
                    record["score"] = float(boxes.scores[row])
                found.append(record)
        return found

    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = {
            "info": {},
            "images": [{"id": picture, "width": 640, "height": 480} for picture in range(len(truths))],
            "categories": [{"id": label, "name": str(label)} for label in range(classes)],
            "annotations": records(truths),
        }
        truth.createIndex()
        found = truth.loadRes(records(predictions))

    def run() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            scored = evaluation(truth, found, "bbox")
            scored.evaluate()
            scored.accumulate()
            scored.summarize()
        return [float(value) for value in scored.stats[:12]]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    predictions, truths = invent(args.pictures, args.classes)
    sides = {
        "nayan": lambda: list(coco_scores(predictions, truths, num_classes=args.classes).twelve().values()),
        **{name: peer(name, predictions, truths, classes=args.classes) for name in PEERS},
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    numbers: dict[str, list[float]] = {}
    for _ in range(args.repeats):
        for name, run in sides.items():
            start = time.process_time()
            numbers[name] = run()
            seconds[name].append(time.process_time() - start)
    ours = statistics.median(seconds["nayan"])
    result: dict[str, object] = {"pictures": args.pictures, "classes": args.classes}
    for name in PEERS:
        ratio = statistics.median(seconds[name]) / ours
        apart = max(abs(a - b) for a, b in zip(numbers["nayan"], numbers[name], strict=True))
        version = importlib.metadata.version(name)
        print(f"{name} {version}: {ratio:.1f} times the time of nayan; numbers differ by {apart:.1e}")
        result[name] = {"version": version, "ratio": round(ratio, 2), "apart": apart}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
