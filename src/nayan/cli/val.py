"""`nayan val`: score a model on data with known answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.data.formats import FORMATS

Model = Annotated[Path, Parameter(help="a run folder or a bundle")]
Data = Annotated[Path, Parameter(help="a folder of pictures, or a file that lists them")]
FORMAT_HELP = f"of the data: {', '.join(FORMATS)}; recognised by default"
Format = Annotated[str | None, Parameter(help=FORMAT_HELP)]
Task = Annotated[
    str | None,
    Parameter(
        help="what the data are for: with compare a folder is an identity [default: what they look like]"
    ),
]
Tile = Annotated[
    int | None,
    Parameter(
        help="look at tiles of N x N px, for small objects in large pictures; 0 for whole pictures "
        "[default: as the model was trained]",
        metavar="N",
    ),
]
Overlap = Annotated[
    float | None,
    Parameter(help="of neighbouring tiles, as a fraction [default: as trained, or 0.2]", metavar="F"),
]
Features = Annotated[
    str | None,
    Parameter(
        help="by which drawn pictures are compared with real ones: random, inception, or a trained "
        "classifier or embedder [default: random]",
        metavar="random|inception|MODEL",
    ),
]
Backend = Annotated[
    Literal["auto", "onnx", "openvino"],
    Parameter(help="what runs the network; the fastest that is there by default"),
]


def val(
    model: Model,
    data: Data,
    /,
    *,
    split: Annotated[
        str | None, Parameter(help="train, val, test or all; by default test, else val, else all")
    ] = None,
    format: Format = None,
    batch: Annotated[
        int | None, Parameter(help="pictures at once [default: by the size of the input, at most 16]")
    ] = None,
    backend: Backend = "auto",
    tile: Tile = None,
    overlap: Overlap = None,
    features: Features = None,
    common: Common = COMMON,
) -> Output:
    """Score a model on data with known answers.

    Classes are matched by their names, so their order in the data does not matter.
    """
    from nayan import api

    result = api.val(
        model,
        data,
        split=split,
        format=format,
        batch=batch,
        backend=backend,
        tile=tile,
        overlap=overlap,
        features=features,
    )
    for failure in result["failures"]:
        common.say(f"warning: not scored: {failure['source']}: {failure['error']}")
    title = f"{result['model']} on {result['data']} ({result['split']}, {result['pictures']:,} pictures):"
    told = f"\n  measured by {result['protocol']}" if "protocol" in result else ""
    return common.output(result, f"{title}\n{scores_text(result['metrics'])}{told}")


def scores_text(metrics: Mapping[str, Any]) -> str:
    """Return one line a score, their values below each other.

    >>> print(scores_text({"accuracy": 0.9, "ece": 0.0123}))
      accuracy  0.9000
      ece       0.0123
    """
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    width = max(map(len, numbers), default=0)
    return "\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in numbers.items())
