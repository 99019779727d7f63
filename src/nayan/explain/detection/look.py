"""What a detector says of one picture, in NumPy: the start of every look at it."""

# N candidates, C classes, M objects, P proposals

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nayan.core.errors import ConfigError
from nayan.core.types import Boxes
from nayan.explain.detection.easel import placement_of, truth_in_input
from nayan.explain.record import evaluating
from nayan.explain.stages import device_of, pixel_batch
from nayan.explain.subject import Subject
from nayan.runtime.inputs import make_inputs
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.network import Detector, Targets


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One run of a detector.

    Attributes:
        detector: in the mode that it was in before.
        raw: the family's own, of a batch of one.
        boxes: (N, 4) xyxy in pixels of the network's input, or (N, C, 4) where each class has its own.
        scores: (N, C) in [0, 1].
        placement: of the picture in the network's input.
        truth: the objects, in pixels of the network's input; None where they are not known.
    """

    detector: Any
    raw: Any
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    placement: Placement
    truth: Boxes | None

    def targets(self) -> Targets:
        """Return the true objects as the detector learns from them.

        Raises:
            ConfigError: if they are not known.
        """
        if self.truth is None:
            raise ConfigError(
                "this look needs the true boxes of the picture",
                hint="--data DATA: the data set that the picture is from",
            )
        boxes = torch.from_numpy(self.truth.xyxy)[None].to(device_of(self.detector))
        return Targets(boxes, torch.from_numpy(self.truth.labels)[None].to(boxes.device))


def look_at(subject: Subject) -> Look:
    """Run the subject's detector on its picture.

    Raises:
        ConfigError: if it is no detector, a picture is missing, or an input that it needs.
    """
    detector = detector_of(subject)
    pixels, extra = pixel_batch(subject, detector), inputs_of(subject)
    with evaluating(detector), torch.no_grad():
        raw = detector(pixels, **extra)
        found = detector.deploy(raw)
    return Look(
        detector,
        raw,
        boxes=as_array(found["boxes"][0]),
        scores=as_array(found["scores"][0]),
        placement=placement_of(subject),
        truth=truth_in_input(subject),
    )


def detector_of(subject: Subject) -> Any:
    """Return the subject's network.

    Raises:
        ConfigError: if it is no detector.
    """
    if not isinstance(subject.model, Detector):
        raise ConfigError(
            f"this look is for detectors, and {type(subject.model).__name__} is none",
            hint="name a detector of `nayan models --task detect`, or a run or bundle of one",
        )
    return subject.model


def inputs_of(subject: Subject) -> dict[str, Tensor]:
    """Return what the detector takes beside the pixels, (1, ...) by name.

    Raises:
        ConfigError: if nothing says how an input is made.
    """
    needed = inspect.signature(subject.model.forward).parameters.values()
    lacking = [
        each.name
        for each in needed
        if each.kind is each.KEYWORD_ONLY and each.default is each.empty and each.name not in subject.inputs
    ]
    if lacking:
        raise ConfigError(
            f"{type(subject.model).__name__} takes {', '.join(lacking)} beside the pixels",
            hint="say how they are made: explain(..., inputs=...), as in its catalogue entry",
        )
    made = make_inputs(subject.inputs, [subject.pixels()])
    return {name: torch.from_numpy(array).to(device_of(subject.model)) for name, array in made.items()}


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's numbers, floats of any width as float32."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
