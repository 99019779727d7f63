from __future__ import annotations

import pytest

from nayan.cli.progress import Progress, duration
from nayan.core.events import Event

EVENTS: list[Event] = [
    {
        "event": "start",
        "data": {"path": "flowers", "summary": "folder (5 classes, train 500)", "reason": "there is train/"},
    },
    {"event": "plan", "text": "1,500 pictures, about 12 s"},
    {"event": "note", "text": "cached features"},
    {
        "event": "progress",
        "epoch": 1,
        "epochs": 2,
        "step": 1,
        "steps": 4,
        "pictures_per_s": 10.0,
        "eta_s": 61.0,
    },
    {
        "event": "epoch",
        "epoch": 1,
        "epochs": 2,
        "seconds": 3.21,
        "pictures_per_s": 467.0,
        "lr": 0.1,
        "train": {"loss": 1.25},
        "val": {"accuracy": 0.9, "macro_f1": 0.8, "loss": 0.5},
        "best": True,
    },
    {"event": "checkpoint", "path": "c", "epoch": 1},
    {"event": "warning", "text": "few pictures", "hint": "add some"},
    {"event": "stop", "reason": "no better for 3 epochs"},
    {"event": "evaluation", "split": "test", "metrics": {"accuracy": 0.875}, "seconds": 1.0},
    {"event": "end", "seconds": 12.0},
]


def show(capsys: pytest.CaptureFixture[str], **options: bool) -> list[str]:
    with Progress(**options) as progress:
        for event in EVENTS:
            progress(event)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_outside_a_terminal_every_event_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys) == [
        "data: flowers: folder (5 classes, train 500), because there is train/",
        "plan: 1,500 pictures, about 12 s",
        "cached features",
        "epoch 1/2  train loss 1.2500  val accuracy 0.9000  val loss 0.5000  467 pictures/s  3.2s  best",
        "warning: few pictures (add some)",
        "stopped: no better for 3 epochs",
        "test: accuracy 0.8750",
        "done in 12s",
    ]


def test_quiet_shows_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys, quiet=True) == ["warning: few pictures (add some)"]


def test_a_moving_line_does_not_swallow_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(show(capsys, moving=True))
    assert "val loss 0.5000  467 pictures/s  3.2s  best" in text
    assert "done in 12s" in text


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0s"), (59.6, "60s"), (60, "1m00s"), (3600, "1h00m")])
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_events_without_their_optional_fields_are_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for event in (
            {"event": "start"},
            {"event": "epoch", "epoch": 3},
            {"event": "end"},
            {"event": "new kind"},
        ):
            progress(event)
    assert capsys.readouterr().err.splitlines() == ["data: : ", "epoch 3", "done"]
