"""The activation map of one detection: where in the picture the detector found this box and this class.

Papers: Selvaraju et al. (2017), Grad-CAM, arXiv:1610.02391; Zhao and Chan (2023), ODAM: Gradient-based
Instance-specific Visual Explanations for Object Detection, arXiv:2304.06354.

In place of a class's logit stands the score of the candidate that became the box. Grad-CAM averages the
gradient over the whole map, and so asks where anything of that class is; a detection is about one place, so
that here, as in ODAM, gradient and activation are multiplied cell by cell. Which map to look at, the papers
leave open: we take, of the maps of the backbone at stride 8 and more, the one whose cells move the score
most. The neck is no good choice: what it puts out was gathered from all around the cell before.

R-CNN cuts its proposals out of the picture before it looks: it sees nothing but the crop, so that its heat
lies in the proposal and the little that is cut out around it.
"""

# (h, w) network input, (m, n) map of the stage, D its channels, N candidates

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
from nayan.core.types import Boxes, Size
from nayan.explain.detection.easel import TILE, Easel, easel_for, names_of
from nayan.explain.detection.look import Look, as_array, inputs_of, look_at
from nayan.explain.detection.suppression import Pairs, iou_of, pairs_of
from nayan.explain.faithfulness import measure_score_faithfulness
from nayan.explain.paint import overlay, row, smooth
from nayan.explain.record import evaluating, every_tensor, record
from nayan.explain.stages import own_stages, pixel_batch
from nayan.explain.subject import Subject
from nayan.parts.boxes import iou_matrix
from nayan.tasks.detection.decode import LEAST
from nayan.tasks.detection.models.rcnn import with_context

STEPS = 8
"""Points of the deletion and insertion curves; a run of a detector takes longer than one of a classifier."""

BEHIND_BACKBONE = ("neck", "rpn")
"""Stages that mix what the backbone saw in different places."""

COARSE = 8
"""Pixels of the input for a cell: finer maps know edges, not objects."""

