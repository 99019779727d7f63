"""From a torch network to one ONNX file that takes pixels and carries everything that it needs."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nayan.core.errors import ExportError
from nayan.export.onnx_metadata import PRECISION_KEY, SPEC_KEY, with_metadata
from nayan.export.torch_backend import Deployed, deployed_copy
from nayan.parts.trace import trace_onnx
from nayan.runtime.fsio import write_file
from nayan.runtime.inputs import ANY_SIZE, make_inputs
from nayan.runtime.onnx_file import check_self_contained
from nayan.runtime.spec import Spec

_DYNAMO_OPSET = 18  # the least that the newer exporter writes
_TRACED_BATCH = 2  # with 1, an exporter may take the batch for a constant


def export_onnx(network: nn.Module, spec: Spec, path: Path) -> None:
    """Write a network as ONNX: `images` uint8 (B, h, w, C) in, the outputs of `deploy` out.

    The batch is dynamic, height and width are those of `spec.preprocess`; further inputs that are pictures
    themselves (`runtime.inputs.ANY_SIZE`) may have any. BatchNorm is folded into the
    convolutions. The network is not changed. Whether the file answers alike is for `check_parity` to say.

    Args:
        network: as `nayan.tasks.base.Network` promises; on any device, in any precision.
        spec: embedded as metadata; its `preprocess` gives the shape of the input.
        path: of the file; it appears whole or not at all.

    Raises:
        ExportError: if no exporter of this torch can translate the network.
        OSError: as the operating system reports it.
    """
    deployed = deployed_copy(network, tuple(spec.inputs))
    shape = (_TRACED_BATCH, *spec.preprocess.size, spec.preprocess.channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made = make_inputs(spec.inputs, list(pixels.numpy()))
    further = {name: torch.from_numpy(values) for name, values in made.items()}
    with torch.no_grad():
        names = list(deployed.named(pixels, **further))
    try:
        any_size = [name for name, how in spec.inputs.items() if how["method"] in ANY_SIZE]
        content = trace_onnx(deployed, pixels, names, inputs=further, any_size=any_size)
    except (RuntimeError, TypeError, AttributeError, ValueError, ImportError) as first:
        # TypeError and AttributeError: a torch that no longer has this exporter.
        if further:
            raise ExportError(f"{spec.model} cannot be written as ONNX: {_first_line(first)}") from first
        try:
            content = _export_dynamo(deployed, pixels, names)
        except (RuntimeError, TypeError, ValueError, ImportError) as second:
            raise ExportError(
                f"{spec.model} cannot be written as ONNX: {_first_line(first)}; and with the newer exporter: "
                f"{_first_line(second)}",
                hint="an operator of the network has no ONNX form; the trained run itself is complete",
            ) from second
    content = with_metadata(content, {SPEC_KEY: spec.to_json(), PRECISION_KEY: "fp32"})
    check_self_contained(content)
    write_file(path, content)


def _export_dynamo(deployed: Deployed, pixels: torch.Tensor, names: list[str]) -> bytes:
    options: dict[str, Any] = {"dynamo": True, "verbose": False, "external_data": False, "optimize": True}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself; parity is checked afterwards
            program = torch.onnx.export(
                deployed,
                (pixels,),
                opset_version=_DYNAMO_OPSET,
                input_names=["images"],
                output_names=names,
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                **options,
            )
    finally:
        logger.setLevel(level)
    if program is None:
        raise RuntimeError("torch returned no program")
    return bytes(program.model_proto.SerializeToString())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
