"""Checkpoints: private to a run, whole or absent, and checked before they are believed.

    checkpoints/
        LATEST                 name of the newest one and the SHA-256 of its facts
        000123/                the number of steps taken
            facts.json         position, scores, history; SHA-256 of the tensors
            state.safetensors  weights, their average, optimiser state, the best weights so far

A checkpoint is written beside its place, flushed to the disk and renamed; `LATEST` follows only then.
There is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as parse_tensors
from safetensors.torch import save as pack_tensors
from torch import Tensor
from torch.optim import Optimizer

from nayan.core.errors import DataError
from nayan.runtime.fsio import new_folder, write_file

KEEP = 2


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """All that a run needs to go on as if nothing had happened.

    Attributes:
        facts: JSON-serialisable numbers and words.
        tensors: by name, on the CPU.
    """

    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, step: int) -> Path:
    """Write a checkpoint under the number of steps taken, point `LATEST` to it and remove old ones.

    Raises:
        OSError: disk full or the like; what was saved before stays readable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    packed = pack_tensors(tensors)
    facts = json.dumps({"sha256": _digest(packed), "facts": checkpoint.facts}, indent=1).encode()
    place = folder / f"{step:09d}"
    with new_folder(place) as temporary:
        (temporary / "state.safetensors").write_bytes(packed)
        (temporary / "facts.json").write_bytes(facts)
    write_file(folder / "LATEST", f"{place.name} {_digest(facts)}\n")
    for old in sorted(path for path in folder.iterdir() if path.name.isdigit())[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest whole checkpoint; None where a run has saved none yet.

    The one that `LATEST` names is preferred; should it be damaged, an older one that is whole is taken.

    Raises:
        DataError: if there are checkpoints and none of them is whole.
    """
    if not folder.is_dir():
        return None
    places = sorted((path for path in folder.iterdir() if path.name.isdigit()), reverse=True)
    latest = folder / "LATEST"
    named = latest.read_text(encoding="utf-8").split() if latest.is_file() else []
    if len(named) == 2:
        places.sort(key=lambda path: path.name != named[0])
    reasons = []
    for place in places:
        try:
            expected = named[1] if len(named) == 2 and place.name == named[0] else None
            return _read(place, expected)
        except (OSError, ValueError, KeyError) as error:
            reasons.append(f"{place.name}: {error}")
    if places:
        raise DataError(
            f"{folder}: no checkpoint is whole ({'; '.join(reasons)})",
            hint="the run cannot be resumed; train again",
        )
    return None


def pack_optimizer(optimizer: Optimizer, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors under `optimizer/NAME/...` and JSON-serialisable facts."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, slots in state["state"].items():
        for key, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{name}/{index}/{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def unpack_optimizer(
    optimizer: Optimizer, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Put back what `pack_optimizer` took apart."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(f"optimizer/{name}/"):
            _, _, index, slot = key.split("/")
            state.setdefault(int(index), {})[slot] = value
    for index, slots in facts["numbers"].items():
        state.setdefault(int(index), {}).update(slots)
    groups = [
        {**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in facts["groups"]
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _read(place: Path, facts_sha256: str | None) -> Checkpoint:
    text = (place / "facts.json").read_bytes()
    if facts_sha256 is not None and _digest(text) != facts_sha256:
        raise ValueError("facts.json was changed")
    record = json.loads(text)
    packed = (place / "state.safetensors").read_bytes()
    if _digest(packed) != record["sha256"]:
        raise ValueError("state.safetensors was changed")
    return Checkpoint(record["facts"], parse_tensors(packed))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