SAME_PLACE = 0.5
"""IoU from which on a candidate of a changed picture is about the same box."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxCam:
    """The activation map of one detection.

    Attributes:
        heat: (m, n) in [0, 1], the largest is 1 unless nothing speaks for the box (then all 0).
        place: (4,) xyxy in pixels of the network's input that the map covers: all of it, or a proposal.
        layer: what was looked at.
        channels: D.
    """

    heat: NDArray[np.float32]
    place: NDArray[np.float32]
    layer: str
    channels: int

    def spread(self, size: Size) -> NDArray[np.float32]:
        """Return the heat of every pixel of the input of (height, width), 0 outside of `place`."""
        x1, y1, x2, y2 = np.rint(self.place).astype(int).tolist()
        large = np.clip(smooth(self.heat, (max(1, y2 - y1), max(1, x2 - x1))), 0, 1)
        whole = np.zeros(size, np.float32)
        top, left, bottom, right = max(0, y1), max(0, x1), min(size[0], y2), min(size[1], x2)
        whole[top:bottom, left:right] = large[top - y1 : bottom - y1, left - x1 : right - x1]
        return whole


def explain_box_cam(
    subject: Subject,
    *,
    box: int | None = None,
    class_name: str | None = None,
    layer: str | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Story:
    """Show where a detection comes from, and test whether that is true.

    Args:
        subject: needs a detector and a picture.
        box: which detection, counted from 1 by falling score; by default the best.
        class_name: only detections of this class are counted.
        layer: stage or sub-module to look at; by default see `box_cam`.
        steps: points of the deletion and insertion curves; 0 leaves the test out, as does a detector that
            looks at its proposals one by one unless it is asked for.
        seed: of the random orders that the curves are compared with.

    Raises:
        ConfigError: if there are not so many detections, or no stage puts out a map.
        NotFound: if there is no such class or layer.
    """
    look = look_at(subject)
    names = names_of(subject, look.scores.shape[1])
    pairs, chosen = _choose(look, subject, box=box, class_name=class_name)
    cam = box_cam(
        subject, candidate=int(pairs.candidate[chosen]), label=int(pairs.labels[chosen]), layer=layer
    )
    place = f"{names[int(pairs.labels[chosen])]} {pairs.scores[chosen]:.2f}"
    panels = [_panel(cam, subject, pairs, chosen, names)]
    count = (0 if subject.inputs else STEPS) if steps is None else steps
    if count:
        panels.append(_trust(cam, subject, look, pairs, chosen, steps=count, seed=seed, name=place))
    return Story(f"Where does {place} come from?", panels)


def box_cam(subject: Subject, *, candidate: int, label: int, layer: str | None = None) -> BoxCam:
    """Return the activation map of the score that a candidate gives a class.

    Args:
        subject: needs a detector and a picture.
        candidate: its number among those of `deploy`.
        label: the class.
        layer: stage or sub-module; by default the stages of the backbone. Of all maps that it puts out the
            one is taken whose cells move the score most.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if nothing that is looked at puts out a map, or none of its maps moves the score.
    """
    model: Any = subject.model
    source = pixel_batch(subject, model).requires_grad_()
    size = (int(source.shape[2]), int(source.shape[3]))
    watched = _layers(model, layer)
    pick = _maps_smaller_than(size)
    with evaluating(model), torch.enable_grad(), record(model, watched, gradients=True, pick=pick) as seen:
        raw = model(source, **inputs_of(subject))
        score = model.deploy(raw)["scores"][0, candidate, label]
        torch.autograd.grad(score, source, allow_unused=True)
    name = _most_moving(seen, seen.gradients, size)
    by_crop = len(seen[name]) > 1
    number = candidate if by_crop else 0
    maps, gradients = seen[name][number], seen.gradients[name][number]  # (D, m, n)
    heat = as_array((gradients * maps).sum(dim=0).clamp(min=0))
    whole = torch.tensor([0, 0, size[1], size[0]])
    place = as_array(with_context(raw.boxes[0, candidate]) if by_crop else whole).astype(np.float32)
    return BoxCam((heat / (heat.max() or 1.0)).astype(np.float32), place, name, len(maps))


def _layers(model: nn.Module, layer: str | None) -> dict[str, nn.Module]:
    """Return what to watch: the stages of the backbone, or one stage or sub-module."""
    stages = own_stages(model)
    if layer is None:
        return {name: stage for name, stage in stages.items() if name not in BEHIND_BACKBONE}
    known = {**dict(model.named_modules()), **stages}
    if layer not in known:
        raise NotFound("layer", layer, [*stages, *(name for name in known if name)])
    return {layer: known[layer]}


def _maps_smaller_than(size: Size) -> Callable[[Any], dict[str, Tensor]]:
    """Return what picks the maps of an output: (B, D, m, n), coarser than the picture itself."""

    def pick(output: Any) -> dict[str, Tensor]:
        found = [
            tensor
            for tensor in every_tensor(output)
            if tensor.ndim == 4 and max(tensor.shape[2:]) > 1 and tuple(tensor.shape[2:]) != size
        ]
        return {f"[{row}]" if len(found) > 1 else "": tensor for row, tensor in enumerate(found)}

    return pick


def _most_moving(seen: Mapping[str, Tensor], gradients: Mapping[str, Tensor], size: Size) -> str:
    """Return which map's cells move the score most, of those that are coarse enough where there are any."""
    strength: dict[str, tuple[bool, float]] = {}
    for name, gradient in gradients.items():
        rows, columns = gradient.shape[2:]
        moved = float((gradient * seen[name]).abs().sum()) / (rows * columns)
        is_coarse = size[0] >= COARSE * rows and size[1] >= COARSE * columns
        if moved > 0:
            strength[name] = (is_coarse, moved)
    if not strength:
        raise ConfigError(
            "no map that was looked at moves the score of this box",
            hint="choose a --layer before the head, such as a stage of the backbone, or another --box",
        )
    return max(strength, key=strength.__getitem__)


def _choose(look: Look, subject: Subject, *, box: int | None, class_name: str | None) -> tuple[Pairs, int]:
    """Return all pairs, and the number of the one that became the wanted detection."""
    least = np.full(look.scores.shape[1], LEAST, np.float32)
    iou, agnostic = iou_of(subject.decode_args, None), bool(subject.decode_args.get("agnostic", False))
    pairs = pairs_of(look, least, iou=iou, agnostic=agnostic)
    kept = pairs.kept
    if class_name is not None:
        kept = kept & (pairs.labels == subject.class_index(class_name, look.scores.shape[1]))
    rows = np.flatnonzero(kept)
    number = 1 if box is None else box
    if not 1 <= number <= len(rows):
        what = f"of class {class_name} " if class_name else ""
        raise ConfigError(
            f"--box {number}: the detector finds {len(rows)} boxes {what}in this picture",
            hint=f"choose from 1 (the surest) to {len(rows)}"
            if len(rows)
            else "try another picture or class",
        )
    return pairs, int(rows[number - 1])


