"""The verb that paints photographs in a style."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place, needs_training
from nayan.core.errors import ConfigError

if TYPE_CHECKING:
    from nayan.tasks.generation.stylization.optimising import OnStep
    from nayan.tasks.generation.stylization.stylizing import Paint


def stylize(
    content: Place | Sequence[Place],
    style: Place | None = None,
    *,
    out: Place,
    model: Place | None = None,
    size: int | None = None,
    keep_colours: bool = False,
    backbone: str | None = None,
    weights: str | None = None,
    steps: int | None = None,
    content_weight: float | None = None,
    style_weight: float | None = None,
    tv: float | None = None,
    seed: int | None = None,
    backend: str = "auto",
    on_step: OnStep | None = None,
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Write what photographs show as a style would paint it, each as large as it was.

    Either in the style of any picture, by gradients, which takes minutes and the packages that train; or by
    a model that learnt one style, in a second and without them.

    Args:
        content: photographs: files, folders, patterns, or "-" for the paths in `stdin`.
        style: a picture that has the style.
        out: a file for one picture, or a folder.
        model: in place of a style: a run folder or a bundle of a network that learnt one (`fast_style`).
        size: pixels of the longer side at which it is painted; None for 512 by gradients and 1024 by a
            model, at most the picture's own. A larger photograph keeps its fine detail in the brightness of
            its painting.
        keep_colours: paint the brightness only.
        backbone: by which pictures are judged; None for vgg19.
        weights: of the backbone: "imagenet" (None), or a .safetensors file.
        steps: at each scale; None for 100.
        content_weight: of what the photograph shows; None for 1.
        style_weight: of how the style is painted; None for 10.
        tv: weight of smoothness (total variation); None for 1.
        seed: of what is random; None for 0.
        backend: of a model, as for `load`.
        on_step: called with (steps done, steps in all) of each picture that is made by gradients.
        stdin: lines with one path each.

    Returns:
        `{"source", "file", "size": [height, width], "seconds"}` a picture, or `{"source", "error"}` where
        the file cannot be read.

    Raises:
        ConfigError: if there is no style, or an option is impossible or means nothing here.
        WeightsError: if the weights cannot be had.
        MissingExtra: for a style without the packages that train.
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.tasks.generation.stylization.stylizing import stylize_files

    gradients: dict[str, Any] = {
        "backbone": backbone,
        "weights": weights,
        "steps": steps,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv": tv,
        "seed": seed,
    }
    given = {name: value for name, value in gradients.items() if value is not None}
    _check(style, model, given)
    samples = find_pictures([content] if isinstance(content, str | Path) else list(content), stdin)
    if model is not None:
        paint = _by_model(Path(model), size, keep_colours=keep_colours, backend=backend)
    else:
        assert style is not None
        paint = _by_gradients(Path(style), size, keep_colours=keep_colours, on_step=on_step, **given)
    return stylize_files(samples, paint, out=Path(out))


def _check(style: Place | None, model: Place | None, gradients: dict[str, Any]) -> None:
    """Raise ConfigError unless there is one style, and nothing that means nothing to it."""
    if style is None and model is None:
        raise ConfigError(
            "there is no style to paint in",
            hint="nayan stylize PHOTOGRAPH STYLE --out FILE, or --model RUN of a trained fast_style",
        )
    if style is not None and model is not None:
        raise ConfigError(
            f"{style}: the model has a style of its own", hint="leave out the style, or --model"
        )
    if model is not None and gradients:
        name = next(iter(gradients)).replace("_", "-")
        raise ConfigError(
            f"--{name} means nothing to a trained model, which paints in one pass", hint="leave it out"
        )


def _by_model(model: Path, size: int | None, *, keep_colours: bool, backend: str) -> Paint:
    from nayan.runtime.backends.choose import choose_backend
    from nayan.runtime.bundle import open_bundle
    from nayan.tasks.generation.stylization.stylizing import painter

    bundle = open_bundle(model)
    if bundle.spec.task != "stylization":
        raise ConfigError(
            f"restyling needs a model that learnt a style, this one is for {bundle.spec.task}",
            hint="nayan train PHOTOGRAPHS --task generate --model fast_style --style FILE",
        )
    run = choose_backend(backend, bundle.graph)
    return painter(run, size=size, keep_colours=keep_colours)


def _by_gradients(
    style: Path,
    size: int | None,
    *,
    keep_colours: bool,
    on_step: OnStep | None,
    backbone: str = "",
    weights: str = "imagenet",
    steps: int = 100,
    content_weight: float = 1.0,
    style_weight: float = 10.0,
    tv: float = 1.0,
    seed: int = 0,
) -> Paint:
    from nayan.core.image import open_image
    from nayan.tasks.generation.stylization.catalog import VGG19
    from nayan.tasks.generation.stylization.stylizing import checked_side

    side = 512 if size is None else checked_side(size)
    if steps < 1 or min(content_weight, style_weight, tv) < 0:
        raise ConfigError(
            f"{steps} steps with the weights {content_weight:g}, {style_weight:g} and {tv:g}: impossible",
            hint="at least one step; weights are 0 or more",
        )
    picture = open_image(style)
    with needs_training("painting by gradients"):
        import torch

        from nayan.tasks.generation.stylization.optimising import Effort, paint
        from nayan.tasks.generation.stylization.teacher import Weights, build_teacher
    parts = Weights(content_weight, style_weight, tv)
    with torch.random.fork_rng(devices=[]):  # with --weights none the network is drawn
        torch.manual_seed(seed)
        teacher = build_teacher(backbone or VGG19, source=weights, weights=parts, smooth=True)
    effort = Effort(side, steps, keep_colours, seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return functools.partial(paint, teacher.to(device), style=picture, effort=effort, on_step=on_step)
