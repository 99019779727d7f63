"""What the report of an embedder draws, tells and shows."""

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.core.types import Embedding, Identity
from nayan.tasks.embedding import draw
from nayan.tasks.embedding.calibration import fit_same
from nayan.tasks.embedding.confusions import confusions, strangers
from nayan.tasks.embedding.drawn_pairs import draw_pairs
from nayan.tasks.embedding.facts import (
    curve_facts,
    distance_facts,
    recall_facts,
    threshold_facts,
)
from nayan.tasks.embedding.figures import det_chart, map_chart, recall_chart, roc_chart
from nayan.tasks.embedding.findings import panels, summary
from nayan.tasks.embedding.hardest import hardest_pairs, telling_searches
from nayan.tasks.embedding.identity_map import identity_map, principal_components
from nayan.tasks.embedding.metric import EmbeddingMetric, mistakes
from nayan.tasks.embedding.pair_scores import pair_curve, point_at_far
from nayan.tasks.embedding.retrieval import retrieve
from nayan.tasks.embedding.worries import worries


def people(identities: int = 6, pictures: int = 5, *, spread: float = 0.3, seed: int = 0) -> tuple:
    """Return vectors of length 1 and whose they are."""
    random = np.random.default_rng(seed)
    whose = np.repeat(np.arange(identities), pictures)
    vectors = random.normal(size=(identities, 16))[whose] + spread * 4 * random.normal(size=(len(whose), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), whose


def evaluation(
    *, spread: float = 0.3, fitted: bool = True, roles: bool = False, **people_args: int
) -> dict[str, Any]:
    """Return the document of an evaluation, as `report.evaluation` writes it."""
    vectors, whose = people(spread=spread, **people_args)
    names = [f"person {n}" for n in range(int(whose.max()) + 1)]
    role = ["query" if n % 5 == 0 and roles else "gallery" if roles else "" for n in range(len(whose))]
    targets = [Identity(int(n), name=f"{k}.jpg", role=role[k]) for k, n in enumerate(whose)]
    calibration = fit_same(*_strangers(spread), far=0.01) if fitted else {}
    metric = EmbeddingMetric(names)
    predictions = [Embedding(vector) for vector in vectors]
    metric.update(predictions, targets)
    document = {
        "split": "test",
        "metrics": metric.compute(),
        "details": metric.details(calibration=calibration),
        "worst": mistakes(predictions, targets, names, limit=12, calibration=calibration),
    }
    return json.loads(json.dumps(document, allow_nan=False))


def _strangers(spread: float) -> tuple[np.ndarray, list[Identity]]:
    vectors, whose = people(spread=spread, seed=9)
    return vectors, [Identity(int(n), name=str(k)) for k, n in enumerate(whose)]


def test_a_few_points_of_a_curve_are_on_it_and_keep_its_ends() -> None:
    random = np.random.default_rng(0)
    same = np.arange(30_000) < 5000
    curve = pair_curve(random.normal(1.0, 0.3, 30_000) - 0.5 * same, same)
    facts = curve_facts(curve)
    assert len(facts["far"]) <= 240
    assert (facts["far"][0], facts["tar"][0], facts["thresholds"][0]) == (0.0, 0.0, -1.0)
    assert (facts["far"][-1], facts["tar"][-1]) == (1.0, 1.0)
    area = np.trapezoid(facts["tar"], facts["far"])
    assert area == pytest.approx(np.trapezoid(curve.tar, curve.far), abs=1e-3)
    assert facts["tar"][int(np.searchsorted(facts["far"], 0.01, side="right")) - 1] == pytest.approx(
        point_at_far(curve, 0.01).tar, abs=0.01
    )


def test_distances_are_counted_by_kind_and_a_threshold_judged() -> None:
    distances, same = np.array([0.1, 0.5, 0.6, 1.0]), np.array([True, True, False, False])
    facts = distance_facts(distances, same)
    assert (sum(facts["same"]), sum(facts["different"]), facts["edges"][-1]) == (2, 2, 1.0)
    at = threshold_facts(distances, same, threshold=0.6)
    assert at == {"threshold": 0.6, "far": 0.5, "tar": 1.0, "accepted": 1, "rejected": 0}


def test_who_is_taken_for_whom_is_counted_by_pairs() -> None:
    identities = np.array([0, 0, 1, 2])
    pairs = draw_pairs(identities)
    near = {(0, 2): 0.1, (1, 2): 0.2, (0, 3): 0.3}
    distances = np.array([near.get(tuple(row), 0.9) for row in pairs.rows.tolist()])
    found = confusions(distances, pairs, identities, threshold=0.35)
    assert [(each.first, each.second, each.accepted, each.pairs) for each in found] == [
        (0, 1, 2, 2),
        (0, 2, 1, 2),
    ]
    assert found[0].nearest == 0.1


def test_a_picture_that_is_more_like_others_is_a_stranger_also_block_by_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, whose = people(spread=0.05)
    whose = whose.copy()
    whose[3] = 4  # of person 0
    found = strangers(vectors, whose)
    assert [(each.row, each.identity, each.nearest) for each in found] == [(3, 4, 0)]
    assert found[0].other_similarity > 0.9 > found[0].own_similarity
    monkeypatch.setattr("nayan.tasks.embedding.confusions._HELD", 7)
    assert strangers(vectors, whose) == found
    assert strangers(vectors[:3], whose[:3]) == []  # nobody else to be like
    with pytest.raises(ShapeError):
        strangers(vectors, whose[:3])


def test_the_map_keeps_the_distances_of_what_is_flat() -> None:
    random = np.random.default_rng(0)
    flat = random.normal(size=(40, 2)) * (3, 1)
    turned = flat @ np.linalg.qr(random.normal(size=(8, 8)))[0][:2]
    points, share = principal_components(turned.astype(np.float32))
    assert share == pytest.approx(1.0, abs=1e-5)
    apart = np.linalg.norm(flat[:, None] - flat, axis=2)
    assert np.linalg.norm(points[:, None] - points, axis=2) == pytest.approx(apart, abs=1e-4)
    assert principal_components(np.ones((3, 1), np.float32))[1] == 0.0


def test_the_map_names_twelve_at_most_those_asked_for_first_and_draws_from_many() -> None:
    vectors, whose = people(identities=20, pictures=3)
    seen = identity_map(vectors, whose, first=[7, 3])
    assert seen["identities"][:2] == [7, 3]
    assert len(seen["identities"]) == 12
    assert sum(n < 0 for *_, n in seen["points"]) == 8 * 3
    many = identity_map(np.repeat(vectors, 50, axis=0), np.repeat(whose, 50))
    assert len(many["points"]) == 2000


def test_the_hardest_pairs_are_the_most_wrong_in_turns_and_not_all_of_two_people() -> None:
    vectors, whose = people(identities=4, pictures=6, spread=0.8)
    pairs = draw_pairs(whose)
    distances = pairs.distances(vectors)
    records = hardest_pairs(distances, pairs, whose, threshold=None, limit=10)
    assert [record["same"] for record in records] == [False, True] * 5
    assert records[0]["distance"] == pytest.approx(distances[~pairs.same].min(), abs=1e-4)
    assert records[1]["distance"] == pytest.approx(distances[pairs.same].max(), abs=1e-4)
    groups = [tuple(sorted((whose[r["row"]], whose[r["others"][0]]))) for r in records]
    assert max(groups.count(group) for group in groups) <= 3
    wrong = hardest_pairs(distances, pairs, whose, threshold=0.9, limit=500)
    assert all((record["distance"] > 0.9) == record["same"] for record in wrong)


def test_searches_that_found_least_come_first_with_rows_of_all_pictures() -> None:
    vectors, whose = people(spread=0.5)
    queries, gallery = np.arange(0, 30, 5), np.setdiff1d(np.arange(30), np.arange(0, 30, 5))
    found = retrieve(
        vectors[queries], whose[queries], gallery=vectors[gallery], gallery_identities=whose[gallery]
    )
    records = telling_searches(found, whose, queries=queries, gallery=gallery, limit=5)
    places = [record["first"] or 99 for record in records]
    assert places == sorted(places, reverse=True)
    assert len(records) == 5
    for record in records:
        assert record["row"] in queries
        assert set(record["others"]) <= set(gallery)
        assert record["right"] == [bool(whose[row] == whose[record["row"]]) for row in record["others"]]


@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])  # perfectly apart, usual, as good as chance
@pytest.mark.parametrize("fitted", [False, True])
def test_an_evaluation_is_told_and_drawn_in_whole_sentences_and_sound_drawings(
    spread: float, fitted: bool
) -> None:
    document = evaluation(spread=spread, fitted=fitted)
    told = summary(document)
    for sentence in (*told.verdict, *told.worries):
        assert sentence.endswith(".")
        assert "  " not in sentence
        assert "nan" not in sentence
    for panel in panels(document):
        assert panel.text
        if panel.svg:
            numbers = [
                value for each in ElementTree.fromstring(panel.svg).iter() for value in each.attrib.values()
            ]
            assert not any("nan" in value or "inf" in value for value in numbers)
        if panel.table:
            assert all(len(row) == len(panel.table.columns) for row in panel.table.rows)
    titles = [panel.title for panel in panels(document)]
    assert titles[:3] == ["Hits and false alarms", "The two errors", "How far apart"]
    assert titles[-1] == "Searches"


