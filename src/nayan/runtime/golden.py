"""A golden example: one picture with the pixels, outputs and prediction that a model must give for it."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError
from nayan.core.types import Image, Prediction
from nayan.runtime.predictor import Predictor

TOLERANCE = 1e-4
"""How far outputs may lie from golden ones, in units of max(1, |expected|); a backend may ask for more."""

_OUTPUT = "output."
_MAX_GOLDEN = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """One picture, and everything that comes of it.

    Attributes:
        image: (H, W, 3) uint8 RGB, decoded.
        pixels: (h, w, channels) uint8, preprocessed.
        outputs: the network's, each without the batch dimension.
        prediction: as `prediction_record` gives it.
    """

    image: Image
    pixels: NDArray[np.uint8]
    outputs: Mapping[str, NDArray[np.float32]]
    prediction: Mapping[str, Any]


def make_golden(predictor: Predictor, image: Image) -> Golden:
    """Run a picture through a predictor and keep everything that comes of it."""
    pixels, placement = predictor.spec.preprocess(image)
    outputs = {name: np.asarray(rows[0], np.float32) for name, rows in predictor.run(pixels[None]).items()}
    prediction = predictor.decode(
        {name: row[None] for name, row in outputs.items()}, [placement], **predictor.spec.decode_args
    )[0]
    return Golden(image, pixels, outputs, prediction_record(prediction))


def prediction_record(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction's fields with arrays as lists, for JSON."""
    named = {field.name: getattr(prediction, field.name) for field in dataclasses.fields(prediction)}
    values = {name: value for name, value in named.items() if value is not None}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()
    }


def replay(golden: Golden, predictor: Predictor) -> float:
    """Run the golden picture again and compare every step with what it gave then.

    Args:
        golden: as it was kept.
        predictor: if its `run` has an attribute `tolerance`, outputs may lie that far off.

    Returns:
        The largest difference of an output, in units of max(1, |expected|).

    Raises:
        BundleError: if the pixels are not identical, or an output or the prediction differs by more than
            the tolerance.
    """
    tolerance = tolerance_of(predictor)
    again = make_golden(predictor, golden.image)
    if not np.array_equal(again.pixels, golden.pixels):
        raise BundleError(
            "self-test: preprocessing the golden picture gives other pixels than when the bundle was made",
            hint="install the version of Pillow that spec.json names, or make the bundle again",
        )
    if again.outputs.keys() != golden.outputs.keys() or again.prediction.keys() != golden.prediction.keys():
        raise BundleError(
            f"self-test: {sorted(again.outputs)} give {sorted(again.prediction)}, expected "
            f"{sorted(golden.outputs)} and {sorted(golden.prediction)}"
        )
    worst = 0.0
    for name, expected in golden.outputs.items():
        worst = max(worst, _difference(again.outputs[name], expected, f"output {name!r}", tolerance))
    for name, value in golden.prediction.items():
        _difference(again.prediction[name], value, f"prediction {name!r}", tolerance)
    return worst


def tolerance_of(predictor: Predictor) -> float:
    """Return how far a predictor's outputs may lie from golden ones: what its backend says, or TOLERANCE."""
    return float(getattr(predictor.run, "tolerance", TOLERANCE))


def golden_bytes(golden: Golden) -> bytes:
    """Return a golden example as a compressed npz file."""
    text = json.dumps(golden.prediction, sort_keys=True).encode("utf-8")
    arrays: dict[str, NDArray[Any]] = {
        "image": golden.image,
        "pixels": golden.pixels,
        "prediction": np.frombuffer(text, np.uint8),
        **{f"{_OUTPUT}{name}": value for name, value in golden.outputs.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def read_golden(data: bytes, name: str) -> Golden:
    """Read what `golden_bytes` wrote; no object is ever unpickled.

    Args:
        data: content of the file.
        name: of the file, for messages.

    Raises:
        BundleError: if it is no golden example, or would unpack to more than 512 MB.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MAX_GOLDEN:
            raise BundleError(f"{name}: would unpack to {size} bytes, at most {_MAX_GOLDEN} are read")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            outputs = {
                key.removeprefix(_OUTPUT): arrays[key] for key in arrays.files if key.startswith(_OUTPUT)
            }
            prediction = json.loads(arrays["prediction"].tobytes().decode("utf-8"))
            golden = Golden(arrays["image"], arrays["pixels"], outputs, prediction)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError) as error:
        raise BundleError(f"{name}: not a golden example: {error}") from error
    except (ValueError, MemoryError, RuntimeError, tokenize.TokenError) as error:
        raise BundleError(f"{name}: not a golden example: {error}") from error
    if not isinstance(prediction, dict) or not outputs:
        raise BundleError(f"{name}: not a golden example: no outputs or prediction")
    return golden


def _difference(found: Any, expected: Any, name: str, tolerance: float) -> float:
    """Return the largest difference in units of max(1, |expected|); raise if it is above the tolerance."""
    try:
        a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    except (TypeError, ValueError):  # a field that is no number, such as a text
        worst = 0.0 if found == expected else math.inf
    else:
        if a.shape != b.shape:
            raise BundleError(f"self-test: {name} has the shape {a.shape}, expected {b.shape}")
        with np.errstate(invalid="ignore"):  # infinities give NaN, which is refused below
            worst = float((np.abs(a - b) / np.maximum(1.0, np.abs(b))).max(initial=0.0))
    if not worst <= tolerance:  # also when it is NaN
        raise BundleError(
            f"self-test: {name} differs by {worst:.3g} from the golden one, allowed is {tolerance:.0e}",
            hint="the engine that runs the network gives other answers here; try another --backend",
        )
    return worst
