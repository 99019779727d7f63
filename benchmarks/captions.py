"""Captions: true sentences about coloured digits, and BLEU on caption-grocery, greedy and by beam search.

    NAYAN_DATA=... python benchmarks/captions.py [--digits RUN] [--grocery RUN]

Trains both (or takes the runs that are named), and captions the pictures of the test splits:

- `nayan sample generate --format captions`: 269 digits that it never saw, each with four true sentences;
- caption-grocery, 81 pictures of 81 products, on a published backbone with the weights of the packs.

Target: one of the true sentences, word for word, about 9 of 10 digits. Of grocery the scores are stated.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import nayan
from measure import WORK, Claim, publish
from nayan.core.types import Caption
from nayan.data.splits import read_split
from nayan.tasks.generation.captioning.metric import CaptioningMetric
from training import packs, train

BEAMS = (1, 3, 5)
MODEL = ("--task", "generate", "--model", "captioner")
WEIGHTS = "weights/mobilenetv2_100_imagenet.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=Path, help="a run on the digits of `nayan sample`")
    parser.add_argument("--grocery", type=Path, help="a run on caption-grocery")
    given = parser.parse_args()
    digits = WORK / "captioned_digits"
    if not digits.exists():
        nayan.sample("generate", digits, format="captions")
    costs = {}
    runs = {digits: given.digits, packs() / "caption-grocery": given.grocery}
    if runs[digits] is None:
        record, costs["digits"] = train(str(digits), *MODEL, "--epochs", "40")
        runs[digits] = Path(record["run"])
    grocery = packs() / "caption-grocery"
    if runs[grocery] is None:
        backbone = ("--backbone", "mobilenetv2_100", "--weights", packs() / WEIGHTS, "--imgsz", "160")
        record, costs["grocery"] = train("caption-grocery", *MODEL, *backbone)
        runs[grocery] = Path(record["run"])
    scores = {(data, beam): scored(runs[data], data, beam=beam) for data in runs for beam in BEAMS}
    publish(
        "captions",
        [Claim("digits: true sentences, beam 3", scores[digits, 3]["exact"], 0.9, "")],
        costs=costs,
        versions={name: version(name) for name in ("nayan", "torch")},
    )


def scored(run: Path, data: Path, *, beam: int) -> dict[str, float]:
    """Print and return the scores of a run on the test split, with a search of that width."""
    samples = read_split(data, "test", targets=("Caption",)).samples
    records = nayan.caption(run, [sample.path for sample in samples if sample.path is not None], beam=beam)
    metric = CaptioningMetric(())
    said = [Caption((record["captions"][0]["caption"],)) for record in records]
    metric.update(said, [sample.target for sample in samples])  # type: ignore[misc]
    scores = metric.compute()
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    print(f"{data.name}, beam {beam}, {len(samples)} pictures: {numbers}", flush=True)
    return scores


if __name__ == "__main__":
    main()
