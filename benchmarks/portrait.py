"""How near the matte of a portrait comes to the person, and how much of the old background is left.

    NAYAN_DATA=... python benchmarks/portrait.py --sheet portraits.png
    NAYAN_DATA=... python benchmarks/portrait.py --model RUN --sheet portraits.png

On the test split of segment-human a network is imagined that sees the true mask 256 px large and blurred,
once in its place and once with a border that is 0.8 % of the width off, as borders of networks are; what it
says is refined by `matte`. IoU and mean absolute difference are those with the mask, whose borders are hard.
Then a round person with a soft border and loose hair, known exactly, is put from photographs before white:
the differences from the true picture, in levels, are the old background that shines through.

With `--model`, a segmenter that was trained on segment-human, it is this one that looks at the test split:
IoU of the person, the mean over the pictures, by the network alone and in the portrait.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import nayan
from measure import Claim, publish
from nayan.core.image import open_image
from nayan.core.sheet import grid
from nayan.tasks.segmentation.portrait.compose import Look, portrait
from nayan.tasks.segmentation.portrait.making import person_probability
from nayan.tasks.segmentation.portrait.matte import matte
from training import packs

Floats = NDArray[np.float32]
SEEN = 256
OFF = 0.008


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of 20 portraits to look at")
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--model", type=Path, help="a run or a bundle instead of an imagined network")
    args = parser.parse_args()
    people = list(real_people(packs() / "segment-human" / "test", args.pictures))
    if args.model:
        predictor = nayan.load(args.model)
        said = [person_probability(predictor, image, 1) for image, _ in people]
        trained(people, said)
    else:
        said = [seen(truth) for _, truth in people]
        imagined(people)
    if args.sheet:
        shown = list(zip(people, said, strict=True))[:20]
        pictures = [portrait(image, probability).picture for (image, _), probability in shown]
        PillowImage.fromarray(grid(pictures, [""] * len(pictures), columns=5, side=400)).save(args.sheet)


def trained(people: list[tuple[NDArray[np.uint8], Floats]], said: list[Floats]) -> None:
    """Print what the matte makes of the probabilities of a real network."""
    rows = []
    for (image, truth), probability in zip(people, said, strict=True):
        found = matte(image, probability) if (probability > 0.5).any() else probability
        rows.append((iou(probability, truth), iou(found, truth)))
    before, after = np.mean(rows, axis=0).tolist()
    claims = [Claim("IoU that person and matte win on a trained network", after - before, 0, "")]
    costs = {"iou, network": before, "iou, portrait": after}
    costs["worse by more than 0.01"] = float(np.sum([new < old - 0.01 for old, new in rows]))
    publish("portrait of a trained network", claims, costs=costs, versions={"opencv": cv2.__version__})


def imagined(people: list[tuple[NDArray[np.uint8], Floats]]) -> None:
    """Print what the matte makes of a network that is known to be right, and of one that is a little off."""
    figures: dict[str, float] = {}
    for name, shift in (("in its place", 0.0), ("0.8 % off", OFF)):
        rows, began = [], time.process_time()
        for image, truth in people:
            probability = np.roll(seen(truth), round(shift * truth.shape[1]), axis=1)
            found = matte(image, probability)
            rows.append((iou(probability, truth), iou(found, truth), difference(probability, truth)))
            rows[-1] += (difference(found, truth),)
        network_iou, matte_iou, network_off, matte_off = np.mean(rows, axis=0).tolist()
        print(
            f"border {name}: IoU {network_iou:.3f} -> {matte_iou:.3f}, mean difference {network_off:.4f} -> "
            f"{matte_off:.4f}, {(time.process_time() - began) / len(people):.2f} s of processor a picture"
        )
        figures |= {f"iou {name}, network": network_iou, f"iou {name}, matte": matte_iou}
    cut, refined = shining_through([image for image, _ in people[:6]])
    print(
        f"old background at hair: {cut:.1f} levels where the mask is cut out, {refined:.1f} in the portrait"
    )
    won = figures["iou 0.8 % off, matte"] - figures["iou 0.8 % off, network"]
    claims = [
        Claim("IoU that the matte wins where the network is 0.8 % off", won, 0.01, ""),
        Claim("old background at hair, of what cutting out leaves", refined / cut, 0.67, "", at_most=True),
    ]
    publish("portrait", claims, costs=figures, versions={"opencv": cv2.__version__})


def real_people(split: Path, count: int) -> Iterator[tuple[NDArray[np.uint8], Floats]]:
    for path in sorted((split / "images").iterdir())[:count]:
        mask = next((split / "masks").glob(f"{path.stem}.*"))
        yield open_image(path), (np.asarray(PillowImage.open(mask).convert("L")) > 127).astype(np.float32)


def seen(alpha: Floats) -> Floats:
    """Return what a network that sees 256 px would say: blurred, and enlarged again."""
    scale = SEEN / max(alpha.shape)
    size = (round(alpha.shape[1] * scale), round(alpha.shape[0] * scale))
    small = cv2.GaussianBlur(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
    return np.asarray(cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def shining_through(photos: list[NDArray[np.uint8]]) -> tuple[float, float]:
    """Return the mean difference from the true picture near the border: cut out by the mask, and by nayan."""
    rows = []
    for number, photo in enumerate(photos):
        alpha, share = hairy(number), hairy(number)[..., None]
        back = cv2.resize(photo, alpha.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        front = np.array([70, 45, 30], np.float32)
        image = (share * front + (1 - share) * back + 0.5).astype(np.uint8)
        truth = share * front + (1 - share) * 255
        probability = seen(alpha)
        cut = np.where(probability[..., None] > 0.5, image, 255).astype(np.float32)
        made = portrait(image, probability, Look((255, 255, 255))).picture.astype(np.float32)
        near = np.abs(probability - 0.5) < 0.49
        rows.append([np.abs(each - truth)[near].mean() for each in (cut, made)])
    cut_off, made_off = np.mean(rows, axis=0)
    return float(cut_off), float(made_off)


def hairy(seed: int, side: int = 480) -> Floats:
    """Return the alpha of a round head with 150 hairs, drawn three times as large."""
    rng = np.random.default_rng(seed)
    fine = 3 * side
    canvas = np.zeros((fine, fine), np.uint8)
    middle, radius = fine / 2, 0.28 * fine
    cv2.circle(canvas, (fine // 2, fine // 2), round(radius), 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 150):
        along = np.linspace(0.97, 1 + rng.uniform(0.03, 0.15), 8) * radius
        turn = angle + np.linspace(0, rng.normal(0, 0.2), 8)
        points = np.stack((middle + along * np.cos(turn), middle + along * np.sin(turn)), axis=1)
        cv2.polylines(canvas, [points.astype(np.int32)], False, 255, int(rng.integers(2, 6)), cv2.LINE_AA)
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255


def iou(one: Floats, two: Floats) -> float:
    return float(((one > 0.5) & (two > 0.5)).sum() / ((one > 0.5) | (two > 0.5)).sum())


def difference(one: Floats, two: Floats) -> float:
    return float(np.abs(one - two).mean())


if __name__ == "__main__":
    main()
