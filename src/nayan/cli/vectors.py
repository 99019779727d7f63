"""What the verbs have in common that turn pictures into vectors: which model, and how it pools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

AnyModel = Annotated[
    str,
    Parameter(
        help="a run folder or a bundle, of an embedder or a classifier; or the name of a published backbone "
        "such as mobilenetv2_100"
    ),
]
Source = Annotated[
    str,
    Parameter(
        help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin',
        required=True,
    ),
]
Batch = Annotated[
    int | None, Parameter(help="pictures at once [default: by the size of the input, at most 16]")
]
Index = Annotated[
    str, Parameter(help="what `nayan index` made: a folder, or postgresql://HOST/DATABASE#NAME")
]
Filter = Annotated[
    str | None,
    Parameter(
        help="conditions on metadata, such as 'price < 10 and colour in (red, \"dark blue\")'",
        metavar="TEXT",
    ),
]
Sheet = Annotated[
    Path | None, Parameter(help="also write JSON and a sheet to look at into this folder", metavar="DIR")
]


@Parameter(name="*", group=Group("Of a name or a classifier", sort_key=40))
@dataclass(frozen=True, slots=True)
class VectorOptions:
    """Options that an embedder of its own has no use for."""

    weights: Annotated[
        str | None,
        Parameter(
            help="of a name: imagenet, or a .safetensors file [default: imagenet]", metavar="imagenet|FILE"
        ),
    ] = None
    pooling: Annotated[
        Literal["gap", "gem", "flatten"] | None,
        Parameter(
            help="from the last map to a vector: as the classifier does, mostly the mean (gap), the "
            "generalised mean, or every cell [default: gap]"
        ),
    ] = None
    imgsz: Annotated[
        int | None,
        Parameter(help="of a name: side of the input in px [default: as published]", metavar="N"),
    ] = None


ANY_MODEL = VectorOptions()
