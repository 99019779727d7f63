"""Makes bundles: of a network that was just trained, or of a bundle for another engine or in 8 bits."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, ExportError, NayanError
from nayan.core.registry import resolve
from nayan.core.types import Boxes, ClassScores, Image, Label, Prediction, Sample
from nayan.export.openvino import export_openvino, export_openvino_int8
from nayan.export.parity import Parity, check_parity, require_parity
from nayan.export.quantise import RECIPES, Recipe, quantise_int8
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import Bundle, open_bundle, write_files
from nayan.runtime.golden import make_golden
from nayan.runtime.manifest import ONNX, WEIGHTS
from nayan.runtime.predictor import Backend, Predictor, evaluate, predict_samples
from nayan.runtime.spec import Spec
from nayan.tasks import CARDS

Engine = Literal["onnx", "openvino"]

MAX_CALIBRATION = 64
MAX_PARITY = 64
SURE = 0.5
"""Score from which on a detection counts as truth where there is no other."""


def _score_name(spec: Spec) -> str:
    """Return the score that must not fall."""
    return CARDS[spec.task].recipe.best_by


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export gave.

    Attributes:
        path: the new bundle.
        parity: against the trained network; for int8 it informs, in fp32 it had to hold.
        size_bytes: of the graph, all its files.
        accuracy_before: of the bundle that was exported, on the given data; None in fp32.
        accuracy_after: of the new one.
        recipe: what was quantised; empty in fp32.
    """

    path: Path
    parity: Parity
    size_bytes: int
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    recipe: str = ""


def save_bundle(network: Any, spec: Spec, folder: Path, *, images: Sequence[Image]) -> ExportReport:
    """Write a trained network as a bundle, and prove that the bundle answers as the network does.

    Args:
        network: a torch module with `forward` and `deploy`; it is not changed.
        spec: what it is.
        folder: the bundle; an older one is replaced.
        images: real pictures, (H, W, 3) uint8, at least one: the first becomes the golden example, and on
            all of them ONNX Runtime must agree with torch.

    Raises:
        ExportError: if it cannot be written as ONNX, or answers otherwise; nothing is written then.
        OSError: as the operating system reports it.
    """
    from safetensors.torch import save_file

    from nayan.export.onnx import export_onnx
    from nayan.export.torch_backend import TorchBackend

    if not images:
        raise DataError("no picture to compare the export on")
    with tempfile.TemporaryDirectory() as temporary:
        files = {ONNX: Path(temporary) / ONNX, WEIGHTS: Path(temporary) / WEIGHTS}
        export_onnx(network, spec, files[ONNX])
        # Clones: safetensors refuses tensors that share memory, which tied weights do.
        state = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        save_file({name: value.contiguous() for name, value in state.items()}, files[WEIGHTS])
        backend = choose_backend("onnx", files[ONNX])
        pixels = np.stack([spec.preprocess(image)[0] for image in images])
        parity = check_parity(TorchBackend(network), backend, pixels, inputs=spec.inputs)
        require_parity(parity, "the ONNX file")
        _write(folder, spec, backend, images[0], files, {"to": "onnx", "parity": parity})
        return ExportReport(folder, parity, files[ONNX].stat().st_size)


def export_bundle(
    bundle_path: Path,
    *,
    to: Engine,
    int8: bool = False,
    data: Sequence[Sample] | None = None,
    out: Path | None = None,
    max_drop: float = 0.01,
) -> ExportReport:
    """Make a bundle for another engine, or in 8 bits; `nayan predict` works on the result.

    Args:
        bundle_path: a bundle or a run folder.
        to: "onnx" or "openvino". To ONNX in fp32 is a fresh export by torch from the bundle's weights.
        int8: quantise. The result carries no float weights, it is only for running.
        data: pictures to compare on; without them variants of the golden one. For int8 they are needed:
            up to 64, evenly spaced, measure the ranges, and the accuracy is that on all of them. Where
            labels are missing, accuracy means agreement with the bundle before.
        out: the new bundle; by default `model_<engine>` or `model_<engine>_int8` beside the old one.
        max_drop: by how much the accuracy may fall in int8, as a fraction.

    Raises:
        BundleError: if the bundle is damaged, or lacks what the export needs.
        ConfigError: if int8 has no pictures, or `out` is the bundle itself.
        ExportError: with the numbers, if the answers differ too much; nothing is written then.
        MissingExtra: without the packages of the engine.
    """
    bundle = open_bundle(bundle_path)
    out = out or bundle.path.with_name(f"{bundle.path.name}_{to}{'_int8' if int8 else ''}")
    if out.resolve() == bundle.path.resolve():
        raise ConfigError(f"{out}: is the bundle that is exported", hint="choose another --out")
    if bundle.graph.suffix != ".onnx":
        raise ConfigError(
            f"{bundle.path}: is an export already ({bundle.graph.name})", hint="export the bundle of the run"
        )
    if int8 and not data:
        raise ConfigError("int8 needs pictures, to measure the range of every activation", hint="add --data")
    with tempfile.TemporaryDirectory() as temporary:
        if int8:
            return _export_int8(bundle, to, data or (), out, Path(temporary), max_drop=max_drop)
        return _export_fp32(bundle, to, data, out, Path(temporary))