def test_the_verdict_names_the_scores_the_threshold_and_the_most_confused() -> None:
    document = evaluation(spread=0.4)
    told = " ".join(summary(document).verdict)
    details = document["details"]
    assert f"{100 * document['metrics']['auc']:.1f} % of cases (AUC; 95 % interval" in told
    assert f"Up to a distance of {details['at_threshold']['threshold']:.3f}, chosen on validation" in told
    assert f"Shown a single picture of each of {details['one_shot']['ways']} identities" in told
    worst = details["confused"]["listed"][0]
    assert f"“{worst['first']}” and “{worst['second']}”" in told


def test_a_gallery_is_searched_and_named_as_such() -> None:
    document = evaluation(roles=True)
    told = " ".join(summary(document).verdict)
    assert "Searched for among the 24 of the gallery" in told
    assert "one_shot_accuracy" not in document["metrics"]
    assert "single picture" not in told


def test_nothing_is_said_of_an_evaluation_that_holds_nothing() -> None:
    assert summary({}).verdict == ()
    assert panels({}) == []


def _worries(**changes: Any) -> str:
    document = evaluation(identities=25, pictures=4, spread=0.1)
    details = document["details"]
    for name, value in changes.items():
        details[name] = value if not isinstance(value, dict) else {**(details[name] or {}), **value}
    return " ".join(worries(document))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identities": 4}, "4 test identities are few"),
        ({"identities": 2, "intervals": []}, "by how much nobody can tell"),
        (
            {"at_threshold": {"far": 0.1, "accepted": 300}, "same": {"wanted": 0.01}},
            "more alike than those of",
        ),
        ({"at_threshold": {"threshold": -1.0}}, "no two pictures are taken for the same"),
        ({"same": {"accepted": 1, "far_bound": 0.02, "wanted": 0.01}}, "rests on 1 false accept among"),
        (
            {"pairs": {"different": 600}},
            "600 pairs of two identities cannot show a false-accept rate of 0.1 %:",
        ),
        ({"pairs": {"different": 60}}, "cannot show a false-accept rate of 1.0 % or less"),
        ({"strangers": {"pictures": 1}}, "is more like another identity than like its own: look whether"),
        ({"strangers": {"pictures": 50}}, "these identities are not told apart"),
        (
            {"intervals": {"auc": [0.7, 0.9]}},
            "No more is known than that the AUC lies between 70.0 and 90.0 %",
        ),
        ({"unanswerable": 3}, "3 test pictures could not be searched for"),
    ],
)
def test_what_to_keep_in_mind_is_said_where_the_facts_call_for_it(changes: dict[str, Any], said: str) -> None:
    assert said in _worries(**changes)
    assert said not in _worries()


