"""The store of decoded pictures: bounded, exact, shared between threads, gone when closed."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import ConfigError, ShapeError
from nayan.data import cache as module
from nayan.data.cache import DecodedCache


@pytest.fixture(params=["ram", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "run" / "cache.bin" if request.param == "disk" else None


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEGMENT", 2**16)


def picture(number: int, height: int = 50, width: int = 60) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pictures_of_many_shapes_come_back_unchanged(place: Path | None) -> None:
    cache = DecodedCache(40, limit_bytes=10**7, path=place)
    shapes = [(1 + 7 * i, 200 - 4 * i) for i in range(40)]
    for index in reversed(range(40)):
        cache.put(index, picture(index, *shapes[index]))
    for index in range(40):
        assert (cache.get(index) == picture(index, *shapes[index])).all()
    assert len(cache) == 40
    cache.close()


def test_a_view_is_read_only(place: Path | None) -> None:
    cache = DecodedCache(2, limit_bytes=10**6, path=place)
    cache.put(1, picture(1))
    assert cache.get(0) is None
    with pytest.raises(ValueError, match="read-only"):
        cache.get(1)[0, 0, 0] = 1
    cache.close()


def test_the_bound_is_kept_in_silence(place: Path | None) -> None:
    limit = 5 * 2**16 + 1000
    cache = DecodedCache(100, limit_bytes=limit, path=place)
    for index in range(100):
        cache.put(index, picture(index))
    assert cache.allocated_bytes <= limit
    assert 20 < len(cache) < 100
    kept = [index for index in range(100) if cache.get(index) is not None]
    assert all((cache.get(index) == picture(index)).all() for index in kept)
    cache.close()


def test_a_picture_larger_than_a_segment_gets_its_own(place: Path | None) -> None:
    large = picture(0, 400, 500)
    assert large.nbytes > module._SEGMENT
    cache = DecodedCache(2, limit_bytes=10**6, path=place)
    cache.put(0, large)
    cache.put(1, picture(1))
    assert (cache.get(0) == large).all()
    assert (cache.get(1) == picture(1)).all()
    cache.close()


def test_the_first_picture_of_an_index_stays(place: Path | None) -> None:
    cache = DecodedCache(1, limit_bytes=10**6, path=place)
    cache.put(0, picture(1))
    cache.put(0, picture(2))
    assert (cache.get(0) == picture(1)).all()
    cache.close()


def test_threads_may_fill_it_together(place: Path | None) -> None:
    cache = DecodedCache(300, limit_bytes=10**7, path=place)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: cache.put(index, picture(index, 20, 30)), range(300)))
    assert all((cache.get(index) == picture(index, 20, 30)).all() for index in range(300))
    cache.close()


def test_only_pictures_and_masks_are_taken(place: Path | None) -> None:
    cache = DecodedCache(2, limit_bytes=10**6, path=place)
    cache.put(0, np.ones((4, 5), np.uint8))
    kept = cache.get(0)
    refused = []
    for other in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ShapeError, match=r"pictures \(H, W, 3\) and masks \(H, W\) are kept"):
            cache.put(1, other)  # type: ignore[arg-type]
        refused.append(cache.get(1))
    cache.close()
    assert kept is not None
    assert kept.shape == (4, 5)
    assert refused == [None] * 3


def test_closing_forgets_everything_but_views_in_use(place: Path | None) -> None:
    cache = DecodedCache(2, limit_bytes=10**6, path=place)
    cache.put(0, picture(0))
    view = cache.get(0)
    cache.close()
    cache.close()
    assert (view == picture(0)).all()
    assert cache.get(0) is None
    cache.put(1, picture(1))
    assert len(cache) == cache.allocated_bytes == 0


def test_the_file_leaves_no_name_behind(tmp_path: Path) -> None:
    cache = DecodedCache(1, limit_bytes=10**6, path=tmp_path / "cache.bin")
    cache.put(0, picture(0))
    assert list(tmp_path.iterdir()) == []
    cache.close()


def test_where_names_of_open_files_stay_the_file_goes_on_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: Path) -> None:
        raise PermissionError(errno.EACCES, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", busy)
        cache = DecodedCache(1, limit_bytes=10**6, path=tmp_path / "cache.bin")
    cache.put(0, picture(0))
    assert (tmp_path / "cache.bin").is_file()
    cache.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.bin").write_text("precious")
    with pytest.raises(ConfigError, match=r"mine\.bin: the cache cannot be made: File exists"):
        DecodedCache(1, limit_bytes=10, path=tmp_path / "mine.bin")
    assert (tmp_path / "mine.bin").read_text() == "precious"


def test_a_full_disk_ends_the_filling_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = DecodedCache(60, limit_bytes=10**7, path=tmp_path / "cache.bin")
    room = 4 * module._SEGMENT

    class Disk:
        """The file, on a disk with little room left."""

        def __init__(self, file: object) -> None:
            self.file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            if self.file.tell() + len(data) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

    cache._file = Disk(cache._file)
    for index in range(60):
        cache.put(index, picture(index))
    kept = [index for index in range(60) if cache.get(index) is not None]
    assert 20 < len(kept) < 60
    assert cache.allocated_bytes == room
    assert all((cache.get(index) == picture(index)).all() for index in kept)
    cache.close()
