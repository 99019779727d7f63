"""The report is written from run folders that are whole, partial, damaged and hostile."""

import json
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nayan.core.errors import DataError, MissingExtra
from nayan.core.story import Panel
from nayan.core.types import ClassScores, Label
from nayan.report import html
from nayan.report.charts import Stretch, line_chart
from nayan.report.curves import curves
from nayan.report.html import write_report
from nayan.report.page import duration, make_page
from nayan.report.record import read_run
from nayan.tasks.classification.metric import ClassificationMetric

NAMES = ("ant", "bee", "cow")
HOSTILE = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "गुलाब\u202egnp.exe")
SECTIONS = ("scores", "learning", "evaluation", "augmented", "data", "time", "options", "environment", "next")

CONFIG = """# Every value of this run
data: /data/insects  # option
model: lenet  # my.yaml
epochs: 4  # option
lr: 0.002  # chosen from the model
mixup: 0.0  # default
out: null  # default
"""
RESULTS = """round,epoch,train_loss,val_loss,val_accuracy,val_ece,lr,seconds,pictures_per_s,note
head,1,1.5,1.6,0.5,0.1,0.002,2.5,100,warm
head,2,1.0,nan,0.6,0.1,0.001,2.5,110,
all,3,0.7,0.9,0.8,0.1,0.001,2.5,,
all,4,0.6,1.0,0.7,0.1,0.0,2.5,120,
"""


