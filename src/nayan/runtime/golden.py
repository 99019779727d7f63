"""A golden example: one picture with the pixels, outputs and prediction that a model must give for it.

The self-test looks at each step by itself. From the picture must come the same pixels, and from those the
same further inputs, to the last bit. From both must come the outputs, as closely as the engine can be asked
to. And from the golden outputs, whatever the engine gives now, must come the golden prediction.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError
from nayan.core.types import Image, Picture, Prediction, SemanticMask, Translation
from nayan.runtime.inputs import make_inputs
from nayan.runtime.parity import Answers
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement

GRID = 8
"""Rows and columns of the grid whose means stand for a map of values."""
TOLERANCE = 1e-4
"""How far outputs may lie from golden ones, in units of max(1, |expected|); a backend may ask for more."""

_OUTPUT = "output."
_INPUT = "input."
_OTHER_ENGINE = "the engine that runs the network gives other answers here; try another --backend"
_MAX_GOLDEN = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """One picture, and everything that comes of it.

    Attributes:
        image: (H, W, 3) uint8 RGB, decoded.
        pixels: (h, w, channels) uint8, preprocessed.
        outputs: the network's, each without the batch dimension.
        prediction: as `prediction_record` gives it.
        inputs: what the network took beside the pixels, each without the batch dimension.
    """

    image: Image
    pixels: NDArray[np.uint8]
    outputs: Mapping[str, NDArray[np.float32]]
    prediction: Mapping[str, Any]
    inputs: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def make_golden(predictor: Predictor, image: Image) -> Golden:
    """Run a picture through a predictor and keep everything that comes of it."""
    pixels, placement = predictor.spec.preprocess(image)
    inputs = make_inputs(predictor.spec.inputs, [pixels])
    outputs = _run(predictor, pixels, inputs)
    prediction = _decoded(predictor, outputs, placement)
    return Golden(image, pixels, outputs, prediction, {name: rows[0] for name, rows in inputs.items()})


def prediction_record(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction's fields with arrays as lists, for JSON.

    What has a value a pixel is kept in short, see `_of_map`: a pixel at the border of two classes may go to
    either of them on another machine, and a list of all of them would be larger than the model.
    """
    named = {field.name: getattr(prediction, field.name) for field in dataclasses.fields(prediction)}
    values = {name: value for name, value in named.items() if value is not None}
    of_pixels = isinstance(prediction, SemanticMask | Picture | Translation)
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {
        name: value if not isinstance(value, np.ndarray) else _of_map(value) if of_pixels else value.tolist()
        for name, value in values.items()
    }


def _of_map(values: NDArray[Any]) -> list[float]:
    """Return the share of each of the 256 classes in (H, W) ids, or the means of the cells of a grid.

    Those of an (H, W, 3) picture are in [0, 1], where `TOLERANCE` means the same as for scores.
    """
    if values.ndim == 3:
        values = values.mean(axis=2) / 255
    if values.dtype == np.uint8:
        return (np.bincount(values.ravel(), minlength=256) / values.size).tolist()  # type: ignore[no-any-return]
    rows = np.array_split(values, min(GRID, len(values)), axis=0)
    return [
        float(cell.mean()) for row in rows for cell in np.array_split(row, min(GRID, row.shape[1]), axis=1)
    ]


