import numpy as np
import pytest

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.core.neighbours import nearest
from nayan.tasks.embedding.one_shot import one_shot
from nayan.tasks.embedding.retrieval import retrieve

LINE = np.array([[0.0], [1.0], [1.5], [4.0], [9.0]], np.float32)


def test_the_nearest_are_found_block_by_block_as_at_once() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    whole = nearest(vectors, vectors, k=7, own=np.arange(60))
    parts = nearest(vectors, vectors, k=7, own=np.arange(60), block=500)
    assert (whole.rows == parts.rows).all()
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (whole.rows == np.argsort(apart, axis=1)[:, :7]).all()
    assert whole.distances == pytest.approx(np.sort(apart, axis=1)[:, :7], rel=1e-5)


def test_two_nearly_equal_unit_vectors_keep_their_distance() -> None:
    angle = 1e-4
    vectors = np.array([[1, 0], [np.cos(angle), np.sin(angle)], [0, 1]], np.float32)
    assert nearest(vectors[:1], vectors, k=1, own=np.array([0])).distances[0, 0] == pytest.approx(
        angle, rel=1e-3
    )


def test_as_many_neighbours_as_there_are_and_none_of_nothing() -> None:
    assert nearest(LINE, LINE[:2], k=9).rows.shape == (5, 2)
    assert nearest(LINE[:1], LINE[:1], k=3, own=np.array([0])).rows.shape == (1, 0)
    assert nearest(LINE[:0], LINE, k=3).rows.shape == (0, 0)


def test_neighbours_of_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        nearest(LINE, np.zeros((3, 2), np.float32), k=1)
    with pytest.raises(ShapeError, match="rows of their own"):
        nearest(LINE, LINE, k=1, own=np.array([0]))
    with pytest.raises(ConfigError):
        nearest(LINE, LINE, k=0)


def test_scores_of_a_line_worked_out_by_hand() -> None:
    # a a b a b: the first sees its like at 1 and 3, the third sees its only like last of four
    found = retrieve(LINE, list("aabab"))
    assert found.first.tolist() == [1, 2, 4, 2, 2]
    assert found.r_precision.tolist() == [0.5, 0.5, 0, 0.5, 0]
    assert found.average_precision.tolist() == [0.5, 0.25, 0, 0.25, 0]
    assert found.recall(1) == pytest.approx(0.2)
    assert found.scores([2])["recall_at_2"] == pytest.approx(0.8)
    assert found.answers[0].tolist() == [1, 2, 3, 4]


def test_queries_are_searched_for_in_the_gallery_alone() -> None:
    found = retrieve(LINE[:2], ["a", "x"], gallery=LINE[2:], gallery_identities=["b", "a", "b"])
    assert found.queries.tolist() == [0]
    assert found.unanswerable == 1
    assert found.first.tolist() == [2]


def test_identities_of_a_single_picture_are_left_out_as_queries_and_stay_to_be_found() -> None:
    found = retrieve(LINE, list("aabcd"))
    assert found.queries.tolist() == [0, 1]
    assert found.unanswerable == 3


def test_retrieval_is_the_same_block_by_block() -> None:
    random = np.random.default_rng(2)
    vectors, identities = random.normal(size=(90, 4)).astype(np.float32), random.integers(0, 9, 90)
    assert retrieve(vectors, identities).scores() == retrieve(vectors, identities, block=2000).scores()


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(DataError, match="not one of 5 queries"):
        retrieve(LINE, list("abcde"))
    with pytest.raises(ShapeError, match="identities of its pictures"):
        retrieve(LINE, list("aabab"), gallery=LINE)
    with pytest.raises(ShapeError, match="one identity a vector"):
        retrieve(LINE, list("aab"))
    with pytest.raises(ConfigError, match="recall at 3 of 2"):
        retrieve(LINE, list("aabab"), answers=2).recall(3)


def test_intervals_of_retrieval_hold_the_score() -> None:
    random = np.random.default_rng(3)
    identities = np.repeat(np.arange(10), 6)
    vectors = (random.normal(size=(10, 4))[identities] + 0.6 * random.normal(size=(60, 4))).astype(np.float32)
    found = retrieve(vectors, identities)
    for name, (low, high) in found.intervals().items():
        assert low <= found.scores()[name] <= high


def test_one_shot_of_vectors_without_meaning_is_chance() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    found = one_shot(vectors, np.repeat(np.arange(20), 10), ways=5, runs=200)
    assert found.accuracy == pytest.approx(0.2, abs=0.04)
    assert found.interval[0] <= found.accuracy <= found.interval[1]


def test_one_shot_of_equal_vectors_is_exactly_chance() -> None:
    assert one_shot(np.ones((8, 2), np.float32), list("aabbccdd"), ways=4, runs=3).accuracy == 0.25


def test_one_shot_is_seeded_and_says_how_many_ways_there_were() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    found = one_shot(vectors, list("aaabbbccd"), runs=10, seed=4)
    assert found == one_shot(vectors, list("aaabbbccd"), runs=10, seed=4)
    assert (found.ways, found.identities, found.runs) == (3, 3, 10)


def test_one_shot_without_two_such_identities_is_refused() -> None:
    with pytest.raises(DataError, match="1 identities"):
        one_shot(np.ones((3, 2), np.float32), list("aab"))
    with pytest.raises(ConfigError):
        one_shot(np.ones((3, 2), np.float32), list("aab"), ways=1)
    with pytest.raises(ShapeError):
        one_shot(np.ones((3, 2), np.float32), list("aa"))
