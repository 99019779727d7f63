"""A whole video, watched with a detector that finds coloured squares: tables, summary, painted frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nayan.core.errors import ConfigError
from nayan.core.types import Boxes, Image
from nayan.data.video import Video, open_video
from nayan.tasks.detection.scene import watch as watching
from nayan.tasks.detection.scene.paint import ZONE_COLOUR, Painter
from nayan.tasks.detection.scene.regions import Scene, parse_line, parse_zone
from nayan.tasks.detection.scene.stock import Slot
from nayan.tasks.detection.scene.watch import Plan, Watch, watch_video

CLASSES = ("red", "green")
SIZE = (120, 160)


def colours(images: Sequence[Image]) -> list[Boxes]:
    """Find the red and the green patches of pictures: the detector of these tests."""
    found = []
    for image in images:
        rows, labels = [], []
        for label in range(2):
            mask = (image[..., label] > 160) & (image[..., 1 - label] < 110)
            count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
            for left, top, width, height, area in stats[1:count]:
                if area >= 100:
                    rows.append((left, top, left + width, top + height))
                    labels.append(label)
        xyxy = np.array(rows, np.float32).reshape(-1, 4)
        found.append(Boxes(xyxy, np.array(labels, np.int64), np.full(len(rows), 0.9, np.float32)))
    return found


def picture(number: int) -> Image:
    """Return a frame: a red square going down, a green one going up and a red one that waits."""
    image = np.full((*SIZE, 3), 70, np.uint8)
    down, up = 4 * number, 100 - 4 * number
    image[down : down + 20, 30:50] = (240, 20, 20)
    image[max(0, up) : max(0, up + 20), 70:90] = (20, 230, 20)
    image[90:110, 120:140] = (240, 20, 20)
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 10.0, SIZE[::-1])
    for number in range(25):
        writer.write(cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


SCENE = Scene((parse_line("0,60,110,60:road"),), (parse_zone("100,70,160,120:corner"),))
SLOTS = (
    Slot("bay", "red", 1, np.array([(100.0, 70), (160, 70), (160, 120), (100, 120)])),
    Slot("all", "green", 3),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(clip: Path, plan: Plan, **options: Any) -> dict[str, Any]:
    with open_video(clip) as video:
        return watch_video(colours, video, plan, **options)


def test_who_crosses_waits_and_is_missing_is_told_once(clip: Path) -> None:
    seen = run(clip, Plan(CLASSES, SCENE, SLOTS))
    assert seen["frames"] == {"announced": 25, "read": 25, "watched": 25}
    assert (seen["size"], seen["fps"], seen["ended"], seen["notes"]) == ([120, 160], 10.0, "end", [])
    assert seen["tracks"] == {"total": 3, "classes": {"green": 1, "red": 2}}
    assert seen["lines"] == [
        {
            "name": "road", "in": 1, "out": 1,
            "classes": {"green": {"in": 0, "out": 1}, "red": {"in": 1, "out": 0}},
        }
    ]  # fmt: skip
    (zone,) = seen["zones"]
    assert (zone["entries"], zone["inside_at_end"], zone["occupancy_max"]) == (1, 1, 1)
    assert [(row["slot"], row["status"]) for row in seen["stock"]] == [("bay", "ok"), ("all", "short")]
    assert [(e["kind"], e["place"], e["class"]) for e in seen["events"] if e["kind"] != "stock"] == [
        ("enter", "corner", "red"),
        ("cross", "road", "red"),
        ("cross", "road", "green"),
    ]
    assert seen["files"] == []


def test_the_tables_say_what_the_summary_says(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    seen = run(clip, Plan(CLASSES, SCENE), out=out, save=True)
    assert sorted(file.name for file in out.iterdir()) == [
        *("annotated.webm", "events.csv", "events.json", "occupancy.csv", "summary.json", "tracks.csv")
    ]
    assert sorted(seen["files"]) == sorted(str(file) for file in out.iterdir())
    events = rows(out / "events.csv")
    assert [(e["kind"], e["track"], e["direction"]) for e in events] == [
        (e["kind"], str(e["track"]), e["direction"]) for e in seen["events"]
    ]
    document = json.loads((out / "events.json").read_text(encoding="utf-8"))
    assert next(iter(document)) == "schema_version"
    assert document["events"] == seen["events"]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary == {"schema_version": 1, **{key: value for key, value in seen.items() if key != "events"}}
    occupancy = rows(out / "occupancy.csv")
    assert [row["corner"] for row in occupancy] == ["0"] + ["1"] * 24
    tracks = rows(out / "tracks.csv")
    assert {row["track"] for row in tracks} == {"1", "2", "3"}
    waiting = [row for row in tracks if row["x1"] == "120"]
    assert len(waiting) == 24
    assert {tuple(row[name] for name in ("class", "x1", "y1", "x2", "y2", "score")) for row in waiting} == {
        ("red", "120", "90", "140", "110", "0.9")
    }


def test_the_annotated_video_shows_every_watched_frame(clip: Path, tmp_path: Path) -> None:
    run(clip, Plan(CLASSES, SCENE, every=2), out=tmp_path / "out", save=True)
    with open_video(tmp_path / "out" / "annotated.webm") as video:
        frames = list(video.frames())
    assert len(frames) == 13
    assert video.fps == 5
    inside = frames[-1].image[80, 105].astype(int)  # in the zone, beside the square
    assert inside == pytest.approx(0.84 * 70 + 0.16 * np.array(ZONE_COLOUR), abs=12)


def test_painting_shows_slots_and_leaves_the_frame_alone() -> None:
    watch = Watch(Plan(CLASSES, SCENE, SLOTS), SIZE, fps=10)
    painter = Painter(watch, trail_s=0.5)
    for number in range(12):
        frame = watching.Frame(number, number / 10, picture(number))
        painted = painter.paint(watch.update(frame, colours([frame.image])[0]))
    assert np.array_equal(frame.image, picture(11))
    assert painted.shape == frame.image.shape
    assert (painted == (52, 199, 89)).all(axis=2).any()  # the slot is as it should be
    trail = painted[44:60, 38:42].reshape(-1, 3)  # behind the square that goes down, where it was
    assert not (trail == 70).all()


def test_a_trail_ends_with_its_track() -> None:
    watch = Watch(Plan(CLASSES, max_lost_s=0.1, min_hits=1), SIZE, fps=10)
    painter = Painter(watch)
    blank = np.full((*SIZE, 3), 70, np.uint8)
    for number, image in enumerate([picture(5), picture(6), blank, blank, blank]):
        frame = watching.Frame(number, number / 10, image)
        painted = painter.paint(watch.update(frame, colours([image])[0]))
    assert (painted == 70).all()


def test_a_limit_ends_it_and_only_so_many_frames_a_second_are_watched(clip: Path) -> None:
    seen = run(clip, Plan(CLASSES, seconds=1.0, fps=5))
    assert (seen["ended"], seen["frames"]["watched"], seen["notes"]) == ("limit", 5, [])
    assert run(clip, Plan(CLASSES, seconds=100))["ended"] == "end"


def test_an_interrupt_keeps_what_was_seen(clip: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def stopped(images: Sequence[Image]) -> list[Boxes]:
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return colours(images)

    progress: list[tuple[int, int | None, float]] = []
    with open_video(clip) as video:
        seen = watch_video(
            stopped,
            video,
            Plan(CLASSES, batch=4),
            out=tmp_path / "out",
            on_progress=lambda *state: progress.append(state),
        )
    assert (seen["ended"], seen["frames"]["watched"]) == ("interrupted", 8)
    assert [state[0] for state in progress] == [4, 8]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["ended"] == "interrupted"
    assert len({row["frame"] for row in rows(tmp_path / "out" / "tracks.csv")}) == 7


def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    class Silent:
        def grab(self) -> bool:
            raise KeyboardInterrupt

        def retrieve(self) -> tuple[bool, Any]:
            return False, None

        def get(self, _prop: int, /) -> float:
            return 0.0

        def release(self) -> None:
            return None

    with Video("camera:0", Silent(), live=True) as video:
        seen = watch_video(colours, video, Plan(CLASSES), out=tmp_path / "out")
    assert (seen["ended"], seen["events"], seen["frames"]["watched"]) == ("interrupted", [], 0)
    assert not (tmp_path / "out").exists()


def test_a_camera_is_watched_frame_by_frame(clip: Path) -> None:
    sizes: list[int] = []

    def counting(images: Sequence[Image]) -> list[Boxes]:
        sizes.append(len(images))
        return colours(images)

    with open_video(clip) as video:
        video.live = True
        watch_video(counting, video, Plan(CLASSES, batch=8))
    assert set(sizes) == {1}


def test_ground_truth_without_scores_can_be_watched(clip: Path, tmp_path: Path) -> None:
    def sure(images: Sequence[Image]) -> list[Boxes]:
        return [Boxes(boxes.xyxy, boxes.labels) for boxes in colours(images)]

    with open_video(clip) as video:
        watch_video(sure, video, Plan(CLASSES, seconds=0.5), out=tmp_path / "out")
    assert {row["score"] for row in rows(tmp_path / "out" / "tracks.csv")} == {"1"}


def test_a_codec_without_browsers_is_noted(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fallback(watching.VideoWriter):
        def __init__(self, stem: Path, *, fps: float, size: tuple[int, int]) -> None:
            super().__init__(stem, fps=fps, size=size, codecs=(("mp4v", ".mp4"),))

    monkeypatch.setattr(watching, "VideoWriter", Fallback)
    seen = run(clip, Plan(CLASSES), out=tmp_path / "out", save=True)
    assert "annotated.mp4: plays in VLC and the like, not in a browser" in seen["notes"][0]


@pytest.mark.parametrize("plan", [Plan(CLASSES, batch=0), Plan(CLASSES, seconds=0.0)])
def test_an_impossible_plan_is_refused(clip: Path, plan: Plan) -> None:
    with pytest.raises(ConfigError, match="batch is at least 1"):
        run(clip, plan)
    with pytest.raises(ConfigError, match="saving a video needs a folder"):
        run(clip, Plan(CLASSES), save=True)
