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
    from nayan.api.augmenting import augment
    from nayan.api.bundles import check_bundle, export
    from nayan.api.captioning import caption
    from nayan.api.data import convert, doctor, sample, split
    from nayan.api.generating import generate
    from nayan.api.inside import explain, models
    from nayan.api.learning import resume, train
    from nayan.api.portraits import portrait
    from nayan.api.restoring import inpaint, upscale
    from nayan.api.searching import duplicates, embed, index, recommend, search
    from nayan.api.stylizing import stylize
    from nayan.api.translations import translate
    from nayan.api.trying import demo
    from nayan.api.using import load, predict, val, watch
    from nayan.api.verifying import verify, verify_pairs
    from nayan.core.errors import NayanError
    from nayan.core.story import Story
    from nayan.runtime.predictor import Predictor
    from nayan.training.run import Run

_ADDRESSES = {
    "NayanError": "nayan.core.errors",
    "Predictor": "nayan.runtime.predictor",
    "Run": "nayan.training.run",
    "Story": "nayan.core.story",
    "caption": "nayan.api.captioning",
    "augment": "nayan.api.augmenting",
    "check_bundle": "nayan.api.bundles",
    "convert": "nayan.api.data",
    "demo": "nayan.api.trying",
    "doctor": "nayan.api.data",
    "duplicates": "nayan.api.searching",
    "embed": "nayan.api.searching",
    "explain": "nayan.api.inside",
    "export": "nayan.api.bundles",
    "generate": "nayan.api.generating",
    "index": "nayan.api.searching",
    "inpaint": "nayan.api.restoring",
    "load": "nayan.api.using",
    "models": "nayan.api.inside",
    "portrait": "nayan.api.portraits",
    "predict": "nayan.api.using",
    "recommend": "nayan.api.searching",
    "resume": "nayan.api.learning",
    "sample": "nayan.api.data",
    "search": "nayan.api.searching",
    "split": "nayan.api.data",
    "stylize": "nayan.api.stylizing",
    "train": "nayan.api.learning",
    "translate": "nayan.api.translations",
    "upscale": "nayan.api.restoring",
    "val": "nayan.api.using",
    "verify": "nayan.api.verifying",
    "verify_pairs": "nayan.api.verifying",
    "watch": "nayan.api.using",
}

__all__ = [
    "NayanError",
    "Predictor",
    "Run",
    "Story",
    "augment",
    "caption",
    "check_bundle",
    "convert",
    "demo",
    "doctor",
    "duplicates",
    "embed",
    "explain",
    "export",
    "generate",
    "index",
    "inpaint",
    "load",
    "models",
    "portrait",
    "predict",
    "recommend",
    "resume",
    "sample",
    "search",
    "split",
    "stylize",
    "train",
    "translate",
    "upscale",
    "val",
    "verify",
    "verify_pairs",
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
