"""NMS of a detector's 8,400 candidates: nayan in NumPy against torchvision, OpenCV and supervision.

    python benchmarks/nms.py

Simulated output of a one-stage detector at 640 px: one candidate for each cell of strides 8, 16 and 32; those
inside one of 30 (or 10) objects gather around its box with scores that fall from its centre, the others are
noise. Several pictures are one measurement, all ways in turn (A B C A B C ...), medians, one thread, IoU 0.5,
classes apart. Each way gets its candidates filtered by their score and in the form that it likes best: NumPy
arrays, tensors, boxes as corner and size. All keep the same boxes, which is checked first; supervision is
measured where it is installed. The last line is one JSON document. Targets: at conf 0.001 not slower than
torchvision, at conf 0.25 not slower than the fastest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from measure import Claim, Cost, in_turn, publish, timed
from nayan.core.boxes import from_cxcywh, to_xywh
from nayan.runtime.nms import nms

SIDE = 640
STRIDES = (8, 16, 32)
IOU = 0.5
PICTURES = {0.001: 8, 0.25: 64}  # by conf: how many are one measurement, of some 20 ms at least
MAX_DET = 300

Candidates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
Way = Callable[[], object]


def simulated(seed: int, *, classes: int, conf: float, objects: int) -> Candidates:
    """Return the boxes, scores and classes of the candidates of a picture with scores from `conf` on."""
    random = np.random.default_rng(seed)
    points, strides = _cells()
    truth, kinds = _objects(random, objects, classes)
    inside = ((points[:, None] >= truth[:, :2]) & (points[:, None] < truth[:, 2:])).all(2)
    areas = (truth[:, 2:] - truth[:, :2]).prod(1)
    owner = np.where(inside, areas, np.inf).argmin(1)  # of several objects a cell sees the smallest
    found = inside.any(1)
    count = len(points)
    # Noise: boxes of a few cells around their own, low scores, any class.
    sides = strides[:, None] * np.exp(random.normal(1.2, 0.6, (count, 2)))
    boxes = from_cxcywh(np.hstack((points + random.normal(0, 0.3, (count, 2)) * strides[:, None], sides)))
    scores = np.exp(random.uniform(np.log(0.001), np.log(0.05), count))
    labels = random.integers(classes, size=count)
    # Cells in an object: its box, 6 % off, sure of it near its centre and on the level of its size.
    own = truth[owner[found]]
    size = own[:, 2:] - own[:, :2]
    boxes[found] = own + random.normal(0, 0.06, own.shape) * np.tile(size, 2)
    off = (((points[found] - (own[:, :2] + own[:, 2:]) / 2) / size) ** 2).sum(1)
    fit = np.exp(-np.abs(np.log2(np.sqrt(size.prod(1)) / (strides[found] * 6))))
    scores[found] = np.maximum(0.95 * np.exp(-6 * off) * fit * random.uniform(0.5, 1, len(own)), 0.001)
    right = random.random(len(own)) < 0.9
    labels[found] = np.where(right, kinds[owner[found]], labels[found])
    kept = scores >= conf
    return boxes.clip(0, SIDE)[kept].astype(np.float32), scores[kept].astype(np.float32), labels[kept]


def _cells() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (8400, 2) centres and (8400,) sides of the cells of all strides."""
    points, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[0 : SIDE // stride, 0 : SIDE // stride]
        points.append((np.stack((x.ravel(), y.ravel()), 1) + 0.5) * stride)
        strides.append(np.full(x.size, stride))
    return np.concatenate(points), np.concatenate(strides)


def _objects(
    random: np.random.Generator, count: int, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sides = np.exp(random.uniform(np.log(16), np.log(320), (count, 2)))
    boxes = from_cxcywh(np.hstack((random.uniform(0, SIDE, (count, 2)), sides)))
    return boxes.clip(0, SIDE), random.integers(classes, size=count)


def ways(pictures: Sequence[Candidates]) -> dict[str, Way]:
    """Return a function for each way that suppresses all pictures and gives the numbers of the kept."""
    tensors = [tuple(map(torch.from_numpy, candidates)) for candidates in pictures]
    corners = [(to_xywh(boxes), scores, labels.astype(np.int32)) for boxes, scores, labels in pictures]
    made: dict[str, Way] = {
        "nayan": lambda: [nms(b, s, iou=IOU, labels=c) for b, s, c in pictures],
        "torchvision": lambda: [batched_nms(b, s, c, IOU) for b, s, c in tensors],
        "cv2": lambda: [cv2.dnn.NMSBoxesBatched(b, s, c, 0.0, IOU) for b, s, c in corners],
    }
    if find_spec("supervision"):
        from supervision import box_non_max_suppression

        rows = [np.c_[boxes, scores, labels] for boxes, scores, labels in pictures]
        made["supervision"] = lambda: [np.flatnonzero(box_non_max_suppression(r, IOU)) for r in rows]
    return made


def check_same(made: dict[str, Way]) -> None:
    """Stop if any way keeps other boxes than the first."""
    kept = {name: [sorted(map(int, one)) for one in way()] for name, way in made.items()}
    for name, boxes in kept.items():
        if boxes != kept["nayan"]:
            raise SystemExit(f"{name} keeps other boxes than nayan")


def measure(made: dict[str, Way], *, rounds: int) -> dict[str, Cost]:
    return in_turn({name: lambda way=way: timed(way) for name, way in made.items()}, rounds=rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    claims, costs = [], {}
    for classes in (80, 3):
        for conf, objects in ((0.001, 30), (0.25, 30), (0.25, 10)):
            seeds = range(PICTURES[conf])
            pictures = [simulated(seed, classes=classes, conf=conf, objects=objects) for seed in seeds]
            count = round(sum(len(scores) for _, scores, _ in pictures) / len(pictures))
            case = f"{classes} classes, {objects} objects, conf {conf}, {count} candidates"
            made = ways(pictures)
            check_same(made)
            cost = measure(made, rounds=rounds)
            costs |= {f"{case}: {name}": value for name, value in cost.items()}
            ratios = {name: value.wall_s / cost["nayan"].wall_s for name, value in cost.items()}
            print(
                f"{case}: nayan 1 : " + " : ".join(f"{n} {r:.2f}" for n, r in ratios.items() if n != "nayan")
            )
            del ratios["nayan"]
            if conf == 0.001:
                claims.append(Claim(f"{case}, against torchvision", ratios["torchvision"], 1.0))
            else:
                claims.append(Claim(f"{case}, against the fastest", min(ratios.values()), 1.0))
        claims.append(first_boxes(classes, rounds=rounds))
    names = ("numpy", "torch", "torchvision", "opencv-contrib-python-headless")
    publish("nms", claims, costs=costs, versions={name: version(name) for name in names})


def first_boxes(classes: int, *, rounds: int) -> Claim:
    """Measure the best 300 boxes of all candidates, as a validation wants them."""
    pictures = [simulated(seed, classes=classes, conf=0.001, objects=30) for seed in range(PICTURES[0.001])]
    tensors = [tuple(map(torch.from_numpy, candidates)) for candidates in pictures]
    cost = measure(
        {
            "nayan": lambda: [nms(b, s, iou=IOU, labels=c, max_det=MAX_DET) for b, s, c in pictures],
            "torchvision": lambda: [batched_nms(b, s, c, IOU)[:MAX_DET] for b, s, c in tensors],
        },
        rounds=rounds,
    )
    ratio = cost["torchvision"].wall_s / cost["nayan"].wall_s
    return Claim(f"{classes} classes, the best {MAX_DET} of all, against torchvision", ratio, 1.0)


if __name__ == "__main__":
    main()