def test_validation_pictures_are_said_to_flatter() -> None:
    document = {**evaluation(), "split": "val"}
    assert worries(document)[0].startswith("These pictures also chose the best epoch and the threshold")


def test_curves_without_an_error_and_with_nothing_but_errors_can_be_drawn() -> None:
    for same in ([True, True, False, False], [False, False, True, True]):
        facts = curve_facts(pair_curve([0.1, 0.2, 0.8, 0.9], same))
        at = {"threshold": 0.5, "far": 0.0, "tar": 1.0}
        for drawing in (
            roc_chart(facts, at=at, title="ROC"),
            det_chart(facts, numbers=(2, 2), at=at, title="DET"),
        ):
            ElementTree.fromstring(drawing)


def test_recall_of_two_identities_is_drawn_without_a_band_and_one_point_on_the_map_as_well() -> None:
    vectors, whose = people(identities=2, pictures=6, spread=0.1)
    rows = recall_facts(retrieve(vectors, whose))
    assert [row["k"] for row in rows] == [1, 2, 5, 10]
    assert all(row["interval"] is None for row in rows)
    ElementTree.fromstring(recall_chart(rows, title="recall"))
    ElementTree.fromstring(map_chart([[0.0, 0.0, 0]], ["<b>"], title="map"))


def test_names_of_identities_are_escaped_on_the_map() -> None:
    assert "<script>" not in map_chart([[0.0, 0.0, 0], [1.0, 1.0, -1]], ["<script>"], title="map")


def test_a_pair_and_a_search_are_painted_with_frames_that_say_what_is_right() -> None:
    images = [np.full((40 + 10 * n, 30, 3), 100, np.uint8) for n in range(4)]
    pair = draw.beside(images[:2], {"kind": "pair"}, [])
    assert pair.shape == (260, 526, 3)
    search = draw.beside(images, {"kind": "search", "right": [True, False, True]}, [])
    colours = {tuple(colour) for colour in search.reshape(-1, 3).tolist()}
    assert {(42, 111, 187), (217, 98, 43)} <= colours
    none_right = draw.beside(images, {"kind": "search", "right": [False] * 3}, [])
    assert (42, 111, 187) not in {tuple(colour) for colour in none_right.reshape(-1, 3).tolist()}
