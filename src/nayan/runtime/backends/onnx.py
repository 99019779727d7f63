"""Runs a bundle's graph with ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ShapeError
from nayan.runtime.golden import TOLERANCE
from nayan.runtime.onnx_file import check_self_contained

PRECISION_KEY = "nayan.precision"
"""Key of the graph's metadata that says "int8" where it was quantised."""

INT8_TOLERANCE = 0.1
"""CPUs with and without VNNI round 8-bit sums differently, so an int8 graph repeats itself only roughly."""


class OnnxBackend:
    """A network in ONNX Runtime; call it with (B, h, w, channels) uint8 pixels.

    Importing this module costs nothing; ONNX Runtime is loaded with the first instance.

    Args:
        model: the file, or its content; all data inside.
        threads: that one call uses; None for one a physical core.
        calls: at the same time, from as many threads.

    Attributes:
        calls: how many it takes at the same time.
        outputs: names, in the order of the graph.
        input_shape: (h, w, channels) that it takes; () where it looks at no pixels, but draws from noise or
            takes a picture of any size as a further input.
        tolerance: how far its outputs may lie from those of another machine.

    Raises:
        BundleError: if it is no ONNX model, keeps data elsewhere, or takes something else than pixels.
    """

    def __init__(self, model: Path | bytes, *, threads: int | None = None, calls: int = 1) -> None:
        self._name = str(model) if isinstance(model, Path) else "the ONNX model"
        check_self_contained(model)
        self._session = _make_session(model, self._name, threads)
        inputs = self._session.get_inputs()
        pixels = [
            entry
            for entry in inputs
            if (entry.type == "tensor(uint8)" or len(entry.shape) == 4) and not _of_any_size(entry)
        ]
        shape = tuple(pixels[0].shape) if pixels else ()
        if not inputs or (pixels and (pixels[0].type != "tensor(uint8)" or len(shape) != 4)):
            found = ", ".join(f"{entry.name}: {entry.type} {entry.shape}" for entry in inputs) or "nothing"
            raise BundleError(f"{self._name}: takes {found}; expected uint8 pixels (B, h, w, channels)")
        self._input = pixels[0].name if pixels else None
        self._further = {entry.name for entry in inputs if entry.name != self._input}
        self.input_shape = shape[1:]
        self.calls = calls
        self.outputs = tuple(entry.name for entry in self._session.get_outputs())
        precision = self._session.get_modelmeta().custom_metadata_map.get(PRECISION_KEY, "fp32")
        self.tolerance = INT8_TOLERANCE if precision == "int8" else TOLERANCE

    def __call__(self, pixels: NDArray[Any], **inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the named outputs for (B, h, w, channels) uint8 pixels and the graph's further inputs.

        A graph that draws from noise alone looks at no pixels; they may be of any shape then.

        Raises:
            ShapeError: if the pixels have another shape or type.
            BundleError: if ONNX Runtime fails.
        """
        check_inputs(self._name, inputs, self._further)
        fed = dict(inputs)
        if self._input is not None:
            check_pixels(pixels, self.input_shape)
            fed[self._input] = np.ascontiguousarray(pixels)
        try:
            values = self._session.run(None, fed)
        except onnxruntime_failures() as error:
            raise BundleError(f"{self._name}: ONNX Runtime cannot run it: {error}") from error
        return dict(zip(self.outputs, values, strict=True))


def _of_any_size(entry: Any) -> bool:
    """Say whether an input of a graph is a picture of any size: pixels have that of the preprocessing."""
    return entry.type == "tensor(uint8)" and any(isinstance(side, str) for side in entry.shape[1:])


def check_pixels(pixels: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless `pixels` is a uint8 batch of pictures of this (h, w, channels)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or not len(pixels) or pixels.shape[1:] != shape:
        raise ShapeError(
            f"the network takes uint8 pixels (B, {', '.join(map(str, shape))}), "
            f"got {pixels.shape} {pixels.dtype}",
            hint="preprocess pictures with the spec of the same bundle",
        )


def check_inputs(name: str, inputs: Iterable[str], further: Iterable[str]) -> None:
    """Raise BundleError unless `inputs` are what the graph `name` takes beside the pixels."""
    if set(inputs) != set(further):
        raise BundleError(
            f"{name}: takes {sorted(further)} beside the pixels, got {sorted(inputs)}",
            hint="the spec of the bundle says in `inputs` how they are made",
        )


def _make_session(model: Path | bytes, name: str, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The highest level is also the quickest to a first answer: its blocked memory layout halves the time of
    # a run and costs 20 ms once. docs/adr/0004-bundle.md has the figures.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Threads that spin between two operators would take the cores from those that decode the next pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # failures are raised, not printed
    try:
        return onnxruntime.InferenceSession(
            str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"]
        )
    except onnxruntime_failures() as error:
        raise BundleError(
            f"{name}: ONNX Runtime cannot load it: {error}", hint="export the model again"
        ) from error


def onnxruntime_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of ONNX Runtime, which share no base class but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)
