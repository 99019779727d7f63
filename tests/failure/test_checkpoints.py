"""Checkpoints under everything that can happen to files: flips, loss, kills, a full disk."""

from __future__ import annotations

import errno
import os
import pickletools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nayan.core.errors import DataError, Stopped
from nayan.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from tiny_runs import draw_signs, resume_tiny, train_tiny, weights_hash


def checkpoint(number: int) -> Checkpoint:
    tensors = {"model/weight": torch.full((3, 2), float(number)), "model/steps": torch.tensor(number)}
    return Checkpoint({"number": number, "share": 0.1 + number}, tensors)


def number_of(folder: Path) -> int | None:
    found = load_checkpoint(folder)
    if found is None:
        return None
    assert found.tensors["model/weight"][0, 0] == found.facts["number"]
    return int(found.facts["number"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the checkpoints of steps 1 and 2."""
    for number in (1, 2):
        save_checkpoint(tmp_path / "checkpoints", checkpoint(number), step=number)
    return tmp_path / "checkpoints"


def test_what_is_saved_is_read_back_and_only_two_are_kept(folder: Path) -> None:
    found = load_checkpoint(folder)
    assert found is not None
    assert found.facts == checkpoint(2).facts
    assert found.tensors["model/weight"].equal(checkpoint(2).tensors["model/weight"])
    place = save_checkpoint(folder, checkpoint(3), step=3)
    assert sorted(path.name for path in folder.iterdir()) == ["000000002", "000000003", "LATEST"]
    assert newest_checkpoint(folder) == place


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "none") is None
    assert load_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "none") is None
    assert newest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_an_optimiser_goes_on_from_its_checkpoint_bit_for_bit(
    tmp_path: Path, kind: str, channels_last: bool
) -> None:
    def make() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.LazyLinear(2))
        module(torch.zeros(1, 3, 6, 6))
        if channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = [{"params": [p], "weight_decay": 0.1 * p.ndim} for p in module.parameters()]
        made = torch.optim.AdamW(groups) if kind == "adamw" else torch.optim.SGD(groups, 0.1, momentum=0.9)
        return module, made

    def learn(module: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            torch.manual_seed(seed)
            optimizer.zero_grad()
            module(torch.randn(4, 3, 6, 6)).square().mean().backward()
            optimizer.step()

    module, optimizer = make()
    learn(module, optimizer, range(5))
    tensors, facts = pack_optimizer(optimizer, "main")
    weights = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    save_checkpoint(tmp_path, Checkpoint({"optimizer": facts}, tensors | weights), step=5)
    learn(module, optimizer, range(5, 10))

    other, resumed = make()
    found = load_checkpoint(tmp_path)
    assert found is not None
    other.load_state_dict({k[6:]: v for k, v in found.tensors.items() if k.startswith("model/")})
    unpack_optimizer(resumed, "main", found.tensors, found.facts["optimizer"])
    learn(other, resumed, range(5, 10))
    assert all(a.equal(b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", ["facts.json", "state.safetensors", "SHA256SUMS"])
def test_any_flipped_byte_is_noticed_and_the_older_checkpoint_used(folder: Path, name: str) -> None:
    file = folder / "000000002" / name
    whole = file.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x81]) + whole[place + 1 :])
        assert number_of(folder) == 1, place
    file.write_bytes(whole[:-2])
    assert number_of(folder) == 1
    file.unlink()
    assert number_of(folder) == 1
    file.write_bytes(whole)
    assert number_of(folder) == 2


def test_with_all_damaged_the_reasons_are_named(folder: Path) -> None:
    (folder / "000000001" / "facts.json").write_text("{}", encoding="utf-8")
    (folder / "000000002" / "state.safetensors").unlink()
    with pytest.raises(DataError, match="no checkpoint is whole") as error:
        load_checkpoint(folder)
    assert "000000001: facts.json was changed" in error.value.message
    assert "000000002: " in error.value.message
    assert "train again" in error.value.hint


@pytest.mark.parametrize("content", [None, b"", b"000000001\n", b"\xff\xfe", b"nothing here", b"../../etc"])
def test_the_pointer_to_the_newest_may_be_lost_or_damaged(folder: Path, content: bytes | None) -> None:
    latest = folder / "LATEST"
    latest.unlink()
    if content is not None:
        latest.write_bytes(content)
    assert number_of(folder) == (1 if content == b"000000001\n" else 2)


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(folder: Path) -> None:
    place = folder / "000000002"
    place.rename(folder / ".000000002.old")  # where new_folder leaves it for a moment
    assert number_of(folder) == 2
    assert place.is_dir()


def test_a_kill_before_the_pointer_moved_leaves_a_whole_replacement(folder: Path) -> None:
    again = checkpoint(2)
    save_checkpoint(folder, Checkpoint({**again.facts, "more": 1}, again.tensors), step=2)
    (folder / "LATEST").write_text("000000001\n", encoding="utf-8")
    shutil.rmtree(folder / "000000001")
    assert number_of(folder) == 2


def test_what_killed_processes_left_half_written_is_removed(folder: Path) -> None:
    (folder / ".000000003.77-abcd").mkdir()
    (folder / ".000000003.77-abcd" / "state.safetensors").write_bytes(b"half")
    (folder / ".LATEST.77-abcd").write_text("0000", encoding="utf-8")
    assert number_of(folder) == 2
    save_checkpoint(folder, checkpoint(3), step=3)
    assert not list(folder.glob(".*"))


def test_nothing_in_a_checkpoint_is_a_pickle(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with pytest.raises((ValueError, UnicodeDecodeError)):
                list(pickletools.genops(file.read_bytes()))


class FullDisk:
    """Lets `left` operations that write to the disk succeed, and then none any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        self.counted = 0
        for owner, name in (
            (Path, "write_bytes"),
            (Path, "mkdir"),
            (Path, "replace"),
            (Path, "rename"),
            (os, "fsync"),
        ):
            monkeypatch.setattr(owner, name, self.guard(getattr(owner, name)))

    def guard(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **options: Any) -> Any:
            self.counted += 1
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(*args, **options)

        return guarded


@pytest.mark.parametrize("again", [False, True], ids=["another step", "the same step"])
def test_a_disk_that_fills_up_at_any_write_keeps_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    step = 1 if again else 2
    disk = FullDisk(monkeypatch)
    save_checkpoint(tmp_path / "trial", checkpoint(1), step=1)
    disk.counted = 0
    save_checkpoint(tmp_path / "trial", checkpoint(2), step=step)
    writes = disk.counted
    assert writes > 8
    for allowed in range(writes):
        folder = tmp_path / f"full after {allowed}"
        disk.left = 10**9
        save_checkpoint(folder, checkpoint(1), step=1)
        disk.left = allowed
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(folder, checkpoint(2), step=step)
        disk.left = 10**9
        assert number_of(folder) in (1, 2), allowed
        save_checkpoint(folder, checkpoint(3), step=3)
        assert number_of(folder) == 3


def test_a_run_stops_on_a_full_disk_names_what_is_kept_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = draw_signs(tmp_path / "data")
    whole = weights_hash(train_tiny(data, tmp_path / "whole"))
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        disk = FullDisk(patch)

        def fill(event: dict[str, Any]) -> None:
            if event["event"] == "checkpoint" and event["step"] == 2:
                disk.left = 3

        with pytest.raises(Stopped, match="No space left on device") as error:
            train_tiny(data, run, fill, checkpoint_every=1e-6)
    assert error.value.exit_code == 1
    assert f"the last good one is kept: {run / 'checkpoints' / '000000002'}" in error.value.message
    assert f"nayan train --resume {run}" in error.value.hint
    assert weights_hash(resume_tiny(run)) == whole
