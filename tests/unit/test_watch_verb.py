"""`nayan.watch` and `nayan predict` on a video: a detector of coloured squares behind the real doors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

import nayan
from nayan.api import using
from nayan.cli import main
from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Boxes
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec

SIZE = (96, 128)
Run = Callable[..., tuple[int, str, str]]


def decode(raw: Mapping[str, Any], placements: Sequence[Placement], **_args: Any) -> list[Boxes]:
    """Return the red patch of each (h, w, 3) input, in pixels of the picture, with the score 0.4."""
    found = []
    for pixels, placed in zip(raw["pixels"], placements, strict=True):
        rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100))
        if not len(rows):
            found.append(Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)))
            continue
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        scale = np.array([placed.scale[1], placed.scale[0]] * 2, np.float32)
        found.append(Boxes((box / scale)[None], np.zeros(1, np.int64), np.array([0.4], np.float32)))
    return found


def predictor(task: str = "detection", **decode_args: Any) -> Predictor:
    spec = Spec(task, "squares", {}, ("car",), Preprocess((48, 64), "stretch"), decode_args=decode_args)
    return Predictor(spec, lambda pixels: {"pixels": pixels}, decode)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return 12 frames at 10 fps in which a red square goes down through the middle."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 10.0, SIZE[::-1])
    for number in range(12):
        image = np.full((*SIZE, 3), 60, np.uint8)
        image[4 + 6 * number : 20 + 6 * number, 40:64] = (20, 20, 240)  # BGR
        writer.write(image)
    writer.release()
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line on the detector of squares: (exit code, stdout, stderr)."""
    monkeypatch.setattr(using, "load", lambda *_, **__: predictor(thresholds=[0.3]))

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_watching_counts_with_the_thresholds_of_the_model(clip: Path, tmp_path: Path) -> None:
    road, south = "0,0.5,1,0.5:road", "0,0.6,1,1:south"
    seen = nayan.watch(predictor(thresholds=[0.3]), clip, lines=[road], zones=[south], out=tmp_path / "o")
    assert seen["lines"][0] == {"name": "road", "in": 1, "out": 0, "classes": {"car": {"in": 1, "out": 0}}}
    assert seen["zones"][0]["entries"] == 1
    assert (tmp_path / "o" / "summary.json").is_file()


def test_without_thresholds_half_is_trusted_and_conf_goes_before_both(clip: Path) -> None:
    assert nayan.watch(predictor(), clip)["tracks"]["total"] == 0
    assert nayan.watch(predictor(), clip, conf=0.2)["tracks"]["total"] == 1
    assert nayan.watch(predictor(thresholds=[0.0]), clip)["tracks"]["total"] == 1


def test_frames_may_be_looked_at_in_tiles(clip: Path) -> None:
    seen = nayan.watch(predictor(), clip, conf=0.2, tile=64, overlap=0.25, lines=["0,48,128,48"])
    assert seen["lines"][0]["in"] == 1
    assert nayan.watch(predictor(), clip, every=2)["frames"]["watched"] == 6


def test_stock_is_followed_through_a_video(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "shelf.csv").write_text("slot,class,expected\nA,car,2\n")
    seen = nayan.watch(predictor(), clip, conf=0.2, stock=tmp_path / "shelf.csv")
    assert [(row["slot"], row["status"]) for row in seen["stock"]] == [("A", "short")]
    (tmp_path / "shelf.csv").write_text("slot,class,expected\nA,cart,2\n")
    with pytest.raises(NotFound, match="no class is named 'cart'"):
        nayan.watch(predictor(), clip, stock=tmp_path / "shelf.csv")


def test_only_a_detector_can_watch(clip: Path) -> None:
    with pytest.raises(ConfigError, match="a video needs a detector, this model is for classification"):
        nayan.watch(predictor("classification"), clip)


