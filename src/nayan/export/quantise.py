"""Eight-bit networks: a quarter of the size, and faster on CPUs that multiply bytes (VNNI, AMX).

Post-training static quantisation (Jacob et al. 2018, arXiv:1712.05877): the range of every activation is
measured on a few pictures, then weights and activations become integers with a scale and a zero point.
Needs no torch.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ExportError, MissingExtra
from nayan.export.onnx_metadata import PRECISION_KEY, with_metadata
from nayan.runtime.backends.onnx import onnxruntime_failures
from nayan.runtime.fsio import write_file

_BATCH = 8
_THOROUGH_PIXELS = 2**21  # ONNX Runtime keeps every activation of all pictures in memory: about 3 GB
_ONNX_LAYERS = ("Conv", "Gemm", "MatMul")
_OPENVINO_LAYERS = ("Convolution", "GroupConvolution", "MatMul")
_NOT_COMPUTED = ("Parameter", "Constant", "Result")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is quantised.

    Attributes:
        name: for the record.
        skip_ends: leave the first layer and the last of every branch in float: the first sees three
            channels only, the last ones decide, and all are a small part of the work.
        layers_only: leave everything in float that has no weights.
        thorough: take more time. ONNX Runtime leaves a hundred-thousandth of the values at each end out of
            the range of an activation; NNCF corrects the biases layer by layer.
    """

    name: str
    skip_ends: bool
    layers_only: bool = False
    thorough: bool = False


RECIPES: tuple[Recipe, ...] = (Recipe("all layers", False), Recipe("all but the first and last layer", True))
"""In the order in which they are tried until the score holds."""

PLACE_RECIPES: tuple[Recipe, ...] = (
    Recipe("the layers, not the arithmetic", False, layers_only=True),
    Recipe("the layers but the first and last, not the arithmetic", True, layers_only=True),
    Recipe("the same layers with ranges by percentiles", True, layers_only=True, thorough=True),
)
"""The same for networks that give places in pixels; what they draw from a map hangs on finer differences."""


