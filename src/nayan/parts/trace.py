"""From a torch module to ONNX, by tracing: quick, and enough for networks without data-dependent paths."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

OPSET = 17
"""Version of the operators: every ONNX Runtime since 1.12 and every OpenVINO since 2023 knows it."""


def trace_onnx(
    module: nn.Module,
    images: Tensor,
    outputs: Sequence[str],
    *,
    inputs: Mapping[str, Tensor] | None = None,
    any_size: Collection[str] = (),
) -> bytes:
    """Return the ONNX file of a module in eval mode, with `images` as its first input and a dynamic batch.

    About 1 s for a MobileNetV2, against 15 s with torch's newer exporter. torch calls this one deprecated,
    which is nothing that a user could act upon.

    Args:
        module: takes `images` and then each of `inputs` by position, gives a tensor or a tuple of them.
        images: an example input; its batch should not be 1, which a tracer may take for a constant.
        outputs: a name for each tensor that the module gives.
        inputs: examples of further inputs by name, in the order in which the module takes them, such as
            "proposals"; their first dimension is the batch too.
        any_size: those of them that are (B, h, w, ...) of any height and width; the outputs follow them.

    Raises:
        RuntimeError, TypeError, ValueError: as torch reports it, if an operator has no ONNX form.
        AttributeError: from a torch that no longer has this exporter.
    """
    buffer = io.BytesIO()
    further = dict(inputs or {})
    input_names = ["images", *further]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        # Whoever uses the file compares its answers with the module's, so tracing need not warn.
        warnings.simplefilter("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
        warnings.filterwarnings("ignore", message=r"Exporting a model .* with GRU", category=UserWarning)
        torch.onnx.export(
            module,
            (images, *further.values()),
            buffer,  # type: ignore[arg-type]  # a stream is accepted by this exporter
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=True,
            input_names=input_names,
            output_names=list(outputs),
            dynamic_axes=_free_axes(input_names, outputs, any_size),
        )
    return buffer.getvalue()


def _free_axes(
    inputs: Sequence[str], outputs: Sequence[str], any_size: Collection[str]
) -> dict[str, dict[int, str]]:
    """Return which dimensions are not fixed by the example, by their names."""
    free = {name: {0: "batch"} for name in (*inputs, *outputs)}
    if any_size:
        for name in (*any_size, *outputs):
            free[name] |= {1: f"{name}_height", 2: f"{name}_width"}
    return free
