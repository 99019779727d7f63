"""The activation map of a class of a mask: from where in the picture its pixels get their class.

Papers: Selvaraju et al. (2017), Grad-CAM, arXiv:1610.02391; Vinogradova, Dibrov, Myers (2020), "Towards
interpretable semantic segmentation via gradient-weighted class activation mapping", arXiv:2002.11434, eq. 2.

In place of a classifier's one logit stands the sum of the class's logits over a set of pixels: all that were
given the class, or a single one. Everything else is Grad-CAM. The paper finds the coarsest map of the way
down to say most; that is the default. At the last maps of the way up the heat is little more than the mask.
"""

# (h, w) network input, (m, n) map, D its channels, K classes

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.story import Panel, Story
from nayan.core.types import VOID
from nayan.explain.faithfulness import measure_score_faithfulness
from nayan.explain.paint import MARK, as_rgb, colour, enlarge, fit, framed, overlay, row, smooth
from nayan.explain.record import evaluating, every_tensor, record
from nayan.explain.segmentation.look import Look, dense_logits, in_input, look_at, masked
from nayan.explain.stages import is_map, own_stages, pixel_batch
from nayan.explain.subject import Subject
from nayan.tasks.segmentation.colours import is_ground

STEPS = 8
"""Points of the deletion and insertion curves; a segmenter takes longer than a classifier."""

_PICTURE_PX = 280


@dataclass(frozen=True, slots=True, eq=False)
class MaskCam:
    """The activation map of a set of pixels.

    Attributes:
        heat: (m, n) in [0, 1], the largest is 1 unless nothing speaks for the class (then all 0).
        layer: what was looked at.
        channels: D.
    """

    heat: NDArray[np.float32]
    layer: str
    channels: int


def explain_mask_cam(
    subject: Subject,
    *,
    class_name: str | None = None,
    layer: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    at: tuple[int, int] | None = None,
) -> Story:
    """Show from where the pixels of a class get it, and test whether that is true.

    Args:
        subject: needs a segmenter and a picture.
        class_name: by default the one with the most pixels that is no background, or that of the pixel `at`.
        layer: stage or sub-module to look at; by default the coarsest map of the way down.
        steps: points of the deletion and insertion curves; 0 leaves the test out.
        seed: of the random orders that the curves are compared with.
        at: (x, y) of the picture: only the class of this pixel is explained.

    Raises:
        ConfigError: if nothing in the picture is of the class, the pixel lies outside, or no map is found.
        NotFound: if there is no such class or layer.
    """
    from nayan.explain.cam import trust_panel

    look = look_at(subject)
    label, where = _pixels_of(look, subject, class_name=class_name, at=at)
    name = look.names[label]
    cam = mask_cam(subject, label=label, where=where, layer=layer)
    panels = [_panel(cam, subject, look, label, where, at=at)]
    count = STEPS if steps is None else steps
    if count:
        score = _mean_probability(subject.model, label, where)
        with evaluating(subject.model):
            pixels = pixel_batch(subject, subject.model)
            tested = measure_score_faithfulness(score, pixels, heat=cam.heat, steps=count, seed=seed)
        panels.append(trust_panel(tested, name, what="mean probability"))
    return Story(f"Where does {name} come from?", panels)


def mask_cam(subject: Subject, *, label: int, where: NDArray[np.bool_], layer: str | None = None) -> MaskCam:
    """Return the activation map of a class, summed over some pixels.

    Args:
        subject: needs a segmenter and a picture.
        label: the class.
        where: (h, w) of the input, which pixels count; at least one.
        layer: stage or sub-module; of several maps that it puts out the coarsest is taken.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if it puts out no map that the class depends on.
    """
    model = subject.model
    source = pixel_batch(subject, model).requires_grad_()
    watched = _layers(model, layer)
    chosen = torch.from_numpy(where).to(source.device)
    with evaluating(model), torch.enable_grad(), record(model, watched, gradients=True, pick=_maps) as seen:
        logits = dense_logits(model, model(source), source)
        torch.autograd.grad(logits[0, label][chosen].sum(), source)  # eq. 2: y^c, summed over the set
    name = _coarsest(seen.gradients)
    maps, gradients = seen[name][0], seen.gradients[name][0]  # (D, m, n)
    weights = gradients.mean(dim=(1, 2), keepdim=True)
    heat: NDArray[np.float32] = (weights * maps).sum(dim=0).clamp(min=0).float().cpu().numpy()
    return MaskCam(heat / np.float32(heat.max() or 1.0), name, len(maps))


def _layers(model: nn.Module, layer: str | None) -> dict[str, nn.Module]:
    """Return what to watch: one stage or sub-module, the first stage, or all of a network without stages."""
    stages = own_stages(model)
    known = {**dict(model.named_modules()), **stages}
    if layer is not None:
        if layer not in known:
            raise NotFound("layer", layer, [*stages, *(name for name in known if name)])
        return {layer: known[layer]}
    if stages:
        first = next(iter(stages))
        return {first: stages[first]}
    return {name: module for name, module in model.named_modules() if not any(module.children())}


def _maps(output: Any) -> dict[str, Tensor]:
    found = [each for each in every_tensor(output) if is_map(each)]
    return {f"[{number}]" if len(found) > 1 else "": each for number, each in enumerate(found)}


