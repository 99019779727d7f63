"""Write src/nayan/parts/backbones.json: every backbone that timm (and torchvision, for two) knows.

Each architecture is built on the meta device, which computes shapes and no numbers. Run it after an
update of timm:

    python scripts/list_timm.py
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn

from nayan.parts.backbone import TORCHVISION
from nayan.parts.published import signature

OUT = Path(__file__).parent.parent / "src" / "nayan" / "parts" / "backbones.json"


def describe(model: nn.Module, classifiers: list[str]) -> dict[str, Any]:
    """Return the facts of one architecture with its published classifier."""
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "classifiers": classifiers,
        "signature": signature(shapes, without=classifiers),
    }


def weights_row(name: str, tag: str) -> list[Any]:
    """Return [tag, size, crop, interpolation, mean, std, licence, classes] of one set of weights."""
    config: Any = timm.get_pretrained_cfg(f"{name}.{tag}" if tag else name)
    interpolation = "bilinear" if config.interpolation == "bilinear" else "bicubic"
    return [
        tag,
        list(config.input_size[1:]),
        config.crop_pct,
        interpolation,
        list(config.mean),
        list(config.std),
        config.license or "unknown",
        config.num_classes,
    ]


def from_timm(name: str) -> dict[str, Any]:
    """Return the record of one timm architecture."""
    with torch.device("meta"):
        model = timm.create_model(name)
    default: Any = timm.get_pretrained_cfg(name)
    stated = default.classifier if default else None
    layers = [stated] if isinstance(stated, str) else list(stated or ())
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*") + timm.list_pretrained(name)]
    tags = sorted(set(tags), key=lambda tag: (tag != (default.tag if default else ""), tag))
    papers = default.paper_ids if default else None
    paper = papers if isinstance(papers, str) else ", ".join(papers or ())
    return {
        **describe(model, layers),
        "paper": paper,
        "weights": [weights_row(name, tag) for tag in tags],
    }


def from_torchvision(name: str) -> dict[str, Any]:
    """Return the record of one torchvision architecture."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    last = {"alexnet": "classifier.6", "squeezenet1_0": "classifier.1"}[name]
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    row = ["", [224, 224], 0.875, "bilinear", mean, std, "bsd-3-clause", 1000]
    return {**describe(model, [last]), "paper": "", "weights": [row]}


def main() -> None:
    """Write the table, one architecture a line."""
    warnings.simplefilter("ignore")
    records: dict[str, Any] = {name: from_torchvision(name) for name in TORCHVISION}
    for name in timm.list_models():
        try:
            records[name] = from_timm(name)
        except (RuntimeError, TypeError, NotImplementedError, ImportError) as error:
            print(f"left out {name}: {error}", file=sys.stderr)
    lines = ",\n".join(
        f'"{name}": {json.dumps(record, separators=(",", ":"))}' for name, record in sorted(records.items())
    )
    OUT.write_text(f'{{"timm": "{timm.__version__}", "architectures": {{\n{lines}\n}}}}\n', encoding="utf-8")
    print(f"{len(records)} architectures, {OUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
