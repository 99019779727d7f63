"""`nayan export`: a trained model for other runtimes."""

from __future__ import annotations

from dataclasses import asdict
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
        bool,
        Parameter(
            help="in 8-bit integers; refused if accuracy or map falls by more than a point", negative=""
        ),
    ] = False,
    data: Annotated[
        Path | None, Parameter(help="pictures to compare on; by default those the model was trained with")
    ] = None,
    format: Format = None,
    max_drop: Annotated[float, Parameter(help="by how much accuracy or map may fall in 8 bits")] = 0.01,
    out: Annotated[
        Path | None, Parameter(help="the new bundle; by default beside the old one", metavar="DIR")
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Turn a trained model into a bundle for another runtime.

    Its answers are compared with the trained network's on real pictures; exit code 5 if they differ.
    """
    from nayan import api

    report = api.export(model, to=to, int8=int8, data=data, format=format, out=out, max_drop=max_drop)
    lines = [f"{report.path}: {report.size_bytes / 1e6:.1f} MB"]
    document = {**asdict(report), "bundle": report.path}
    if report.score_before is not None and report.score_after is not None:
        lines.append(f"{report.score}: {report.score_before:.4f} before, {report.score_after:.4f} in 8 bits")
        document |= {
            f"{report.score}_before": report.score_before,
            f"{report.score}_after": report.score_after,
        }
    parity = f"parity on {report.parity.pictures} pictures: {report.parity}"
    lines += [parity, f"next: nayan predict {report.path} PICTURE..."]
    return common.output(document, "\n".join(lines))
