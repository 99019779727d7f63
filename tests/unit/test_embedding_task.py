"""An embedder's batches, threshold, predictions and pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nayan.core.errors import BundleError, LabelError, ShapeError
from nayan.core.types import Embedding, Identity, Label
from nayan.runtime.parity import Answers
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Item, Judged
from nayan.tasks.embedding.calibration import fit_same
from nayan.tasks.embedding.comparing import Comparing
from nayan.tasks.embedding.decode import decode, to_records
from nayan.tasks.embedding.draw import annotate, sheet
from nayan.tasks.embedding.metric import EmbeddingMetric
from nayan.tasks.embedding.parity import compare
from nayan.tasks.embedding.task import EmbeddingTask

PLACE = Placement((8, 8), (1.0, 1.0), (0.0, 0.0))


def circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def item(target: object) -> Item:
    return Item(np.zeros((8, 8, 3), np.uint8), target, "a.png", PLACE, target)  # type: ignore[arg-type]


def people(
    *who: int, roles: str = "", pairs: dict[int, tuple[tuple[str, bool], ...]] | None = None
) -> list[Identity]:
    named = {"g": "gallery", "q": "query", "": ""}
    letters = roles or " " * len(who)
    return [
        Identity(index, name=str(row), role=named[letters[row].strip()], pairs=(pairs or {}).get(row, ()))
        for row, index in enumerate(who)
    ]


def test_targets_of_a_batch_are_the_identities() -> None:
    batch = EmbeddingTask().collate([item(Identity(3)), item(Label(5))])
    assert batch.targets.tolist() == [3, 5]
    assert batch.images.shape == (2, 3, 8, 8)
    assert batch.images.dtype == torch.uint8


def test_a_picture_without_an_identity_cannot_be_learnt() -> None:
    with pytest.raises(LabelError, match=r"a\.png: to learn who is alike, every picture needs an identity"):
        EmbeddingTask().collate([item(None)])


def test_the_threshold_lets_through_no_more_strangers_than_wanted() -> None:
    vectors, truths = circle(0, 5, 40, 44, 90, 100), people(0, 0, 1, 1, 2, 2)
    judged = [Judged({"embedding": vectors}, [PLACE] * 6, truths)]
    fitted = EmbeddingTask(far=1e-3).calibrate(torch.nn.Identity(), judged)
    (threshold,) = fitted["thresholds"]
    compared = Comparing(vectors, truths)
    assert (compared.distances[compared.pairs.same] < threshold).all()
    assert (compared.distances[~compared.pairs.same] > threshold).all()
    assert fitted["same"]["far"] == 0
    assert json.loads(json.dumps(fitted)) == fitted


def test_pairs_that_are_given_do_not_narrow_what_the_threshold_is_fitted_on() -> None:
    pairs = {0: (("1", True), ("2", False))}
    vectors = circle(0, 5, 40, 44)
    with_pairs = fit_same(vectors, people(0, 0, 1, 1, pairs=pairs), far=0.01)
    assert with_pairs == fit_same(vectors, people(0, 0, 1, 1), far=0.01)
    assert with_pairs["same"]["num_different"] == 4


def test_given_pairs_are_compared_and_those_of_unread_pictures_are_left_out() -> None:
    pairs = {0: (("1", True), ("2", False), ("9", True))}
    compared = Comparing(circle(0, 60, 180), people(0, 0, 1, pairs=pairs))
    assert compared.given
    assert compared.pairs.rows.tolist() == [[0, 1], [0, 2]]
    np.testing.assert_allclose(compared.distances, [1, 2], atol=1e-6)


def test_given_pairs_of_one_kind_say_too_little_so_that_all_are_compared() -> None:
    compared = Comparing(circle(0, 60, 180), people(0, 0, 1, pairs={0: (("1", True),)}))
    assert not compared.given
    assert len(compared.pairs) == 3


def test_in_a_catalogue_queries_meet_the_gallery_only() -> None:
    compared = Comparing(circle(0, 3, 90, 93, 1, 91), people(0, 0, 1, 1, 0, 1, roles="ggggqq"))
    assert compared.queries.tolist() == [4, 5]
    assert compared.gallery is not None
    assert compared.gallery.tolist() == [0, 1, 2, 3]
    assert {tuple(row) for row in compared.pairs.rows.tolist()} == {(g, q) for g in range(4) for q in (4, 5)}


def test_scores_of_a_catalogue_know_no_one_shot_and_those_of_people_do() -> None:
    def scores(targets: list[Identity]) -> dict[str, float]:
        metric = EmbeddingMetric(["a", "b"])
        metric.update([Embedding(row) for row in circle(0, 3, 90, 93)], targets)
        return metric.compute()

    assert scores(people(0, 0, 1, 1))["one_shot_accuracy"] == 1
    searched = scores(people(0, 0, 1, 1, roles="gqgq"))
    assert "one_shot_accuracy" not in searched
    assert searched["recall_at_1"] == 1


def test_outputs_become_vectors_of_length_one_of_their_own() -> None:
    raw = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32)
    first, second = decode({"embedding": raw}, [PLACE] * 2)
    raw[:] = 0
    np.testing.assert_allclose(first.vector, [0.6, 0.8], rtol=1e-6)
    assert second.distance(second) == 0
    assert decode({"embedding": np.zeros((0, 2), np.float32)}, []) == []


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        ({"logits": np.ones((1, 2), np.float32)}, BundleError, "an embedder returns 'embedding', this model"),
        ({"embedding": np.ones((2, 2), np.float32)}, ShapeError, r"the shape \(1, D\)"),
        ({"embedding": np.zeros((1, 2), np.float32)}, BundleError, "not finite, or zero"),
        ({"embedding": np.full((1, 2), np.nan, np.float32)}, BundleError, "not finite, or zero"),
    ],
)
def test_outputs_that_are_no_vectors_are_refused(
    raw: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        decode(raw, [PLACE])


@pytest.mark.parametrize(
    "vector",
    [
        np.array([1.0, 1.0], np.float32),
        np.array([[1.0]], np.float32),
        np.array([1.0]),
        np.full(2, np.nan, np.float32),
    ],
)
def test_an_embedding_is_a_float32_vector_of_length_one(vector: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="an embedding"):
        Embedding(vector)


def test_a_row_holds_the_values_with_six_digits() -> None:
    (row,) = to_records(Embedding(circle(30)[0]), [])
    assert row == {"embedding": [0.866025, 0.5]}


def test_engines_agree_where_every_point_is_almost_at_its_place() -> None:
    points = circle(0, 90)
    near = points + np.float32(1e-6)
    held = compare(
        [Answers({"embedding": points}, {"embedding": near}, [PLACE] * 2)], decode_args={}, tolerance=1e-4
    )
    assert held.holds
    assert held.pictures == 2
    far = compare(
        [Answers({"embedding": points}, {"embedding": circle(0, 91)}, [PLACE] * 2)],
        decode_args={},
        tolerance=1e-4,
    )
    assert not far.holds
    assert "puts one of 2 pictures 1.75e-02 from where the trained network does" in far.fault


def test_a_picture_gets_a_strip_of_its_values_below() -> None:
    image = np.full((240, 300, 3), 90, np.uint8)
    painted = annotate(image, Embedding(np.array([-1, 0, 0], np.float32)), [])
    assert painted.shape == (260, 300, 3)
    assert np.array_equal(painted[:240], image)
    blue, white = painted[250, 10].astype(int), painted[250, 150].astype(int)
    assert blue[2] > blue[0] + 50
    assert white.min() > 230
    assert annotate(image[:20, :30], Embedding(circle(10)[0]), []).shape == (176, 240, 3)


def test_a_sheet_names_who_is_shown_where_that_is_known() -> None:
    images = [np.zeros((8, 8, 3), np.uint8)] * 2
    assert (
        sheet(images, [Identity(0), None], ["ada"]).shape
        == sheet(images, [Label(0), Label(0)], ["bob"]).shape
    )
