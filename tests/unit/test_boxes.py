"""Boxes and what is done with them, in NumPy and torch: the edge cases and the refusals."""

import math

import numpy as np
import pytest
import torch

from nayan.core import boxes as flat
from nayan.core.errors import ConfigError, ShapeError
from nayan.parts import anchors, box_coder, boxes, nms, roi
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.parts.losses.boxes import distribution_focal_loss, expected_distance, overlap_loss
from nayan.parts.losses.focal import focal_loss, quality_focal_loss, varifocal_loss
from nayan.parts.matcher import match_by_iou
from nayan.parts.sampler import sample_balanced
from nayan.runtime.nms import matrix_nms, soft_nms, weighted_boxes
from nayan.runtime.nms import nms as numpy_nms

TWO = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], np.float32)
SCORES = np.array([0.6, 0.9], np.float32)


# ---- geometry


@pytest.mark.parametrize("function", [flat.area, flat.to_xywh, flat.from_cxcywh])
def test_arrays_that_hold_no_boxes_are_refused(function):
    with pytest.raises(ShapeError, match=r"shape \(\.\.\., 4\), got \(2, 5\)"):
        function(np.zeros((2, 5)))
    with pytest.raises(ShapeError, match=r"got \(2, 5\)"):
        boxes.area(torch.zeros(2, 5))


def test_boxes_to_compare_must_be_lists():
    with pytest.raises(ShapeError, match=r"\(N, 4\) and \(M, 4\), got \(4,\), \(2, 4\)"):
        flat.iou_matrix(np.zeros(4), TWO)


def test_float32_stays_float32_and_whole_numbers_become_float64():
    assert flat.iou_matrix(TWO, TWO).dtype == np.float32
    assert flat.area(TWO.astype(np.int64)).dtype == np.float64
    assert flat.clip(TWO, (5, 5)).dtype == np.float32


def test_no_boxes_overlap_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert flat.iou_matrix(none, TWO).shape == (0, 2)
    assert flat.iou_matrix(TWO, none).shape == (2, 0)
    assert boxes.iou_matrix(torch.zeros(3, 0, 4), torch.zeros(3, 5, 4)).shape == (3, 0, 5)


def test_boxes_without_area_overlap_nothing_not_even_themselves():
    points = np.array([[3.0, 3, 3, 3], [5, 5, 2, 2]])
    assert (flat.iou_matrix(points, np.vstack((points, TWO))) == 0).all()
    assert (flat.intersection_over_area(points, TWO) == 0).all()
    assert (boxes.iou_matrix(torch.tensor(points), torch.tensor(points)) == 0).all()


@pytest.mark.parametrize("measure", [boxes.iou_pairs, boxes.giou, boxes.diou, boxes.ciou])
@pytest.mark.parametrize(
    "place", [(3, 3, 3, 3), (0, 0, 0, 5), (0, 0, 5, 0), (9, 9, 2, 2), (0, 0, 1e-12, 1e-12), (0, 0, 1e6, 1e6)]
)
def test_gradients_stay_finite_for_degenerate_boxes(measure, place):
    predicted = torch.tensor([place, place], dtype=torch.float32, requires_grad=True)
    target = torch.tensor([[0.0, 0, 5, 5], place])
    value = measure(predicted, target)
    value.sum().backward()
    assert value.isfinite().all()
    assert predicted.grad.isfinite().all()


def test_boxes_that_do_not_touch_still_learn_from_the_generalised_overlaps():
    predicted = torch.tensor([0.0, 0, 1, 1], requires_grad=True)
    for measure in (boxes.giou, boxes.diou, boxes.ciou):
        (gradient,) = torch.autograd.grad(measure(predicted, torch.tensor([5.0, 0, 6, 1])), predicted)
        assert gradient[0] + gradient[2] > 0  # moving right helps


def test_half_precision_is_computed_in_float32():
    large = torch.tensor([0.0, 0, 640, 640], dtype=torch.float16)
    assert boxes.area(large) == 640 * 640  # beyond the largest float16
    assert boxes.iou_pairs(large, large) == 1


# ---- suppression


