"""Eight-bit networks: a quarter of the size, and faster on CPUs that multiply bytes (VNNI, AMX).

Post-training static quantisation (Jacob et al. 2018, arXiv:1712.05877): the range of every activation is
measured on a few pictures, then weights and activations become integers with a scale and a zero point.
Needs no torch.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import MissingExtra
from nayan.export.onnx_metadata import PRECISION_KEY, with_metadata
from nayan.runtime.fsio import write_file

_BATCH = 8
_OPENVINO_LAYERS = ("Convolution", "GroupConvolution", "MatMul")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is quantised.

    Attributes:
        name: for the record.
        skip_ends: leave the first convolution and the last dense layer in float: the first sees three
            channels only, the last decides, and both are a small part of the work.
    """

    name: str
    skip_ends: bool


RECIPES: tuple[Recipe, ...] = (Recipe("all layers", False), Recipe("all but the first and last layer", True))
"""In the order in which they are tried until the accuracy holds."""


def quantise_int8(
    onnx_path: Path, calibration_pixels: NDArray[np.uint8], out: Path, *, recipe: Recipe = RECIPES[0]
) -> None:
    """Quantise an ONNX file to 8 bits, in the QDQ form that ONNX Runtime and OpenVINO both run.

    Weights per channel, activations per tensor, both unsigned: unsigned weights never saturate the 16-bit
    sums of CPUs without VNNI, so the answers there are as good as elsewhere. On a MobileNetV2 the minimum
    and maximum did as well as percentiles or entropy, in a tenth of the time
    (docs/adr/0004-bundle.md has the figures).

    Args:
        onnx_path: from `export_onnx`.
        calibration_pixels: (N, h, w, C) uint8 of typical pictures; 32 to 128 are enough.
        out: the file to write; it appears whole or not at all.
        recipe: which layers stay in float.

    Raises:
        MissingExtra: without the onnx package.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtra("onnx, which int8 needs,", "train") from error

    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        # Symbolic shapes are for transformers with loops; plain inference knows a CNN's.
        quant_pre_process(str(onnx_path), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        quantization.quantize_static(
            str(prepared),
            str(quantised),
            _Reader(graph.input[0].name, calibration_pixels),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            nodes_to_exclude=_ends(graph) if recipe.skip_ends else [],
        )
        write_file(out, with_metadata(quantised.read_bytes(), {PRECISION_KEY: "int8"}))


def quantise_openvino(
    network: Any, calibration_pixels: NDArray[np.uint8], *, recipe: Recipe = RECIPES[0]
) -> Any:
    """Return an `openvino.Model` in 8 bits, by NNCF.

    Args:
        network: an `openvino.Model`; it is not changed.
        calibration_pixels: (N, h, w, C) uint8 of typical pictures.
        recipe: which layers stay in float.

    Raises:
        ImportError: without NNCF.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else NNCF reports its use to its makers over the network
    import nncf

    nncf.set_log_level(logging.ERROR)
    layers = [op for op in network.get_ordered_ops() if op.get_type_name() in _OPENVINO_LAYERS]
    ends = [op.get_friendly_name() for op in (layers[0], layers[-1])] if recipe.skip_ends and layers else []
    return nncf.quantize(
        network,
        nncf.Dataset([calibration_pixels[i : i + 1] for i in range(len(calibration_pixels))]),
        subset_size=len(calibration_pixels),
        ignored_scope=nncf.IgnoredScope(names=ends) if ends else None,
    )


def _ends(graph: Any) -> list[str]:
    layers = [node.name for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    return [layers[0], layers[-1]] if layers else []


class _Reader:
    """Hands out calibration pixels as onnxruntime's `CalibrationDataReader` does."""

    def __init__(self, name: str, pixels: NDArray[np.uint8]) -> None:
        self._batches = iter([{name: pixels[i : i + _BATCH]} for i in range(0, len(pixels), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next batch, None after the last."""
        return next(self._batches, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser from advising on stderr what has been done already."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
