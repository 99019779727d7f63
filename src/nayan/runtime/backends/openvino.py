"""Runs a bundle's graph with OpenVINO on the CPU; in bfloat16 where the CPU computes in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError, MissingExtra
from nayan.runtime.backends.onnx import INT8_TOLERANCE, check_inputs, check_pixels
from nayan.runtime.golden import TOLERANCE
from nayan.runtime.onnx_file import check_self_contained

Precision = Literal["auto", "fp32", "bf16"]

BF16_TOLERANCE = 0.1
"""bfloat16 keeps 8 bits of a number, an error of 0.4 % an operation."""


class OpenVinoBackend:
    """A network in OpenVINO; call it with (B, h, w, channels) uint8 pixels.

    Args:
        model: `model.onnx`, or `model.xml` with its `model.bin` beside it.
        threads: that one call uses; None lets OpenVINO choose.
        precision: "auto" takes bf16 where the CPU has it; "fp32" always gives the answers of training.
        cache: a folder that keeps the compiled network for the next start.

    Attributes:
        outputs: names, in the order of the graph.
        input_shape: (h, w, channels) that it takes; () where it draws from noise and looks at no picture.
        tolerance: how far its outputs may lie from those in fp32.

    Raises:
        MissingExtra: if openvino is not installed.
        ConfigError: if bf16 is asked for on a CPU without it.
        BundleError: if the model cannot be read, keeps data elsewhere, or takes something else than pixels.
    """

    def __init__(
        self,
        model: Path,
        *,
        threads: int | None = None,
        precision: Precision = "auto",
        cache: Path | None = None,
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtra("openvino", "openvino") from error
        if model.suffix == ".onnx":
            check_self_contained(model)
        self._name = str(model)
        core = openvino.Core()
        bf16 = _wants_bf16(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        if cache is not None:
            options["CACHE_DIR"] = str(cache)
        try:
            network = core.read_model(str(model))
            compiled = core.compile_model(network, "CPU", options)
        except RuntimeError as error:
            raise BundleError(
                f"{self._name}: OpenVINO cannot load it: {error}", hint="export the model again"
            ) from error
        self._pixels, self.input_shape = _pixel_port(compiled, self._name)
        self._request = compiled.create_infer_request()
        # Names as the file has them: compiling merges tensors, and then one port has several.
        self._further = {
            port.get_any_name(): index for index, port in enumerate(network.inputs) if index != self._pixels
        }
        self.outputs = tuple(port.get_any_name() for port in network.outputs)
        int8 = any(node.get_type_name() == "FakeQuantize" for node in network.get_ops())
        self.tolerance = INT8_TOLERANCE if int8 else BF16_TOLERANCE if bf16 else TOLERANCE

    def __call__(self, pixels: NDArray[Any], **inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the named outputs for (B, h, w, channels) uint8 pixels and the graph's further inputs.

        A graph that draws from noise alone looks at no pixels; they may be of any shape then.

        Raises:
            ShapeError: if the pixels have another shape or type.
            BundleError: if further inputs are missing or unknown, or OpenVINO fails.
        """
        check_inputs(self._name, inputs, self._further)
        given = {self._further[name]: values for name, values in inputs.items()}
        if self._pixels is not None:
            check_pixels(pixels, self.input_shape)
            given[self._pixels] = pixels
        try:
            values = self._request.infer({port: np.ascontiguousarray(array) for port, array in given.items()})
        except RuntimeError as error:
            raise BundleError(f"{self._name}: OpenVINO cannot run it: {error}") from error
        # The request's memory is used again by the next call, so its values are copied.
        return {name: np.array(values[index]) for index, name in enumerate(self.outputs)}


def _wants_bf16(precision: Precision, capabilities: list[str]) -> bool:
    if precision == "bf16" and "BF16" not in capabilities:
        raise ConfigError("this CPU does not compute in bf16", hint="use the precision auto or fp32")
    return precision != "fp32" and "BF16" in capabilities


def _pixel_port(compiled: Any, name: str) -> tuple[int | None, tuple[int, ...]]:
    """Return which input takes pixels and their (h, w, channels); (None, ()) where none does.

    A network that draws from noise has none, nor has one that takes a picture of any size as a further input.
    """
    kinds = [(port.element_type.get_type_name(), len(port.partial_shape)) for port in compiled.inputs]
    sized = [all(side.is_static for side in list(port.partial_shape)[1:]) for port in compiled.inputs]
    pixels = [
        index
        for index, (kind, dims) in enumerate(kinds)
        if (kind == "u8" or dims == 4) and (kind != "u8" or sized[index])
    ]
    if not kinds or (pixels and kinds[pixels[0]] != ("u8", 4)):
        found = (
            ", ".join(f"{port.element_type} {port.partial_shape}" for port in compiled.inputs) or "nothing"
        )
        raise BundleError(f"{name}: takes {found}; expected uint8 pixels (B, h, w, channels)")
    if not pixels:
        return None, ()
    shape = compiled.inputs[pixels[0]].partial_shape[1:]
    return pixels[0], tuple(size.get_length() for size in shape)
