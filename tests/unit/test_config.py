from __future__ import annotations

from pathlib import Path

import pytest

from nayan.core.config import TrainConfig, config_text, make_config, parse_seconds
from nayan.core.errors import ConfigError


def test_a_written_config_reads_back_equal(tmp_path: Path) -> None:
    options = {
        "data": Path("a, b: [c] #d"),
        "classes": ("yes", "no", "1: é {"),
        "time": "10m",
        "out": Path("o"),
    }
    config, origins = make_config(options)
    (tmp_path / "config.yaml").write_text(config_text(config, origins), encoding="utf-8")
    again, again_origins = make_config({}, tmp_path / "config.yaml")
    assert again == config
    assert again_origins["data"] == str(tmp_path / "config.yaml")


def test_every_line_of_a_config_says_where_its_value_came_from() -> None:
    config, origins = make_config({"data": "d", "epochs": 3})
    lines = config_text(config, origins).splitlines()[1:]
    assert "epochs: 3  # option" in lines
    assert "optimizer: adamw  # default" in lines
    assert len(lines) == len(TrainConfig.model_fields)


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("epochs: 5\nseed: 7\nlr:\n", encoding="utf-8")
    config, origins = make_config({"data": "d", "epochs": 9, "model": None}, file)
    assert (config.epochs, config.seed, config.lr, config.model) == (9, 7, None, None)
    assert (origins["epochs"], origins["seed"], origins["lr"]) == ("option", str(file), "default")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("# nothing\n", encoding="utf-8")
    assert make_config({"data": "d"}, file)[0] == make_config({"data": "d"})[0]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"data": "d", "epohcs": 3}, "unknown option 'epohcs' in option", "did you mean 'epochs'?"),
        ({"data": "d", "zzz": 3}, "unknown option 'zzz' in option", "see `nayan train --help`"),
        ({"data": "d", "epochs": 0}, "epochs = 0 (from option)", "see `nayan train --help`"),
        ({"data": "d", "time": "soon"}, "a duration looks like 90s, 10m or 1.5h, got 'soon'", ""),
        ({"data": "d", "batch": "many"}, "batch = 'many' (from option)", ""),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(options)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(("text", "found"), [("- 1\n", "found a list"), ("a: [", "cannot be read as YAML")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=found):
        make_config({"data": "d"}, file)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        make_config({"data": "d"}, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("value", "seconds"), [("90", 90.0), ("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0), (3, 3)]
)
def test_durations_are_read_in_seconds_minutes_and_hours(value: object, seconds: float) -> None:
    assert parse_seconds(value) == seconds