def _export_fp32(
    bundle: Bundle, to: Engine, data: Sequence[Sample] | None, out: Path, temporary: Path
) -> ExportReport:
    pixels = _pixels(bundle.spec, data, MAX_PARITY) if data else _golden_pixels(bundle)
    reference: Backend
    if to == "onnx":
        from nayan.export.onnx import export_onnx
        from nayan.export.torch_backend import TorchBackend
        from nayan.tasks.restore import restore_bundle

        network = restore_bundle(bundle).network
        reference = TorchBackend(network)
        files = {ONNX: temporary / ONNX}
        export_onnx(network, bundle.spec, files[ONNX])
    else:
        reference = choose_backend("onnx", bundle.graph)
        files = export_openvino(bundle.graph, temporary)
    graph = next(iter(files.values()))
    backend = choose_backend(to, graph, precision="fp32")
    parity = check_parity(reference, backend, pixels, inputs=bundle.spec.inputs)
    require_parity(parity, graph.name)
    size = _size(files)
    if to == "onnx" and bundle.weights:
        files = files | {WEIGHTS: bundle.weights}
    _write(out, bundle.spec, backend, bundle.golden().image, files, {"to": to, "parity": parity})
    return ExportReport(out, parity, size)


def _export_int8(
    bundle: Bundle, to: Engine, data: Sequence[Sample], out: Path, temporary: Path, *, max_drop: float
) -> ExportReport:
    calibration = _pixels(bundle.spec, data, MAX_CALIBRATION)
    reference = choose_backend("onnx", bundle.graph)
    samples = _labelled(bundle.spec, reference, data)
    before = _score(bundle.spec, reference, samples)
    drops: list[str] = []
    for recipe in RECIPES:
        files = _quantise(bundle.graph, to, calibration, temporary, recipe)
        backend = choose_backend(to, next(iter(files.values())), precision="fp32")
        after = _score(bundle.spec, backend, samples)
        if before - after <= max_drop + 1e-9:  # a drop of exactly 1 point is allowed, whatever its last bit
            parity = check_parity(reference, backend, calibration, inputs=bundle.spec.inputs)
            facts = {"to": to, "int8": recipe.name, "accuracy": [before, after], "parity": parity}
            size = _size(files)
            _write(out, bundle.spec, backend, bundle.golden().image, files, facts)
            return ExportReport(out, parity, size, before, after, recipe.name)
        drops.append(f"{before:.4f} to {after:.4f} with {recipe.name} in 8 bits")
    raise ExportError(
        f"the {_score_name(bundle.spec)} on {len(samples)} pictures falls from {', and from '.join(drops)}; "
        f"allowed is a drop of {max_drop:.4f}",
        hint="nothing was written; allow more with --max-drop, give more typical --data, or stay in fp32",
    )


def _quantise(
    graph: Path, to: Engine, calibration: NDArray[np.uint8], temporary: Path, recipe: Recipe
) -> dict[str, Path]:
    folder = Path(tempfile.mkdtemp(dir=temporary))
    if to == "openvino":
        return export_openvino_int8(graph, calibration, folder, recipe=recipe)
    quantise_int8(graph, calibration, folder / ONNX, recipe=recipe)
    return {ONNX: folder / ONNX}


def _write(
    out: Path, spec: Spec, backend: Backend, image: Image, files: Mapping[str, Path], facts: Mapping[str, Any]
) -> None:
    facts = {name: asdict(value) if isinstance(value, Parity) else value for name, value in facts.items()}
    spec = spec.with_(provenance={**spec.provenance, "export": facts})
    write_files(out, spec=spec, golden=make_golden(_predictor(spec, backend), image), files=files)


def _predictor(spec: Spec, backend: Backend) -> Predictor:
    return Predictor(spec, backend, resolve(CARDS[spec.task].decode))


def _score(spec: Spec, backend: Backend, samples: Sequence[Sample]) -> float:
    metric = resolve(CARDS[spec.task].metric)(spec.classes)
    return float(evaluate(_predictor(spec, backend), samples, metric).scores[_score_name(spec)])


def _labelled(spec: Spec, reference: Backend, data: Sequence[Sample]) -> Sequence[Sample]:
    """Return the readable samples; where labels are missing, with the reference's answers instead."""
    known = all(sample.target is not None for sample in data)
    return [
        sample if known else replace(sample, target=_as_truth(outcome))
        for sample, _, outcome in predict_samples(_predictor(spec, reference), data)
        if not isinstance(outcome, NayanError)
    ]


def _as_truth(prediction: Prediction) -> Label | Boxes:
    """Return a prediction as if it were the truth; boxes of which none is shown are none."""
    if isinstance(prediction, ClassScores):
        return Label(prediction.label)
    sure = np.ones(len(prediction), bool) if prediction.scores is None else prediction.scores >= SURE
    return replace(prediction.select(sure), scores=None)


def _pixels(spec: Spec, data: Sequence[Sample], count: int) -> NDArray[np.uint8]:
    """Return the preprocessed pixels of at most `count` samples, evenly spaced, unreadable ones left out."""
    chosen = [data[i] for i in np.unique(np.linspace(0, len(data) - 1, min(count, len(data))).astype(int))]
    pixels = []
    for sample in chosen:
        with contextlib.suppress(DataError):  # `nayan doctor` is the place to hear of broken pictures
            pixels.append(spec.preprocess(sample.load(spec.preprocess.at_least()))[0])
    if not pixels:
        raise DataError(f"not one of {len(chosen)} pictures could be read", hint="run `nayan doctor DATA`")
    return np.stack(pixels)


def _golden_pixels(bundle: Bundle) -> NDArray[np.uint8]:
    pixels = bundle.golden().pixels
    return np.stack([pixels, pixels[:, ::-1], pixels[::-1], 255 - pixels, np.roll(pixels, 3, axis=0)])


def _size(files: Mapping[str, Path]) -> int:
    return sum(file.stat().st_size for file in files.values())