def _coarsest(gradients: Mapping[str, Tensor]) -> str:
    """Return the name of the coarsest map that the class depends on, the last of equals."""
    moving = {name: each for name, each in gradients.items() if each.abs().sum() > 0}
    if not moving:
        raise ConfigError(
            "no map that was looked at moves the class of these pixels",
            hint="choose a --layer on the way to the answer, such as one that --what features shows",
        )
    least = min(each.shape[2] * each.shape[3] for each in moving.values())
    return [name for name, each in moving.items() if each.shape[2] * each.shape[3] == least][-1]


def _pixels_of(
    look: Look, subject: Subject, *, class_name: str | None, at: tuple[int, int] | None
) -> tuple[int, NDArray[np.bool_]]:
    """Return the class, and which pixels of the input are explained."""
    size = (look.probabilities.shape[1], look.probabilities.shape[2])
    ids = in_input(look.found.ids, look.placement, size)
    label = None if class_name is None else subject.class_index(class_name, len(look.names))
    if at is not None:
        return _one_pixel(look, ids, label, at)
    counts = np.bincount(ids[ids != VOID], minlength=len(look.names))
    if label is None:
        things = [n for n in np.argsort(-counts, kind="stable") if not is_ground(look.names[n]) and counts[n]]
        label = int(things[0] if things else counts.argmax())
    if not counts[label]:
        there = ", ".join(look.names[n] for n in np.argsort(-counts, kind="stable") if counts[n])
        raise ConfigError(
            f"no pixel of this picture was given the class {look.names[label]}",
            hint=f"--class-name: {there}; or --at X,Y for what speaks for a class in one pixel",
        )
    return label, ids == label


def _one_pixel(
    look: Look, ids: NDArray[np.uint8], label: int | None, at: tuple[int, int]
) -> tuple[int, NDArray[np.bool_]]:
    height, width = look.placement.original
    x, y = at
    place = look.placement
    row_at = int((y + 0.5) * place.scale[0] + place.offset[0])
    column_at = int((x + 0.5) * place.scale[1] + place.offset[1])
    inside = 0 <= row_at < ids.shape[0] and 0 <= column_at < ids.shape[1]
    if not (x < width and y < height and inside):
        raise ConfigError(
            f"--at {x},{y} lies outside of what the network sees of the picture",
            hint=f"the picture has {width}x{height} pixels",
        )
    where = np.zeros(ids.shape, bool)
    where[row_at, column_at] = True
    return int(ids[row_at, column_at]) if label is None else label, where


def _mean_probability(model: nn.Module, label: int, where: NDArray[np.bool_]) -> Callable[[Tensor], Tensor]:
    """Return what is tested: the mean probability of the class over the pixels that were explained."""
    chosen = torch.from_numpy(where)

    def score(pixels: Tensor) -> Tensor:
        p = dense_logits(model, model(pixels), pixels).float().softmax(dim=1)[:, label]  # (b, h, w)
        return p[:, chosen.to(p.device)].mean(dim=1)

    return score


def _panel(
    cam: MaskCam,
    subject: Subject,
    look: Look,
    label: int,
    where: NDArray[np.bool_],
    *,
    at: tuple[int, int] | None,
) -> Panel:
    name = look.names[label]
    picture = fit(as_rgb(subject.pixels()), _PICTURE_PX)
    size = (picture.shape[0], picture.shape[1])
    inside, even = _share_inside(cam, where), float(where.mean())
    seen = masked(picture, np.where(where, np.uint8(label), np.uint8(VOID - 1)), look.names)
    seen = _marked(picture, where) if at is not None else seen
    cells = f"{cam.heat.shape[0]}x{cam.heat.shape[1]}"
    p = float(look.probabilities[label][where].mean())
    what = f"the pixel at x = {at[0]}, y = {at[1]}" if at else f"its {int(where.sum()):,} pixels"
    nothing = "" if cam.heat.any() else " Nothing in this map speaks for the class."
    told = (
        f"{inside:.0%} of the heat lies on these pixels themselves, which are {even:.0%} of the input; what "
        "lies elsewhere is the surroundings that help to tell what it is."
        if at is None
        else "It shows how much of the surroundings one pixel draws on."
    )
    return Panel(
        f"What speaks for {name}",
        f"The network gives {name} a probability of {p:.1%} in {what}, on average. Bright is where "
        f"{cam.layer} ({cam.channels} maps of {cells} cells) speaks for that; the map is enlarged from those "
        f"cells, so its borders are no finer than they. {told}{nothing}",
        image=row(
            [
                seen,
                enlarge(colour(cam.heat, low=0.0, high=1.0), size),
                overlay(picture, np.clip(smooth(cam.heat, size), 0, 1)),
            ],
            captions=["explained", f"heat, {cells}", f"{name} {p:.1%}"],
        ),
        data={
            "class": name,
            "label": label,
            "pixels": int(where.sum()),
            "probability": p,
            "layer": cam.layer,
            "heat_inside": inside,
            "heat": np.round(cam.heat, 4).tolist(),
        },
    )


def _share_inside(cam: MaskCam, where: NDArray[np.bool_]) -> float:
    """Return how much of the heat lies on the pixels that were explained, in [0, 1]."""
    spread = np.clip(smooth(cam.heat, (where.shape[0], where.shape[1])), 0, 1)
    return float(spread[where].sum() / (spread.sum() or 1.0))


def _marked(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the picture with a frame around one pixel of the input."""
    y, x = (int(place[0]) for place in np.nonzero(where))
    scale_y, scale_x = picture.shape[0] / where.shape[0], picture.shape[1] / where.shape[1]
    left, top = x * scale_x, y * scale_y
    box = (left - 3, top - 3, left + scale_x + 3, top + scale_y + 3)
    return framed(picture, box, outline=MARK)
