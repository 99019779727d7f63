"""The verbs of nayan, each a few lines: the only place that ties the layers together.

The command line parses into these functions, and `import nayan` shows them. Whatever needs torch is
imported inside the verb that needs it, so that prediction and the rest start without.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nayan.core.config import make_config
from nayan.core.errors import ConfigError, DataError, MissingExtra, NayanError
from nayan.core.events import Listener
from nayan.core.image import open_image, probe
from nayan.core.registry import resolve
from nayan.core.story import Story
from nayan.core.types import Dataset, Label, Sample
from nayan.tasks import CARDS, by_verb

if TYPE_CHECKING:
    from nayan.data.doctor import Diagnosis
    from nayan.runtime.bundle import Bundle, Check
    from nayan.runtime.predictor import Predictor
    from nayan.tasks.cards import Entry, TaskCard
    from nayan.training.run import Run

Place = str | Path
"""A file or folder."""

_TRAINING_PACKAGES = {"torch", "torchvision", "timm", "lightning_fabric", "matplotlib", "jinja2", "onnx"}


def train(
    data: Place | None, *, config: Path | None = None, on_event: Listener | None = None, **options: Any
) -> Run:
    """Train a model on a folder of pictures.

    Args:
        data: a data set of any format that `nayan.data.readers` knows; None if the file names it.
        config: a YAML file of options; explicit ones go before it.
        on_event: called with every event of the run, see `nayan.core.events`.
        **options: those of `nayan.core.config.TrainConfig`, by name.

    Returns:
        The finished run: its folder, scores, bundle and report.

    Raises:
        ConfigError: for an unknown or impossible option.
        DataError: if the data cannot be trained on.
        MissingExtra: without `pip install "nayan[train]"`.

    Example:
        run = nayan.train("flowers", model="mobilenetv2_100", epochs=5)
        run.metrics["accuracy"]
    """
    if data is None and config is None:
        raise ConfigError("no data to train on", hint="nayan train DATA, with DATA a folder of pictures")
    resolved, origins = make_config({**options, "data": data}, config)
    with _needs_training("training"):
        from nayan.training.run import train_run

        return train_run(resolved, origins, listeners=_listeners(on_event))


def resume(run: Place, *, on_event: Listener | None = None, **options: Any) -> Run:
    """Go on with an interrupted run where it stopped; the result is that of a run that never was.

    Args:
        run: its folder.
        on_event: called with every event.
        **options: those that may change without changing the result, such as `device` or `workers`.

    Raises:
        ConfigError: if the folder is no run, or an option would change the result.
    """
    with _needs_training("training"):
        from nayan.training.run import resume_run

        return resume_run(Path(run), options, listeners=_listeners(on_event))


def load(model: Place, *, backend: str = "auto") -> Predictor:
    """Open a trained model: `load("runs/classify/lenet")([image])` gives one prediction a picture.

    Args:
        model: a run folder or a bundle.
        backend: "auto", "onnx" or "openvino".

    Raises:
        BundleError: if anything about the bundle is not as it was written.
    """
    from nayan.runtime.bundle import open_bundle

    return _predictor(open_bundle(Path(model)), backend)


def predict(
    model: Place | Predictor,
    sources: Place | Sequence[Place],
    *,
    conf: float | None = None,
    top: int = 5,
    batch: int = 16,
    backend: str = "auto",
    save: Place | None = None,
    stdin: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Return what a model sees in pictures; a picture that cannot be read does not stop the others.

    Args:
        model: a run folder, a bundle, or what `load` returned.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        conf: least score that is shown; None for the thresholds that the model was given.
        top: at most so many classes a picture.
        batch: pictures at once.
        backend: as for `load`.
        save: folder for annotated copies of the pictures.
        stdin: lines with one path each.

    Returns:
        `{"source", "size": [h, w], "predictions": [{"label", "score"}]}` a picture, or
        `{"source", "error"}`; in the order of the sources.

    Raises:
        DataError: if a source does not exist or holds no picture.
    """
    from nayan.data.pictures import find_pictures
    from nayan.runtime.predictor import Predictor, predict_samples

    if batch < 1 or top < 1:
        raise ConfigError(f"batch {batch}, top {top}: both are at least 1")
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    samples = find_pictures(listed, stdin)
    predictor = model if isinstance(model, Predictor) else load(model, backend=backend)
    spec = predictor.spec
    card = CARDS[spec.task]
    to_records = resolve(f"{card.decode.partition(':')[0]}:to_records")
    threshold = spec.decode_args.get("thresholds") if conf is None else conf
    records: list[dict[str, Any]] = []
    for sample, _, outcome in predict_samples(predictor, samples, batch=batch):
        if isinstance(outcome, NayanError):
            records.append({"source": sample.id, "error": outcome.message})
            continue
        rows = to_records(outcome, spec.classes, conf=threshold, top=top)
        size = list(probe(_file(sample)).size)
        records.append({"source": sample.id, "size": size, "predictions": rows})
        if save is not None:
            picture = resolve(f"{card.draw}:annotate")(sample.load(), outcome, spec.classes)
            _save_picture(picture, Path(save), len(records), sample)
    return records


