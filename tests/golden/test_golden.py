"""Numbers that must not change unless someone means it: `make golden MODEL=lenet` writes them again.

A golden file holds what a network with seeded weights gives for a drawn picture, and the losses of its first
steps of training. A change of either is a change of behaviour, to be reviewed like code.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nayan.core.types import Label
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Item
from nayan.tasks.classification.catalog import MODELS
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.freeze import set_mode
from nayan.training.optimise import build_optimizer

CLASSES = ("zero", "one", "two")
SIDE = {"lenet": 28, "squeezenet1_0": 64, "mobilenetv2_100": 64}


def drawn(side: int, channels: int) -> list[Item]:
    """Return three pictures, one a class: a ramp across, a ramp down, a chequerboard."""
    y, x = np.mgrid[0:side, 0:side]
    shapes = (x * 255 // side, y * 255 // side, (x // 4 + y // 4) % 2 * 255)
    place = Placement((side, side), (1.0, 1.0), (0.0, 0.0))
    return [
        Item(np.repeat(shape.astype(np.uint8)[:, :, None], channels, 2), Label(row), str(row), place)
        for row, shape in enumerate(shapes)
    ]


def measured(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    task, entry = ClassificationTask(), MODELS[name]
    channels = 1 if entry.gray else 3
    network: Any = task.build(
        entry,
        CLASSES,
        channels=channels,
        size=(SIDE[name], SIDE[name]),
        dropout=0.0,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
    )
    batch = task.collate(drawn(SIDE[name], channels))
    network.eval()
    with torch.no_grad():
        embedding = network(batch.images).embedding
    optimizer = build_optimizer("sgd", network, lr=0.05, weight_decay=0.0, lr_scale={})
    losses = []
    for _ in range(4):
        set_mode(network.stages(), 0, keep_statistics=True)
        loss = task.losses(network, batch, "main")["cross_entropy"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(round(float(loss.detach()), 6))
    first = [round(float(value), 5) for value in embedding.flatten()[:16]]
    return {"embedding": first, "losses": losses}


@pytest.mark.parametrize("name", sorted(SIDE))
def test_a_seeded_network_gives_and_learns_what_it_always_did(name: str) -> None:
    file = Path(__file__).parent / f"{name}.json"
    found = measured(name)
    if os.environ.get("NAYAN_GOLDEN") == "write":
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    expected = json.loads(file.read_text(encoding="utf-8"))
    assert found["embedding"] == pytest.approx(expected["embedding"], rel=1e-3, abs=1e-4)
    assert found["losses"] == pytest.approx(expected["losses"], rel=1e-3, abs=1e-4)
