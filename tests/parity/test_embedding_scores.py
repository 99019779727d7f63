import numpy as np
import pytest

from nayan.tasks.embedding.confidence import fit_confidence
from nayan.tasks.embedding.pair_scores import auc, pair_curve
from nayan.tasks.embedding.retrieval import retrieve


def _pairs(*, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    same = random.random(700) < 0.3
    distances = random.normal(1.0, 0.3, 700) - 0.4 * same
    return np.round(distances, 1) if ties else distances, same


@pytest.mark.parametrize("ties", [False, True])
def test_roc_and_auc_are_those_of_scikit_learn(ties: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    distances, same = _pairs(ties=ties)
    curve = pair_curve(distances, same)
    far, tar, thresholds = metrics.roc_curve(same, -distances, drop_intermediate=False)
    assert curve.far == pytest.approx(far)
    assert curve.tar == pytest.approx(tar)
    assert curve.thresholds == pytest.approx(-thresholds)
    assert auc(curve) == pytest.approx(metrics.roc_auc_score(same, -distances), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_the_det_is_that_of_scikit_learn(ties: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    distances, same = _pairs(ties=ties)
    curve = pair_curve(distances, same)
    far, frr, thresholds = metrics.det_curve(same, -distances)  # from the loosest; trims its flat ends
    rows = np.searchsorted(curve.thresholds, -thresholds[np.isfinite(thresholds)])
    finite = np.isfinite(thresholds)
    assert curve.far[rows] == pytest.approx(far[finite])
    assert curve.frr[rows] == pytest.approx(frr[finite])


def test_the_probability_is_that_of_a_logistic_regression() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    distances, same = _pairs(ties=False)
    fitted = fit_confidence(distances, same)
    # a soft target t is two pairs, one of each kind, that weigh t and 1 - t
    positive, negative = int(same.sum()), int((~same).sum())
    target = np.where(same, (positive + 1) / (positive + 2), 1 / (negative + 2))
    weight = np.where(same, 0.5 / positive, 0.5 / negative) * 700
    model = linear.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(
        np.concatenate([distances, distances])[:, None],
        np.repeat([1, 0], 700),
        sample_weight=np.concatenate([weight * target, weight * (1 - target)]),
    )
    assert -fitted.slope == pytest.approx(model.coef_[0, 0], rel=1e-4)
    assert fitted.offset == pytest.approx(model.intercept_[0], rel=1e-4)


@pytest.mark.parametrize("split", [False, True])
def test_retrieval_scores_are_those_of_pytorch_metric_learning(split: bool) -> None:
    calculator = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    inference = pytest.importorskip("pytorch_metric_learning.utils.inference")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    random = np.random.default_rng(6)
    identities = random.integers(0, 12, 150)
    identities[0] = 99  # nobody else shows it
    vectors = random.normal(size=(100, 6))[identities] + 0.9 * random.normal(size=(150, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    judge = calculator.AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=inference.CustomKNN(distances.LpDistance(normalize_embeddings=False)),
    )
    if split:
        queries, gallery = slice(0, 60), slice(60, 150)
        ours = retrieve(
            vectors[queries],
            identities[queries],
            gallery=vectors[gallery],
            gallery_identities=identities[gallery],
        )
        theirs = judge.get_accuracy(
            vectors[queries], identities[queries], vectors[gallery], identities[gallery]
        )
    else:
        ours = retrieve(vectors, identities)
        theirs = judge.get_accuracy(vectors, identities)
    scores = ours.scores([1])
    assert scores["recall_at_1"] == pytest.approx(theirs["precision_at_1"])
    assert scores["r_precision"] == pytest.approx(theirs["r_precision"])
    assert scores["map_at_r"] == pytest.approx(theirs["mean_average_precision_at_r"])
