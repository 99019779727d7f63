"""From an ONNX file to OpenVINO's own format, in 32 bits or in 8."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ExportError, MissingExtra
from nayan.export.quantise import RECIPES, Recipe, quantise_int8, quantise_openvino
from nayan.runtime.manifest import OPENVINO


def export_openvino(onnx_path: Path, folder: Path) -> dict[str, Path]:
    """Write an ONNX file as `model.xml` and `model.bin` into a folder; weights stay float32.

    Returns:
        The two files by name.

    Raises:
        MissingExtra: without openvino.
        ExportError: if OpenVINO cannot read the file.
    """
    return _save(_read(onnx_path), folder)


def export_openvino_int8(
    onnx_path: Path,
    calibration_pixels: NDArray[np.uint8],
    folder: Path,
    *,
    inputs: Mapping[str, NDArray[Any]] | None = None,
    recipe: Recipe = RECIPES[0],
) -> dict[str, Path]:
    """Write an ONNX file in 8 bits for OpenVINO: by NNCF, or by ONNX Runtime where that is missing.

    Args:
        onnx_path: in float32.
        calibration_pixels: (N, h, w, C) uint8 of typical pictures.
        folder: that exists.
        inputs: what the network takes beside the pixels, by name, each with N rows.
        recipe: which layers stay in float.

    Returns:
        `model.xml` and `model.bin` by name.

    Raises:
        MissingExtra: without openvino.
        ExportError: if OpenVINO cannot read the file, or it cannot be quantised.
    """
    if importlib.util.find_spec("nncf") is not None:
        network = quantise_openvino(_read(onnx_path), calibration_pixels, inputs=inputs, recipe=recipe)
        return _save(network, folder)
    with tempfile.TemporaryDirectory() as temporary:
        quantised = Path(temporary) / "int8.onnx"
        quantise_int8(onnx_path, calibration_pixels, quantised, inputs=inputs, recipe=recipe)
        return _save(_read(quantised), folder)


def _read(onnx_path: Path) -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra("openvino", "openvino") from error
    try:
        return openvino.Core().read_model(str(onnx_path))
    except RuntimeError as error:
        raise ExportError(f"OpenVINO cannot read {onnx_path}: {error}") from error


def _save(network: Any, folder: Path) -> dict[str, Path]:
    import openvino

    files = {name: folder / name for name in OPENVINO}
    # Half-precision weights would be smaller, and outside the limit of 1e-4.
    openvino.save_model(network, str(files[OPENVINO[0]]), compress_to_fp16=False)
    return files
