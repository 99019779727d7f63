"""Our words for boxes against torchvision, NumPy against torch, graphs against what they were traced from."""

import numpy as np
import onnxruntime
import pytest
import torch
import torchvision.ops as peer
from torch import nn
from torchvision.models.detection._utils import BoxCoder, Matcher

from nayan.core import boxes as flat
from nayan.parts import box_coder, boxes, nms, roi
from nayan.parts.losses.boxes import overlap_loss
from nayan.parts.losses.focal import focal_loss
from nayan.parts.matcher import match_by_iou
from nayan.parts.trace import trace_onnx
from nayan.runtime import greedy
from nayan.runtime import nms as numpy_nms


def drawn(seed, *, count=None, whole=False, side=100):
    """Return boxes, scores and labels; `whole` numbers give exact ties of IoU and score."""
    random = np.random.default_rng(seed)
    count = int(random.choice([0, 1, 2, 40, 300])) if count is None else count
    corner, sides = random.uniform(0, side, (count, 2)), random.uniform(0, side / 2, (count, 2))
    scores = random.random(count)
    if whole:
        corner, sides, scores = corner.round(-1), sides.round(-1), scores.round(1)
    found = np.concatenate((corner, corner + sides), 1).astype(np.float32)
    return found, scores.astype(np.float32), random.integers(0, 3, count)


def tensors(*values):
    return [torch.from_numpy(value) for value in values]


def by_class(found, scores, labels, iou):
    """Return what torchvision keeps, class by class, by falling score and then by number."""
    kept = [
        rows[peer.nms(*tensors(found[rows], scores[rows]), iou).numpy()]
        for rows in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    kept = np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))
    return kept[np.argsort(-scores[kept], kind="stable")]


# ---- overlaps


@pytest.mark.parametrize("whole", [False, True])
def test_overlaps_are_torchvisions(whole):
    for seed in range(100):
        (a, *_), (b, *_) = drawn(seed, whole=whole), drawn(seed + 1000, whole=whole)
        wanted = peer.box_iou(*tensors(a, b)).nan_to_num().numpy()  # 0 / 0 for boxes without area
        assert np.allclose(flat.iou_matrix(a, b), wanted, atol=1e-6)
        assert np.allclose(boxes.iou_matrix(*tensors(a, b)).numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (boxes.iou_pairs, peer.box_iou),
        (boxes.giou, peer.generalized_box_iou),
        (boxes.diou, peer.distance_box_iou),
        (boxes.ciou, peer.complete_box_iou),
    ],
)
def test_generalised_overlaps_are_torchvisions(ours, theirs):
    for seed in range(50):
        a, b = tensors(drawn(seed, count=30)[0], drawn(seed + 1000, count=20)[0])
        assert torch.allclose(ours(a[:, None], b[None]), theirs(a, b), atol=2e-6)


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("giou", peer.generalized_box_iou_loss),
        ("diou", peer.distance_box_iou_loss),
        ("ciou", peer.complete_box_iou_loss),
    ],
)
def test_losses_of_overlap_have_torchvisions_gradients(kind, theirs):
    for seed in range(30):
        a, b = tensors(drawn(seed, count=30)[0] + 1, drawn(seed + 1000, count=30)[0])
        b[:, 2:] += 1  # with an area, which torchvision's losses need
        a[:, 2:] += 1
        a, twin = a.double().requires_grad_(), a.double().requires_grad_()
        mine, wanted = overlap_loss(a, b.double(), kind=kind), theirs(twin, b.double())
        assert torch.allclose(mine, wanted, atol=1e-5)
        (grad,), (other,) = torch.autograd.grad(mine.sum(), a), torch.autograd.grad(wanted.sum(), twin)
        assert torch.allclose(grad, other, atol=1e-4)