def _panel(cam: BoxCam, subject: Subject, pairs: Pairs, chosen: int, names: list[str]) -> Panel:
    easel = easel_for(subject, side=TILE)
    boxes = pairs.as_boxes(np.array([chosen]))
    name, score = names[int(boxes.labels[0])], float(pairs.scores[chosen])
    heat = _shown_heat(cam, subject, easel)
    painted = Easel(overlay(easel.image, heat), easel.scale, easel.corner)
    cells = f"{cam.heat.shape[0]}x{cam.heat.shape[1]}"
    nothing = "" if cam.heat.any() else " Nothing in this map speaks for the box."
    x1, y1, x2, y2 = np.rint(pairs.xyxy[chosen]).astype(int).tolist()
    inside = _share_inside(cam, subject, pairs.xyxy[chosen])
    return Panel(
        f"What speaks for {name} {score:.2f}",
        f"The candidate that became this box gives {name} a score of {score:.3f}. Bright is where "
        f"{cam.layer} ({cam.channels} maps of {cells} cells) speaks for it; {inside:.0%} of the heat lies "
        f"inside the box. What lies outside is the surroundings that help to recognise it.{nothing}",
        image=row(
            [easel.named(boxes, names), painted.named(Boxes(boxes.xyxy, boxes.labels), names)],
            captions=["the detection", f"heat of {cam.layer}, {cells}"],
        ),
        data={
            "label": name,
            "score": round(score, 4),
            "box": [x1, y1, x2, y2],
            "layer": cam.layer,
            "inside": round(inside, 4),
            "heat": np.round(cam.heat, 4).tolist(),
        },
    )


def _shown_heat(cam: BoxCam, subject: Subject, easel: Easel) -> NDArray[np.float32]:
    """Return the heat of every pixel of the easel's picture."""
    height, width = easel.image.shape[:2]
    left, top = easel.corner
    right, bottom = left + width / easel.scale[0], top + height / easel.scale[1]
    whole = cam.spread(subject.preprocess.size)
    part = whole[
        round(top) : max(round(top) + 1, round(bottom)), round(left) : max(round(left) + 1, round(right))
    ]
    return np.clip(smooth(part, (height, width)), 0, 1)


def _share_inside(cam: BoxCam, subject: Subject, box: NDArray[np.float32]) -> float:
    """Return which share of the heat lies in a box of the network's input."""
    whole = cam.spread(subject.preprocess.size)
    x1, y1, x2, y2 = np.rint(box).astype(int).clip(min=0).tolist()
    return float(whole[y1:y2, x1:x2].sum() / (whole.sum() or 1.0))


def _trust(
    cam: BoxCam,
    subject: Subject,
    look: Look,
    pairs: Pairs,
    chosen: int,
    *,
    steps: int,
    seed: int,
    name: str,
) -> Panel:
    """Return the panel that takes the marked pixels away and watches the score."""
    from nayan.explain.cam import trust_panel

    extra, model = inputs_of(subject), look.detector
    wanted, label = torch.from_numpy(pairs.xyxy[[chosen]]), int(pairs.labels[chosen])

    def score(pixels: Tensor) -> Tensor:
        """Return (b,) the best score of the class for a box at this place."""
        repeated = {key: value.expand(len(pixels), *value.shape[1:]) for key, value in extra.items()}
        found = model.deploy(model(pixels, **repeated))
        boxes = found["boxes"] if found["boxes"].ndim == 3 else found["boxes"][:, :, label]
        near = iou_matrix(boxes.float(), wanted.to(boxes.device)[None].expand(len(boxes), -1, -1))[..., 0]
        best: Tensor = (found["scores"][..., label] * (near >= SAME_PLACE)).amax(dim=1)
        return best

    with evaluating(model), torch.no_grad():
        scores = measure_score_faithfulness(
            score,
            pixel_batch(subject, model),
            heat=cam.spread(subject.preprocess.size),
            cells=cam.heat.shape,
            steps=steps,
            seed=seed,
        )
    return trust_panel(scores, name, what="score")
