"""nayan: a folder of pictures in, a working vision model out.

>>> import nayan
>>> nayan.models(search="vgg")[0].name
'vgg16'

The verbs of the command line are functions here, and each is imported when it is first used, so that
`import nayan` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nayan.api.bundles import check_bundle, export
    from nayan.api.data import convert, doctor, sample, split
    from nayan.api.generating import generate
    from nayan.api.inside import explain, models
    from nayan.api.learning import resume, train
    from nayan.api.portraits import portrait
    from nayan.api.restoring import inpaint, upscale
    from nayan.api.stylizing import stylize
    from nayan.api.translations import translate
    from nayan.api.trying import demo
    from nayan.api.using import load, predict, val, watch
    from nayan.core.errors import NayanError
    from nayan.core.story import Story
    from nayan.runtime.predictor import Predictor
    from nayan.training.run import Run

_ADDRESSES = {
    "NayanError": "nayan.core.errors",
    "Predictor": "nayan.runtime.predictor",
    "Run": "nayan.training.run",
    "Story": "nayan.core.story",
    "check_bundle": "nayan.api.bundles",
    "convert": "nayan.api.data",
    "demo": "nayan.api.trying",
    "doctor": "nayan.api.data",
    "explain": "nayan.api.inside",
    "export": "nayan.api.bundles",
    "generate": "nayan.api.generating",
    "inpaint": "nayan.api.restoring",
    "load": "nayan.api.using",
    "models": "nayan.api.inside",
    "portrait": "nayan.api.portraits",
    "predict": "nayan.api.using",
    "resume": "nayan.api.learning",
    "sample": "nayan.api.data",
    "split": "nayan.api.data",
    "stylize": "nayan.api.stylizing",
    "train": "nayan.api.learning",
    "translate": "nayan.api.translations",
    "upscale": "nayan.api.restoring",
    "val": "nayan.api.using",
    "watch": "nayan.api.using",
}

__all__ = [
    "NayanError",
    "Predictor",
    "Run",
    "Story",
    "check_bundle",
    "convert",
    "demo",
    "doctor",
    "explain",
    "export",
    "generate",
    "inpaint",
    "load",
    "models",
    "portrait",
    "predict",
    "resume",
    "sample",
    "split",
    "stylize",
    "train",
    "translate",
    "upscale",
    "val",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nayan")
    if name not in _ADDRESSES:
        raise AttributeError(f"module 'nayan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_ADDRESSES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_ADDRESSES, "__version__"])


class _Door(ModuleType):
    """Keeps the verbs `explain` and `export`: importing the packages of these names would hide them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _ADDRESSES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
