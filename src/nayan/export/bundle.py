"""Makes bundles: of a network that was just trained, or of a bundle for another engine or in 8 bits."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, ExportError, NayanError
from nayan.core.registry import resolve
from nayan.core.types import (
    Boxes,
    Caption,
    ClassScores,
    Embedding,
    Image,
    Label,
    Picture,
    Prediction,
    Sample,
    SemanticMask,
    Translation,
)
from nayan.export.openvino import export_openvino, export_openvino_int8
from nayan.export.parity import Placed, check_parity, require_parity
from nayan.export.quantise import PLACE_RECIPES, RECIPES, Recipe, quantise_int8
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import Bundle, open_bundle, write_files
from nayan.runtime.golden import make_golden
from nayan.runtime.inputs import make_inputs
from nayan.runtime.manifest import ONNX, WEIGHTS
from nayan.runtime.parity import Parity
from nayan.runtime.predictor import Backend, evaluate, predict_samples
from nayan.runtime.preprocess import Placement
from nayan.runtime.spec import Spec
from nayan.tasks import CARDS
from nayan.tasks.predicting import make_predictor

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
        score: name of what must not fall in 8 bits, such as "accuracy" or "map"; empty in fp32.
        score_before: of the bundle that was exported, on the given data; None in fp32.
        score_after: of the new one.
        recipe: what was quantised; empty in fp32.
    """

    path: Path
    parity: Parity
    size_bytes: int
    score: str = ""
    score_before: float | None = None
    score_after: float | None = None
    recipe: str = ""


def save_bundle(network: Any, spec: Spec, folder: Path, *, images: Sequence[Image]) -> ExportReport:
    """Write a trained network as a bundle, and prove that the bundle answers as the network does.

    Args:
        network: a torch module with `forward` and `deploy`; it is not changed.
        spec: what it is.
        folder: the bundle; an older one is replaced.
        images: real pictures, (H, W, 3) uint8, at least one: the first becomes the golden example, and on
            all of them ONNX Runtime must agree with torch, as the task compares answers.

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
        pictures = [spec.preprocess(image) for image in images]
        parity = check_parity(TorchBackend(network), backend, pictures, spec=spec)
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
            up to 64, evenly spaced, measure the ranges, and the task's score (accuracy, map) is that on all
            of them. Where labels are missing, it means agreement with the bundle before.
        out: the new bundle; by default `model_<engine>` or `model_<engine>_int8` beside the old one.
        max_drop: by how much the score may fall in int8, as a fraction.

    Raises:
        BundleError: if the bundle is damaged, or lacks what the export needs.
        ConfigError: if int8 has no pictures, or `out` is the bundle itself.
        ExportError: with the numbers, if the answers differ too much, if the engine cannot have the network,
            or not in 8 bits, or if 8 bits are asked for of one that draws; nothing is written then.
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
    if int8 and "Original" in CARDS[bundle.spec.task].targets:
        raise ExportError(
            f"{bundle.path}: {bundle.spec.model} draws pictures, and in 8 bits their colours come in steps",
            hint="export it without --int8",
        )
    with tempfile.TemporaryDirectory() as temporary:
        if int8:
            return _export_int8(bundle, to, data or (), out, Path(temporary), max_drop=max_drop)
        return _export_fp32(bundle, to, data, out, Path(temporary))


def _export_fp32(
    bundle: Bundle, to: Engine, data: Sequence[Sample] | None, out: Path, temporary: Path
) -> ExportReport:
    pictures = _placed(bundle.spec, data, MAX_PARITY) if data else _golden_variants(bundle)
    reference: Backend
    if to == "onnx":
        from nayan.export.onnx import export_onnx
        from nayan.export.torch_backend import TorchBackend
        from nayan.tasks.restore import restore_bundle

        network = restore_bundle(bundle).network
        assert network is not None  # a bundle has one
        reference = TorchBackend(network)
        files = {ONNX: temporary / ONNX}
        export_onnx(network, bundle.spec, files[ONNX])
    else:
        reference = choose_backend("onnx", bundle.graph)
        files = export_openvino(bundle.graph, temporary)
    graph = next(iter(files.values()))
    backend = choose_backend(to, graph, precision="fp32")
    parity = check_parity(reference, backend, pictures, spec=bundle.spec)
    require_parity(parity, graph.name)
    size = _size(files)
    if to == "onnx" and bundle.weights:
        files = files | {WEIGHTS: bundle.weights}
    _write(out, bundle.spec, backend, bundle.golden().image, files, {"to": to, "parity": parity})
    return ExportReport(out, parity, size)


def _export_int8(
    bundle: Bundle, to: Engine, data: Sequence[Sample], out: Path, temporary: Path, *, max_drop: float
) -> ExportReport:
    spec, score = bundle.spec, _score_name(bundle.spec)
    pictures = _placed(spec, data, MAX_CALIBRATION)
    calibration = np.stack([pixels for pixels, _ in pictures])
    inputs = make_inputs(spec.inputs, list(calibration))
    reference = choose_backend("onnx", bundle.graph)
    samples = _labelled(spec, reference, data)
    before = _score(spec, reference, samples)
    drops: list[str] = []
    for recipe in PLACE_RECIPES if CARDS[spec.task].places else RECIPES:
        files = _quantise(bundle.graph, to, calibration, temporary, inputs=inputs, recipe=recipe)
        backend = choose_backend(to, next(iter(files.values())), precision="fp32")
        after = _score(spec, backend, samples)
        if before - after <= max_drop + 1e-9:  # a drop of exactly 1 point is allowed, whatever its last bit
            parity = check_parity(reference, backend, pictures, spec=spec)
            facts = {"to": to, "int8": recipe.name, score: [before, after], "parity": parity}
            size = _size(files)
            _write(out, spec, backend, bundle.golden().image, files, facts)
            return ExportReport(out, parity, size, score, before, after, recipe.name)
        drops.append(f"{before:.4f} to {after:.4f} with {recipe.name} in 8 bits")
    raise ExportError(
        f"the {score} on {len(samples)} pictures falls from {', and from '.join(drops)}; "
        f"allowed is a drop of {max_drop:.4f}",
        hint="nothing was written; allow more with --max-drop, give more typical --data, or stay in fp32",
    )


def _quantise(
    graph: Path,
    to: Engine,
    calibration: NDArray[np.uint8],
    temporary: Path,
    *,
    inputs: Mapping[str, NDArray[Any]],
    recipe: Recipe,
) -> dict[str, Path]:
    folder = Path(tempfile.mkdtemp(dir=temporary))
    if to == "openvino":
        return export_openvino_int8(graph, calibration, folder, inputs=inputs, recipe=recipe)
    quantise_int8(graph, calibration, folder / ONNX, inputs=inputs, recipe=recipe)
    return {ONNX: folder / ONNX}


def _write(
    out: Path, spec: Spec, backend: Backend, image: Image, files: Mapping[str, Path], facts: Mapping[str, Any]
) -> None:
    # The type is asked for because `is_dataclass` means classes too.
    facts = {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in facts.items()
    }
    spec = spec.with_(provenance={**spec.provenance, "export": facts})
    write_files(out, spec=spec, golden=make_golden(make_predictor(spec, backend), image), files=files)


def _score(spec: Spec, backend: Backend, samples: Sequence[Sample]) -> float:
    metric = resolve(CARDS[spec.task].metric)(spec.classes)
    return float(evaluate(make_predictor(spec, backend), samples, metric).scores[_score_name(spec)])


def _labelled(spec: Spec, reference: Backend, data: Sequence[Sample]) -> Sequence[Sample]:
    """Return the readable samples; where labels are missing, with the reference's answers instead."""
    known = all(sample.target is not None for sample in data)
    return [
        sample if known else replace(sample, target=_as_truth(outcome))
        for sample, _, outcome in predict_samples(make_predictor(spec, reference), data)
        if not isinstance(outcome, NayanError)
    ]


