"""`nayan explain`: look inside a network."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.table import fitted
from nayan.core.errors import ConfigError

if TYPE_CHECKING:
    from nayan.core.story import Story

_NETWORK = Group("Network (of a name or a description)", sort_key=1)
_ONE_LOOK = Group("For some looks", sort_key=2)
_DETECTORS = Group("For looks at detectors", sort_key=3)
_TRUTH = Group("What is really in the picture", sort_key=4)


def explain(
    model: Annotated[
        str,
        Parameter(
            help="a run folder, a bundle, a name of `nayan models`, a description such as "
            '"conv 6 5x5; relu; pool 2; flatten; dense 10", or a .yaml file with one'
        ),
    ],
    image: Annotated[Path | None, Parameter(help="a picture, for the looks that need one")] = None,
    /,
    *,
    what: Annotated[
        Literal[
            "summary",
            "filters",
            "features",
            "kernel",
            "receptive",
            "cam",
            "proposals",
            "anchors",
            "assignment",
            "candidates",
            "nms",
            "skips",
            "losses",
            "pair",
            "upsampling",
        ],
        Parameter(
            help="layers with their arithmetic; first-layer kernels; what each stage sees; a kernel of yours "
            "slid over a picture; which pixels a unit depends on; where the evidence for a class or a box "
            "lies. Of detectors: where objects may be; where it looks; who learns what; from candidates to "
            "detections; which boxes are suppressed. Of segmenters: what each skip connection carries; what "
            "each loss makes of a border. Of embedders: which regions of two pictures match. Of all: how "
            "maps are made larger"
        ),
    ] = "summary",
    out: Annotated[
        Path | None, Parameter(help="write pictures and JSON here [default: runs/explain/...]", metavar="DIR")
    ] = None,
    imgsz: Annotated[int | None, Parameter(help="side of the input in pixels", group=_NETWORK)] = None,
    channels: Annotated[
        Literal[1, 3] | None, Parameter(help="of the input: 3, or 1 for gray", group=_NETWORK)
    ] = None,
    classes: Annotated[int | None, Parameter(help="how many classes it tells apart", group=_NETWORK)] = None,
    weights: Annotated[
        str,
        Parameter(
            help="imagenet or coco (fetched), none, or a .safetensors FILE", metavar="W", group=_NETWORK
        ),
    ] = "none",
    layer: Annotated[str | None, Parameter(help="this layer only", group=_ONE_LOOK)] = None,
    class_name: Annotated[
        str | None,
        Parameter(
            help="cam: the class that is explained, instead of the predicted one",
            metavar="NAME",
            group=_ONE_LOOK,
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        Parameter(
            help='kernel: a name such as sobel_x, or numbers: "1 0 -1; 2 0 -2; 1 0 -1"', group=_ONE_LOOK
        ),
    ] = None,
    at: Annotated[
        str | None,
        Parameter(
            help="kernel: the pixel whose dot product is written out; anchors: whose cell is drawn; cam of a "
            "segmenter: the one pixel whose class is explained",
            metavar="X,Y",
            group=_ONE_LOOK,
        ),
    ] = None,
    stride: Annotated[
        int | None, Parameter(help="kernel: pixels between two places", group=_ONE_LOOK)
    ] = None,
    padding: Annotated[
        str | None, Parameter(help="kernel: zeros around the picture", metavar="N|same", group=_ONE_LOOK)
    ] = None,
    flip: Annotated[
        bool, Parameter(help="kernel: true convolution instead of correlation", negative="", group=_ONE_LOOK)
    ] = False,
    other: Annotated[
        Path | None,
        Parameter(help="pair: the picture that IMAGE is compared with", metavar="IMAGE", group=_ONE_LOOK),
    ] = None,
    data: Annotated[
        Path | None,
        Parameter(
            help="the data set that the picture is from, for its true boxes, which assignment needs, or its "
            "mask [default: what the run was trained on]",
            group=_TRUTH,
        ),
    ] = None,
    format: Annotated[
        str | None, Parameter(help="of the data, where it is not recognised", group=_TRUTH)
    ] = None,
    fill: Annotated[
        Literal["mean", "zero"] | None,
        Parameter(help="skips: what stands in the place of a skip: its mean, or zeros", group=_ONE_LOOK),
    ] = None,
    conf: Annotated[
        float | None,
        Parameter(help="candidates, nms: least score [default: as fitted, else 0.25]", group=_DETECTORS),
    ] = None,
    iou: Annotated[
        float | None,
        Parameter(
            help="candidates, nms: boxes that overlap more are one object [default: the model's]",
            group=_DETECTORS,
        ),
    ] = None,
    box: Annotated[
        int | None,
        Parameter(help="cam: which detection, from 1 by falling score", metavar="N", group=_DETECTORS),
    ] = None,
    count: Annotated[
        int | None,
        Parameter(help="proposals: how many selective search makes", metavar="N", group=_DETECTORS),
    ] = None,
    mode: Annotated[
        Literal["single", "fast", "quality"] | None,
        Parameter(help="proposals: how thoroughly it searches", group=_DETECTORS),
    ] = None,
    top: Annotated[
        int | None, Parameter(help="proposals: how many are drawn large", metavar="N", group=_DETECTORS)
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Look inside a network: numbers and pictures that show what it does.

    For --what kernel and proposals no network is needed: nayan explain IMAGE --what kernel --kernel sobel_x
    """
    from nayan import api

    options = {
        "layer": layer,
        "class_name": class_name,
        "kernel": kernel,
        "at": None if at is None else _point(at),
        "stride": stride,
        "padding": int(padding) if padding is not None and padding.isdigit() else padding,
        "flip": flip or None,
        "other": other,
        "fill": fill,
        "conf": conf,
        "iou": iou,
        "box": box,
        "count": count,
        "mode": mode,
        "top": top,
    }
    story = api.explain(
        model,
        image,
        what=what,
        imgsz=imgsz,
        channels=channels,
        classes=classes,
        weights=weights,
        data=data,
        format=format,
        **{name: value for name, value in options.items() if value is not None},
    )
    files: list[Path] = []
    if out is not None or any(panel.image is not None or panel.svg for panel in story.panels):
        files = story.write(out or Path("runs/explain") / _folder_name(model, what))
    text = story_text(story)
    if files:
        text += "\n\nwritten:\n" + "\n".join(f"  {file}" for file in files)
    return common.output({**story.to_json(), "files": [str(file) for file in files]}, text)


def story_text(story: Story) -> str:
    """Return a story for reading in a terminal: titles, texts and tables; pictures are written elsewhere."""
    blocks = [story.title]
    for panel in story.panels:
        parts = [panel.title, *(textwrap.fill(line, 100) for line in panel.text.splitlines())]
        if panel.table is not None:
            parts.append(fitted(panel.table.columns, panel.table.rows))
        blocks.append("\n".join(part for part in parts if part))
    return "\n\n".join(blocks)


def _point(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*[, x]\s*(\d+)\s*", text)
    if not match:
        raise ConfigError(f"--at {text}: expected the pixel as X,Y, such as 120,80")
    return int(match[1]), int(match[2])


def _folder_name(model: str, what: str) -> str:
    """Return a name for the folder of pictures.

    >>> _folder_name("runs/classify/lenet", "cam")
    'lenet_cam'
    """
    stem = re.sub(r"[^A-Za-z0-9.]+", "_", Path(model).stem).strip("_.")[:40]
    return f"{stem or 'model'}_{what}"
