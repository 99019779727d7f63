from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nayan.cli import app, train
from nayan.cli.output import COMMON, Common, Output
from nayan.cli.table import aligned, fitted
from nayan.core.config import TrainConfig
from nayan.core.errors import DataError

GROUPS = (train.What, train.HowLong, train.Pictures, train.Learning, train.Machine)


def test_the_command_line_has_every_option_of_training_and_no_other() -> None:
    offered = [field.name for group in GROUPS for field in fields(group)]
    assert sorted([*offered, "data"]) == sorted(TrainConfig.model_fields)
    assert len(set(offered)) == len(offered)


def test_an_option_that_is_not_given_is_none_so_that_its_origin_is_known() -> None:
    assert all(getattr(group(), field.name) is None for group in GROUPS for field in fields(group))


def test_the_help_tells_the_defaults_that_training_uses(capsys: pytest.CaptureFixture[str]) -> None:
    app.run(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, field in TrainConfig.model_fields.items():
        if field.default is not None and not field.is_required():
            rest = text[text.index(f" --{name.replace('_', '-')} ") :]
            assert f"[default: {field.default}]" in rest[:240], name


def test_json_has_neither_nan_nor_anything_that_is_no_json() -> None:
    document = {"ece": float("nan"), "path": Path("a"), "array": np.array([1.5]), "number": np.float32(0.5)}
    read = json.loads(Common(json=True).output(document, "").text)
    assert read == {"schema_version": 1, "ece": None, "path": "a", "array": [1.5], "number": 0.5}
    assert next(iter(read)) == "schema_version"


def test_without_json_the_text_is_the_result() -> None:
    assert Common().output({"a": 1}, "text", exit_code=3) == Output("text", 3)


def test_quiet_keeps_progress_from_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Common(quiet=True).say("no")
    Common().say("yes")
    assert capsys.readouterr().err == "yes\n"


def test_a_table_shows_missing_values_as_nothing_and_keeps_numbers_to_the_right() -> None:
    rows = [["a", 1, None, True], ["long name", 1000, 0.123456, False]]
    assert aligned(["name", "n", "x", "ok"], rows).splitlines() == [
        "name           n       x  ok",
        "a              1          yes",
        "long name  1,000  0.1235  no",
    ]


def test_an_empty_table_is_its_headings() -> None:
    assert aligned(["name", "n"], []) == "name  n"


@pytest.mark.parametrize("width", [120, 60, 40])
def test_a_fitted_table_stays_within_its_width_and_loses_no_word(width: int) -> None:
    rows = [["a" * 12, "one two three four five six seven eight", 12345, ""], ["b", "nine ten", None, ""]]
    text = fitted(["name", "what it does", "parameters", "note"], rows, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "note" not in text
    assert all(word in text for word in ("one", "eight", "nine", "12,345"))


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (DataError("empty", hint="fill it"), ("empty", "fill it", 3)),
        (PermissionError(13, "Permission denied", "a.txt"), ("a.txt: Permission denied", "", 1)),
        (OSError(28, "No space left on device"), ("No space left on device", "", 1)),
        (MemoryError(), ("out of memory", "try a smaller --batch or --imgsz, or --cache off", 1)),
        (
            KeyError("x\ny"),
            ("KeyError: 'x\\ny'", "this is a bug in nayan; run again with --debug to see where", 1),
        ),
    ],
)
def test_every_error_has_a_message_a_hint_and_an_exit_code(
    error: Exception, described: tuple[str, str, int]
) -> None:
    assert app.describe(error) == described


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(words: list[str]) -> Output:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "_call", interrupt)
    assert app.run(["train", "d"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_library_that_prints_does_not_spoil_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chatty(*, common: Common = COMMON) -> Output:
        print("chatter")
        return Output("result")

    monkeypatch.setattr("nayan.cli.models.models", chatty)
    assert app.run(["models"]) == 0
    assert capsys.readouterr() == ("result\n", "chatter\n")


def test_every_verb_keeps_what_is_optional_after_a_star() -> None:
    parameters = inspect.signature(train.train).parameters.values()
    assert [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY] == ["data"]
