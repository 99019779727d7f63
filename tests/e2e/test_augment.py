"""From a small set to the answer whether drawn pictures help, by the command that a user has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError
from nayan.runtime.bundle import open_bundle
from nayan.tasks.generation.sampling.augmenting.choosing import FATES
from tiny_runs import draw_signs, one_core

FAST: dict[str, Any] = {"workers": 1, "device": "cpu", "precision": "fp32"}
TINY: dict[str, Any] = {
    "classifier": "lenet",
    "weights": "none",
    "imgsz": 12,
    "batch": 8,
    "epochs": 6,
    "confidence": 0.0,
    "seeds": 2,
    **FAST,
}


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_signs(tmp_path_factory.mktemp("data") / "signs")
    (root / "val").rename(root / "test")
    return root


@pytest.fixture(scope="module")
def generator(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that has learnt enough for some of its pictures to pass."""
    out = tmp_path_factory.mktemp("runs") / "generator"
    options = {"task": "generate", "model": "conditional_gan", "diffaug": ("translation",), "ema": 0.5}
    with one_core():
        nayan.train(signs, out=out, epochs=16, batch=3, **options, **FAST)
    return out


@pytest.fixture(scope="module")
def done(signs: Path, generator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with one_core():
        return nayan.augment(signs, model=generator, out=tmp_path_factory.mktemp("out") / "run", **TINY)


def test_the_answer_has_a_pair_a_seed_and_counts_that_add_up(done: dict[str, Any]) -> None:
    assert set(done) == {
        "schema_version", "task", "data", "split", "classifier", "generator", "pictures", "classes", "real",
        "variety", "features", "steps", "seeds", "accuracy", "difference", "verdict", "out", "set", "report",
        "seconds",
    }  # fmt: skip
    assert done["pictures"] == {
        "train": 21,
        "val": 3,
        "test": 12,
        "drawn": 84,
        "kept": done["pictures"]["kept"],
    }
    for row in done["classes"].values():
        assert sum(row[fate] for fate in FATES) == 4 * row["wanted"] == 28
        assert row["kept"] <= row["wanted"]
    assert done["pictures"]["kept"] == sum(row["kept"] for row in done["classes"].values()) > 0
    assert [row["seed"] for row in done["seeds"]] == [0, 1]
    apart = [row["with"] - row["plain"] for row in done["seeds"]]
    assert done["difference"]["mean"] == pytest.approx(sum(apart) / 2)
    assert done["difference"]["low"] <= done["difference"]["mean"] <= done["difference"]["high"]
    assert done["generator"]["same_data"]


def test_both_take_about_as_many_steps_with_the_same_options(done: dict[str, Any]) -> None:
    plain, with_ = (
        (Path(done["out"]) / f"{kind}_1" / "config.yaml").read_text(encoding="utf-8").splitlines()
        for kind in ("plain", "with")
    )
    values = [dict(line.split("  # ")[0].split(": ", 1) for line in lines[1:]) for lines in (plain, with_)]
    changed = {name for name in values[0] if values[0][name] != values[1][name]}
    assert changed == {"data", "out", "epochs"}
    assert int(values[1]["epochs"]) < int(values[0]["epochs"])
    steps = done["steps"]
    assert abs(steps["with"] - steps["plain"]) < steps["plain"] / 3


def test_the_data_set_can_be_trained_on_and_holds_the_test_pictures_unchanged(
    done: dict[str, Any], signs: Path
) -> None:
    scores = nayan.val(Path(done["out"]) / "with_0", done["set"], split="test")
    assert scores["pictures"] == 12
    assert scores["metrics"]["accuracy"] == pytest.approx(done["seeds"][0]["with"])
    learnt = open_bundle(Path(done["out"]) / "with_0" / "model").spec.provenance["data"]["path"]
    assert Path(learnt) == Path(done["set"])
    assert sorted(path.name for path in signs.iterdir()) == ["test", "train"]


def test_the_page_shows_what_was_kept_and_says_what_came_out(done: dict[str, Any]) -> None:
    page = Path(done["report"]).read_text(encoding="utf-8")
    for told in (
        "Synthetic pictures for signs",
        "Seed by seed",
        "Kept",
        "What this does not show",
        "95&nbsp;%",
    ):
        assert told in page
    assert page.count("data:image/png") >= 1


def test_the_same_command_again_gives_the_same_answer_without_training_anything(
    done: dict[str, Any], signs: Path, generator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**TINY, "model": generator, "out": done["out"]}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    assert main(["augment", str(signs), *words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == done
    assert "epoch" not in err
    with pytest.raises(ConfigError, match="was made with other confidence"):
        nayan.augment(signs, model=generator, out=done["out"], **{**TINY, "confidence": 0.9})


def test_other_pictures_are_another_question(
    done: dict[str, Any], signs: Path, generator: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(signs, tmp_path / "signs")
    shutil.copytree(done["out"], tmp_path / "run")
    plan = tmp_path / "run" / "plan.json"
    moved = plan.read_text(encoding="utf-8").replace(str(signs), str(other))
    plan.write_text(moved, encoding="utf-8")
    options = {**TINY, "model": generator, "out": tmp_path / "run"}
    assert nayan.augment(other, **options) == done
    (other / "train" / "bar" / "0.png").unlink()
    with pytest.raises(ConfigError, match="was made with other pictures"):
        nayan.augment(other, **options)


def test_what_was_interrupted_is_taken_up_where_it_stopped(
    done: dict[str, Any], signs: Path, generator: Path, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop_at_the_second_plain_run(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2 and plain == 2:
            raise StopError

    plain = 0

    def count(event: dict[str, Any]) -> None:
        nonlocal plain
        plain += event["event"] == "start"
        stop_at_the_second_plain_run(event)

    with one_core(), pytest.raises(StopError):
        nayan.augment(signs, model=generator, out=tmp_path / "run", **TINY, on_event=count)
    with one_core():
        again = nayan.augment(signs, model=generator, out=tmp_path / "run", **TINY)
    same = ("seeds", "classes", "steps", "difference", "verdict")
    assert {name: again[name] for name in same} == {name: done[name] for name in same}


def test_a_generator_of_other_classes_is_refused(signs: Path, generator: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for split in ("train", "test"):
        for name, as_ in (("bar", "bar"), ("dot", "cross")):
            folder = other / split / as_
            folder.mkdir(parents=True)
            for path in (signs / split / name).iterdir():
                (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="does not draw cross; it knows bar, dot, line"):
        nayan.augment(other, model=generator, out=tmp_path / "out", **TINY)


def test_a_generator_of_its_own_that_draws_nothing_of_use_is_told_so_and_is_no_error(
    signs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**TINY, "epochs": 1, "drawing_epochs": 1, "per_class": 2, "tries": 1, "out": tmp_path / "run"}
    names = {name: f"--{name.replace('_', '-')}" for name in options}
    words = [word for name, value in options.items() for word in (names[name], str(value))]
    with one_core():
        assert main(["augment", str(signs), *words, "--diffaug", "none"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Not one of 6 drawn pictures was worth learning from")
    assert (tmp_path / "run" / "generator" / "report.html").is_file()
    assert not (tmp_path / "run" / "with_0").exists()
