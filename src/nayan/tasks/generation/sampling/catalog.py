"""The generators that can be trained by name. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.generation.sampling.models"
LATENT = 100
"""Numbers of noise that a picture is drawn from."""
DRAWN = Preprocess((64, 64), "crop", mean=(0.5,) * 3, std=(0.5,) * 3)
"""Pixels become [-1, 1], the range of a tanh."""


def _entry(
    name: str,
    summary: str,
    *,
    paper: str,
    asked: str = "",
    fitted: Mapping[str, Any] | None = None,
    **args: Any,
) -> Entry:
    inputs: dict[str, Any] = {"noise": {"method": "noise", "size": LATENT}}
    if asked:
        inputs[asked] = {"method": asked}  # what can be asked for, the data decide: see `SamplingTask.inputs`
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
        fitted=fitted or {},
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
            "conditional_gan",
            "both are told the class, so that one can ask for it",
            paper="arXiv:1411.1784",
            asked="label",
        ),
        _entry(
            "text_to_image",
            "both read a caption, so that one can ask in words",
            paper="arXiv:1605.05396",
            asked="caption",
            fitted={"words": 10_000, "captions": 256},  # at most
        ),
    ],
)
"""Every generator by its name."""