@pytest.mark.parametrize("run", [numpy_nms, soft_nms, matrix_nms])
def test_candidates_that_do_not_fit_are_refused(run):
    with pytest.raises(ShapeError, match=r"boxes are \(N, 4\) floats, got \(2, 4\) int64"):
        run(TWO.astype(np.int64), SCORES)
    with pytest.raises(ShapeError, match=r"2 boxes need as many scores, got \(1,\)"):
        run(TWO, SCORES[:1])
    with pytest.raises(ShapeError, match=r"2 boxes need as many labels, got \(3,\)"):
        run(TWO, SCORES, labels=np.zeros(3, np.int64))


def test_options_of_suppression_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"iou = 1\.5"):
        numpy_nms(TWO, SCORES, iou=1.5)
    with pytest.raises(ConfigError, match="max_det = -1"):
        numpy_nms(TWO, SCORES, max_det=-1)
    with pytest.raises(ConfigError, match="sigma = 0"):
        soft_nms(TWO, SCORES, sigma=0)
    with pytest.raises(ConfigError, match="'hard'"):
        matrix_nms(TWO, SCORES, method="hard")
    with pytest.raises(ConfigError, match="sources = 0"):
        weighted_boxes(TWO, SCORES, sources=0)
    with pytest.raises(ConfigError, match=r"iou = -0\.1"):
        nms.nms(torch.tensor(TWO), torch.tensor(SCORES), iou=-0.1)
    with pytest.raises(ShapeError, match=r"got \(4,\)"):
        nms.nms(torch.zeros(4), torch.tensor(SCORES))
    with pytest.raises(ShapeError, match="as many labels"):
        nms.soft_nms(torch.tensor(TWO), torch.tensor(SCORES), labels=torch.zeros(3))
    with pytest.raises(ShapeError, match=r"scores \(B, K\)"):
        nms.nms_mask(torch.zeros(2, 3, 4), torch.zeros(2, 5), iou=0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("edge", range(4))
def test_boxes_that_are_not_finite_are_refused(bad, edge):
    broken = TWO.copy()
    broken[1, edge] = bad
    with pytest.raises(ShapeError, match="must be finite"):
        numpy_nms(broken, SCORES)


def test_of_two_equal_boxes_with_equal_scores_the_first_is_kept():
    assert numpy_nms(TWO[[0, 0]], np.float32([0.5, 0.5])).tolist() == [0]


def test_nothing_is_kept_of_nothing():
    none, no_scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    assert numpy_nms(none, no_scores).tolist() == []
    assert numpy_nms(TWO, SCORES, max_det=0).tolist() == []
    assert [len(part) for part in soft_nms(none, no_scores)] == [0, 0]
    assert [len(part) for part in matrix_nms(none, no_scores, labels=np.zeros(0, np.int64))] == [0, 0]
    assert len(weighted_boxes(none, no_scores)) == 0
    assert nms.nms(torch.tensor(none), torch.tensor(no_scores)).tolist() == []
    assert [len(part) for part in nms.soft_nms(torch.tensor(none), torch.tensor(no_scores))] == [0, 0]


def test_classes_do_not_suppress_each_other():
    labels = np.array([0, 1])
    assert numpy_nms(TWO, SCORES, labels=labels).tolist() == [1, 0]
    assert soft_nms(TWO, SCORES, labels=labels)[1].tolist() == SCORES[[1, 0]].tolist()
    assert matrix_nms(TWO, SCORES, labels=labels)[1].tolist() == SCORES[[1, 0]].tolist()
    assert weighted_boxes(TWO, SCORES, labels=labels).labels.tolist() == [1, 0]


def test_half_precision_boxes_are_compared_in_float32():
    large = (TWO * 64).astype(np.float16)
    assert numpy_nms(large, SCORES).tolist() == [1]
    assert nms.nms(torch.tensor(large), torch.tensor(SCORES).bfloat16()).tolist() == [1]


def test_linear_soft_nms_leaves_boxes_below_the_threshold_alone():
    apart = np.array([[0, 0, 10, 10], [8, 8, 18, 18]], np.float32)
    assert soft_nms(apart, SCORES, method="linear")[1].tolist() == SCORES[[1, 0]].tolist()


def test_soft_nms_drops_what_falls_below_the_least_score():
    assert soft_nms(TWO, SCORES, min_score=0.3)[0].tolist() == [1]


def test_a_box_on_top_of_another_vanishes_in_linear_matrix_nms_but_hides_nothing():
    # 1 lies exactly on 0; 2 overlaps both a little and is lowered by 0 only.
    three = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [5, 0, 15, 10]], np.float32)
    index, lowered = matrix_nms(three, np.float32([0.9, 0.8, 0.7]), method="linear", min_score=0.01)
    assert index.tolist() == [0, 2]
    assert lowered.tolist() == pytest.approx([0.9, 0.7 * 2 / 3], rel=1e-6)


