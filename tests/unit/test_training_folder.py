"""Where a run goes that was not told where to go."""

from __future__ import annotations

from pathlib import Path

import pytest

from nayan.core.config import TrainConfig
from nayan.tasks import by_verb
from nayan.training.folder import new_folder


def test_runs_are_named_after_their_model_and_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(data=tmp_path, model="smp/unet")
    folders = [new_folder(config, by_verb("segment")) for _ in range(2)]
    assert folders == [Path("runs/segment/smp_unet"), Path("runs/segment/smp_unet2")]
    assert all(folder.is_dir() for folder in folders)
