"""`nayan export`: a trained model for other runtimes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

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
    max_drop: Annotated[float, Parameter(help="by how much the accuracy may fall in 8 bits")] = 0.01,
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
    if report.accuracy_before is not None and report.accuracy_after is not None:
        lines.append(f"accuracy: {report.accuracy_before:.4f} before, {report.accuracy_after:.4f} in 8 bits")
    lines += [_parity_text(report.parity), f"next: nayan predict {report.path} PICTURE..."]
    return common.output({**asdict(report), "bundle": report.path}, "\n".join(lines))


def _parity_text(parity: Any) -> str:
    """Return how far the export lies from the trained network, as a sentence."""
    return (
        f"parity on {parity.pictures} pictures: outputs differ by at most "
        f"{parity.max_abs_logit_difference:.1e}, {100 * parity.agree:.0f} % have the same best class"
    )
