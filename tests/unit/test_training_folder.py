"""Where a run goes that was not told where to go."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from nayan.core.config import TrainConfig
from nayan.tasks import by_verb
from nayan.training.folder import new_folder
from nayan.training.opening import Opened


def test_runs_are_named_after_their_model_and_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = cast(Any, None)  # not looked at
    opened = Opened(data, by_verb("segment"), "smp/unet", "")
    folders = [new_folder(TrainConfig(data=tmp_path), opened) for _ in range(2)]
    assert folders == [Path("runs/segment/smp_unet"), Path("runs/segment/smp_unet2")]
    assert all(folder.is_dir() for folder in folders)
