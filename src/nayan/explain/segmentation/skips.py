"""What the skip connections carry: the same picture with all of them, without each, and without any.

Paper: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015,
arXiv:1505.04597, section 2: what is seen on the way down is laid beside what comes up, "to localize".

Whether that is what they do is asked of the trained network itself: a skip is replaced by its mean
(`silence`), and the mask is compared with the truth, or with the one that all skips give.
"""

# K classes, (H, W) picture

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.types import VOID, Image
from nayan.explain.paint import fit, grid, overlay, smooth
from nayan.explain.segmentation.look import Look, check_segmenter, look_at, masked, shown
from nayan.explain.segmentation.silence import Skip, skips_of, without
from nayan.explain.stages import own_stages, pixel_batch
from nayan.explain.subject import Subject
from nayan.tasks.segmentation.boundaries import borders, near, tolerance_px
from nayan.tasks.segmentation.metric import SegmentationMetric

_TILE_PX = 300

MOVED = 0.01
"""By less than that a score has not changed."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """The network with some of its skips taken away.

    Attributes:
        name: what is taken away.
        look: what it says then.
        miou, boundary_f1: against the truth, or against the whole network's mask.
        changed: share of the picture's pixels with another class than the whole network gives.
        at_border: share of those near a border of the reference.
    """

    name: str
    look: Look
    miou: float
    boundary_f1: float
    changed: float
    at_border: float


def explain_skips(subject: Subject, *, fill: str = "mean") -> Story:
    """Show what each skip connection carries.

    Args:
        subject: needs a segmenter and a picture; its mask is the reference where it is known.
        fill: what stands in the place of a skip: "mean" of each channel, or "zero".

    Raises:
        ConfigError: if it is no segmenter, has no skips, or for another fill.
    """
    model = subject.model
    check_segmenter(model)
    pixels = pixel_batch(subject, model)
    whole = look_at(subject)
    found = skips_of(model, pixels)
    if not found:
        raise ConfigError(_no_skips(subject), hint="look at unet, fcn8s or smp/fpn; or use --what features")
    reference = whole.found.ids if subject.mask is None else subject.mask.ids
    if reference.shape != whole.found.ids.shape:
        raise ConfigError(
            f"the mask has {reference.shape} pixels (H, W), the picture {whole.found.ids.shape}",
            hint="give the mask of this picture",
        )
    chosen: list[tuple[str, list[Skip]]] = [("all skips", [])]
    chosen += [(f"without {skip.name}", [skip]) for skip in found]
    if len(found) > 1:
        chosen.append(("without any", found))
    variants = []
    for name, gone in chosen:
        with without(gone, fill=fill):
            variants.append(_judged(name, look_at(subject), whole, reference))
    panels = [
        _masks(subject, variants, found, fill),
        _close_up(subject, variants, reference),
        _moved(subject, variants),
    ]
    return Story("What the skip connections carry", panels)


def _no_skips(subject: Subject) -> str:
    stages = ", ".join(own_stages(subject.model)) or "none of its own"
    return (
        f"{type(subject.model).__name__} has no skip connections: between its stages ({stages}) one map "
        "passes, or all others are left unread"
    )


def _judged(name: str, look: Look, whole: Look, reference: NDArray[np.uint8]) -> Variant:
    metric = SegmentationMetric(look.names)
    metric.update([look.found], [replace(whole.found, ids=reference, scores=None)])
    scores = metric.compute()
    known = reference != VOID
    differ = (look.found.ids != whole.found.ids) & known
    border = near(borders(reference), tolerance_px((reference.shape[0], reference.shape[1])))
    at_border = float((differ & border).sum() / max(1, differ.sum()))
    changed = float(differ.sum() / max(1, known.sum()))
    return Variant(name, look, scores["miou"], scores["boundary_f1"], changed, at_border)


def _masks(subject: Subject, variants: list[Variant], skips: list[Skip], fill: str) -> Panel:
    picture = shown(subject.picture, _TILE_PX)
    tiles, captions = [picture], ["picture"]
    if subject.mask is not None:
        tiles.append(masked(picture, subject.mask.ids, variants[0].look.names))
        captions.append("truth")
    for each in variants:
        tiles.append(masked(picture, each.look.found.ids, variants[0].look.names))
        captions.append(f"{each.name}: mIoU {each.miou:.3f}, borders {each.boundary_f1:.3f}")
    rows = tuple(
        (v.name, round(v.miou, 4), round(v.boundary_f1, 4), _percent(v.changed),
         _percent(v.at_border) if v.changed else "")
        for v in variants
    )  # fmt: skip
    against = "the truth" if subject.mask is not None else "the mask with all skips, since no truth is known"
    how = "its mean over the picture" if fill == "mean" else "zeros"
    shapes = ", ".join(f"{skip.name} ({'x'.join(map(str, skip.shape))})" for skip in skips)
    return Panel(
        "With and without",
        f"Skips are named by their size: {shapes}. One is taken away by putting {how} in its place; the "
        f"weights stay. Masks are compared with {against}. {_verdict(variants)}",
        image=grid(tiles, captions=captions, columns=min(4, len(tiles)), gap=10),
        table=Table(("skips", "mIoU", "boundary F1", "pixels changed", "of these near a border"), rows),
        data={
            "fill": fill,
            "against": "truth" if subject.mask is not None else "all skips",
            "skips": [
                {"name": s.name, "stage": s.stage, "stride": s.stride, "shape": list(s.shape)} for s in skips
            ],
            "variants": [
                {
                    "name": v.name,
                    "miou": v.miou,
                    "boundary_f1": v.boundary_f1,
                    "changed": v.changed,
                    "at_border": v.at_border,
                }
                for v in variants
            ],
        },
    )


def _verdict(variants: list[Variant]) -> str:
    """Return in words which skip matters most, to the classes and to the borders."""
    whole, single = variants[0], [v for v in variants[1:] if v.name != "without any"]
    borders_by = max(single, key=lambda v: whole.boundary_f1 - v.boundary_f1)
    lost = whole.boundary_f1 - borders_by.boundary_f1
    if lost < MOVED:
        told = "No single skip carries the borders: their F1 falls by less than 0.01 without each of them."
    else:
        told = f"The borders hang most on {borders_by.name.removeprefix('without ')}: without it their F1 "
        told += f"falls from {whole.boundary_f1:.3f} to {borders_by.boundary_f1:.3f}."
    classes_by = max(single, key=lambda v: whole.miou - v.miou)
    if whole.miou - classes_by.miou >= MOVED:
        also = " too" if classes_by is borders_by and lost >= MOVED else ""
        told += f" The classes hang most on {classes_by.name.removeprefix('without ')}{also}: mIoU "
        told += f"{whole.miou:.3f} to {classes_by.miou:.3f}."
    if variants[-1].name == "without any":
        last = variants[-1]
        told += f" Without any, mIoU is {last.miou:.3f} and the boundary F1 {last.boundary_f1:.3f}."
    return told


def _close_up(subject: Subject, variants: list[Variant], reference: NDArray[np.uint8]) -> Panel:
    """Return the panel of the part of the picture where taking skips away changes most."""
    changes = np.zeros(reference.shape, np.float32)
    for each in variants[1:]:
        changes += (each.look.found.ids != variants[0].look.found.ids) & (reference != VOID)
    top, left, side = _busiest(changes)
    window = (slice(top, top + side), slice(left, left + side))
    names = variants[0].look.names
    part = fit(np.ascontiguousarray(subject.picture[window]), _TILE_PX)
    tiles, captions = [part], ["picture"]
    if subject.mask is not None:
        tiles.append(masked(part, reference[window], names))
        captions.append("truth")
    for each in variants:
        tiles.append(masked(part, each.look.found.ids[window], names))
        captions.append(each.name)
    return Panel(
        "Close up",
        f"The {side}x{side} pixels at x = {left}, y = {top} where the masks differ most. A border that "
        "turns round or blocky without a skip was drawn by that skip; a thing that vanishes was seen there "
        "only.",
        image=grid(tiles, captions=captions, columns=min(4, len(tiles)), gap=10),
        data={"left": left, "top": top, "side": side},
    )


def _busiest(changes: NDArray[np.float32]) -> tuple[int, int, int]:
    """Return (top, left, side) of the square, a third of the shorter side, that holds most changes."""
    height, width = changes.shape
    side = max(1, min(height, width) // 3)
    sums = np.pad(changes.cumsum(axis=0, dtype=np.float64).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    if not inside.any():
        return (height - side) // 2, (width - side) // 2, side
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left), side


def _moved(subject: Subject, variants: list[Variant]) -> Panel:
    """Return the panel of how far the probabilities move, place by place."""
    picture = shown(subject.picture, _TILE_PX)
    whole = variants[0].look
    heats = [_distance(whole, each.look) for each in variants[1:]]
    most = float(np.quantile(np.stack(heats), 0.999)) or 1.0
    tiles: list[Image] = []
    for heat in heats:
        placed = smooth(_of_picture(heat, whole), (picture.shape[0], picture.shape[1]))
        tiles.append(overlay(picture, np.clip(placed / most, 0, 1)))
    captions = [
        f"{each.name}: {_percent(float(heat.mean()))} moved"
        for each, heat in zip(variants[1:], heats, strict=True)
    ]
    return Panel(
        "What each skip moves",
        "How much probability goes from one class to another in each pixel when a skip is taken away, also "
        f"where the class stays the same. Dark is none; the brightest is {_percent(most)}, in all pictures.",
        image=grid(tiles, captions=captions, columns=min(4, len(tiles)), gap=10),
        data={
            "moved": {each.name: float(heat.mean()) for each, heat in zip(variants[1:], heats, strict=True)}
        },
    )


def _distance(one: Look, other: Look) -> NDArray[np.float32]:
    """Return (h, w) in [0, 1]: half the sum of the differences of the probabilities (total variation)."""
    moved: NDArray[np.float32] = np.abs(one.probabilities - other.probabilities).sum(axis=0) / 2
    return moved


def _of_picture(values: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
    """Return the part of (h, w) values of the input that shows the picture."""
    place, size = look.placement, values.shape
    cut = []
    for offset, scale, side, limit in zip(place.offset, place.scale, place.original, size, strict=True):
        first = min(max(0, round(offset)), limit - 1)
        cut.append(slice(first, max(first + 1, min(limit, round(offset + side * scale)))))
    return values[cut[0], cut[1]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