class Tags(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def names(self) -> set[str]:
        return {tag for tag, _ in self.found}


def write_events(folder: Path, events: list[dict]) -> None:
    (folder / "events.jsonl").write_text(
        "".join(json.dumps(event) + "\n" for event in events), encoding="utf-8"
    )


def events(names: tuple[str, ...] = NAMES) -> list[dict]:
    counts = {"train": dict.fromkeys(names, 40), "val": 9, "test": [4] * len(names)}
    data = {
        "path": "/data/in sects",
        "format": "folder",
        "counts": counts,
        "classes": names,
        "fingerprint": "ab12",
    }
    return [
        {
            "event": "start",
            "time": 1763900000.0,
            "command": ["nayan", "train", "/data/in sects", "--model", names[0]],
            "versions": {"nayan": "0.1.0", "torch": names[0]},
            "data": data,
        },
        {"event": "note", "text": f"split by class: {names[0]}"},
        {"event": "warning", "text": f"{names[1]} has few pictures.", "hint": "add some"},
        {"event": "warning", "text": f"{names[1]} has few pictures.", "hint": "add some"},
        {"event": "epoch", "epoch": 1, "best": True},
        {"event": "epoch", "epoch": 3, "best": True},
        {"event": "epoch", "epoch": 4, "best": False},
        {"event": "end", "seconds": 75.0, "timings": {"training": 60.0, "reading": 15.0, "odd": None}},
    ]


def evaluation(names: tuple[str, ...] = NAMES, *, split: str = "test") -> dict:
    metric = ClassificationMetric(names)
    for truth, guess in [(0, 0), (0, 1), (1, 1), (2, 2), (2, 0)]:
        metric.update(
            [ClassScores(np.full(3, 0.1, np.float32) + 0.7 * np.eye(3, dtype=np.float32)[guess])],
            [Label(truth)],
        )
    worst = [
        {
            "id": f"test/{names[0]}/1.jpg",
            "truth": names[0],
            "predicted": names[1],
            "score": 0.8,
            "truth_score": 0.1,
            "picture": "gallery/0001.jpg",
        },
        {"id": "lost", "truth": names[2], "predicted": names[0], "score": 0.8, "picture": "gallery/9.jpg"},
    ]
    return {
        "schema_version": 1,
        "task": "classification",
        "split": split,
        "metrics": metric.compute(),
        "details": metric.details(calibration={"temperature": 1.5}),
        "calibration": {"temperature": 1.5, "ece_before": 0.2, "ece_after": 0.1},
        "thresholds": [0.5, 0.4, 0.3],
        "worst": worst,
    }


def make_run(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Write a whole run folder."""
    (folder / "evaluation" / "gallery").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "config.yaml").write_text(CONFIG + f"classes: [{names[0]}]  # option\n", encoding="utf-8")
    (folder / "results.csv").write_text(RESULTS, encoding="utf-8")
    write_events(folder, events(names))
    for split in ("val", "test"):
        text = json.dumps(evaluation(names, split=split), ensure_ascii=False)
        (folder / "evaluation" / f"{split}.json").write_text(text, encoding="utf-8")
    picture = Image.fromarray(np.full((8, 8, 3), 200, np.uint8))
    picture.save(folder / "evaluation" / "gallery" / "0001.jpg")
    picture.save(folder / "evaluation" / "augmented.jpg")
    spec = {"task": "classification", "model": "lenet", "classes": list(names)}
    (folder / "model" / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def written(run: Path) -> str:
    path = write_report(run)
    assert path == run / "report.html"
    return path.read_text(encoding="utf-8")


def test_a_whole_run_gives_every_section_in_order(run: Path) -> None:
    text = written(run)
    assert re.findall(r'<section id="(\w+)">', text) == list(SECTIONS)
    assert re.findall(r'<a href="#(\w+)">', text) == list(SECTIONS)


def test_the_verdict_says_what_was_trained_and_how_good_it_is(run: Path) -> None:
    verdict = " ".join(make_page(read_run(run)).verdict)
    assert verdict.startswith(
        "`lenet` was trained on 120 pictures of 3 classes from `in sects` for 4 epochs in 1 min 15 s. "
        "On the 5 test pictures it is right in 60.0 % of cases"
    )


def test_the_page_is_self_contained(run: Path) -> None:
    text = written(run)
    page = Tags(text)
    assert not page.names() & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.found:
        for name in ("src", "href", "action", "srcset", "poster", "data", "xlink:href"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/"))
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'; img-src data:" in text


def test_pictures_are_inside_the_page_and_missing_ones_are_named(run: Path) -> None:
    page = Tags(written(run))
    sources = [a["src"] for tag, a in page.found if tag == "img"]
    assert len(sources) == 2
    assert all(str(source).startswith("data:image/jpeg;base64,/9j/") for source in sources)
    assert "no picture" in (run / "report.html").read_text(encoding="utf-8")


def test_every_drawing_has_a_title_and_every_picture_a_text(run: Path) -> None:
    text = written(run)
    drawings = re.findall(r"<svg [^>]*role=\"img\"[^>]*>(<title>)?", text)
    assert len(drawings) >= 6
    assert all(drawings)
    assert all(attributes.get("alt") for tag, attributes in Tags(text).found if tag == "img")


def test_hostile_names_come_out_as_text(tmp_path: Path) -> None:
    clean = Tags(written(make_run(tmp_path / "clean")))
    text = written(make_run(tmp_path / "hostile", HOSTILE))
    hostile = Tags(text)
    assert hostile.names() == clean.names()
    assert not any(name.startswith("on") for _, attributes in hostile.found for name in attributes)
    assert len([1 for tag, _ in hostile.found if tag == "img"]) == 2
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "गुलाब" in text
    assert "\u202e" not in text


def test_nothing_on_the_page_is_nan(run: Path) -> None:
    visible = re.sub(r"<style>.*?</style>|base64,[^\"]*", "", written(run), flags=re.S)
    assert not re.search(r"\b(nan|NaN|inf|Infinity|None|undefined)\b", visible)


def test_each_missing_part_is_left_out(run: Path) -> None:
    for path, section in [
        ("evaluation/augmented.jpg", "augmented"),
        ("evaluation/val.json", "scores"),
        ("evaluation/test.json", "evaluation"),
        ("results.csv", "learning"),
        ("config.yaml", "options"),
    ]:
        assert f'<section id="{section}">' in written(run)
        (run / path).unlink()
        assert f'<section id="{section}">' not in written(run)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no run: config"):
        write_report(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        write_report(tmp_path / "nowhere")


def test_a_run_with_only_a_configuration_still_gets_a_page(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("epochs: 4\nmodel: 'my net'  # option\n", encoding="utf-8")
    page = make_page(read_run(tmp_path))
    assert page.title == "my net"
    assert page.verdict == []
    assert "did not reach its end:" in page.worries[0]
    assert [s.id for s in page.sections] == ["options", "next"]
    written(tmp_path)


def test_a_run_that_was_stopped_says_so_and_how_to_go_on(run: Path) -> None:
    whole = events()[:-1]
    write_events(run, [*whole, {"event": "stop", "reason": "interrupted"}])
    for path in ("evaluation/test.json", "evaluation/val.json", "model/spec.json"):
        (run / path).unlink()
    text = written(run)
    page = make_page(read_run(run))
    assert page.worries[0].startswith("This run did not reach its end (interrupted)")
    assert page.verdict[1] == "Its best epoch so far, 3, gave on validation: accuracy 80.0 %."
    assert page.tiles[-1].value == "10 s"
    assert "nayan train --resume" in text
    assert "nayan export" not in text


def test_a_last_line_that_a_killed_run_left_does_no_harm(run: Path) -> None:
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "epo')
    assert make_page(read_run(run)).tiles[-1].value == "1 min 15 s"


@pytest.mark.parametrize("name", ["events.jsonl", "evaluation/test.json", "model/spec.json", "status.json"])
def test_a_damaged_file_is_named_and_the_rest_is_shown(run: Path, name: str) -> None:
    (run / name).write_text("{broken\n{}\n", encoding="utf-8")
    assert f"<code>{Path(name).name}</code> cannot be read" in written(run)


def test_a_document_that_is_no_mapping_is_left_out(run: Path) -> None:
    (run / "evaluation" / "test.json").write_text("[1, NaN]", encoding="utf-8")
    assert list(read_run(run).evaluations) == ["val"]


def test_warnings_are_told_once(run: Path) -> None:
    assert make_page(read_run(run)).worries.count("bee has few pictures: add some.") == 1


def test_pictures_that_could_not_be_read_are_counted_and_named(run: Path) -> None:
    document = evaluation()
    for number, names in [(1, "(0.jpg)"), (4, "(0.jpg, 1.jpg, 2.jpg, ...)")]:
        document["failures"] = [{"id": f"{i}.jpg", "error": "truncated"} for i in range(number)]
        (run / "evaluation" / "test.json").write_text(json.dumps(document), encoding="utf-8")
        expected = f"Left out of the evaluation because they cannot be read: {number} {names}."
        assert expected in make_page(read_run(run)).worries


def test_a_picture_outside_the_run_is_not_shown(run: Path) -> None:
    secret = run.parent / "secret.jpg"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(secret)
    (run / "evaluation" / "gallery" / "link.jpg").symlink_to(secret)
    (run / "evaluation" / "notes.txt").write_text("no picture", encoding="utf-8")
    document = evaluation()
    for record, name in zip(document["worst"], ("../../secret.jpg", "gallery/link.jpg"), strict=True):
        record["picture"] = name
    document["worst"].append({**document["worst"][0], "picture": "notes.txt"})
    document["worst"].append({**document["worst"][0], "picture": None})
    (run / "evaluation" / "test.json").write_text(json.dumps(document), encoding="utf-8")
    (run / "evaluation" / "augmented.jpg").unlink()
    assert "data:image" not in written(run)


def test_options_that_somebody_chose_come_first_with_their_origin(run: Path) -> None:
    chosen, default = next(s for s in make_page(read_run(run)).sections if s.id == "options").panels
    assert chosen.table is not None
    assert chosen.table.rows[:2] == (("data", "/data/insects", "option"), ("model", "lenet", "my.yaml"))
    assert default.table is not None
    assert default.table.rows == (("mixup", "0.0"), ("out", "null"))
    assert default.data["folded"] is True


def test_data_of_another_task_or_none_shows_what_is_common(run: Path) -> None:
    (run / "model" / "spec.json").write_text('{"task": "painting", "model": "x"}', encoding="utf-8")
    ids = [s.id for s in make_page(read_run(run)).sections]
    assert "evaluation" not in ids
    assert {"scores", "learning", "data", "time"} <= set(ids)


def test_scores_of_the_log_serve_where_no_document_was_written(run: Path) -> None:
    for split in ("test", "val"):
        (run / "evaluation" / f"{split}.json").unlink()
    write_events(run, [*events(), {"event": "evaluation", "split": "val", "metrics": {"accuracy": 0.75}}])
    assert "0.750" in written(run)


def test_objects_are_not_counted_as_pictures(run: Path) -> None:
    start = events()[0]
    start["data"] |= {"pictures": {"train": 7, "val": 3}, "counted": "objects"}
    start["data"]["counts"] = {"train": dict.fromkeys(NAMES, 40), "val": dict.fromkeys(NAMES, 5)}
    write_events(run, [start])
    page = make_page(read_run(run))
    assert "on 7 pictures" in page.verdict[0]
    assert next(tile for tile in page.tiles if tile.label == "Training pictures").value == "7"
    panels = next(s for s in page.sections if s.id == "data").panels
    assert ("Pictures, val", 3) in panels[0].table.rows
    assert panels[1].title == "Objects a class"


def test_classes_beyond_forty_are_folded(run: Path) -> None:
    start = events()[0]
    start["data"] = {"counts": {"train": {f"c{i}": i for i in range(41)}}}
    start["command"] = "nayan train x"
    write_events(run, [start])
    panels = next(s for s in make_page(read_run(run)).sections if s.id == "data").panels
    assert panels[-1].data["folded"] is True
    assert "scroll tall" in written(run)


def test_columns_that_nobody_foresaw_get_a_chart(run: Path) -> None:
    header = "epoch,train_loss,train_bce,train_aux,val_miou,val_nll,memory,lr\n"
    rows = "1,2.0,1.5,0.5,0.2,1.2,300,0.1\n2,1.0,0.6,0.4,0.3,0.9,310,0.1\n"
    (run / "results.csv").write_text(header + rows, encoding="utf-8")
    panels = next(s for s in make_page(read_run(run)).sections if s.id == "learning").panels
    assert [p.title for p in panels] == ["Loss", "Scores", "memory", "Learning rate"]
    assert {"training bce", "training aux", "validation nll"} <= set(
        re.findall(r">([a-z ]+)</text>", panels[0].svg)
    )
    assert [p.data["layout"] for p in panels] == ["half"] * 4


def test_of_many_scores_the_headlines_are_drawn(run: Path) -> None:
    names = ["map", "map50", "map75", "map_small", "mar_100"]
    rows = [",".join(["epoch", *(f"val_{name}" for name in names)]), "1,.1,.2,.3,.4,.5", "2,.1,.2,.3,.4,.6"]
    (run / "results.csv").write_text("\n".join(rows), encoding="utf-8")
    (chart,) = [panel for panel in curves(read_run(run)) if panel.title == "Scores"]
    assert all(name in chart.svg for name in names[:3])
    assert not any(name.replace("_", " ") in chart.svg for name in names[3:])


def test_rounds_may_be_numbers_and_one_epoch_is_enough(run: Path) -> None:
    (run / "results.csv").write_text("round,epoch,train_loss\n1,1,0.5\n2,2,0.0\n,3,-0.1\n", encoding="utf-8")
    panel = next(s for s in make_page(read_run(run)).sections if s.id == "learning").panels[0]
    assert ">round 1<" in panel.svg
    (run / "results.csv").write_text("epoch,train_loss\n1,0.0\n", encoding="utf-8")
    assert "<circle" in next(s for s in make_page(read_run(run)).sections if s.id == "learning").panels[0].svg


def test_lines_of_many_points_carry_no_dots() -> None:
    points = [(float(x), 1.0 / x) for x in range(1, 101)]
    svg = line_chart({"training": points}, title="Loss", best=2, rounds=[Stretch("head", 1, 100)])
    assert "<circle" not in svg
    assert ">best: 2<" in svg
    assert ">head<" not in svg


def test_names_at_the_ends_of_lines_do_not_cover_each_other() -> None:
    svg = line_chart({name: [(1.0, 0.0), (2.0, 0.0)] for name in "abc"}, title="Loss")
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)"[^>]*font-weight="600"', svg))
    assert len(heights) == 3
    assert all(b - a >= 14.9 for a, b in pairwise(heights))
    assert heights[-1] <= 245


def test_a_start_far_above_the_rest_leaves_the_drawing_where_it_may() -> None:
    points = [(1.0, 9.0), *((float(x), 0.1) for x in range(2, 8))]
    whole, cut = (line_chart({"kid": points}, title="KID", cut=may) for may in (False, True))
    assert "epoch 1, kid: 9" in whole
    assert "epoch 1, kid" not in cut
    assert "epoch 2, kid: 0.1" in cut
    assert line_chart({"kid": points[1:]}, title="KID", cut=True) == line_chart(
        {"kid": points[1:]}, title="KID"
    )


def test_an_axis_may_begin_near_its_numbers() -> None:
    points = [(1.0, 28.0), (2.0, 29.0)]
    assert ">0<" in line_chart({"psnr": points}, title="PSNR in dB")
    assert ">0<" not in line_chart({"psnr": points}, title="PSNR in dB", from_zero=False)


def test_nothing_is_said_of_changes_by_chance_where_there_were_none(run: Path) -> None:
    (run / "evaluation" / "augmented.jpg").write_bytes(b"")
    assert "recoloured by chance" in written(run)
    options = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(f"{options}\naugment: none  # option\n", encoding="utf-8")
    assert "nothing was changed by chance" in written(run)


def test_panels_with_a_picture_of_their_own_are_shown(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel("Painted", image=np.zeros((2, 2, 3), np.uint8))
    monkeypatch.setattr("nayan.tasks.classification.draw.panels", lambda _: [panel])
    assert 'src="data:image/png;base64,' in written(run)


def test_text_between_backticks_is_code_and_percent_signs_stay_with_their_number() -> None:
    assert html._prose("`a<b` is 5 % & more") == "<code>a&lt;b</code> is 5&nbsp;% &amp; more"


def test_bars_stay_within_their_cell() -> None:
    shares = [html._share(v, f) for v, f in [(0.5, 1), (3, 2), (-1, 1), (None, 1), (1, 0)]]
    assert shares == ["50.0", "100.0", "0.0", "0", "0"]


def test_durations_are_said_as_people_say_them() -> None:
    assert [duration(s) for s in (3.26, 42, 60, 3600)] == ["3.3 s", "42 s", "1 min 0 s", "1 h 0 min"]


def test_without_jinja2_the_error_names_the_extra(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"jinja2.*\n.*nayan\[train\]"):
        write_report(run)
