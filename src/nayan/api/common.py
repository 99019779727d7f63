"""What several verbs need: how places are written, how a model is opened, which packages train."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nayan.core.errors import MissingExtra
from nayan.core.events import Listener

if TYPE_CHECKING:
    from nayan.runtime.bundle import Bundle
    from nayan.runtime.predictor import Predictor

Place = str | Path
"""A file or folder."""

_TRAINING_PACKAGES = {
    "torch",
    "torchvision",
    "timm",
    "lightning_fabric",
    "matplotlib",
    "jinja2",
    "onnx",
    "pytorch_metric_learning",
    "scipy",
}


def open_predictor(bundle: Bundle, backend: str, *, pictures: int = 1) -> Predictor:
    """Return a bundle as something that predicts so many pictures, run by an engine."""
    from nayan.runtime.backends.choose import choose_backend
    from nayan.tasks.predicting import make_predictor

    return make_predictor(bundle.spec, choose_backend(backend, bundle.graph, pictures=pictures))


def as_listeners(on_event: Listener | None) -> tuple[Listener, ...]:
    """Return who is called with the events of a run."""
    return (on_event,) if on_event is not None else ()


@contextlib.contextmanager
def needs_training(what: str) -> Iterator[None]:
    """Turn a missing package of the train extra into advice."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAINING_PACKAGES:
            raise
        raise MissingExtra(f"{what} needs {error.name}, which", "train") from error