def test_merged_boxes_that_few_sources_saw_score_less():
    merged = weighted_boxes(TWO, np.float32([0.5, 0.5]), sources=4)
    assert merged.xyxy.tolist() == [[0, 0, 10, 9.5]]
    assert merged.scores.tolist() == [0.25]


def test_a_box_joins_the_merged_box_that_it_overlaps_most():
    three = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [20, 0, 30, 9]], np.float32)
    merged = weighted_boxes(three, np.float32([0.9, 0.8, 0.8]))
    assert merged.xyxy.tolist() == [[0, 0, 10, 10], [20, 0, 30, 9.5]]


def test_the_mask_of_suppression_of_no_pictures_is_empty():
    assert nms.nms_mask(torch.zeros(0, 5, 4), torch.zeros(0, 5), iou=0.5).shape == (0, 5)


# ---- anchors


def test_anchors_of_a_cell_stand_beside_each_other():
    levels = anchors.anchors_on_grid(
        [(2, 3), (1, 1)], [8, 16], shapes=[anchors.anchor_shapes(8, [0.5, 1, 2]), torch.tensor([[16.0, 16]])]
    )
    assert [level.shape for level in levels] == [(18, 4), (1, 4)]
    centres = boxes.to_cxcywh(levels[0])[:, :2].reshape(6, 3, 2)
    assert torch.equal(centres, anchors.grid_points((2, 3), 8)[:, None].expand(6, 3, 2))
    assert levels[1].tolist() == [[0, 0, 16, 16]]


def test_anchors_of_one_scale_have_one_area():
    shapes = anchors.anchor_shapes(32, [0.25, 1, 3])
    assert torch.allclose(shapes.prod(1), torch.tensor(32.0**2))
    assert torch.allclose(shapes[:, 1] / shapes[:, 0], torch.tensor([0.25, 1, 3]))


def test_levels_without_anchors_are_refused():
    with pytest.raises(ConfigError, match="2 levels, 1 strides and 1 sets"):
        anchors.anchors_on_grid([(2, 3), (1, 1)], [8], shapes=[torch.ones(1, 2)])


def test_kmeans_finds_the_shapes_that_the_boxes_were_drawn_from():
    true = torch.tensor([[12.0, 30.0], [80.0, 40.0], [150.0, 160.0]])
    drawn = (true[:, None] * torch.empty(3, 60, 2).uniform_(0.9, 1.1)).flatten(0, 1)
    found = anchors.kmeans_anchors(drawn, 3, seed=1)
    assert torch.allclose(found, true, rtol=0.05)
    assert torch.equal(found, anchors.kmeans_anchors(drawn, 3, seed=1))


def test_kmeans_of_fewer_shapes_than_anchors_repeats_some():
    assert anchors.kmeans_anchors(torch.tensor([[4.0, 6.0]]), 3, seed=0).tolist() == [[4, 6]] * 3


def test_kmeans_refuses_what_has_no_shape():
    with pytest.raises(ShapeError, match=r"\(N, 2\)"):
        anchors.kmeans_anchors(torch.ones(3, 4), 2, seed=0)
    for bad in (torch.ones(0, 2), torch.tensor([[3.0, 0.0]])):
        with pytest.raises(ConfigError, match="have an area"):
            anchors.kmeans_anchors(bad, 2, seed=0)


# ---- coders, matcher, sampler


def test_padding_is_encoded_to_finite_numbers():
    assert box_coder.encode(torch.zeros(4), torch.zeros(4)).isfinite().all()


