"""Grad-CAM: where in the picture the network found its answer.

Paper: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual Explanations from Deep
Networks via Gradient-based Localization", 2017, arXiv:1610.02391.

The gradient of a class's logit says how much each map of a late stage speaks for that class; the maps,
weighted by it and summed, say where. Whether the answer really comes from there is tested by taking
the marked pixels away (`faithfulness`).
"""

# (h, w) network input, (m, n) map of the stage, C its channels

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.svg import BAD, GOOD
from nayan.core.types import Image
from nayan.explain.faithfulness import Faithfulness, measure_faithfulness
from nayan.explain.paint import as_rgb, colour, enlarge, fit, overlay, row, smooth
from nayan.explain.plot import Curve, curves_svg
from nayan.explain.record import evaluating, record
from nayan.explain.segmentation.cam import explain_mask_cam
from nayan.explain.segmentation.look import logits_of_pixels
from nayan.explain.stages import as_map, logits_of, map_stages, pixel_batch
from nayan.explain.subject import Subject
from nayan.tasks.detection.network import Detector

_PICTURE_PX = 280

STEPS = 16
"""Points of the deletion and insertion curves of a classifier."""


@dataclass(frozen=True, slots=True, eq=False)
class Cam:
    """A class activation map.

    Attributes:
        heat: (m, n) in [0, 1], the largest is 1 unless nothing speaks for the class (then all 0).
        label: index of the class.
        probability: that the network gives it.
        layer: the stage that was looked at.
    """

    heat: NDArray[np.float32]
    label: int
    probability: float
    layer: str


def grad_cam(model: nn.Module, pixels: Tensor, *, label: int | None = None, layer: str | None = None) -> Cam:
    """Return the Grad-CAM of one picture.

    Args:
        model: a classifier; any module with (B, classes) logits. Its mode and its gradients stay as they are.
        pixels: (1, channels, h, w) float, as the network takes them.
        label: class index; by default the most probable one.
        layer: stage or sub-module to look at; by default the last with a map.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if the module is no classifier, or nothing in it puts out a map.
    """
    source = pixels.detach().clone().requires_grad_()
    with evaluating(model):
        stages = map_stages(model, source, layer=layer)
        name = list(stages)[-1]
        with torch.enable_grad(), record(model, {name: stages[name]}, gradients=True) as seen:
            logits = logits_of(model(source))
            chosen = int(logits[0].argmax()) if label is None else label
            torch.autograd.grad(
                logits[0, chosen], source
            )  # reaches the stage on its way; touches no parameter
    maps, gradients = as_map(seen[name])[0], as_map(seen.gradients[name])[0]  # (C, m, n)
    weights = gradients.mean(dim=(1, 2), keepdim=True)  # eq. 1
    heat: NDArray[np.float32] = (weights * maps).sum(dim=0).clamp(min=0).float().cpu().numpy()  # eq. 2
    largest = float(heat.max())
    probability = float(logits[0].detach().softmax(dim=0)[chosen])
    return Cam(heat / np.float32(largest or 1.0), chosen, probability, name)


def explain_cam(
    subject: Subject,
    *,
    class_name: str | None = None,
    layer: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    box: int | None = None,
    at: tuple[int, int] | None = None,
) -> Story:
    """Show where a network found a class, a detector a box, a segmenter its pixels; test whether it is true.

    Args:
        subject: needs a network and a picture.
        class_name: name or number of the class; by default the predicted one.
        layer: see `grad_cam`.
        steps: points of the deletion and insertion curves; by default 16, or fewer for a detector.
        seed: of the random orders that they are compared with.
        box: for a detector: which of its boxes, counted from 1 by falling score; by default the best.
        at: for a segmenter: (x, y), only the class of this pixel of the picture is explained.

    Raises:
        NotFound: if there is no such class or layer.
        ConfigError: if another network is asked for a box or a pixel.
    """
    model = subject.model
    if isinstance(model, Detector):
        _refuse_pixel(at)
        from nayan.explain.detection.cam import explain_box_cam

        return explain_box_cam(subject, box=box, class_name=class_name, layer=layer, steps=steps, seed=seed)
    if box is not None:
        raise ConfigError(f"--box {box} is for detectors", hint="use --class-name NAME for a classifier")
    pixels = pixel_batch(subject, model)
    with evaluating(model), torch.no_grad():
        raw = model(pixels)
    if logits_of_pixels(raw, pixels) is not None:
        return explain_mask_cam(subject, class_name=class_name, layer=layer, steps=steps, seed=seed, at=at)
    _refuse_pixel(at)
    count = logits_of(raw).shape[1]
    label = None if class_name is None else subject.class_index(class_name, count)
    cam = grad_cam(model, pixels, label=label, layer=layer)
    count = STEPS if steps is None else steps
    scores = measure_faithfulness(model, pixels, heat=cam.heat, label=cam.label, steps=count, seed=seed)
    name = subject.class_name(cam.label)
    return Story(
        f"Where is {name}?", [_cam_panel(cam, as_rgb(subject.pixels()), name), trust_panel(scores, name)]
    )


