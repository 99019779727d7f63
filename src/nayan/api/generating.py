"""The verb that draws pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from nayan.api.common import Place
from nayan.core.errors import ConfigError
from nayan.runtime.fsio import safe_name

if TYPE_CHECKING:
    from nayan.core.types import Image
    from nayan.runtime.predictor import Predictor
    from nayan.runtime.spec import Spec
    from nayan.tasks.generation.sampling.drawing import Asked

MOST = 1_000_000
FILM_MS = 80
"""Milliseconds that each picture of a way is shown."""
MOST_COLUMNS = 30
"""Of a sheet on which each class has one."""


def generate(
    model: Place | Predictor,
    n: int = 16,
    *,
    out: Place,
    seed: int = 0,
    label: str | None = None,
    caption: str | Sequence[str] = (),
    grid: bool = False,
    interpolate: bool = False,
    backend: str = "auto",
) -> list[dict[str, Any]]:
    """Draw pictures with a trained generator and write them as PNG files.

    The same model, seed and number give the same picture on every machine, to within a level or two.

    Args:
        model: a run folder or a bundle of a generator, or what `load` returned.
        n: how many.
        out: folder.
        seed: of the noise.
        label: the class to draw; None for all in turn, where the model knows classes.
        caption: the sentence to draw, or several, in turn; () for sentences of the training pictures, where
            the model reads.
        grid: also write all of them on one sheet, `grid.png`.
        interpolate: draw the way from one picture to another in `n` steps; also writes it as `way.gif`.
        backend: as for `load`.

    Returns:
        `{"file", "seed", "number"}` a picture, with its "label" or "caption" where there is one; then
        `{"file", "kind"}` of the grid and the way.

    Raises:
        ConfigError: if the model does not draw from noise, an option is impossible, or a class or a
            sentence is given to a model that takes none.
        NotFound: if the model knows no such class, or no such word.
    """
    from nayan.api.using import load
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.generation.sampling.drawing import (
        asked_for,
        between_noise,
        draw_pictures,
        drawn_noise,
    )

    if not 1 <= n <= MOST or seed < 0:
        raise ConfigError(f"n {n}, seed {seed}: 1 to {MOST:,} pictures, and a seed from 0")
    if interpolate and n < 2:
        raise ConfigError("a way from one picture to another has two pictures or more", hint="-n 16")
    predictor = model if isinstance(model, Predictor) else load(model, backend=backend)
    spec = predictor.spec
    _check_draws(spec)
    captions = (caption,) if isinstance(caption, str) else tuple(caption)
    asked = asked_for(spec, n, label=label, captions=captions)
    if interpolate:
        start, end = drawn_noise(spec, 2, seed=seed)
        noise = between_noise(start, end, n)
        asked = asked and asked[[0] * n]  # one thing that changes its shape
    else:
        noise = drawn_noise(spec, n, seed=seed)
    pictures = draw_pictures(predictor, noise, asked)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = _write(pictures, folder, seed=seed, asked=asked)
    in_turn = len(spec.classes) if "label" in spec.inputs and label is None and not interpolate else 0
    columns = _columns(n, in_turn=in_turn) if grid else 0
    return rows + _write_together(pictures, folder, asked=asked, columns=columns, way=interpolate)


def _check_draws(spec: Spec) -> None:
    if spec.task != "generation" or "noise" not in spec.inputs:
        raise ConfigError(
            f"to generate takes a model that draws from noise, {spec.model} is for {spec.task}",
            hint="train one: nayan train DATA --task generate --model dcgan",
        )


def _write(pictures: list[Image], folder: Path, *, seed: int, asked: Asked | None) -> list[dict[str, Any]]:
    rows = []
    for number, picture in enumerate(pictures):
        name = "" if asked is None else asked.names[number]
        stem = f"{safe_name(name)}_" if name else ""
        file = folder / f"{stem}{seed}_{number:04d}.png"
        PillowImage.fromarray(picture).save(file)
        row: dict[str, Any] = {"file": str(file), "seed": seed, "number": number}
        rows.append(row if asked is None else {**row, asked.kind: name})
    return rows


def _columns(n: int, *, in_turn: int) -> int:
    """Return the columns of a sheet of n pictures: one a class where they come in turn, else about a square.

    >>> [_columns(n, in_turn=0) for n in (1, 7, 16, 40, 64)], _columns(40, in_turn=10)
    ([1, 3, 4, 8, 8], 10)
    """
    if 1 < in_turn <= min(n, MOST_COLUMNS):
        return in_turn
    square = math.ceil(n**0.5)
    whole = (columns for columns in range(square, 2 * square) if n % columns == 0)  # the last row is full
    return next(whole, square)


def _write_together(
    pictures: list[Image], folder: Path, *, asked: Asked | None, columns: int, way: bool
) -> list[dict[str, Any]]:
    """Write a sheet of so many columns, none for 0, and a film of a way."""
    from nayan.tasks.generation.mosaic import mosaic
    from nayan.tasks.generation.sampling.drawing import on_one_sheet

    rows = []
    if columns:
        sheet = on_one_sheet(pictures, asked, columns=columns)
        PillowImage.fromarray(sheet).save(folder / "grid.png")
        rows.append({"file": str(folder / "grid.png"), "kind": "grid"})
    if way:
        first, *others = [
            PillowImage.fromarray(mosaic([picture], columns=1)) for picture in [*pictures, *pictures[-2:0:-1]]
        ]
        first.save(folder / "way.gif", save_all=True, append_images=others, duration=FILM_MS, loop=0)
        rows.append({"file": str(folder / "way.gif"), "kind": "way"})
    return rows