def replay(golden: Golden, predictor: Predictor) -> str:
    """Run the golden picture again and compare every step with what it gave then.

    Args:
        golden: as it was kept.
        predictor: if its `run` has an attribute `tolerance`, outputs may lie that far off.

    Returns:
        How close it came, as a clause.

    Raises:
        BundleError: if pixels or further inputs are not identical, the outputs differ by more than the
            tolerance (or in what the task finds in them), or the golden outputs give another prediction.
    """
    pixels, placement = predictor.spec.preprocess(golden.image)
    if not np.array_equal(pixels, golden.pixels):
        raise BundleError(
            "self-test: preprocessing the golden picture gives other pixels than when the bundle was made",
            hint="install the version of Pillow that spec.json names, or make the bundle again",
        )
    inputs = make_inputs(predictor.spec.inputs, [pixels])
    _check_inputs(inputs, golden)
    outputs = _run(predictor, pixels, inputs)
    _check_shapes(outputs, golden)
    closeness = _closeness(outputs, golden, predictor, placement)
    prediction = _decoded(predictor, golden.outputs, placement)
    if prediction.keys() != golden.prediction.keys():
        raise BundleError(
            f"self-test: {sorted(golden.outputs)} give {sorted(prediction)}, "
            f"expected {sorted(golden.prediction)}"
        )
    for name, value in golden.prediction.items():
        _difference(prediction[name], value, f"prediction {name!r}", TOLERANCE)
    return closeness


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
        **{f"{_INPUT}{name}": value for name, value in golden.inputs.items()},
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
            outputs, inputs = (
                {key.removeprefix(start): arrays[key] for key in arrays.files if key.startswith(start)}
                for start in (_OUTPUT, _INPUT)
            )
            prediction = json.loads(arrays["prediction"].tobytes().decode("utf-8"))
            golden = Golden(arrays["image"], arrays["pixels"], outputs, prediction, inputs)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError) as error:
        raise BundleError(f"{name}: not a golden example: {error}") from error
    except (ValueError, MemoryError, RuntimeError, tokenize.TokenError) as error:
        raise BundleError(f"{name}: not a golden example: {error}") from error
    if not isinstance(prediction, dict) or not outputs:
        raise BundleError(f"{name}: not a golden example: no outputs or prediction")
    return golden


def _run(
    predictor: Predictor, pixels: NDArray[np.uint8], inputs: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Return the outputs for one picture, without the batch dimension."""
    outputs = predictor.run(pixels[None], **inputs)
    return {name: np.asarray(rows[0], np.float32) for name, rows in outputs.items()}


def _decoded(
    predictor: Predictor, outputs: Mapping[str, NDArray[np.float32]], placement: Placement
) -> dict[str, Any]:
    batch = {name: row[None] for name, row in outputs.items()}
    return prediction_record(predictor.decode(batch, [placement], **predictor.spec.decode_args)[0])


def _check_inputs(inputs: Mapping[str, NDArray[np.float32]], golden: Golden) -> None:
    if inputs.keys() != golden.inputs.keys():
        raise BundleError(
            f"self-test: the network takes {sorted(inputs)} beside the pixels, the golden picture has "
            f"{sorted(golden.inputs)}"
        )
    for name, rows in inputs.items():
        if not np.array_equal(rows[0], golden.inputs[name]):
            raise BundleError(
                f"self-test: the golden picture gives other {name} than when the bundle was made",
                hint="install the version of OpenCV with which it was made, or make the bundle again",
            )


def _check_shapes(outputs: Mapping[str, NDArray[np.float32]], golden: Golden) -> None:
    if outputs.keys() != golden.outputs.keys():
        raise BundleError(f"self-test: the engine gives {sorted(outputs)}, expected {sorted(golden.outputs)}")
    for name, expected in golden.outputs.items():
        if outputs[name].shape != expected.shape:
            raise BundleError(
                f"self-test: output {name!r} has the shape {outputs[name].shape}, expected {expected.shape}"
            )


def _closeness(
    outputs: Mapping[str, NDArray[np.float32]], golden: Golden, predictor: Predictor, placement: Placement
) -> str:
    """Return how close the outputs are to the golden ones; raise where that is not close enough."""
    tolerance = tolerance_of(predictor)
    if predictor.compare is None:
        differences = [
            _difference(outputs[name], expected, f"output {name!r}", tolerance)
            for name, expected in golden.outputs.items()
        ]
        return f"largest difference {max(differences):.1e}, allowed {tolerance:.0e}"
    expected, found = ({name: row[None] for name, row in rows.items()} for rows in (golden.outputs, outputs))
    answers = Answers(expected, found, [placement])
    parity = predictor.compare([answers], decode_args=predictor.spec.decode_args, tolerance=tolerance)
    if not parity.holds:
        raise BundleError(f"self-test: the engine {parity.fault}", hint=_OTHER_ENGINE)
    return str(parity)


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
            hint=_OTHER_ENGINE,
        )
    return worst