def test_the_command_prints_a_summary_and_names_its_files(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    regions = ("--line", "0,0.5,1,0.5:road", "--zone", "0,0.6,1,1:south")
    code, text, err = run("predict", "m", clip, *regions, "--out", out, "--save")
    assert code == 0
    assert text.splitlines() == [
        f"{clip}: 12 frames watched, 1.1 s, 1 object (car 1)",
        "line road: in 1, out 0 (car 1)",
        "zone south: 1 entered (car 1), 1 inside at the end, at most 1 at once, 0.42 on average; "
        "stay 0.4 s on average",
    ]
    assert f"written: {out / 'annotated.webm'}" in err
    assert (out / "annotated.webm").stat().st_size > 0


def test_the_command_gives_json_or_the_events_as_csv(run: Run, clip: Path, tmp_path: Path) -> None:
    code, text, _ = run("predict", "m", clip, "--line", "0,48,128,48", "--json", "--seconds", "0.9")
    document = json.loads(text)
    assert (code, next(iter(document)), document["ended"]) == (0, "schema_version", "limit")
    assert [event["place"] for event in document["events"]] == ["line1"]
    code, text, _ = run("predict", "m", clip, "--line", "0,48,128,48", "--format", "csv")
    assert text.splitlines()[0] == "time_s,frame,kind,place,track,class,direction,dwell_s,detail"
    assert text.splitlines()[1].split(",")[2:7] == ["cross", "line1", "1", "car", "in"]
    (tmp_path / "shelf.csv").write_text("slot,expected\nA,1\n")
    assert "slot A: 1 of 1, ok" in run("predict", "m", clip, "--stock", tmp_path / "shelf.csv")[1]


def test_a_damaged_video_is_noted_and_progress_is_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (32, 32))
    for _ in range(560):
        writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    code, _, err = run("predict", "m", path)
    assert code == 0
    assert "256 of 560 frames, 10 s of video" in err
    assert "note: " in err
    assert "ends early: 560 frames are announced" in err


def test_an_interrupted_video_exits_130_with_what_was_seen(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(pixels: np.ndarray) -> dict[str, Any]:
        raise KeyboardInterrupt

    stopped = Predictor(predictor().spec, interrupt, decode)
    monkeypatch.setattr(using, "load", lambda *_, **__: stopped)
    code, text, _ = run("predict", "m", clip)
    assert code == 130
    assert "0 frames watched" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "b.jpg"], "a video is watched alone"),
        (["a.jpg", "--line", "0,0,1,1"], "--line is for a video or camera"),
        (["a.mp4", "--line", "0,0,1"], "expected pairs"),
        (["a.mp4", "--conf", "2"], "expected auto, or a number"),
        (["a.mp4", "--scene", "none.yaml"], "none.yaml: cannot be read as YAML"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(run: Run, words: list[str], message: str) -> None:
    code, _, err = run("predict", "m", *words)
    assert code in (2, 3)
    assert message in err


def test_a_missing_video_exits_3(run: Run, tmp_path: Path) -> None:
    code, _, err = run("predict", "m", tmp_path / "none.mp4")
    assert code == 3
    assert "there is no such file" in err


def test_pictures_are_compared_with_stock_in_tiles_too(run: Run, tmp_path: Path) -> None:
    image = np.full((*SIZE, 3), 60, np.uint8)
    image[30:46, 40:64] = (240, 20, 20)
    PillowImage.fromarray(image).save(tmp_path / "shelf.png")
    (tmp_path / "shelf.csv").write_text("slot,class,expected,region\nA,car,2,0 0 1 1\nB,car,0,0 0 0.2 0.2\n")
    words = ("predict", "m", tmp_path / "shelf.png", "--stock", tmp_path / "shelf.csv", "--conf", "0.2")
    for tiled in ((), ("--tile", "64")):
        code, text, _ = run(*words, *tiled, "--json")
        assert code == 0
        (record,) = json.loads(text)
        assert record["predictions"][0]["box"] == pytest.approx([40, 30, 64, 46], abs=2)
        assert [(row["slot"], row["found"], row["status"]) for row in record["stock"]] == [
            ("A", 1, "short"),
            ("B", 0, "ok"),
        ]
    assert run(*words)[1].splitlines()[1:] == ["  slot A: car 1 of 2, short", "  slot B: car 0 of 0, ok"]


def test_only_a_detector_compares_stock(tmp_path: Path) -> None:
    PillowImage.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "shelf.csv").write_text("slot,expected\nA,1\n")
    with pytest.raises(ConfigError, match="comparing stock needs a detector"):
        nayan.predict(predictor("classification"), tmp_path / "a.png", stock=tmp_path / "shelf.csv")
