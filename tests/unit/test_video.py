"""Frames of videos: all of them, some of them, and what is said where some are missing."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, DataError, FormatError, MissingExtra
from nayan.core.types import Image
from nayan.data.video import Video, is_video, open_video, opencv
from nayan.data.video_writer import VideoWriter

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes 160 x 120 px frames at 10 fps, a red square moving to the right."""

    def write(name: str, fourcc: str = "MJPG", *, count: int = 20) -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*fourcc), 10.0, (160, 120))
        assert writer.isOpened()
        noise = np.random.default_rng(0)
        for number in range(count):
            frame = noise.integers(0, 60, (120, 160, 3), dtype=np.uint8)
            frame[40:80, 4 * number : 4 * number + 30] = (0, 0, 250)  # BGR
            writer.write(frame)
        writer.release()
        return path

    return write


def left_of_square(image: Image) -> int:
    return int(np.flatnonzero(image[60, :, 0] > 150)[0])


@pytest.mark.parametrize(
    ("name", "fourcc"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.mkv", "MJPG")]
)
def test_every_frame_comes_upright_in_rgb_with_its_time(make: Make, name: str, fourcc: str) -> None:
    with open_video(make(name, fourcc)) as video:
        assert (video.size, video.fps, video.num_frames, video.live) == ((120, 160), 10.0, 20, False)
        frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(20)])
    assert frames[0].image.shape == (120, 160, 3)
    assert frames[0].image.dtype == np.uint8
    assert [left_of_square(frame.image) for frame in frames] == pytest.approx(range(0, 80, 4), abs=3)
    assert video.notes == ()


def test_only_each_third_frame_or_so_many_a_second(make: Make) -> None:
    path = make("a.avi")
    with open_video(path) as video:
        assert [frame.index for frame in video.frames(every=3)] == [0, 3, 6, 9, 12, 15, 18]
    with open_video(path) as video:
        next(video.frames())
        assert video.notes == ()  # nothing is missing where nobody asked for more
    with open_video(path) as video:
        assert [frame.index for frame in video.frames(fps=2.5)] == [0, 4, 8, 12, 16]
    with open_video(path) as video:
        assert len(list(video.frames(fps=100))) == 20


@pytest.mark.parametrize(("every", "fps"), [(0, None), (1, 0.0), (2, 5.0)])
def test_impossible_steps_are_refused(make: Make, every: int, fps: float | None) -> None:
    with open_video(make("a.avi", count=2)) as video, pytest.raises(ConfigError):
        list(video.frames(every=every, fps=fps))


def test_a_gif_gives_its_frames_at_their_own_times(tmp_path: Path) -> None:
    pictures = [PillowImage.fromarray(np.full((30, 40, 3), 40 * n, np.uint8)) for n in range(4)]
    pictures[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 300, 100, 100]
    )
    with open_video(tmp_path / "a.gif") as video:
        frames = list(video.frames())
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.4, 0.5])
    assert [round(float(frame.image.mean()), -1) for frame in frames] == [0, 40, 80, 120]
    assert is_video(tmp_path / "a.gif")


def test_a_gif_of_one_picture_or_a_broken_one_is_no_video(tmp_path: Path) -> None:
    PillowImage.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "one.gif")
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    assert not is_video(tmp_path / "one.gif")
    assert not is_video(tmp_path / "broken.gif")
    assert not is_video(tmp_path / "missing.gif")


def test_rotation_that_a_phone_wrote_is_applied(make: Make) -> None:
    path = make("phone.mp4", "mp4v", count=3)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 4 + 4 + 20 + 16  # version and flags, times and ids, layer and volume
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with open_video(path) as video:
        first = next(video.frames())
        assert video.size == (160, 120)
    assert first.image.shape == (160, 120, 3)
    rows = np.flatnonzero(first.image[:, 60, 0] > 150)  # the square, turned by 90 degrees
    assert (rows.min(), rows.max()) == pytest.approx((0, 29), abs=3)


def test_a_video_that_ends_early_gives_what_it_has_and_says_so(make: Make) -> None:
    path = make("cut.avi", count=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with open_video(path) as video:
        frames = list(video.frames())
    assert 30 <= len(frames) < 40
    (note,) = video.notes
    assert "cut.avi: ends early: 60 frames are announced" in note
    assert f"{len(frames)} could be read" in note


def test_unreadable_frames_in_the_middle_are_skipped_and_counted(make: Make) -> None:
    path = make("hole.mkv", count=60)
    data = bytearray(path.read_bytes())
    middle, length = len(data) // 2, len(data) // 12
    data[middle : middle + length] = bytes(length)
    path.write_bytes(data)
    with open_video(path) as video:
        frames = list(video.frames())
    assert 50 <= len(frames) <= 57
    assert frames[-1].time_s == pytest.approx(5.9)
    missing = 60 - len(frames)
    assert video.notes == (f"{path}: {missing} of 60 frames could not be decoded and were skipped",)


def test_one_unreadable_frame_is_counted_as_one(make: Make) -> None:
    path = make("hole.avi", count=30)
    data = bytearray(path.read_bytes())
    starts = [n for n in range(len(data) - 3) if data[n : n + 3] == b"\xff\xd8\xff"]
    length = starts[16] - starts[15] - 8  # up to the header of the next one
    data[starts[15] : starts[15] + length] = bytes(length)
    path.write_bytes(data)
    with open_video(path) as video:
        assert len(list(video.frames())) == 29
    assert "1 of 30 frames could not be decoded" in video.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<html>", "not a video: begins with '<!DOCTYPE html>'"),
        (b"#EXTM3U\nhttp://example.org/a.ts", "not a video: begins with '#EXTM3U'"),
        (b"\xff\xd8\xff\xe0" + bytes(80), "not a video: a JPEG"),
        (b"\0\0\0\x20ftypisom" + bytes(200), "the video cannot be opened"),
    ],
)
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        open_video(tmp_path / "a.mp4")


