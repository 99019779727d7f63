"""Do two pictures show the same: the rule in the bundle, pairs of files, and `nayan verify`."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import BundleError, ConfigError, FormatError, LabelError
from nayan.data.readers.pair_tables import read_questions
from nayan.runtime.bundle import open_bundle
from nayan.tasks.embedding.verifying import rule_of


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder of two reds, a blue, and a file that is no picture."""
    for name, colour in (("red", (220, 20, 10)), ("rose", (210, 30, 20)), ("blue", (10, 20, 220))):
        Image.fromarray(np.full((12, 10, 3), colour, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    (folder / "pairs.csv").write_text(text, encoding="utf-8")
    return folder / "pairs.csv"


def test_two_of_a_kind_are_the_same_and_two_colours_are_not(colour_embedder: Path, pictures: Path) -> None:
    near = nayan.verify(colour_embedder, pictures / "red.png", pictures / "rose.png")
    far = nayan.verify(colour_embedder, pictures / "red.png", pictures / "blue.png")
    assert near["same"] is True
    assert far["same"] is False
    assert near["probability"] > 0.9 > 0.1 > far["probability"]
    first, second = np.array([220.0, 20, 10]), np.array([210.0, 30, 20])
    expected = np.linalg.norm(first / np.linalg.norm(first) - second / np.linalg.norm(second))
    assert near["distance"] == pytest.approx(expected, abs=1e-3)


def test_a_picture_is_the_same_as_itself(colour_embedder: Path, pictures: Path) -> None:
    record = nayan.verify(nayan.load(colour_embedder), pictures / "red.png", pictures / "red.png")
    assert (record["distance"], record["same"]) == (0.0, True)


def test_a_smaller_rate_of_false_accepts_has_a_smaller_threshold(colour_embedder: Path) -> None:
    spec = open_bundle(colour_embedder).spec
    usual, strict, loose = rule_of(spec), rule_of(spec, 1e-3), rule_of(spec, 0.1)
    assert usual.point.wanted == 0.01
    assert strict.point.threshold < usual.point.threshold < loose.point.threshold
    assert spec.decode_args["thresholds"] == [usual.point.threshold]
    assert usual.identities == 8


def test_what_is_known_of_the_rate_is_told(colour_embedder: Path, pictures: Path) -> None:
    told = nayan.verify(colour_embedder, pictures / "red.png", pictures / "blue.png", far=1e-3)
    assert told["far"]["wanted"] == 1e-3
    assert told["far"]["different"] == 64 * 56 / 2
    assert told["far"]["accepted"] <= 1
    assert told["far"]["at_most"] > 1e-3  # 1,792 pairs cannot promise one in a thousand
    assert told["far"]["evidence"] == "some"
    assert told["identities"] == 8


def test_a_rate_without_a_threshold_names_those_that_have_one(colour_embedder: Path) -> None:
    with pytest.raises(ConfigError, match=r"--far 0\.05: this model keeps thresholds for 1e-1, 1e-2, 1e-3"):
        rule_of(open_bundle(colour_embedder).spec, 0.05)


def test_a_bundle_of_one_threshold_decides_by_it_and_damage_is_said(colour_embedder: Path) -> None:
    spec = open_bundle(colour_embedder).spec
    kept = {name: value for name, value in spec.decode_args["same"].items() if name != "points"}
    alone = spec.with_(decode_args={"same": kept})
    assert rule_of(alone).point == rule_of(spec).point
    with pytest.raises(ConfigError, match="keeps thresholds for 1e-2"):
        rule_of(alone, 1e-3)
    for damaged in ({**kept, "slope": "steep"}, {"wanted": 0.1}, {**kept, "points": [{"far": 1}]}):
        with pytest.raises(BundleError, match="are damaged"):
            rule_of(spec.with_(decode_args={"same": damaged}))
    with pytest.raises(BundleError, match="holds no threshold of what is the same"):
        rule_of(spec.with_(decode_args={}))


def test_a_model_of_another_task_is_refused(
    colour_bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [str(pictures / "red.png"), str(pictures / "blue.png")]
    assert main(["verify", str(colour_bundle), *pair]) == 2
    said = capsys.readouterr().err
    assert "comparing needs a model that gives vectors, this one is for classification" in said
    assert "--task compare" in said


def test_a_picture_that_cannot_be_read_is_an_error_of_the_data(
    colour_embedder: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("broken.png", "missing.png"):
        assert main(["verify", str(colour_embedder), str(pictures / "red.png"), str(pictures / name)]) == 3
        assert name in capsys.readouterr().err


def test_many_pairs_are_judged_and_a_broken_picture_stops_only_its_own(
    colour_embedder: Path, pictures: Path
) -> None:
    rows = (
        "image_a,image_b,same",
        "red.png,rose.png,1",
        "red.png,blue.png,0",
        "broken.png,red.png,1",
        "red.png,red.png,",
    )
    result = nayan.verify_pairs(colour_embedder, table(pictures, "\n".join(rows)))
    assert [pair.get("same") for pair in result["pairs"]] == [True, False, None, True]
    assert "broken.png" in result["pairs"][2]["error"]
    assert [pair.get("expected") for pair in result["pairs"]] == [True, False, None, None]
    assert result["metrics"] == {"right": 1.0, "auc": 1.0, "eer": 0.0}
    listed = nayan.verify_pairs(colour_embedder, [(pictures / "red.png", pictures / "rose.png")])
    assert listed["pairs"][0]["distance"] == result["pairs"][0]["distance"]
    assert "metrics" not in listed


def test_pairs_come_as_text_csv_and_json(
    colour_embedder: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(pictures, "a,b,match\nred.png,rose.png,yes\nred.png,blue.png,yes\nrose.png,blue.png,no\n")
    words = ["verify", str(colour_embedder), "--pairs", str(file)]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("red.png, rose.png: the same, distance 0.0")
    assert out.splitlines()[1].endswith("(wrong)")
    assert "right: 2 of 3 (66.7 %)" in err
    assert "pairs of two lay within it" in err
    assert main([*words, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["same"], row["expected"]) for row in rows] == [("1", "1"), ("0", "1"), ("0", "0")]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert len(document["pairs"]) == 3
    assert main([*words, "--far", "1e-3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"] < document["threshold"]


def test_strict_refuses_what_no_picture_or_one_could_not_be_read_of(
    colour_embedder: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = table(pictures, "a,b\nred.png,rose.png\nred.png,broken.png\n")
    words = ["verify", str(colour_embedder), "--pairs", str(some)]
    assert main(words) == 0
    assert "warning: red.png and broken.png" in capsys.readouterr().err
    assert main([*words, "--strict"]) == 3
    table(pictures, "a,b\nred.png,broken.png\n")
    assert main(words) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is nothing to compare"),
        (["red.png"], "one is missing"),
        (["red.png", "rose.png", "--pairs", "pairs.csv"], "contradict each other"),
        (["red.png", "rose.png", "--json", "--format", "csv"], "contradict each other"),
    ],
)
def test_pictures_or_pairs_are_wanted_and_not_both(
    colour_embedder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(colour_embedder), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("one,two\nred.png,blue.png\n", FormatError, ":1: has no columns of two pictures"),
        ("a,b\n", FormatError, "has a header but no rows"),
        ("a,b\nred.png\n", FormatError, ":2: 1 cells, but the header has 2 columns"),
        ("a,b,same\nred.png,blue.png,maybe\n", LabelError, ":2: 'maybe' does not say"),
    ],
)
def test_a_table_that_asks_nothing_says_where(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_questions(table(tmp_path, text))
