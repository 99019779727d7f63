"""Lines, zones and shelves: what counts, once, and what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.errors import ConfigError, FormatError, NotFound
from nayan.core.types import Boxes
from nayan.data.video import Frame
from nayan.runtime.tracker import Tracks
from nayan.tasks.detection.scene.events import Event
from nayan.tasks.detection.scene.lines import LineCounter
from nayan.tasks.detection.scene.regions import Scene, Zone, gather, parse_line, parse_zone, read_scene
from nayan.tasks.detection.scene.stock import HOLD, StockWatch, check_stock, read_slots
from nayan.tasks.detection.scene.zones import ZoneWatch

CLASSES = ("car", "person")
SIZE = (400, 600)
BLANK = np.zeros((1, 1, 3), np.uint8)


def frame(number: int) -> Frame:
    return Frame(number, number / 10, BLANK)


def standing(*places: tuple[int, float, float], label: int = 0, ended: tuple[int, ...] = ()) -> Tracks:
    """Return tracks (id, x, y) of 20 x 40 px boxes whose middle of the lower edge is at (x, y)."""
    rows = np.array([(x - 10, y - 40, x + 10, y) for _, x, y in places], np.float32).reshape(-1, 4)
    ids = np.array([id for id, _, _ in places], np.int64)
    return Tracks(ids, Boxes(rows, np.full(len(ids), label), np.ones(len(ids), np.float32)), ended)


def walk(counter: LineCounter | ZoneWatch, *points: tuple[float, float], label: int = 0) -> list[Event]:
    """Return the events of one object that goes from point to point."""
    return [
        event
        for number, (x, y) in enumerate(points)
        for event in counter.update(frame(number), standing((7, x, y), label=label))
    ]


def gate() -> LineCounter:
    return LineCounter(parse_line("100,200,500,200:gate"), CLASSES)


# lines


def test_a_crossing_counts_once_when_the_other_side_is_reached() -> None:
    counter = gate()
    events = walk(counter, (300, 150), (300, 190), (300, 201), (300, 210), (300, 250))
    assert [(e.frame, e.kind, e.place, e.track, e.label, e.direction) for e in events] == [
        (3, "cross", "gate", 7, "car", "in")
    ]
    assert counter.summary() == {"name": "gate", "in": 1, "out": 0, "classes": {"car": {"in": 1, "out": 0}}}


def test_going_back_counts_as_out_and_by_class() -> None:
    counter = gate()
    walk(counter, (300, 150), (300, 250), (300, 150), label=1)
    assert (counter.total("in"), counter.total("out")) == (1, 1)
    assert counter.summary()["classes"] == {"person": {"in": 1, "out": 1}}


@given(st.lists(st.floats(-3.9, 3.9), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_trembling_on_the_line_counts_nothing(shifts: list[float]) -> None:
    counter = gate()
    assert walk(counter, (300, 150), *[(300, 200 + shift) for shift in shifts], (300, 150)) == []
    crossing = walk(counter, (300, 150), *[(300, 200 + shift) for shift in shifts], (300, 250))
    assert [event.direction for event in crossing] == ["in"]


def test_walking_around_the_end_of_a_line_is_no_crossing() -> None:
    counter = gate()
    assert walk(counter, (300, 150), (550, 150), (550, 250), (300, 250)) == []
    assert [event.direction for event in walk(counter, (300, 250), (300, 150))] == ["out"]


def test_a_track_that_begins_on_the_line_belongs_to_the_side_on_which_it_is_first_seen() -> None:
    assert walk(gate(), (300, 200), (300, 203), (300, 250), (300, 203), (300, 230)) == []


def test_the_right_side_of_a_line_is_in_whichever_way_it_points() -> None:
    down = LineCounter(parse_line("300,100,300,300"), CLASSES)
    assert [event.direction for event in walk(down, (350, 200), (250, 200))] == ["in"]
    up = LineCounter(parse_line("300,300,300,100"), CLASSES)
    assert [event.direction for event in walk(up, (350, 200), (250, 200))] == ["out"]


def test_the_centre_may_be_the_anchor() -> None:
    counter = LineCounter(parse_line("100,200,500,200"), CLASSES, anchor="centre")
    assert walk(counter, (300, 190), (300, 215)) == []
    assert [event.frame for event in walk(counter, (300, 190), (300, 230))] == [1]


def test_a_track_that_has_ended_is_forgotten() -> None:
    counter = gate()
    walk(counter, (300, 150))
    counter.update(frame(1), standing(ended=(7, 99)))
    assert walk(counter, (300, 250)) == []


# zones


def square() -> ZoneWatch:
    return ZoneWatch(parse_zone("100,100,300,300:hall"), CLASSES, size=SIZE)


def test_entry_exit_and_the_time_between_are_told() -> None:
    zone = square()
    events = walk(zone, (50, 200), (200, 200), (220, 200), (240, 200), (400, 200))
    assert [(e.frame, e.kind, e.dwell_s) for e in events] == [(1, "enter", None), (4, "exit", 0.3)]
    assert zone.summary() == {
        "name": "hall", "entries": 1, "classes": {"car": 1}, "exits": 1, "lost": 0, "inside_at_end": 0,
        "occupancy_mean": 0.6, "occupancy_max": 1, "dwell_mean_s": 0.3, "dwell_max_s": 0.3,
    }  # fmt: skip


def test_trembling_on_the_border_is_one_visit() -> None:
    zone = square()
    tremble = [(100 + shift, 200) for shift in (-3, 3, -3, 3, -2, 2)]
    events = walk(zone, (200, 200), *tremble, (200, 200))
    assert [event.kind for event in events] == ["enter"]


def test_one_that_is_lost_inside_left_when_it_was_last_seen() -> None:
    zone = square()
    walk(zone, (200, 200), (200, 210), (200, 220))
    assert zone.update(frame(3), standing()) == []
    assert zone.occupancy == 0
    (event,) = zone.update(frame(30), standing(ended=(7, 99)))
    assert (event.kind, event.dwell_s, event.frame) == ("lost", 0.2, 30)
    assert zone.summary()["lost"] == 1


def test_occupancy_counts_who_is_seen_inside() -> None:
    zone = square()
    zone.update(frame(0), standing((1, 150, 150), (2, 200, 250), (3, 500, 250)))
    assert zone.occupancy == 2
    zone.update(frame(1), standing((1, 150, 150), (3, 200, 250)))
    assert zone.occupancy == 2
    summary = zone.summary()
    assert (summary["occupancy_max"], summary["inside_at_end"], summary["entries"]) == (2, 3, 3)
    assert summary["dwell_max_s"] == pytest.approx(0.1)


def test_a_zone_that_nobody_entered_has_zeros() -> None:
    summary = square().summary()
    assert (summary["occupancy_mean"], summary["dwell_mean_s"], summary["dwell_max_s"]) == (0, 0, 0)


def test_a_zone_thinner_than_the_margin_can_be_entered() -> None:
    zone = ZoneWatch(parse_zone("0,200,600,206"), CLASSES, size=SIZE)
    assert [event.kind for event in walk(zone, (300, 190), (300, 203), (300, 220))] == ["enter", "exit"]


def test_people_cut_off_by_the_edge_of_the_picture_are_in_the_zone_that_reaches_it() -> None:
    zone = ZoneWatch(parse_zone("0,300,600,400"), CLASSES, size=SIZE)
    assert [event.kind for event in walk(zone, (300, 400), (300, 400))] == ["enter"]


@given(st.floats(-50, 350), st.floats(-50, 350))
@settings(max_examples=100, deadline=None)
def test_depth_in_a_square_is_the_distance_to_its_nearest_side(x: float, y: float) -> None:
    depth = parse_zone("100,100,200,200").depths(np.array([[x, y]]))[0]
    inside = min(x - 100, 200 - x, y - 100, 200 - y)
    outside = -np.hypot(max(100 - x, 0, x - 200), max(100 - y, 0, y - 200))
    assert depth == pytest.approx(inside if inside > 0 else outside, abs=1e-6)


def test_a_hollow_polygon_does_not_hold_what_is_in_its_hollow() -> None:
    u = Zone(
        "u", np.array([(0, 0), (30, 0), (30, 30), (20, 30), (20, 10), (10, 10), (10, 30), (0, 30)], float)
    )
    assert (u.depths(np.array([[5, 20], [15, 20], [25, 20], [15, 5]])) > 0).tolist() == [
        True,
        False,
        True,
        True,
    ]
    assert u.area == 700


# reading


def test_fractions_and_pixels_are_told_apart() -> None:
    scene = Scene((parse_line("0.5,0,0.5,1"),), (parse_zone("0,0,300,0,300,200", 2),)).in_pixels(SIZE)
    assert scene.lines[0].points.tolist() == [[300, 0], [300, 400]]
    assert scene.zones[0].points.tolist() == [[0, 0], [300, 0], [300, 200]]
    assert (scene.lines[0].name, scene.zones[0].name) == ("line1", "zone2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "expected pairs"),
        ("1,2,3,4,5,6", "two different points"),
        ("5,5,5,5", "two different points"),
        ("a,b,c,d", "expected numbers between commas"),
        ("1,2,nan,4", "expected pairs"),
        ("-1,2,3,4", "expected pairs"),
    ],
)
def test_an_impossible_line_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_line(text)


@pytest.mark.parametrize("text", ["1,2", "1,1,2,2,3,3", "4,4,4,9"])
def test_a_zone_without_area_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="enclose an area"):
        parse_zone(text)


def test_a_scene_is_checked_as_a_whole() -> None:
    with pytest.raises(ConfigError, match="named 'a'"):
        Scene((parse_line("1,2,3,4:a"),), (parse_zone("1,2,3,4:a"),))
    with pytest.raises(ConfigError, match="anchor 'top'"):
        Scene(anchor="top")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="far lies outside of the picture of 600 x 400 px"):
        Scene((parse_line("700,2,900,4:far"),)).in_pixels(SIZE)


def test_a_scene_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(
        "anchor: centre\nlines:\n  gate: [0.1, 0.5, 0.9, 0.5]\nzones:\n  hall: [[1, 2], [9, 2], [9, 9]]\n"
    )
    scene = read_scene(path)
    assert scene.anchor == "centre"
    assert [line.name for line in scene.lines] == ["gate"]
    assert scene.zones[0].points.tolist() == [[1, 2], [9, 2], [9, 9]]
    more = gather(["0,0,9,9"], ["1,1,5,5:bay"], file=path, anchor="bottom")
    names = [line.name for line in more.lines] + [zone.name for zone in more.zones]
    assert names == ["gate", "line1", "hall", "bay"]
    assert more.anchor == gather([], []).anchor == "bottom"
    assert gather([], [], file=path).anchor == "centre"
    path.write_text("zones: {}\n")
    assert read_scene(path).anchor == "bottom"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "found a list"),
        ("line: 3", "unknown key 'line'; expected anchor, lines, zones"),
        ("a: [", "cannot be read as YAML"),
        ("lines: [1, 2]", "lines must map names to points, found a list"),
        ("anchor: centre\nlines:\n  'gate': [1, 2, 3]", r"scene.yaml:3: gate: expected pairs"),
        ("lines: {gate: soon}", r"scene.yaml:1: gate: expected numbers, got 'soon'"),
    ],
)
def test_a_wrong_scene_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(text)
    with pytest.raises((ConfigError, FormatError), match=message):
        read_scene(path)
    with pytest.raises(FormatError, match="No such file"):
        read_scene(tmp_path / "none.yaml")


# stock

GOODS = ("milk", "tea", "jam")
LIST = """\
slot,class,expected,region
A,milk,2,0 0 100 100
A,tea,1,0 0 100 100
B,jam,1,100 0 200 0 200 100
"""


def shelf(tmp_path: Path, text: str = LIST) -> Path:
    path = tmp_path / "shelf.csv"
    path.write_text(text)
    return path


def boxes(*centres: tuple[float, float]) -> np.ndarray:
    return np.array([(x - 5, y - 5, x + 5, y + 5) for x, y in centres]).reshape(-1, 4)


def test_each_slot_is_compared_with_what_stands_in_it(tmp_path: Path) -> None:
    slots = read_slots(shelf(tmp_path), GOODS)
    labels, places = (
        ["milk", "tea", "tea", "jam", "milk"],
        [(20, 20), (50, 20), (60, 20), (70, 20), (190, 50)],
    )
    found = check_stock(slots, labels, boxes(*places), size=SIZE)
    numbers = [(c.found, c.missing, c.surplus, c.misplaced) for c in found]
    assert [(c.slot, c.label, *n, c.strangers, c.status) for c, n in zip(found, numbers, strict=True)] == [
        ("A", "milk", 1, 1, 0, 1, ("jam",), "short"),
        ("A", "tea", 2, 0, 1, 1, ("jam",), "over"),
        ("B", "jam", 0, 1, 0, 1, ("milk",), "empty"),
    ]
    assert found[0].row() == {
        "slot": "A", "class": "milk", "expected": 2, "found": 1, "missing": 1, "surplus": 0, "misplaced": 1,
        "strangers": ["jam"], "status": "short",
    }  # fmt: skip


def test_a_full_shelf_is_ok_and_a_stranger_alone_is_misplaced(tmp_path: Path) -> None:
    slots = read_slots(shelf(tmp_path), GOODS)
    full = [(20, 20), (50, 20), (60, 20), (190, 50)]
    assert {
        c.status for c in check_stock(slots, ["milk", "milk", "tea", "jam"], boxes(*full), size=SIZE)
    } == {"ok"}
    more = check_stock(slots, ["milk", "milk", "tea", "jam", "tea"], boxes(*full, (180, 50)), size=SIZE)
    assert [c.status for c in more] == ["ok", "ok", "misplaced"]


def test_slots_may_be_the_whole_picture_or_take_any_class(tmp_path: Path) -> None:
    path = tmp_path / "shelf.yaml"
    path.write_text(
        "slots:\n- {slot: all, class: milk, expected: 1}\n- {slot: C, expected: 2, region: [0, 0, 0.5, 1]}\n"
    )
    counts = check_stock(read_slots(path, GOODS), ["milk", "tea"], boxes((20, 20), (50, 20)), size=(100, 100))
    assert [(c.found, c.misplaced, c.status) for c in counts] == [(1, 0, "ok"), (2, 0, "ok")]
    assert [c.status for c in check_stock(read_slots(path, GOODS), [], boxes(), size=(100, 100))] == [
        "empty",
        "empty",
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("slot,class,expected\n", FormatError, "lists no slot"),
        ("slot,class\nA,milk\n", FormatError, r"shelf.csv:2: a slot without expected"),
        ("slot,class,expected,box\nA,milk,1,3\n", FormatError, "unknown column 'box'"),
        ("slot,class,expected\nA,milk,1\nB,mlik,1\n", NotFound, "no class is named 'mlik'"),
        ("slot,class,expected\nA,milk,few\n", FormatError, r"shelf.csv:2: expected 'few' pieces"),
        ("slot,class,expected,region\nA,milk,1,1 2\n", FormatError, r"shelf.csv:2: a zone needs"),
        ("slot,class,expected,region\nA,milk,1,a b c d\n", FormatError, r"shelf.csv:2: expected numbers"),
        ('slot,class,expected\n"A"x,milk,1\n', FormatError, r"shelf.csv:2: "),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_slots(shelf(tmp_path, text), GOODS)


def test_a_yaml_list_must_be_a_list_of_slots(tmp_path: Path) -> None:
    path = tmp_path / "shelf.yaml"
    path.write_text("slots: [1]\n")
    with pytest.raises(FormatError, match="expected a list `slots` of mappings"):
        read_slots(path, GOODS)


def test_in_a_video_a_change_is_told_once_when_it_lasts(tmp_path: Path) -> None:
    watch = StockWatch(read_slots(shelf(tmp_path, "slot,class,expected\nA,milk,1\n"), GOODS), size=SIZE)
    assert watch.summary() == []
    seen = [1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    events = [
        event
        for number, count in enumerate(seen)
        for event in watch.update(frame(number), ["milk"] * count, boxes(*[(5, 5)] * count))
    ]
    assert [(e.frame, e.kind, e.place, e.label, e.detail) for e in events] == [
        (HOLD - 1, "stock", "A", "milk", "ok: 1 of 1"),
        (14, "stock", "A", "milk", "empty: 0 of 1"),
    ]
    assert [row["status"] for row in watch.summary()] == ["empty"]