def _refuse_pixel(at: tuple[int, int] | None) -> None:
    if at is not None:
        raise ConfigError(f"--at {at[0]},{at[1]} is for segmenters, which answer for every pixel")


def _cam_panel(cam: Cam, picture: Image, name: str) -> Panel:
    shown = fit(picture, _PICTURE_PX)
    size = (shown.shape[0], shown.shape[1])
    heat = np.clip(smooth(cam.heat, size), 0, 1)
    cells = f"{cam.heat.shape[0]}x{cam.heat.shape[1]}"
    nothing = "" if cam.heat.any() else " Nothing in this stage speaks for the class."
    return Panel(
        f"Grad-CAM for {name}",
        f"The network gives {name} {cam.probability:.1%}. Bright is where stage {cam.layer} ({cells} cells) "
        f"speaks for it; the map is enlarged from those cells, so its borders are "
        f"no finer than they.{nothing}",
        image=row(
            [shown, enlarge(colour(cam.heat, low=0.0, high=1.0), size), overlay(shown, heat)],
            captions=["network input", f"heat, {cells}", f"{name} {cam.probability:.1%}"],
        ),
        data={
            "class": name,
            "label": cam.label,
            "probability": cam.probability,
            "layer": cam.layer,
            "heat": np.round(cam.heat, 4).tolist(),
        },
    )


def trust_panel(scores: Faithfulness, name: str, *, what: str = "probability") -> Panel:
    """Return the panel that says whether a map is true.

    Args:
        scores: of the map.
        name: of what was explained.
        what: is measured of it.
    """
    x = scores.fractions.tolist()
    lines = (
        Curve(f"deletion, hottest first: {scores.deletion_auc:.3f}", x, scores.deletion.tolist(), BAD),
        Curve(
            f"deletion, random order: {scores.random_deletion_auc:.3f}",
            x,
            scores.random_deletion.tolist(),
            BAD,
            dashed=True,
        ),
        Curve(f"insertion, hottest first: {scores.insertion_auc:.3f}", x, scores.insertion.tolist(), GOOD),
        Curve(
            f"insertion, random order: {scores.random_insertion_auc:.3f}",
            x,
            scores.random_insertion.tolist(),
            GOOD,
            dashed=True,
        ),
    )
    verdict = {
        (True, True): "Both hold here: the marked pixels carry the answer.",
        (False, False): "Neither holds here: do not trust this map.",
    }.get(
        (
            scores.deletion_auc < scores.random_deletion_auc,
            scores.insertion_auc > scores.random_insertion_auc,
        ),
        "Only one of the two holds here: trust this map with care.",
    )
    return Panel(
        "Is it faithful?",
        f"If the map is right, taking the hottest pixels away first must make the {what} fall faster "
        "than a random order does (smaller area under the curve), and adding them first to a "
        f"{scores.start} picture must make it rise faster (larger area). {verdict} Random orders have the "
        f"same coarse cells; the mean of {scores.num_random} is shown.",
        svg=curves_svg(lines, title=f"{what.capitalize()} of {name}", x_label="pixels changed", y_label=what),
        table=Table(
            ("test", "hottest first", "random order", "better is"),
            (
                ("deletion", round(scores.deletion_auc, 4), round(scores.random_deletion_auc, 4), "lower"),
                (
                    "insertion",
                    round(scores.insertion_auc, 4),
                    round(scores.random_insertion_auc, 4),
                    "higher",
                ),
            ),
        ),
        data={
            "deletion_auc": scores.deletion_auc,
            "random_deletion_auc": scores.random_deletion_auc,
            "insertion_auc": scores.insertion_auc,
            "random_insertion_auc": scores.random_insertion_auc,
        },
    )
