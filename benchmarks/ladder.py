"""Every rung of detection on the same data, trained for the same time: what each idea bought.

    python benchmarks/ladder.py                                  # the sample data, every rung from nothing
    NAYAN_DATA=... python benchmarks/ladder.py --data detect-traffic --weights FILE

Each model is trained by `nayan train` for `--time`, and its bundle is then run on the pictures of the test
split one by one: seconds for the candidates (selective search; later rungs have none), for the network (with
the proposals of an RPN) and for what follows it (thresholds and NMS). With `--weights`, an ImageNet file for
`--backbone`, the rungs that stand on a backbone start from it. Target: R-CNN, Fast R-CNN, Faster R-CNN and
YOLO get faster in that order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from measure import ENVIRONMENT, WORK, Claim, publish, setup
from nayan.tasks.detection.catalog import MODELS
from training import packs

EARLY = ("localizer", "sliding_window", "rcnn", "fast_rcnn", "faster_rcnn", "faster_rcnn_fpn")
RUNGS = (*EARLY, "yolo_v1", "yolo_v2", "yolo_v3", "yolo")
ON_A_BACKBONE = (*EARLY, "yolo")
FASTER = ("rcnn", "fast_rcnn", "faster_rcnn", "yolo")  # each than the one before


@dataclass(frozen=True, slots=True)
class Rung:
    """What was measured of one model.

    Attributes:
        model: its name.
        map50, map: on the test split.
        training_s: of the whole command.
        candidates_s, network_s, after_s: median seconds a picture.
    """

    model: str
    map50: float
    map: float
    training_s: float
    candidates_s: float
    network_s: float
    after_s: float

    @property
    def seconds(self) -> float:
        """Of one picture."""
        return self.candidates_s + self.network_s + self.after_s


def climb(model: str, data: Path, *, options: argparse.Namespace) -> Rung:
    """Train one rung and measure it."""
    out = WORK / "ladder" / data.name / model
    shutil.rmtree(out, ignore_errors=True)
    words: list[str | Path] = ["--model", model, "--time", options.time, "--out", out]
    if not MODELS[model].fixed_size:
        words += ["--imgsz", str(options.imgsz)]
    if options.weights and model in ON_A_BACKBONE:
        words += ["--backbone", options.backbone, "--weights", Path(options.weights).resolve()]
    else:
        words += ["--weights", "none"]
    command = [ENVIRONMENT / "nayan", "train", data, *words, "--json"]
    began = time.perf_counter()
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    training = time.perf_counter() - began
    scores = json.loads(done.stdout)["metrics"]
    script = [sys.executable, __file__, "--parts", out, "--data", data]
    parts = subprocess.run(list(map(str, script)), check=True, stdout=subprocess.PIPE, text=True)
    rung = Rung(model, scores["map50"], scores["map"], training, **json.loads(parts.stdout))
    print(line(rung), flush=True)
    return rung


def parts_of(run: Path, data: Path, *, most: int = 20) -> dict[str, float]:
    """Return the median seconds of each part for one picture; runs in a process without torch."""
    import nayan
    from nayan.data.splits import read_split
    from nayan.runtime.proposals import make_inputs

    predictor = nayan.load(run)
    spec = predictor.spec
    taken: dict[str, list[float]] = {"candidates_s": [], "network_s": [], "after_s": []}
    samples = read_split(data, "test").samples[: most + 1]
    shown = {"conf": spec.decode_args["thresholds"]} if "thresholds" in spec.decode_args else {}  # as predict
    for sample in samples:
        pixels, placement = spec.preprocess(sample.load())
        marks = [time.perf_counter()]
        inputs = make_inputs(spec.inputs, [pixels])
        marks.append(time.perf_counter())
        outputs = predictor.run(pixels[None], **inputs)
        marks.append(time.perf_counter())
        predictor.decode(outputs, [placement], **spec.decode_args, **shown)
        marks.append(time.perf_counter())
        for name, (start, end) in zip(taken, itertools.pairwise(marks), strict=True):
            taken[name].append(end - start)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}  # the first one warms up


def line(rung: Rung) -> str:
    """Return a row of the table."""
    parts = (rung.candidates_s, rung.network_s, rung.after_s, rung.seconds)
    times = " | ".join(f"{1e3 * part:.1f}" for part in parts)
    return f"| `{rung.model}` | {rung.map50:.3f} | {rung.map:.3f} | {times} | {rung.training_s:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="sample", help="sample, a pack of NAYAN_DATA, or a folder")
    parser.add_argument("--time", default="3m", help="of each training")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--weights", default="", help="an ImageNet file for it")
    parser.add_argument("--models", nargs="*", default=RUNGS)
    parser.add_argument("--parts", type=Path, help="measure a finished run, and end")
    options = parser.parse_args()
    if options.parts:
        print(json.dumps(parts_of(options.parts, Path(options.data))))
        return
    WORK.mkdir(exist_ok=True)
    data = WORK / "sample_detect"
    if options.data != "sample":
        data = Path(options.data)
        data = data if data.is_dir() else packs() / options.data
    elif not data.exists():
        setup([ENVIRONMENT / "nayan", "sample", "detect", data])
    print("| model | map50 | map | candidates ms | network ms | after ms | a picture ms | training s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    rungs = {model: climb(model, data, options=options) for model in options.models}
    claims = [
        Claim(f"{later} against {earlier}", rungs[earlier].seconds / rungs[later].seconds, 1)
        for earlier, later in itertools.pairwise(FASTER)
        if earlier in rungs and later in rungs
    ]
    publish(
        f"ladder on {data.name}",
        claims,
        costs={f"{rung.model}, map50": rung.map50 for rung in rungs.values()},
        versions={name: version(name) for name in ("nayan", "torch", "onnxruntime")},
    )


if __name__ == "__main__":
    main()