def test_wild_numbers_decode_to_finite_boxes():
    wild = torch.tensor([0.0, 0, 1e4, 1e4])
    anchor = torch.tensor([0.0, 0, 16, 16])
    assert boxes.area(box_coder.decode(wild, anchor)) == pytest.approx(1000**2, rel=1e-4)
    decoded = box_coder.decode_cell(wild, torch.zeros(2), shapes=torch.full((2,), 16.0), stride=8)
    assert boxes.area(decoded) == pytest.approx(1000**2, rel=1e-4)


def test_a_cell_answers_for_itself_only():
    at = torch.tensor([12.0, 4.0])
    for far in (-50.0, 50.0):
        box = box_coder.decode_cell(torch.full((4,), far), at, shapes=torch.ones(2), stride=8)
        assert ((boxes.to_cxcywh(box)[:2] - at).abs() <= 4.001).all()


ANCHORS = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 2], [50, 50, 60, 60]])


def test_candidates_between_both_thresholds_learn_nothing():
    objects = torch.tensor([[[0.0, 0, 10, 10]]])
    found = match_by_iou(ANCHORS, objects, valid=torch.tensor([[True]]), positive=0.7, negative=0.3)
    assert found.matched.tolist() == [[0, IGNORED, BACKGROUND, BACKGROUND]]
    assert found.weight.tolist() == [[1, 0, 0, 0]]


def test_each_object_can_have_its_best_candidate_however_bad():
    objects = torch.tensor([[[0.0, 0, 10, 10], [55, 55, 90, 90], [200, 200, 210, 210]]])
    valid = torch.ones(1, 3, dtype=torch.bool)
    kwargs = {"valid": valid, "positive": 0.7, "negative": 0.3}
    assert match_by_iou(ANCHORS, objects, **kwargs).matched[0, 3] == BACKGROUND
    # The third object touches no candidate: none is forced on it.
    assert match_by_iou(ANCHORS, objects, force_best=True, **kwargs).matched.tolist() == [[0, -2, -1, 1]]


def test_pictures_without_objects_are_background_everywhere():
    candidates = ANCHORS.expand(2, -1, -1)
    objects = torch.stack((torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(1, 4)))
    found = match_by_iou(candidates, objects, valid=torch.tensor([[True], [False]]), force_best=True)
    assert found.positive.tolist() == [[True, True, False, False], [False] * 4]
    assert (found.matched[1] == BACKGROUND).all()
    none = match_by_iou(ANCHORS, torch.zeros(2, 0, 4), valid=torch.zeros(2, 0, dtype=torch.bool))
    assert (none.matched == BACKGROUND).all()
    assert none.weight.shape == (2, 4)


def test_the_matcher_refuses_what_does_not_fit():
    valid = torch.ones(2, 1, dtype=torch.bool)
    with pytest.raises(ConfigError, match="negative <= positive"):
        match_by_iou(ANCHORS, torch.zeros(2, 1, 4), valid=valid, positive=0.3, negative=0.5)
    with pytest.raises(ShapeError, match=r"valid \(B, M\)"):
        match_by_iou(ANCHORS, torch.zeros(2, 3, 4), valid=valid)
    with pytest.raises(ShapeError, match=r"\(2, N, 4\) for as many pictures"):
        match_by_iou(ANCHORS.expand(3, -1, -1), torch.zeros(2, 1, 4), valid=valid)


