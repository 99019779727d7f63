"""Task-aligned assignment: who learns what, and how well it has to score."""

from __future__ import annotations

import torch

from nayan.parts.anchors import grid_points
from nayan.parts.task_aligned import assign_task_aligned

POINTS = grid_points((4, 4), 8)  # a 32 px picture at stride 8
STRIDES = torch.full((16,), 8.0)


def assign(truth: list[list[float]], labels: list[int], **options: int) -> tuple[torch.Tensor, torch.Tensor]:
    boxes = torch.cat([POINTS - 4, POINTS + 4], dim=1)[None]  # each point predicts its own cell
    scores = torch.full((1, 16, 2), 0.5)
    objects = torch.tensor(truth).reshape(1, -1, 4)
    found = assign_task_aligned(
        POINTS, STRIDES, boxes=boxes, scores=scores, truth=objects, labels=torch.tensor([labels]).long(),
        **options,
    )  # fmt: skip
    return found.matched[0], found.weight[0]


def test_points_inside_an_object_learn_it_and_all_others_are_background() -> None:
    matched, weight = assign([[0, 0, 16, 16]], [1])
    assert (matched >= 0).nonzero().flatten().tolist() == [0, 1, 4, 5]
    assert weight[matched < 0].eq(0).all()
    torch.testing.assert_close(weight.max(), torch.tensor(0.25))  # its best overlap


def test_an_object_smaller_than_a_cell_is_learnt_all_the_same() -> None:
    matched, _ = assign([[7, 7, 9, 9]], [0])
    assert (matched == 0).any()


def test_a_point_that_two_objects_claim_goes_to_the_one_it_overlaps_most() -> None:
    matched, _ = assign([[0, 0, 32, 32], [8, 8, 16, 16]], [0, 1])
    assert int(matched[5]) == 1
    assert int((matched == 0).sum()) == 15 - int((matched == -1).sum())


def test_no_more_points_than_asked_for_learn_an_object() -> None:
    matched, _ = assign([[0, 0, 32, 32]], [0], top=3)
    assert int((matched == 0).sum()) == 3


def test_without_objects_everything_is_background() -> None:
    assert (assign([], [])[0] == -1).all()
    assert (assign([[0, 0, 0, 0]], [-1])[0] == -1).all()
