"""The demo of each task does what it says: sample data, a run that learnt, a report, annotated pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import nayan
from nayan.api.trying import DEMOS
from nayan.tasks import CARDS

REACHES = {
    "classify": ("accuracy", 0.98),
    "detect": ("map50", 0.8),
    "segment": ("miou", 0.5),
    "compare": ("auc", 0.95),
    "generate": ("precision", 0.3),
}


def test_every_task_has_a_demo() -> None:
    assert {CARDS[name].verb for name in DEMOS} == {card.verb for card in CARDS}
    assert set(REACHES) == {card.verb for card in CARDS}


@pytest.mark.slow
@pytest.mark.parametrize("task", REACHES)
def test_a_demo_learns_and_leaves_a_report_and_pictures(task: str, tmp_path: Path) -> None:
    result = nayan.demo(tmp_path / "demo", task=task)
    score, least = REACHES[task]
    assert (result["task"], result["split"]) == (task, "test")
    assert result["metrics"][score] > least
    assert result["report"].stat().st_size > 10_000
    made = 65 if task == "generate" else 12  # a generator draws 64 and puts them on a sheet
    assert len(list(result["predictions"].iterdir())) == made
    with Image.open(result["picture"]) as picture:
        assert picture.size[0] >= 28