def val(
    model: Place,
    data: Place,
    *,
    split: str | None = None,
    format: str | None = None,
    batch: int = 16,
    backend: str = "auto",
) -> dict[str, Any]:
    """Score a model on data with known answers, through the bundle that would be deployed.

    Classes are matched by name: the data may list them in another order, or lack some.

    Args:
        model: a run folder or a bundle.
        data: a data set.
        split: "train", "val", "test" or "all"; by default test, else val, else all.
        format: name of the reader; None to recognise it.
        batch: pictures at once.
        backend: as for `load`.

    Returns:
        `{"task", "model", "data", "split", "pictures", "metrics", "seconds", "failures"}`.

    Raises:
        DataError: if the data has a class that the model does not know, or no picture can be read.
    """
    from nayan.data.splits import read_split
    from nayan.runtime.predictor import evaluate

    predictor = load(model, backend=backend)
    spec = predictor.spec
    dataset = _with_classes(read_split(Path(data), split, format=format), spec.classes)
    metric = resolve(CARDS[spec.task].metric)(spec.classes)
    result = evaluate(predictor, dataset.samples, metric, batch=batch)
    return {
        "task": CARDS[spec.task].verb,
        "model": spec.model,
        "data": str(data),
        "split": dataset.split,
        "pictures": result.pictures,
        "metrics": dict(result.scores),
        "seconds": round(result.seconds, 3),
        "failures": [{"source": sample.id, "error": error.message} for sample, error in result.failures],
    }


def doctor(
    data: Place, *, format: str | None = None, only: Sequence[str] = (), skip: Sequence[str] = ()
) -> Diagnosis:
    """Say what a data set is, how much of it there is, and what is wrong with it; nothing is changed.

    Args:
        data: a folder or file.
        format: name of the reader; None to recognise it.
        only: ids or families of the checks to run; all by default.
        skip: those to leave out.
    """
    from nayan.data.doctor import diagnose

    return diagnose(Path(data), format=format, only=only or None, skip=skip or None)


def models(task: str | None = None, *, search: str = "", all: bool = False) -> list[Entry]:
    """Return the catalogue of what can be trained by name.

    Args:
        task: "classify", ...; None for every task.
        search: only entries whose name or summary contains this, in any case.
        all: also every timm backbone; needs the train extra.

    >>> [entry.name for entry in models("classify", search="lenet")]
    ['lenet']
    """
    cards = [by_verb(task)] if task else list(CARDS)
    entries = [entry for card in cards for entry in _entries(card, all)]
    word = search.lower()
    return [entry for entry in entries if word in entry.name.lower() or word in entry.summary.lower()]


def check_bundle(model: Place, *, backend: str = "auto") -> list[Check]:
    """Check a bundle's every file, and that it still gives the answer that it gave when it was made.

    Returns:
        What was looked at, in order; the list ends at the first failure.
    """
    from nayan.runtime import bundle

    return bundle.check_bundle(Path(model), load=lambda opened: _predictor(opened, backend))


def _entries(card: TaskCard, all_backbones: bool) -> list[Entry]:
    return list(resolve(card.catalog))


def _predictor(bundle: Bundle, backend: str) -> Predictor:
    from nayan.runtime.backends.choose import choose_backend
    from nayan.runtime.predictor import Predictor

    decode = resolve(CARDS[bundle.spec.task].decode)
    return Predictor(bundle.spec, choose_backend(backend, bundle.graph), decode)


def _with_classes(data: Dataset, classes: Sequence[str]) -> Dataset:
    """Return the data with its labels counted as the model counts its classes.

    Raises:
        DataError: if the data has a class that the model does not know.
    """
    unknown = [name for name in data.classes if name not in classes]
    if unknown:
        raise DataError(
            f"{data.root}: the model does not know the classes {', '.join(unknown)}",
            hint=f"it knows {', '.join(classes)}; rename or remove the others",
        )
    place = [classes.index(name) for name in data.classes]
    samples = tuple(
        replace(sample, target=Label(place[sample.target.index])) if sample.target is not None else sample
        for sample in data.samples
    )
    return replace(data, samples=samples, classes=tuple(classes))


def _file(sample: Sample) -> Path:
    assert sample.path is not None  # find_pictures only finds files
    return sample.path


def _save_picture(picture: np.ndarray[Any, Any], folder: Path, number: int, sample: Sample) -> None:
    """Write a picture under the number and name of its source, so that equal names in two folders do not meet."""
    from PIL import Image as PillowImage

    folder.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(folder / f"{number:05d}_{_file(sample).stem}.jpg", quality=92)


def _listeners(on_event: Listener | None) -> tuple[Listener, ...]:
    return (on_event,) if on_event is not None else ()


@contextlib.contextmanager
def _needs_training(what: str) -> Iterator[None]:
    """Turn a missing package of the train extra into advice."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAINING_PACKAGES:
            raise
        raise MissingExtra(f"{what} needs {error.name}, which", "train") from error
