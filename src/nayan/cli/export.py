"""`nayan export`: a trained model for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Format, Model


def export(
    model: Model,
    /,
    *,
    to: Annotated[Literal["onnx", "openvino"], Parameter(help="runtime that the model is for")],
    int8: Annotated[
        bool, Parameter(help="in 8-bit integers; refused if accuracy falls by more than a point", negative="")
    ] = False,
    data: Annotated[
        Path | None, Parameter(help="pictures to compare on; by default those the model was trained with")
    ] = None,
    format: Format = None,
    out: Annotated[
        Path | None, Parameter(help="the new bundle; by default beside the old one", metavar="DIR")
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Turn a trained model into a bundle for another runtime.

    Its answers are compared with the trained network's on real pictures; exit code 5 if they differ.
    """
    from nayan import api

    result = api.export(model, to=to, int8=int8, data=data, format=format, out=out)
    facts = [f"{name}: {value}" for name, value in result.items() if name != "bundle"]
    return common.output(result, "\n".join([str(result["bundle"]), *facts]))
