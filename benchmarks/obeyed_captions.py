"""How often text_to_image draws what a sentence asks for: coloured digits, judged by nayan's own classifiers.

    python benchmarks/obeyed_captions.py [--run RUN] [-n 600] [--sheet FILE] [options of the training ...]

Makes the sample of `nayan sample generate DIR --format captions` (1,797 scanned digits, 1,259 of them to
learn from), trains `text_to_image` on it by its defaults (or takes a run), and draws as many random sentences
of the sample's grammar. Three LeNets that `nayan train` makes of the same training pictures, of the digit,
the colour and the ground that their captions name, say what was drawn; how many of the test split they know
is printed too, since no drawing can do better. The ground counts where a sentence names one.

Target: the digit and the colour are those of the sentence in 90 % of the drawings, trained in 15 minutes.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import nayan
from judge import names_of, share
from measure import ENVIRONMENT, WORK, Claim, publish, setup
from nayan.core.sheet import grid
from nayan.core.types import Caption, Image, Sample
from nayan.data.coloured import COLOURS, GROUNDS, SENTENCES, WORDS
from nayan.data.readers.captions import CaptionsReader
from nayan.tasks.generation.sampling.drawing import asked_for, draw_pictures, drawn_noise
from training import train_on

NAMES = {"digit": WORDS, "colour": tuple(COLOURS), "ground": tuple(GROUNDS)}
EPOCHS = {"digit": 40, "colour": 8, "ground": 4}
SEED, SHOWN = 0, 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run of text_to_image on the sample")
    parser.add_argument("-n", type=int, default=600, help="drawings")
    parser.add_argument("--sheet", type=Path, help="a picture of the first drawings with their sentences")
    given, options = parser.parse_known_args()
    data = WORK / "captions"
    if not data.exists():
        setup([ENVIRONMENT / "nayan", "sample", "generate", data, "--format", "captions"])
    costs, run = {}, given.run
    if run is None:
        record, costs["text_to_image"] = train_on(data, "--task", "generate", *options)
        run = Path(record["run"])
    judges = {about: judge_of(about, data) for about in NAMES}
    predictor = nayan.load(run)
    rng = np.random.default_rng(SEED)
    said = [sentence(rng) for _ in range(given.n)]
    asked = asked_for(predictor.spec, given.n, captions=said)
    drawn = draw_pictures(predictor, drawn_noise(predictor.spec, given.n, seed=SEED), asked)
    obeyed = {about: kept(about, judges[about], said, drawn) for about in NAMES}
    if given.sheet:
        PillowImage.fromarray(grid(drawn[:SHOWN], said[:SHOWN], columns=8)).save(given.sheet)
    both = obeyed["digit"] & obeyed["colour"]
    shares = {**obeyed, "digit, colour and ground": both & obeyed["ground"]}
    print("as asked for: " + ", ".join(f"{about} {shares[about].mean():.1%}" for about in shares))
    claims = [Claim("digit and colour as asked for", float(both.mean()), 0.9, "")]
    if "text_to_image" in costs:
        wall_s = costs["text_to_image"].wall_s
        claims.append(Claim("whole command of training", wall_s, 900, "s", at_most=True))
    publish("obeyed_captions", claims, costs=costs, versions={"nayan": version("nayan")})


def judge_of(about: str, data: Path) -> Path:
    """Return a LeNet that learns what captions say of the digit, the colour or the ground; print how well."""
    folder, run = WORK / f"captions_{about}", WORK / f"judge_{about}"
    if not run.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for split in ("train", "val", "test"):
            for sample in CaptionsReader().read(data, split).samples:
                place = folder / split / named(about, told(sample)) / Path(sample.id).name
                place.parent.mkdir(parents=True, exist_ok=True)
                PillowImage.fromarray(sample.load()).save(place)
        how = ("--model", "lenet", "--augment", "symbol", "--epochs", str(EPOCHS[about]))
        train_on(folder, "--task", "classify", *how, "--out", run)
    held_out = CaptionsReader().read(data, "test").samples
    found = names_of(run, [sample.load() for sample in held_out])
    right = share(found, [named(about, told(sample)) for sample in held_out])
    print(f"judge of the {about}: right in {right:.1%} of {len(held_out)} real held-out pictures", flush=True)
    return run


def told(sample: Sample) -> str:
    """Return the caption of a picture that says all."""
    assert isinstance(sample.target, Caption)
    return sample.target.texts[-1]


def named(about: str, text: str) -> str:
    """Return the digit, colour or ground that a sentence names; "" where it names none."""
    words = [WORDS[int(word)] if word.isdigit() else word for word in re.findall(r"\w+", text)]
    return next((word for word in words if word in NAMES[about]), "")


def sentence(rng: np.random.Generator) -> str:
    """Return a random sentence of the sample's grammar."""
    digit, form = int(rng.integers(len(WORDS))), SENTENCES[int(rng.integers(len(SENTENCES)))]
    colour, ground = str(rng.choice(NAMES["colour"])), str(rng.choice(NAMES["ground"]))
    return form.format(digit=digit, word=WORDS[digit], colour=colour, ground=ground)


def kept(about: str, judge: Path, said: Sequence[str], drawn: Sequence[Image]) -> NDArray[np.bool_]:
    """Return (N,) bool, whether each drawing is as its sentence says; what it leaves open is always kept."""
    wanted = [named(about, text) for text in said]
    return np.array([not w or w == f for w, f in zip(wanted, names_of(judge, drawn), strict=True)])


if __name__ == "__main__":
    main()