def test_the_gradient_of_the_complete_overlap_is_what_differences_give():
    a = torch.tensor([[1.0, 2, 9, 7], [20, 20, 31, 44]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[3.0, 1, 12, 9], [22, 18, 40, 41]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: boxes.giou(x, b), a)
    assert torch.autograd.gradcheck(lambda x: boxes.diou(x, b), a)


# ---- suppression


@pytest.fixture(params=[400, 16])
def block(request, monkeypatch):
    """Take few candidates in one block, or in several."""
    monkeypatch.setattr(greedy, "_BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("iou", [0.0, 1e-6, 0.3, 0.5, 0.6, 0.7, 0.95, 1.0])
def test_suppression_is_torchvisions_to_the_last_box(whole, iou):
    for seed in range(60):
        found, scores, labels = drawn(seed, whole=whole)
        wanted = peer.nms(*tensors(found, scores), iou).numpy()
        assert np.array_equal(numpy_nms.nms(found, scores, iou=iou), wanted)
        together = by_class(found, scores, labels, iou)
        assert np.array_equal(numpy_nms.nms(found, scores, iou=iou, labels=labels), together)
        twin = nms.nms(*tensors(found, scores), iou=iou, labels=torch.from_numpy(labels))
        assert np.array_equal(twin.numpy(), together)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side", [60, 2000])
def test_suppression_of_many_candidates_is_torchvisions(seed, side):
    # Enough for several blocks, and on a small picture for many pairs.
    found, scores, labels = drawn(seed, count=2500, whole=seed % 2 == 0, side=side)
    for iou in (0.3, 0.6):
        wanted = by_class(found, scores, labels, iou)
        assert np.array_equal(numpy_nms.nms(found, scores, iou=iou, labels=labels), wanted)
        few = numpy_nms.nms(found, scores, iou=iou, labels=labels, max_det=20)
        assert np.array_equal(few, wanted[:20])
        alone = peer.nms(*tensors(found, scores), iou).numpy()
        assert np.array_equal(numpy_nms.nms(found, scores, iou=iou), alone)


def test_suppression_is_that_of_torchvisions_batched_form():
    for seed in range(60):
        found, scores, labels = drawn(seed)
        wanted = peer.batched_nms(*tensors(found, scores, labels), 0.5).numpy()
        assert np.array_equal(numpy_nms.nms(found, scores, iou=0.5, labels=labels), wanted)


@pytest.mark.usefixtures("block")
def test_suppression_in_float64_is_torchvisions():
    for seed in range(60):
        found, scores, _ = drawn(seed, whole=True)
        found = found.astype(np.float64)
        wanted = peer.nms(*tensors(found, scores.astype(np.float64)), 0.6).numpy()
        assert np.array_equal(numpy_nms.nms(found, scores, iou=0.6), wanted)


@pytest.mark.usefixtures("block")
def test_boxes_whose_edges_are_swapped_suppress_nothing_as_in_torchvision():
    for seed in range(60):
        random = np.random.default_rng(seed)
        found = random.integers(0, 12, (40, 4)).astype(np.float32)  # a quarter in order, the others swapped
        scores = random.permutation(40).astype(np.float32)
        wanted = peer.nms(*tensors(found, scores), 0.3).numpy()
        assert np.array_equal(numpy_nms.nms(found, scores, iou=0.3), wanted)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize("apart", [False, True])
def test_soft_suppression_in_numpy_is_that_in_torch(method, apart):
    for seed in range(40):
        found, scores, labels = drawn(seed, count=40)
        for ours, twin in ((numpy_nms.soft_nms, nms.soft_nms), (numpy_nms.matrix_nms, nms.matrix_nms)):
            kwargs = {"method": method, "min_score": 0.05}
            index, lowered = ours(found, scores, labels=labels if apart else None, **kwargs)
            number, other = twin(
                *tensors(found, scores), labels=torch.from_numpy(labels) if apart else None, **kwargs
            )
            assert np.array_equal(index, number.numpy())
            assert np.allclose(lowered, other.numpy(), atol=1e-6)


def test_soft_suppression_without_mercy_is_the_hard_one():
    for seed in range(30):
        found, scores, _ = drawn(seed, count=40)
        hard = numpy_nms.nms(found, scores, iou=0)
        soft, lowered = numpy_nms.soft_nms(found, scores, sigma=1e-12, min_score=1e-4)
        assert np.array_equal(soft, hard[scores[hard] >= 1e-4])
        assert np.array_equal(lowered, scores[soft])


class _Mask(nn.Module):
    def forward(self, rows):
        return nms.nms_mask(rows[..., :4], rows[..., 4], iou=0.5)


def rows_of(seed, batch, count=60):
    found = [drawn(seed * 10 + picture, count=count) for picture in range(batch)]
    return torch.stack([torch.from_numpy(np.c_[place, scores]) for place, scores, _ in found])


def test_a_graph_keeps_the_boxes_of_every_picture_of_any_batch():
    session = onnxruntime.InferenceSession(trace_onnx(_Mask().eval(), rows_of(0, 2), ["kept"]))
    for batch in (1, 2, 3):
        rows = rows_of(batch, batch)
        (kept,) = session.run(None, {"images": rows.numpy()})
        wanted = np.zeros((batch, 60), bool)
        for picture in range(batch):
            wanted[picture, peer.nms(rows[picture, :, :4], rows[picture, :, 4], 0.5)] = True
        assert np.array_equal(kept, wanted)
        assert np.array_equal(_Mask()(rows).numpy(), wanted)
        assert 0 < wanted.sum() < wanted.size


# ---- coder and matcher


def test_deltas_are_torchvisions():
    theirs = BoxCoder(box_coder.SECOND_STAGE)
    for seed in range(30):
        a, b = tensors(drawn(seed, count=30)[0] + 1, drawn(seed + 1000, count=30)[0])
        a[:, 2:] += 1
        b[:, 2:] += 1
        deltas = box_coder.encode(a, b, weights=box_coder.SECOND_STAGE)
        assert torch.allclose(deltas, theirs.encode_single(a, b), atol=1e-4)
        wild = torch.randn(30, 4) * 20
        wanted = theirs.decode_single(wild, b)
        assert torch.allclose(
            box_coder.decode(wild, b, weights=box_coder.SECOND_STAGE), wanted, rtol=1e-4, atol=1e-2
        )


@pytest.mark.parametrize("force", [False, True])
def test_matches_are_torchvisions(force):
    theirs = Matcher(0.6, 0.3, allow_low_quality_matches=force)
    for seed in range(60):
        candidates, objects = tensors(
            drawn(seed, count=80, whole=True)[0], drawn(seed + 1000, count=6, whole=True)[0]
        )
        objects[:, 2:] += 5
        candidates[:, 2:] += 5
        # An object that touches nothing is torchvision's to force on all candidates; ours to leave alone.
        iou = boxes.iou_matrix(objects, candidates)
        objects, iou = objects[iou.amax(1) > 0], iou[iou.amax(1) > 0]
        padded = torch.cat((objects, torch.zeros(3, 4)))[None]
        valid = torch.arange(len(objects) + 3)[None] < len(objects)
        found = match_by_iou(candidates, padded, valid=valid, positive=0.6, negative=0.3, force_best=force)
        assert torch.equal(found.matched[0], theirs(iou))


# ---- regions


def regions(seed, batch=2, count=25, side=256):
    found = [drawn(seed * 10 + picture, count=count, side=side)[0] for picture in range(batch)]
    return torch.from_numpy(np.stack(found))


def test_regions_of_a_batch_are_torchvisions_of_each_picture():
    features = torch.randn(2, 5, 32, 32)
    rois = regions(0)
    for picture in range(2):
        one = features[picture : picture + 1]
        wanted = peer.roi_align(one, [rois[picture]], 7, 1 / 8, sampling_ratio=2, aligned=True)
        assert torch.allclose(roi.roi_align(features, rois, size=7, stride=8)[picture], wanted, atol=1e-6)
        wanted = peer.roi_pool(one, [rois[picture]], 7, 1 / 8)
        assert torch.equal(roi.roi_pool(features, rois, size=7, stride=8)[picture], wanted)


def test_regions_on_several_levels_are_torchvisions():
    sizes, strides = (128, 64, 32, 16), (4, 8, 16, 32)
    features = [torch.randn(2, 3, side, side) for side in sizes]
    rois = regions(1, side=512)
    theirs = peer.MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    pooled = theirs({str(i): f for i, f in enumerate(features)}, list(rois), [(512, 512)] * 2)
    ours = roi.multi_level_roi_align(features, rois, size=7, strides=strides)
    # torchvision keeps the older alignment, half a cell off: compare where that does not matter, the levels,
    # and the values with its own function on each level.
    levels = roi.roi_levels(rois, strides)
    assert len(levels.unique()) > 2
    assert torch.equal(theirs.map_levels(list(rois)), levels.flatten())
    assert pooled.shape == ours.flatten(0, 1).shape
    for level, stride in enumerate(strides):
        alone = roi.roi_align(features[level], rois, size=7, stride=stride)
        assert torch.equal(ours[levels == level], alone[levels == level])


class _Regions(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, maps):
        corner = maps[:, 0, :12, :2] * 60  # boxes out of the input: they differ from picture to picture
        rois = torch.cat((corner, corner + maps[:, 1, :12, :2] * 90), 2)
        if self.kind == "levels":
            levels = [nn.functional.avg_pool2d(maps, side) for side in (2, 4, 8, 16)]
            return roi.multi_level_roi_align(levels, rois, size=3, strides=(2, 4, 8, 16))
        run = roi.roi_align if self.kind == "align" else roi.roi_pool
        return run(maps, rois, size=3, stride=4)


@pytest.mark.parametrize("kind", ["align", "pool", "levels"])
def test_a_graph_cuts_the_regions_of_any_batch(kind):
    network = _Regions(kind).eval()
    session = onnxruntime.InferenceSession(trace_onnx(network, torch.rand(2, 3, 64, 64), ["maps"]))
    for batch in (1, 2, 3):
        maps = torch.rand(batch, 3, 64, 64)
        (cut,) = session.run(None, {"images": maps.numpy()})
        assert np.allclose(cut, network(maps).numpy(), atol=1e-5)


def test_every_region_passes_its_gradient_to_its_own_level():
    features = [torch.randn(1, 2, side, side, requires_grad=True) for side in (64, 32, 16)]
    rois = torch.tensor([[[8.0, 8, 40, 40], [0, 0, 250, 250]]])  # of the lowest and the highest level
    roi.multi_level_roi_align(features, rois, size=2, strides=(4, 8, 16)).sum().backward()
    # The mean of the points of each of 2 x 2 cells in 2 channels: 8 in all for a region.
    assert [round(float(f.grad.sum()), 4) for f in features] == [8, 0, 8]


# ---- losses


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2), (0.6, 1.5), (None, 2)])
def test_focal_loss_is_torchvisions(alpha, gamma):
    logits, target = torch.randn(500) * 4, torch.randint(2, (500,)).float()
    theirs = peer.sigmoid_focal_loss(logits, target, alpha=-1 if alpha is None else alpha, gamma=gamma)
    assert torch.allclose(focal_loss(logits, target, alpha=alpha, gamma=gamma), theirs, atol=1e-5)
