"""What must hold for any boxes: overlaps, suppression, and coders that undo each other."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nayan.core import boxes as flat
from nayan.parts import box_coder, boxes
from nayan.parts.anchors import kmeans_anchors
from nayan.runtime.nms import matrix_nms, nms, soft_nms, weighted_boxes

NUMBERS = st.floats(-50, 700, width=32)
SIDES = st.floats(0.5, 300, width=32)


@st.composite
def drawn_boxes(draw, least=0, most=12):
    """(N, 4) boxes with an area; many share edges, so that ties and exact hits occur."""
    count = draw(st.integers(least, most))
    corner = draw(
        arrays.arrays(np.float32, (count, 2), elements=st.sampled_from([0, 4, 8, 12, 100]) | NUMBERS)
    )
    sides = draw(arrays.arrays(np.float32, (count, 2), elements=st.sampled_from([4, 8, 16]) | SIDES))
    return np.concatenate((corner, corner + sides), 1)


@st.composite
def candidates(draw):
    """Boxes, their different scores and their classes."""
    found = draw(drawn_boxes(most=20))
    order = draw(st.permutations(range(len(found))))
    scores = (np.array(order, np.float32) + 1) / (len(found) + 1)
    labels = draw(arrays.arrays(np.int64, len(found), elements=st.integers(0, 2)))
    return found, scores, labels


@given(drawn_boxes(), drawn_boxes())
def test_overlap_is_symmetric_and_a_share(a, b):
    iou = flat.iou_matrix(a, b)
    assert np.array_equal(iou, flat.iou_matrix(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()
    inside = flat.intersection_over_area(a, b)
    assert (inside >= iou * (1 - 1e-6)).all()
    assert (inside <= 1).all()


@given(drawn_boxes())
def test_every_box_overlaps_itself_wholly(a):
    assert np.array_equal(np.diag(flat.iou_matrix(a, a)), np.ones(len(a)))


@given(drawn_boxes(least=2, most=2))
def test_the_generalised_overlaps_never_exceed_the_overlap(pair):
    a, b = torch.from_numpy(pair).double()
    iou = boxes.iou_pairs(a, b)
    assert -1 <= boxes.giou(a, b) <= iou + 1e-9
    assert boxes.ciou(a, b) <= boxes.diou(a, b) + 1e-9 <= iou + 2e-9
    assert boxes.diou(a, b) >= -1


@given(drawn_boxes(), drawn_boxes())
def test_numpy_and_torch_agree_on_overlaps(a, b):
    ours, twin = flat.iou_matrix(a, b), boxes.iou_matrix(torch.from_numpy(a), torch.from_numpy(b))
    assert np.allclose(ours, twin.numpy(), atol=1e-6)


@given(drawn_boxes(), st.tuples(st.integers(1, 500), st.integers(1, 500)))
def test_clipped_boxes_lie_in_the_picture(a, size):
    cut = flat.clip(a, size)
    assert (cut >= 0).all()
    assert (cut <= np.array([size[1], size[0]] * 2)).all()
    assert np.array_equal(flat.clip(cut, size), cut)
    assert np.array_equal(boxes.clip(torch.from_numpy(a), size).numpy(), cut)


@given(drawn_boxes())
def test_other_ways_to_write_boxes_are_undone(a):
    wide = a.astype(np.float64)
    assert np.allclose(flat.from_xywh(flat.to_xywh(wide)), wide, atol=1e-9)
    assert np.allclose(flat.from_cxcywh(flat.to_cxcywh(wide)), wide, atol=1e-9)
    same = boxes.from_cxcywh(boxes.to_cxcywh(torch.from_numpy(wide)))
    assert np.allclose(same.numpy(), wide, atol=1e-9)


@given(candidates(), st.floats(0, 1), st.booleans())
def test_suppression_keeps_a_subset_that_it_leaves_alone(given_boxes, iou, apart):
    found, scores, labels = given_boxes
    labels = labels if apart else None
    kept = nms(found, scores, iou=iou, labels=labels)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) < 0).all()
    again = nms(found[kept], scores[kept], iou=iou, labels=None if labels is None else labels[kept])
    assert again.tolist() == list(range(len(kept)))


@given(candidates(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(given_boxes, iou, random):
    found, scores, labels = given_boxes
    order = list(range(len(found)))
    random.shuffle(order)
    shuffled = nms(found[order], scores[order], iou=iou, labels=labels[order])
    assert [order[index] for index in shuffled] == nms(found, scores, iou=iou, labels=labels).tolist()


@given(candidates(), st.floats(0, 1), st.integers(0, 8))
def test_a_limit_gives_the_beginning_of_the_answer(given_boxes, iou, most):
    found, scores, labels = given_boxes
    everything = nms(found, scores, iou=iou, labels=labels)
    assert np.array_equal(nms(found, scores, iou=iou, labels=labels, max_det=most), everything[:most])


@given(candidates(), st.sampled_from(["linear", "gaussian"]))
def test_soft_suppression_only_lowers_scores_and_not_the_best(given_boxes, method):
    found, scores, labels = given_boxes
    for run in (soft_nms, matrix_nms):
        index, lowered = run(found, scores, labels=labels, method=method)
        assert (lowered <= scores[index]).all()
        assert (np.diff(lowered) <= 0).all()
        for label in set(labels.tolist()):
            best = np.flatnonzero(labels == label)[scores[labels == label].argmax()]
            assert lowered[index == best].tolist() == [scores[best]]


@given(candidates(), st.floats(0, 1))
def test_merged_boxes_lie_between_their_members(given_boxes, iou):
    found, scores, labels = given_boxes
    merged = weighted_boxes(found, scores, iou=iou, labels=labels)
    assert len(merged) <= len(found)
    assert set(merged.labels.tolist()) == set(labels.tolist())
    if len(found):
        assert (merged.xyxy >= found.min(0) - 1e-3).all()
        assert (merged.xyxy <= found.max(0) + 1e-3).all()
        assert (np.diff(merged.scores) <= 0).all()


@given(drawn_boxes(least=2, most=2), st.sampled_from([box_coder.PLAIN, box_coder.SECOND_STAGE]))
def test_decoding_undoes_encoding(pair, weights):
    box, anchor = torch.from_numpy(pair).double()
    ratio = ((box[2:] - box[:2]) / (anchor[2:] - anchor[:2])).max()
    decoded = box_coder.decode(box_coder.encode(box, anchor, weights=weights), anchor, weights=weights)
    if ratio < 62:  # larger ones are clamped
        assert torch.allclose(decoded, box, atol=1e-6)


@given(drawn_boxes(least=1, most=1), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_decoding_undoes_the_encoding_of_a_cell(one, x, y):
    box = torch.from_numpy(one[0]).double()
    stride, shape = 8.0, torch.tensor([60.0, 40.0], dtype=torch.float64)
    point = boxes.to_cxcywh(box)[:2] - torch.tensor([x - 0.5, y - 0.5]).double() * stride
    encoded = box_coder.encode_cell(box, point, shapes=shape, stride=stride)
    regressed = torch.cat((encoded[:2].logit(), encoded[2:]))
    decoded = box_coder.decode_cell(regressed, point, shapes=shape, stride=stride)
    assert torch.allclose(decoded, box, atol=1e-6)


@given(drawn_boxes(), NUMBERS, NUMBERS)
def test_distances_from_a_point_give_the_box_back(some, x, y):
    wide, point = torch.from_numpy(some).double(), torch.tensor([x, y]).double()
    distances = box_coder.to_distances(point, wide)
    assert torch.allclose(box_coder.from_distances(point, distances), wide, atol=1e-9)


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(2)), elements=SIDES), st.integers(1, 6)
)
def test_learnt_anchors_lie_among_the_shapes(shapes, k):
    found = kmeans_anchors(torch.from_numpy(shapes), k, seed=0).numpy()
    assert found.shape == (k, 2)
    assert (found >= shapes.min(0) * (1 - 1e-5)).all()
    assert (found <= shapes.max(0) * (1 + 1e-5)).all()