def _as_truth(prediction: Prediction) -> Label | Boxes | SemanticMask | Caption:
    """Return a prediction as if it were the truth; boxes of which none is shown are none."""
    if isinstance(prediction, ClassScores):
        return Label(prediction.label)
    if isinstance(prediction, SemanticMask):
        return replace(prediction, scores=None)
    if isinstance(prediction, Caption):
        return Caption(prediction.texts[:1])
    if isinstance(prediction, Picture | Translation):
        raise DataError("a picture that was drawn is no truth to compare with", hint="give --data")
    if isinstance(prediction, Embedding):
        raise DataError(
            "who is in the pictures is not known, and an embedder cannot say",
            hint="give --data with identities",
        )
    sure = np.ones(len(prediction), bool) if prediction.scores is None else prediction.scores >= SURE
    return replace(prediction.select(sure), scores=None)


def _placed(spec: Spec, data: Sequence[Sample], count: int) -> list[Placed]:
    """Return at most `count` samples as the network sees them, evenly spaced, unreadable ones left out.

    Of a picture that is looked at in tiles, one is taken, of each picture another one.
    """
    chosen = [data[i] for i in np.unique(np.linspace(0, len(data) - 1, min(count, len(data))).astype(int))]
    placed = []
    for number, sample in enumerate(chosen):
        with contextlib.suppress(DataError):  # `nayan doctor` is the place to hear of broken pictures
            placed.append(spec.preprocess(_seen(spec, sample, number)))
    if not placed:
        raise DataError(f"not one of {len(chosen)} pictures could be read", hint="run `nayan doctor DATA`")
    return placed


def _seen(spec: Spec, sample: Sample, number: int) -> Image:
    """Return a picture, or its tile of that number where it is looked at in tiles."""
    if spec.tiling is None:
        return sample.load(spec.preprocess.at_least())
    image = sample.load()
    tiles = spec.tiling.views((image.shape[0], image.shape[1]))
    left, top, right, bottom = tiles[number % len(tiles)]
    return np.ascontiguousarray(image[top:bottom, left:right])


def _golden_variants(bundle: Bundle) -> list[Placed]:
    """Return the pixels of the golden picture, and what mirrors and shifts make of them."""
    pixels = bundle.golden().pixels
    variants = [pixels, pixels[:, ::-1], pixels[::-1], 255 - pixels, np.roll(pixels, 3, axis=0)]
    whole = Placement(bundle.spec.preprocess.size, (1.0, 1.0), (0.0, 0.0))
    return [(np.ascontiguousarray(variant), whole) for variant in variants]


def _size(files: Mapping[str, Path]) -> int:
    return sum(file.stat().st_size for file in files.values())
