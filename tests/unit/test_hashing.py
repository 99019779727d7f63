"""Copies of a picture are found, and pictures that only resemble each other are not."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_digits, load_sample_images

from nayan.core.errors import ConfigError
from nayan.core.types import Image, Sample
from nayan.data.hashing import content_hash, near_duplicates, perceptual_hash, thumbnail


@pytest.fixture(scope="module")
def photos() -> list[Image]:
    return [np.asarray(photo) for photo in load_sample_images().images]


def crops(photos: list[Image]) -> list[Image]:
    """Twelve pictures that do not overlap."""
    return [p[y : y + 210, x : x + 210] for p in photos for y in (0, 213) for x in (0, 213, 426)]


def saved_again(image: Image, *, scale: float = 0.5, quality: int = 70) -> Image:
    picture = PIL.Image.fromarray(image)
    picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(file).convert("RGB"))


def distance(a: Image, b: Image) -> int:
    return (perceptual_hash(a) ^ perceptual_hash(b)).bit_count()


def test_a_photograph_at_half_the_size_and_jpeg_quality_70_keeps_its_hash(photos: list[Image]) -> None:
    assert all(distance(photo, saved_again(photo)) <= 4 for photo in (*photos, *crops(photos)))


def test_different_photographs_have_hashes_far_apart(photos: list[Image]) -> None:
    pictures = crops(photos)
    assert min(distance(a, b) for i, a in enumerate(pictures) for b in pictures[:i]) > 8


def test_flat_pictures_of_different_colours_have_hashes_far_apart() -> None:
    black, gray, red = (np.full((40, 60, 3), colour, np.uint8) for colour in (0, 128, (200, 0, 0)))
    assert min(distance(black, gray), distance(black, red), distance(gray, red)) > 8
    assert distance(gray, saved_again(gray)) == 0


def test_copies_of_photographs_are_grouped_with_their_originals(photos: list[Image]) -> None:
    pictures = crops(photos)
    both = [*pictures, *(saved_again(picture) for picture in pictures)]
    small = np.stack([thumbnail(picture) for picture in both])
    groups = near_duplicates([perceptual_hash(picture) for picture in both], thumbnails=small)
    assert groups == [[i, i + 12] for i in range(12)]


def test_handwritten_digits_that_resemble_each_other_are_not_called_the_same() -> None:
    gray = (load_digits().images[:600] * 15.9).astype(np.uint8)
    pictures = [np.asarray(PIL.Image.fromarray(g).resize((28, 28)).convert("RGB")) for g in gray]
    small = np.stack([thumbnail(picture) for picture in pictures])
    hashes = [perceptual_hash(picture) for picture in pictures]
    assert near_duplicates(hashes, thumbnails=small) == []
    assert near_duplicates(hashes) != []  # which is what the thumbnails are for


def test_a_brighter_copy_is_the_same_picture_and_a_changed_one_is_not() -> None:
    small = np.zeros((3, 16, 16), np.uint8)
    small[:, 4:8] = 200
    small[1] += 30
    small[2, 8:10] = 200
    assert near_duplicates([7, 7, 7], thumbnails=small) == [[0, 1]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (3, 800), (2000, 2)])
def test_pictures_of_any_shape_have_a_hash_and_a_thumbnail(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert 0 <= perceptual_hash(image) < 2**64
    assert thumbnail(image).shape == (16, 16)


def test_a_chain_of_near_pictures_is_one_group_and_groups_come_in_order() -> None:
    assert near_duplicates([0b0, 0xFFFF0000, 0b1111, 0xFFFF0001, 0b11111111]) == [[0, 2, 4], [1, 3]]


def test_nothing_and_one_picture_have_no_duplicates() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates([5]) == []


def test_thousands_of_copies_of_one_picture_are_one_group() -> None:
    assert near_duplicates([3] * 20_000) == [list(range(20_000))]


def test_an_impossible_distance_and_missing_thumbnails_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 to 32, got 33"):
        near_duplicates([1, 2], 33)
    with pytest.raises(ConfigError, match="2 hashes, but 1 thumbnails"):
        near_duplicates([1, 2], thumbnails=np.zeros((1, 16, 16), np.uint8))


def test_a_file_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"whatever it holds")
    assert (
        content_hash(Sample("a", load=Path.cwd, path=path))
        == hashlib.sha256(b"whatever it holds").hexdigest()
    )  # type: ignore[arg-type]


def test_a_picture_without_a_file_is_hashed_by_its_shape_and_pixels() -> None:
    def hashed(image: Image) -> str:
        return content_hash(Sample("a", load=lambda: image))

    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert hashed(image) == hashed(image.copy())
    assert hashed(image) != hashed(image.reshape(2, 8, 3))
    assert hashed(image) != hashed(image + np.uint8(1))


@pytest.mark.data
def test_of_8000_mnist_digits_none_are_called_the_same(data_packs: Path) -> None:
    from nayan.data.readers import recognise

    root = data_packs / "classify-digits-idx"
    pictures = [sample.load() for sample in recognise(root).reader.read(root, "all").samples]
    small = np.stack([thumbnail(picture) for picture in pictures])
    assert near_duplicates([perceptual_hash(picture) for picture in pictures], thumbnails=small) == []
