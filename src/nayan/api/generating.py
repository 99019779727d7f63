"""The verb that draws pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from nayan.api.common import Place
from nayan.core.errors import ConfigError
from nayan.runtime.fsio import safe_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nayan.core.types import Image
    from nayan.runtime.predictor import Predictor
    from nayan.runtime.spec import Spec

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
        grid: also write all of them on one sheet, `grid.png`.
        interpolate: draw the way from one picture to another in `n` steps; also writes it as `way.gif`.
        backend: as for `load`.

    Returns:
        `{"file", "seed", "number"}` a picture, with its "label" where there is one; then `{"file", "kind"}`
        of the grid and the way.

    Raises:
        ConfigError: if the model does not draw from noise, an option is impossible, or `label` is given to a
            model that knows no classes.
        NotFound: if the model knows no such class.
    """
    from nayan.api.using import load
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.generation.sampling.drawing import (
        asked_labels,
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
    labels = asked_labels(spec, n, label=label)
    if interpolate:
        start, end = drawn_noise(spec, 2, seed=seed)
        noise = between_noise(start, end, n)
        labels = None if labels is None else labels * 0 + labels[0]  # one thing that changes its shape
    else:
        noise = drawn_noise(spec, n, seed=seed)
    pictures = draw_pictures(predictor, noise, labels)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = _write(pictures, folder, seed=seed, labels=labels, classes=spec.classes)
    in_turn = len(spec.classes) if labels is not None and label is None and not interpolate else 0
    return rows + _write_together(
        pictures, folder, columns=_columns(n, in_turn=in_turn) if grid else 0, way=interpolate
    )


def _check_draws(spec: Spec) -> None:
    if spec.task != "generation" or "noise" not in spec.inputs:
        raise ConfigError(
            f"to generate takes a model that draws from noise, {spec.model} is for {spec.task}",
            hint="train one: nayan train DATA --task generate --model dcgan",
        )


def _write(
    pictures: list[Image],
    folder: Path,
    *,
    seed: int,
    labels: NDArray[np.int64] | None,
    classes: tuple[str, ...],
) -> list[dict[str, Any]]:
    rows = []
    for number, picture in enumerate(pictures):
        name = "" if labels is None else classes[labels[number]]
        stem = f"{safe_name(name)}_" if name else ""
        file = folder / f"{stem}{seed}_{number:04d}.png"
        PillowImage.fromarray(picture).save(file)
        row: dict[str, Any] = {"file": str(file), "seed": seed, "number": number}
        rows.append({**row, "label": name} if name else row)
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


def _write_together(pictures: list[Image], folder: Path, *, columns: int, way: bool) -> list[dict[str, Any]]:
    """Write a sheet of so many columns, none for 0, and a film of a way."""
    from nayan.tasks.generation.mosaic import mosaic

    rows = []
    if columns:
        PillowImage.fromarray(mosaic(pictures, columns=columns)).save(folder / "grid.png")
        rows.append({"file": str(folder / "grid.png"), "kind": "grid"})
    if way:
        first, *others = [
            PillowImage.fromarray(mosaic([picture], columns=1)) for picture in [*pictures, *pictures[-2:0:-1]]
        ]
        first.save(folder / "way.gif", save_all=True, append_images=others, duration=FILM_MS, loop=0)
        rows.append({"file": str(folder / "way.gif"), "kind": "way"})
    return rows
