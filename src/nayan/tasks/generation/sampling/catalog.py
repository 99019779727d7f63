"""The generators that can be trained by name. No torch here."""

from __future__ import annotations

from typing import Any

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.generation.sampling.models"
LATENT = 100
"""Numbers of noise that a picture is drawn from."""
DRAWN = Preprocess((64, 64), "crop", mean=(0.5,) * 3, std=(0.5,) * 3)
"""Pixels become [-1, 1], the range of a tanh."""


def _entry(name: str, summary: str, *, paper: str, **args: Any) -> Entry:
    inputs: dict[str, Any] = {"noise": {"method": "noise", "size": LATENT}}
    if name == "conditional_gan":
        inputs["label"] = {"method": "label"}  # of so many as there are classes, see `SamplingTask.inputs`
    return Entry(
        name,
        f"{MODELS_AT}.{name}:{name}",
        DRAWN,
        summary=summary,
        paper=paper,
        licence="Apache-2.0",
        args={"latent": LATENT, **args},
        gray=True,
        inputs=inputs,
        fixed_size=True,
        use="nayan generate {model} -n 64 --grid",
    )


MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        _entry(
            "dcgan",
            "convolutions with strides draw, convolutions with strides judge",
            paper="arXiv:1511.06434",
        ),
        _entry("gan", "the original: perceptrons draw and judge", paper="arXiv:1406.2661", dropout=0.3),
        _entry(
            "conditional_gan", "both are told the class, so that one can ask for it", paper="arXiv:1411.1784"
        ),
    ],
)
"""Every generator by its name."""
