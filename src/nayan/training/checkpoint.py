"""Checkpoints: private to a run, whole or absent, and checked before they are believed.

    checkpoints/
        LATEST                 name of the newest one
        000000123/             the number of steps taken
            facts.json         position, scores, history
            state.safetensors  weights, their average, optimiser state, the best weights so far
            SHA256SUMS         of the two, as `sha256sum -c` reads it

A checkpoint is written beside its place, flushed to the disk and renamed; `LATEST` follows only then.
Each proves itself: nothing outside its folder is needed to know that it is whole, so it does not matter
between which two of these steps the machine dies. There is no pickle anywhere.
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
from nayan.runtime.fsio import new_folder, recover, write_file

KEEP = 2
_FACTS, _STATE, _SUMS = "facts.json", "state.safetensors", "SHA256SUMS"


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
    files = {_FACTS: json.dumps(checkpoint.facts, indent=1).encode(), _STATE: pack_tensors(tensors)}
    files[_SUMS] = "".join(f"{_digest(data)}  {name}\n" for name, data in files.items()).encode()
    place = folder / f"{step:09d}"
    with new_folder(place) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
    write_file(folder / "LATEST", f"{place.name}\n")
    _tidy(folder)
    return place


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest whole checkpoint; None where a run has saved none yet.

    The one that `LATEST` names is preferred; should it be damaged, an older one that is whole is taken.

    Raises:
        DataError: if there are checkpoints and none of them is whole.
    """
    if not folder.is_dir():
        return None
    for hidden in folder.glob(".*.old"):  # the process died while one was replaced
        recover(folder / hidden.name[1:].removesuffix(".old"))
    latest = folder / "LATEST"
    named = latest.read_text(encoding="utf-8", errors="replace").strip() if latest.is_file() else ""
    places = sorted(reversed(_numbered(folder)), key=lambda place: place.name != named)
    reasons = []
    for place in places:
        try:
            return _read(place)
        except (OSError, ValueError) as error:
            reasons.append(f"{place.name}: {error}")
    if places:
        raise DataError(
            f"{folder}: no checkpoint is whole ({'; '.join(reasons)})",
            hint="the run cannot be resumed; train again",
        )
    return None


def newest_checkpoint(folder: Path) -> Path | None:
    """Return where the newest checkpoint is; what has a name is whole, unless the disk changed it."""
    return next(reversed(_numbered(folder)), None) if folder.is_dir() else None


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


def _read(place: Path) -> Checkpoint:
    listed = (place / _SUMS).read_text(encoding="utf-8").splitlines()
    expected = {name: digest for digest, name in (line.split("  ") for line in listed)}
    files = {name: (place / name).read_bytes() for name in (_FACTS, _STATE)}
    for name, data in files.items():
        if _digest(data) != expected.get(name):
            raise ValueError(f"{name} was changed")
    return Checkpoint(json.loads(files[_FACTS]), parse_tensors(files[_STATE]))


def _numbered(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def _tidy(folder: Path) -> None:
    """Remove all but the newest checkpoints, and what killed processes left half written."""
    for path in (*_numbered(folder)[:-KEEP], *folder.glob(".*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
