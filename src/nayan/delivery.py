"""From a trained network to a finished run: exported, proven, scored as it will be deployed, reported."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from nayan.core.errors import DataError
from nayan.core.types import Dataset, Image, Size
from nayan.export.bundle import save_bundle
from nayan.report.evaluation import write_evaluation
from nayan.report.html import write_report
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import open_bundle, update_spec
from nayan.tasks.predicting import make_predictor
from nayan.training.run import Run, Trained

PROOF_PICTURES = 16  # on which the export must answer as the network does


def deliver(trained: Trained) -> Run:
    """Write `model/`, `evaluation/` and `report.html` into the run's folder and close its log.

    Of several processes the first one does it, and the others wait for it.

    Raises:
        ExportError: if the export does not answer as the network does.
    """
    fabric = trained.setup.fabric
    if fabric.is_global_zero:
        _write(trained)
    fabric.barrier()
    folder, spec = trained.folder, open_bundle(trained.folder / "model").spec
    split = "test" if "test" in spec.metrics else "val"
    return Run(
        folder=folder,
        task=trained.setup.card.verb,
        model=spec.model,
        data=trained.setup.config.data,
        split=split,
        metrics=spec.metrics[split],
        bundle=folder / "model",
        report=folder / "report.html",
        seconds=round(time.monotonic() - trained.started, 3),
    )


def _write(trained: Trained) -> None:
    folder, splits, log = trained.folder, trained.setup.splits, trained.log
    with trained.timed("export"):
        images = _readable(splits.val, trained.spec.preprocess.at_least())
        save_bundle(trained.setup.network, trained.spec, folder / "model", images=images)
    bundle = open_bundle(folder / "model")
    predictor = make_predictor(bundle.spec, choose_backend("onnx", bundle.graph, pictures=len(splits.val)))
    scores: dict[str, dict[str, float]] = {}
    with trained.timed("evaluation"):
        counts = splits.test or splits.val  # the one that the report is about
        for data in (splits.val, splits.test):
            if data is not None:
                begun = time.monotonic()
                metrics = write_evaluation(
                    folder,
                    predictor,
                    data,
                    calibration=trained.calibration,
                    learnt=splits.train if data is counts else None,
                    features=trained.setup.config.features,
                )
                scores[data.split] = metrics
                seconds = round(time.monotonic() - begun, 3)
                log("evaluation", split=data.split, metrics=metrics, seconds=seconds)
        update_spec(bundle, bundle.spec.with_(metrics=scores))
    seconds = round(time.monotonic() - trained.started, 3)
    report = str(folder / "report.html")
    log("end", seconds=seconds, bundle=str(bundle.path), report=report, timings=trained.timings)
    write_report(folder)


def _readable(data: Dataset, at_least: Size) -> list[Image]:
    """Return a few pictures, evenly spaced."""
    images = []
    for row in np.unique(np.linspace(0, len(data) - 1, PROOF_PICTURES).astype(int)):
        with contextlib.suppress(DataError):  # the evaluation names broken pictures
            images.append(data.samples[row].load(at_least))
    return images