def test_background_fills_up_where_too_few_candidates_have_an_object():
    matched = torch.full((2, 100), BACKGROUND)
    matched[0, :3], matched[1, :60], matched[1, 90:] = 0, 0, IGNORED
    found = Assignment(matched, torch.zeros(2, 100))
    drawn = sample_balanced(found, count=32, positive_share=0.5, generator=torch.Generator().manual_seed(0))
    assert (drawn & found.positive).sum(1).tolist() == [3, 16]
    assert (drawn & found.negative).sum(1).tolist() == [29, 16]
    again = sample_balanced(found, count=32, positive_share=0.5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    other = sample_balanced(found, count=32, positive_share=0.5, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(drawn, other)


def test_the_sampler_refuses_shares_that_are_none():
    with pytest.raises(ConfigError, match=r"share in \[0, 1\]"):
        sample_balanced(Assignment(torch.zeros(1, 3), torch.zeros(1, 3)), count=4, positive_share=2)


# ---- regions


def test_regions_need_features_and_boxes_of_pictures():
    with pytest.raises(ShapeError, match=r"rois \(B, P, 4\), got .*\(5, 4\)"):
        roi.roi_align(torch.zeros(1, 3, 8, 8), torch.zeros(5, 4), size=2, stride=8)


def test_levels_need_a_stride_for_each_map_and_powers_of_two():
    with pytest.raises(ConfigError, match="1 maps, but 2 strides"):
        roi.multi_level_roi_align([torch.zeros(1, 3, 8, 8)], torch.zeros(1, 5, 4), size=2, strides=(8, 16))
    with pytest.raises(ConfigError, match="powers of 2"):
        roi.roi_levels(torch.zeros(1, 4), (8, 24))


def test_no_regions_give_no_maps():
    assert roi.roi_pool(torch.zeros(2, 3, 8, 8), torch.zeros(2, 0, 4), size=7, stride=8).shape == (
        2,
        0,
        3,
        7,
        7,
    )


def test_features_of_low_precision_are_pooled_with_exact_places():
    features = torch.randn(1, 2, 40, 40).bfloat16()
    rois = torch.tensor([[[257.0, 257, 299, 299]]])  # 257 is no bfloat16
    low = roi.roi_align(features, rois, size=2, stride=8)
    assert low.dtype == torch.bfloat16
    assert torch.equal(low, roi.roi_align(features.float(), rois, size=2, stride=8).bfloat16())


# ---- losses


def test_an_unknown_overlap_is_refused():
    with pytest.raises(ConfigError, match="no overlap is named 'siou'"):
        overlap_loss(torch.zeros(1, 4), torch.zeros(1, 4), kind="siou")


def test_a_distribution_on_the_truth_costs_least_and_means_the_truth():
    truth = torch.tensor([0.0, 2.25, 7.0, 9.0])  # the last lies beyond the 8 bins and counts as 7
    nearest = truth.clamp(max=7)
    lower = nearest.floor().clamp(max=6).long()
    best = torch.full((4, 8), -30.0)
    best.scatter_(1, lower[:, None], (1 - (nearest - lower)).clamp(min=1e-9).log()[:, None])
    best.scatter_(1, lower[:, None] + 1, (nearest - lower).clamp(min=1e-9).log()[:, None])
    assert torch.allclose(expected_distance(best), nearest, atol=1e-5)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert torch.allclose(distribution_focal_loss(best, truth), torch.tensor([0, entropy, 0, 0]), atol=1e-5)
    assert (distribution_focal_loss(torch.randn(4, 8), truth) > distribution_focal_loss(best, truth)).all()


def test_distributions_and_distances_must_fit():
    with pytest.raises(ShapeError, match=r"got \(3, 8\) and \(4,\)"):
        distribution_focal_loss(torch.zeros(3, 8), torch.zeros(4))


def test_focal_loss_without_focus_is_the_cross_entropy():
    logits, target = torch.randn(50), torch.randint(2, (50,)).float()
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert torch.allclose(focal_loss(logits, target, alpha=None, gamma=0), plain)


def test_quality_losses_are_those_of_their_papers():
    score, quality = torch.tensor([0.2, 0.9, 0.3]), torch.tensor([0.7, 0.9, 0.0])
    logits = score.logit()
    entropy = -(quality * score.log() + (1 - quality) * (1 - score).log())
    assert torch.allclose(
        quality_focal_loss(logits, quality), (quality - score).abs() ** 2 * entropy, atol=1e-6
    )
    weight = torch.tensor([0.7, 0.9, 0.75 * 0.3**2])
    assert torch.allclose(varifocal_loss(logits, quality), weight * entropy, atol=1e-6)


@pytest.mark.parametrize("loss", [focal_loss, quality_focal_loss, varifocal_loss])
def test_losses_of_scores_stay_finite_for_certain_scores(loss):
    logits = torch.tensor([-200.0, 200.0, -200.0, 200.0], requires_grad=True)
    value = loss(logits, torch.tensor([0.0, 1, 1, 0]))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()
    assert value[:2].tolist() == [0, 0]