def test_a_file_that_lost_its_end_before_the_index_was_written_is_refused(make: Make) -> None:
    path = make("a.mp4", "mp4v")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FormatError, match="was cut off before it was finished"):
        open_video(path)


def test_a_missing_file_a_folder_and_a_missing_camera_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        open_video(tmp_path / "none.mp4")
    with pytest.raises(DataError, match="cannot be read"):
        open_video(tmp_path)
    with pytest.raises(DataError, match="camera:99: cannot be opened"):
        open_video("camera:99")


class FakeCapture:
    """A source of black frames: what a camera is for `Video`. Numbers that `get` does not know are 0."""

    def __init__(self, count: int, *, readable: bool = True, size: tuple[int, int] = (6, 8)) -> None:
        self.left, self.readable, self.size = count, readable, size

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        return self.readable, np.zeros((*self.size, 3), np.uint8)

    def get(self, prop: int, /) -> float:
        return {cv2.CAP_PROP_FRAME_HEIGHT: self.size[0], cv2.CAP_PROP_FRAME_WIDTH: self.size[1]}.get(prop, 0)

    def release(self) -> None:
        self.left = 0


def test_a_camera_has_no_number_of_frames_and_runs_by_the_clock() -> None:
    with Video("camera:0", FakeCapture(3), live=True) as video:
        frames = list(video.frames())
    assert (video.num_frames, video.fps, video.size) == (None, 25.0, (6, 8))
    times = [frame.time_s for frame in frames]
    assert len(times) == 3
    assert times == sorted(times)
    assert video.notes == ("camera:0: the camera stopped giving frames",)


def test_times_grow_by_the_frame_rate_where_a_container_has_none() -> None:
    with Video("a", FakeCapture(3)) as video:
        assert [frame.time_s for frame in video.frames()] == pytest.approx([0, 0.04, 0.08])
    assert video.notes == ()


def test_a_video_without_one_readable_frame_is_refused() -> None:
    with Video("a", FakeCapture(0)) as video, pytest.raises(FormatError, match="not one frame"):
        list(video.frames())
    with (
        Video("a", FakeCapture(2, readable=False)) as video,
        pytest.raises(FormatError, match="not one frame"),
    ):
        list(video.frames())


def test_a_written_video_reads_back_as_it_was(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "new" / "seen", fps=5, size=(60, 80)) as writer:
        for number in range(6):
            writer.write(np.full((60, 80, 3), (40 * number, 20, 200), np.uint8))
        writer.write(np.full((30, 40, 3), (240, 20, 200), np.uint8))  # of another size
    assert writer.path.name == "seen.webm"
    assert writer.plays_in_browsers
    with open_video(writer.path) as video:
        frames = list(video.frames())
    assert len(frames) == 7
    assert video.fps == 5
    for number, frame in enumerate(frames):
        assert frame.image.reshape(-1, 3).mean(0) == pytest.approx((40 * number, 20, 200), abs=8)


def test_where_a_codec_is_missing_the_next_is_taken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(
        tmp_path / "a", fps=5, size=(60, 80), codecs=(("ZZZZ", ".webm"), ("mp4v", ".mp4"))
    ) as writer:
        writer.write(np.zeros((60, 80, 3), np.uint8))
    assert writer.path == tmp_path / "a.mp4"
    assert not writer.plays_in_browsers
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert capfd.readouterr().err == ""


def test_without_any_codec_the_error_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no video can be written here \(tried ZZZZ\)"):
        VideoWriter(tmp_path / "a", fps=5, size=(60, 80), codecs=(("ZZZZ", ".webm"),))


def test_a_camera_that_opens_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opened(FakeCapture):
        def __init__(self, number: int) -> None:
            super().__init__(number)

        def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
            return True

    monkeypatch.setattr(cv2, "VideoCapture", Opened)
    assert is_video("camera:2")
    with open_video("camera:2") as video:
        assert video.live
        assert len(list(video.frames())) == 2


def test_frames_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    PillowImage.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    data[6:10] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(FormatError, match=r"frames of \d+ x \d+ px cannot be decoded|cannot be opened"):
        open_video(tmp_path / "a.gif")


def test_without_opencv_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    opencv.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="OpenCV, which reads and writes video") as caught:
        open_video("camera:0")
    assert caught.value.hint == 'pip install "nayan[video]"'


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "size"),
    [("car-detection.mp4", 377, (432, 768)), ("store-aisle-detection.gif", 67, (270, 480))],
)
def test_real_clips_are_read_to_their_end(
    data_packs: Path, name: str, count: int, size: tuple[int, int]
) -> None:
    with open_video(data_packs / "video" / name) as video:
        assert sum(frame.image.shape[:2] == size for frame in video.frames()) == count
    assert video.notes == ()
