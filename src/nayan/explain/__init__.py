"""The glass box: look at what a network is and does, without touching it.

Every explanation takes a `Subject` and returns a `Story`. The table below is data; nothing here imports
torch before an explanation runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from nayan.core.errors import ConfigError
from nayan.core.registry import Catalog, resolve
from nayan.core.story import Story
from nayan.core.types import Boxes, Image, SemanticMask
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EXPLANATIONS", "Explanation", "Subject", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One way of looking.

    Attributes:
        name: what the user types after `--what`.
        function: "module:function"; takes a `Subject` and the options by keyword.
        summary: one line for the table.
        options: names of the options that it takes.
        needs_network: whether it looks at a network.
        needs_image: whether it looks at a picture.
        truth: what it makes of the true objects of the picture: "" nothing, "uses" where they are known,
            "needs" it cannot do without.
        takes_inputs: whether it knows itself what the network takes beside the pixels.
        task: name of the task whose networks it looks at; "" for every network.
    """

    name: str
    function: str
    summary: str
    options: tuple[str, ...] = ()
    needs_network: bool = True
    needs_image: bool = False
    truth: Literal["", "uses", "needs"] = ""
    takes_inputs: bool = False
    task: str = ""


EXPLANATIONS = Catalog(
    "explanation",
    [
        Explanation(
            "summary",
            "nayan.explain.ledger:explain_summary",
            "every layer with its output size, parameters, multiply-adds and receptive field, worked out",
        ),
        Explanation(
            "filters",
            "nayan.explain.filters:explain_filters",
            "the kernels of the first convolution, or of --layer, as pictures",
            options=("layer",),
        ),
        Explanation(
            "features",
            "nayan.explain.features:explain_features",
            "what each stage sees in a picture: its strongest channels as heat maps",
            options=("layer", "channels"),
            needs_image=True,
        ),
        Explanation(
            "kernel",
            "nayan.explain.kernel:explain_kernel",
            "a filter of your own slid over a picture, with one dot product written out",
            options=("kernel", "at", "stride", "padding", "flip"),
            needs_network=False,
            needs_image=True,
        ),
        Explanation(
            "receptive",
            "nayan.explain.receptive:explain_receptive",
            "which input pixels a unit of each stage depends on, measured",
            options=("layer", "samples"),
        ),
        Explanation(
            "cam",
            "nayan.explain.cam:explain_cam",
            "where in a picture the network found its answer (Grad-CAM), and whether that is true",
            options=("class_name", "layer", "steps", "seed", "box", "at"),
            needs_image=True,
            takes_inputs=True,
        ),
        Explanation(
            "proposals",
            "nayan.explain.detection.proposals:explain_proposals",
            "where objects may be, by selective search or a network that proposes, before and after choosing",
            options=("count", "mode", "top"),
            needs_network=False,
            needs_image=True,
            truth="uses",
            takes_inputs=True,
            task="detection",
        ),
        Explanation(
            "anchors",
            "nayan.explain.detection.anchors:explain_anchors",
            "where a detector looks: the anchors or points of each level, and which objects they reach",
            options=("at",),
            needs_image=True,
            truth="uses",
            takes_inputs=True,
            task="detection",
        ),
        Explanation(
            "assignment",
            "nayan.explain.detection.assignment:explain_assignment",
            "who learns what: for each true object of a picture the candidates that have to find it",
            needs_image=True,
            truth="needs",
            takes_inputs=True,
            task="detection",
        ),
        Explanation(
            "candidates",
            "nayan.explain.detection.candidates:explain_candidates",
            "from candidates to detections: scored, kept, suppressed, with counts and other thresholds",
            options=("conf", "iou"),
            needs_image=True,
            truth="uses",
            takes_inputs=True,
            task="detection",
        ),
        Explanation(
            "nms",
            "nayan.explain.detection.nms:explain_nms",
            "which boxes non-maximum suppression takes away, which better one each gave way to",
            options=("conf", "iou"),
            needs_image=True,
            truth="uses",
            takes_inputs=True,
            task="detection",
        ),
        Explanation(
            "skips",
            "nayan.explain.segmentation.skips:explain_skips",
            "what each skip connection of a segmenter carries: the mask with all, without one, without any",
            options=("fill",),
            needs_image=True,
            truth="uses",
            task="segmentation",
        ),
        Explanation(
            "losses",
            "nayan.explain.segmentation.losses:explain_losses",
            "what each loss makes of a border, a thin thing and a rare class, and which pixels it pushes",
            truth="uses",
            task="segmentation",
        ),
        Explanation(
            "pair",
            "nayan.explain.embedding.pair:explain_pair",
            "which regions of two pictures make them similar, and whether that is true",
            options=("other", "steps", "seed"),
            needs_image=True,
            task="embedding",
        ),
        Explanation(
            "upsampling",
            "nayan.explain.upsampling:explain_upsampling",
            "how maps are made larger: a transposed convolution by hand, and the checkerboard, measured",
        ),
    ],
)
"""Every explanation by its name."""


def explain(
    network: nn.Module | None,
    *,
    what: str,
    preprocess: Preprocess,
    classes: Sequence[str] | None = None,
    image: Image | None = None,
    options: Mapping[str, Any] | None = None,
    truth: Boxes | SemanticMask | None = None,
    inputs: Mapping[str, Any] | None = None,
    decode_args: Mapping[str, Any] | None = None,
) -> Story:
    """Look at a network, a picture, or what the one makes of the other.

    Args:
        network: a `Network` or any module that takes (B, channels, h, w) pixels in [0, 255]; None where the
            explanation needs none.
        what: a name of `EXPLANATIONS`.
        preprocess: from a picture to the network's pixels; its size and channels are the network's input.
        classes: names in the order of the logits.
        image: an upright RGB picture, where the explanation needs one.
        options: of this explanation, as its entry lists them; None values count as not given.
        truth: what is really in the picture, in its pixels: objects for the looks at detectors, a mask for
            those at segmenters.
        inputs: what the network takes beside the pixels, and how it is made, as in its catalogue entry.
        decode_args: of a detector, such as the thresholds that were fitted on validation.

    Raises:
        NotFound: if there is no such explanation, layer, class or kernel.
        ConfigError: if a network, a picture or an option is missing or not taken.
    """
    entry = EXPLANATIONS[what]
    given = {name: value for name, value in (options or {}).items() if value is not None}
    for name in given:
        if name not in entry.options:
            near = difflib.get_close_matches(name, entry.options, n=1)
            taken = ", ".join(entry.options) or "none"
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"{what} does not take the option {name!r}", hint=f"{guess}it takes: {taken}")
    subject = Subject(
        network,
        preprocess,
        classes,
        image,
        truth=truth if isinstance(truth, Boxes) else None,
        mask=truth if isinstance(truth, SemanticMask) else None,
        inputs=inputs or {},
        decode_args=decode_args or {},
    )
    if entry.needs_network and network is None:
        raise ConfigError(f"{what} needs a network", hint="name a model, a run or a bundle")
    if entry.needs_image and image is None:
        raise ConfigError(f"{what} needs a picture", hint=f"nayan explain MODEL IMAGE --what {what}")
    if entry.truth == "needs" and truth is None:
        raise ConfigError(
            f"{what} needs the true boxes of the picture",
            hint="add --data DATA: the data set that the picture is from",
        )
    if subject.inputs and network is not None and not entry.takes_inputs:
        from nayan.explain.fed import Fed

        subject = replace(subject, network=Fed(subject))
    story: Story = resolve(entry.function)(subject, **given)
    return story