def quantise_int8(
    onnx_path: Path,
    calibration_pixels: NDArray[np.uint8],
    out: Path,
    *,
    inputs: Mapping[str, NDArray[Any]] | None = None,
    recipe: Recipe = RECIPES[0],
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
        inputs: what the network takes beside them, by name, each with N rows.
        recipe: which layers stay in float.

    Raises:
        MissingExtra: without the onnx package.
        ExportError: if ONNX Runtime cannot quantise the graph.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtra("onnx, which int8 needs,", "train") from error

    failures = (*onnxruntime_failures(), TypeError, KeyError, AssertionError)
    with tempfile.TemporaryDirectory() as folder, _quiet(), _as_export_error(onnx_path, failures):
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        # Symbolic shapes are for transformers with loops; plain inference knows a CNN's.
        quant_pre_process(str(onnx_path), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        quantization.quantize_static(
            str(prepared),
            str(quantised),
            _reader({graph.input[0].name: calibration_pixels, **(inputs or {})}, recipe),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_ONNX_LAYERS) if recipe.layers_only else None,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile
            if recipe.thorough
            else quantization.CalibrationMethod.MinMax,
            nodes_to_exclude=_outermost(_onnx_nodes(graph)) if recipe.skip_ends else [],
            # A product of two computed tensors is arithmetic, not a layer.
            extra_options={"MatMulConstBOnly": True} if recipe.layers_only else {},
        )
        write_file(out, with_metadata(quantised.read_bytes(), {PRECISION_KEY: "int8"}))


def quantise_openvino(
    network: Any,
    calibration_pixels: NDArray[np.uint8],
    *,
    inputs: Mapping[str, NDArray[Any]] | None = None,
    recipe: Recipe = RECIPES[0],
) -> Any:
    """Return an `openvino.Model` in 8 bits, by NNCF.

    Args:
        network: an `openvino.Model`; it is not changed.
        calibration_pixels: (N, h, w, C) uint8 of typical pictures.
        inputs: what the network takes beside them, by name, each with N rows.
        recipe: which layers stay in float.

    Raises:
        ImportError: without NNCF.
        ExportError: if NNCF cannot quantise the network.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else NNCF reports its use to its makers over the network
    import nncf

    nncf.set_log_level(logging.ERROR)
    given = {network.inputs[0].get_any_name(): calibration_pixels, **(inputs or {})}
    ends = _outermost(_openvino_nodes(network)) if recipe.skip_ends else []
    kinds = {op.get_type_name() for op in network.get_ops()} if recipe.layers_only else set()
    arithmetic = sorted(kinds - {*_OPENVINO_LAYERS, *_NOT_COMPUTED})
    failures = (
        nncf.InternalError,
        nncf.ValidationError,
        nncf.UnsupportedModelError,
        RuntimeError,
        ValueError,
    )
    # NNCF draws its progress on stdout, where results are.
    with _as_export_error(network.get_friendly_name(), failures), contextlib.redirect_stdout(sys.stderr):
        return nncf.quantize(
            network,
            nncf.Dataset(
                [
                    {name: rows[i : i + 1] for name, rows in given.items()}
                    for i in range(len(calibration_pixels))
                ]
            ),
            subset_size=len(calibration_pixels),
            # Activations with a zero point of their own: SiLU and its like reach a little below zero.
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=not recipe.thorough,
            # Not validated: it has no notion of some kinds, such as shapes, which it leaves alone anyway.
            ignored_scope=nncf.IgnoredScope(names=ends, types=arithmetic, validate=False)
            if ends or arithmetic
            else None,
        )


class _Node(NamedTuple):
    """A step of a graph: its name, whether it has weights, and the tensors that it takes and gives."""

    name: str
    is_layer: bool
    takes: Sequence[str]
    gives: Sequence[str]


def _onnx_nodes(graph: Any) -> list[_Node]:
    return [_Node(node.name, node.op_type in _ONNX_LAYERS, node.input, node.output) for node in graph.node]


def _openvino_nodes(network: Any) -> list[_Node]:
    return [
        _Node(
            op.get_friendly_name(),
            op.get_type_name() in _OPENVINO_LAYERS,
            [value.get_node().get_friendly_name() for value in op.input_values()],
            [op.get_friendly_name()],
        )
        for op in network.get_ordered_ops()
    ]


def _outermost(nodes: Sequence[_Node]) -> list[str]:
    """Return the layers with no layer before them or none after them, in the order of the graph.

    >>> _outermost([_Node(name, True, [name], [after]) for name, after in ("ab", "bc", "cd")])
    ['a', 'c']
    """
    after_layer: set[str] = set()  # tensors that a layer has a part in
    before_layer: set[str] = set()  # tensors that a layer will use
    first, last = set(), set()
    for node in nodes:
        follows = not after_layer.isdisjoint(node.takes)
        if node.is_layer and not follows:
            first.add(node.name)
        if node.is_layer or follows:
            after_layer.update(node.gives)
    for node in reversed(nodes):
        leads = not before_layer.isdisjoint(node.gives)
        if node.is_layer and not leads:
            last.add(node.name)
        if node.is_layer or leads:
            before_layer.update(node.takes)
    return [node.name for node in nodes if node.name in first | last]


def _reader(given: Mapping[str, NDArray[Any]], recipe: Recipe) -> _Reader:
    """Return the data on which ranges are measured, evenly spaced where there are too many."""
    pixels = next(iter(given.values()))
    if not recipe.thorough:
        return _Reader(given, batch=_BATCH)
    count = max(1, min(len(pixels), _THOROUGH_PIXELS // (pixels.shape[1] * pixels.shape[2])))
    rows = np.linspace(0, len(pixels) - 1, count).astype(int)
    # One at a time: ONNX Runtime stacks what all batches give, so that they must be equally large.
    return _Reader({name: values[rows] for name, values in given.items()}, batch=1)


class _Reader:
    """Hands out calibration data as onnxruntime's `CalibrationDataReader` does."""

    def __init__(self, given: Mapping[str, NDArray[Any]], *, batch: int) -> None:
        count = len(next(iter(given.values())))
        self._batches = iter(
            [{name: rows[i : i + batch] for name, rows in given.items()} for i in range(0, count, batch)]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next batch, None after the last."""
        return next(self._batches, None)


@contextlib.contextmanager
def _as_export_error(name: object, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"{name}: cannot be put into 8 bits: {reason}",
            hint="nothing was written; leave out --int8: the model runs in 32 bits",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser from advising what has been done already, and its progress off stdout."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
