"""Families: what names give away, what only the pictures can tell, and what a user's pattern means."""

import numpy as np
import pytest

from nayan.core.errors import ConfigError
from nayan.data.families import Family, by_name, by_rule, cut, shortened


def kinds(*ids: str) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(family.kind, family.name, family.members) for family in by_name(ids, ())]


def walk(steps: list[float], seed: int = 0) -> list[np.ndarray]:
    """Return thumbnails of a scene that moves on by each step."""
    x = np.linspace(0, 2 * np.pi, 16)
    places = np.cumsum(steps)
    return [
        (127 + 60 * np.sin(x + p)[None] + 60 * np.cos(x + 2 * p)[:, None]).clip(0, 255).astype(np.uint8)
        for p in places
    ]


def test_roboflow_versions_are_found_in_all_splits_with_their_original() -> None:
    assert kinds(
        "train/street_jpg.rf.0a1b2c3d4e.jpg", "valid/street_jpg.rf.99887766aa.jpg", "test/street.jpg", "b.jpg"
    ) == [("augmented", "street", (0, 1, 2))]  # fmt: skip


@pytest.mark.parametrize("version", ["a_aug2", "a-flip", "a_hflipped", "a_rot90", "a_rotated", "a mirrored"])
def test_other_words_for_versions_need_the_original_or_a_sibling(version: str) -> None:
    assert kinds("a.png", f"{version}.png") == [("augmented", "a", (0, 1))]
    assert kinds("b.png", f"{version}.png") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("roof_tile_1", "roof_tile_12"), ("roof-x0-y512", "roof-x512-y512"), ("roof_r1c2", "roof_r1c3"),
        ("roof_0_0_512_512", "roof_512_0_1024_512"), ("roof__1__0___824", "roof__0.5__1024___824"),
    ],
)  # fmt: skip
def test_tiles_of_one_picture_are_a_family(one: str, other: str) -> None:
    assert kinds(f"{one}.png", f"{other}.png") == [("tiles", "roof", (0, 1))]


def test_the_address_of_a_camera_is_no_tile_of_a_picture() -> None:
    assert kinds("192_168_2_39_13.jpg", "192_168_2_39_14.jpg") == []


@pytest.mark.parametrize("clip", ["ride_mp4_t_", "cam frame-", "video7_", "frame", "clip_"])
def test_a_word_for_films_makes_numbered_names_frames(clip: str) -> None:
    ids = [f"images/train/{clip}0010.jpg", f"images/val/{clip}0002.jpg", "x.jpg"]
    assert kinds(*ids) == [("clip", clip.rstrip(" _-"), (1, 0))]


def test_numbered_names_alone_make_no_clip() -> None:
    assert kinds(*(f"img_{i:04d}.jpg" for i in range(20)), "eclipse_1.jpg", "eclipse_2.jpg") == []


def test_neighbours_that_look_more_alike_than_pictures_far_apart_are_a_clip() -> None:
    ids = [f"img_{i:04d}.jpg" for i in range(20)]
    film = walk([0.1] * 20)
    assert [family.members for family in by_name(ids, film)] == [tuple(range(20))]
    assert by_name(ids, [film[i] for i in np.random.default_rng(1).permutation(20)]) == []
    assert by_name(ids[:7], film[:7]) == []  # too few to tell
    assert by_name(ids, [None] * 20) == []  # nothing can be decoded


def test_a_camera_that_always_sees_the_same_makes_a_clip() -> None:
    assert len(by_name([f"{i}.jpg" for i in range(9)], walk([0.0] * 9))) == 1


def test_a_version_of_a_frame_stays_with_its_clip() -> None:
    found = by_name(["clip_1_jpg.rf.0123456789.jpg", "clip_1_jpg.rf.abcdef0123.jpg", "clip_2.jpg"], ())
    assert [(family.kind, set(family.members)) for family in found] == [
        ("augmented", {0, 1}),
        ("clip", {0, 1, 2}),
    ]


def test_a_pattern_names_groups_and_a_picture_without_it_stands_alone() -> None:
    ids = ["cam1_a.jpg", "cam2_a.jpg", "cam1_b.jpg", "other.jpg", "cam2_c.jpg"]
    expected = [Family("group", "cam1", (0, 2)), Family("group", "cam2", (1, 4))]
    assert (
        by_rule(ids, r"(cam\d+)_")
        == by_rule(ids, r"cam\d+")
        == by_rule(ids, r"(?P<camera>cam\d)")
        == expected
    )


def test_folders_can_be_groups() -> None:
    assert by_rule(["a/1.jpg", "b/1.jpg", "a/2.jpg"], "folder") == [Family("group", "a", (0, 2))]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("(cam", "is no regular expression: missing \\)"),
        ("(a)(b)", r"has 2 groups in parentheses, expected one\n.*\(\?:"),
        ("patient", "fits no picture; the first is 'a/1.jpg'"),
        ("folder", "all 2 pictures are of one group, 'a'"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused(rule: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        by_rule(["a/1.jpg", "a/2.jpg"], rule)


def test_a_clip_is_cut_at_its_longest_pauses() -> None:
    numbers = [1, 2, 3, 50, 51, 52, 53, 90, 91]
    ids = [f"clip_{number:03d}.jpg" for number in numbers]
    pieces = cut(Family("clip", "clip", tuple(range(9))), ids, limit=4)
    assert [piece.members for piece in pieces] == [(0, 1, 2), (3, 4, 5, 6), (7, 8)]


def test_without_pauses_a_clip_is_halved_until_it_fits() -> None:
    ids = [f"clip_{number}.jpg" for number in range(16)]
    pieces = cut(Family("clip", "clip", tuple(range(16))), ids, limit=4)
    assert [len(piece.members) for piece in pieces] == [4, 4, 4, 4]


def test_only_a_clip_of_more_than_a_third_is_cut_and_told() -> None:
    ids = [f"clip_{number}.jpg" for number in range(41)] + [f"p{i}x.jpg" for i in range(59)]
    long, short = Family("clip", "clip", tuple(range(41))), Family("clip", "other", tuple(range(50, 80)))
    group = Family("group", "all", tuple(range(90)))
    families, notes = shortened([long, short, group], ids)
    assert [f for f in families if f.name != "clip"] == [short, group]
    assert max(len(f.members) for f in families if f.name == "clip") <= 5
    assert notes == [
        f"the clip 'clip' has 41 of 100 pictures: it was cut at its longest pauses into "
        f"{len(families) - 2} pieces, whose ends may look alike"
    ]
