"""How maps are made larger: the arithmetic is torch's, and a checkerboard is found where there is one."""

import numpy as np
import pytest
import torch
from segmented import SIDE, SMALL, small_fcn, small_unet, subject
from torch import nn
from torch.nn import functional as F

from nayan.explain import stamps
from nayan.explain.checkerboard import measure, patterns
from nayan.explain.climbs import unevenness_of, watching
from nayan.explain.subject import Subject
from nayan.explain.upsampling import INPUT, KERNEL, explain_upsampling
from nayan.parts.upsample import learnt_bilinear


class TestStamps:
    @pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (4, 2, 1), (3, 1, 0)])
    def test_the_sum_of_all_stamps_is_a_transposed_convolution(
        self, kernel: int, stride: int, padding: int
    ) -> None:
        rng = np.random.default_rng(kernel)
        values, weights = rng.normal(size=(4, 5)), rng.normal(size=(kernel, kernel))
        ours = stamps.transposed(values, weights, stride=stride, padding=padding)
        both = (torch.from_numpy(each)[None, None] for each in (values, weights))
        assert np.allclose(ours, F.conv_transpose2d(*both, stride=stride, padding=padding)[0, 0])

    def test_the_stamps_of_the_guide_add_up_to_its_sum(self) -> None:
        total = stamps.transposed(INPUT, KERNEL, stride=2)
        assert total[2, 2] == 10
        one_by_one = [
            stamps.stamp(value, KERNEL, at=at, size=(2, 2), stride=2) for at, value in np.ndenumerate(INPUT)
        ]
        assert np.array_equal(np.nansum(one_by_one, axis=0), total)
        assert stamps.told_sum(INPUT, KERNEL, stride=2, at=(2, 2)).endswith("= 10")
        assert stamps.told_sum(INPUT, KERNEL, stride=2, at=(0, 0)) == "1*1 = 1"
        assert stamps.told_sum(INPUT, KERNEL[:1, :1], stride=3, at=(1, 1)) == "0 = 0"

    @pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
    def test_as_many_stamps_meet_everywhere_only_where_the_stride_divides_the_kernel(
        self, kernel: int
    ) -> None:
        inside = stamps.meetings((8, 8), kernel, 2)[kernel:-kernel, kernel:-kernel]
        assert (np.ptp(inside) == 0) == (kernel % 2 == 0)

    def test_the_rules_are_those_of_torch(self) -> None:
        values = np.random.default_rng(0).normal(size=(5, 4))
        source = torch.from_numpy(values)[None, None]
        by_torch = F.interpolate(source, scale_factor=3, mode="bilinear", align_corners=False)[0, 0]
        assert np.allclose(stamps.bilinear(values, 3), by_torch)
        assert np.allclose(stamps.nearest(values, 2), F.interpolate(source, scale_factor=2)[0, 0])


class TestCheckerboard:
    def test_a_checkerboard_is_all_pattern_and_a_slope_has_none(self) -> None:
        board = (np.indices((16, 16)).sum(axis=0) % 2).astype(float)
        slope = np.tile(np.sin(np.arange(32) / 32 * 2 * np.pi), (32, 1))
        assert measure(board[None], 2).pattern == pytest.approx(1)
        assert measure(board[None], 2).phases == pytest.approx(np.ones((2, 2)))
        assert measure(slope[None], 2).pattern < 0.01
        assert measure(slope[None], 2).detail < 0.01

    def test_noise_that_was_enlarged_by_bilinear_interpolation_has_little_detail_of_its_own(self) -> None:
        coarse = np.random.default_rng(0).normal(size=(24, 24))
        smooth, blocky = stamps.bilinear(coarse, 2), stamps.nearest(coarse, 2)
        fine = np.random.default_rng(1).normal(size=(48, 48))
        shares = [measure(each[None], 2).detail for each in (smooth, blocky, fine)]
        assert shares == sorted(shares)
        assert shares[0] < 0.15
        assert shares[2] == pytest.approx(0.75, abs=0.05)  # three quarters of the plane of frequencies

    def test_rows_that_are_left_over_do_not_count_and_flat_channels_have_no_pattern(self) -> None:
        board = (np.indices((9, 9)).sum(axis=0) % 2).astype(float)
        found = patterns(np.stack([board, np.ones((9, 9))]), 2)
        assert found == pytest.approx([1, 0])
        assert measure(np.zeros((2, 8, 8)), 2).pattern == 0
        assert not measure(np.zeros((2, 8, 8)), 2).phases.any()


class TestClimbs:
    def test_every_way_of_growing_is_seen_with_its_place(self) -> None:
        model = nn.Sequential(
            nn.ConvTranspose2d(2, 4, 4, 2, 1),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.PixelShuffle(2),
            nn.AdaptiveAvgPool2d(1),
            nn.Upsample(scale_factor=5),
        )
        with torch.no_grad(), watching(model) as found:
            model(torch.rand(1, 2, 4, 4))
        assert [(each.name, each.kind, each.factor) for each in found] == [
            ("0", "transposed 4x4, stride 2", 2),
            ("1", "bilinear", 2),
            ("2", "pixel shuffle", 2),
        ]
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())

    def test_the_unevenness_of_a_kernel_is_that_of_a_map_of_ones(self) -> None:
        even = learnt_bilinear(2)
        assert unevenness_of(even.weight.detach(), 2) == pytest.approx(0, abs=1e-6)
        grouped = torch.ones(4, 1, 2, 2)
        grouped[:, :, 0, 0] = 5
        assert unevenness_of(grouped, 2, groups=4) == pytest.approx(np.sqrt(3) / np.sqrt(7))


class TestStory:
    def test_it_needs_no_picture(self) -> None:
        story = explain_upsampling(Subject(small_unet(), SMALL))
        assert [panel.title for panel in story.panels][-1] == "This network's steps up"
        steps = story.panels[-1].data["steps"]
        assert [step["layer"] for step in steps] == [f"decoder.steps.{stride}.up" for stride in (8, 4, 2, 1)]
        assert "Random weights begin uneven" in story.panels[-1].text

    def test_a_network_that_learns_no_upsampling_is_told_so(self) -> None:
        assert (
            "by rules alone" in explain_upsampling(Subject(small_unet(up="nearest"), SMALL)).panels[-1].text
        )
        flat = nn.Sequential(nn.Conv2d(3, 4, 3))
        story = explain_upsampling(subject(flat))
        assert story.panels[-1].text == "Sequential makes no map larger."

    def test_random_transposed_convolutions_leave_a_pattern_that_bilinear_ones_do_not(self) -> None:
        learnt = explain_upsampling(subject(small_unet())).panels[-1]
        ruled = explain_upsampling(subject(small_unet(up="bilinear"))).panels[-1]
        assert learnt.title == ruled.title == "The checkerboard in this network"
        assert max(step["pattern"] for step in learnt.data["steps"]) > 0.2
        assert max(step["pattern"] for step in ruled.data["steps"]) < 0.02
        assert all(
            step["detail"] == pytest.approx(step["bilinear_detail"], abs=1e-4) for step in ruled.data["steps"]
        )
        assert learnt.data["answer"] is not None
        assert "The strongest pattern" in learnt.text
        assert "No step leaves a pattern" in ruled.text

    def test_a_fresh_fcn_begins_without_a_checkerboard(self) -> None:
        panel = explain_upsampling(subject(small_fcn(8))).panels[-1]
        assert max(step["pattern"] for step in panel.data["steps"]) < 0.02

    def test_maps_that_are_too_small_are_not_measured(self) -> None:
        tiny = nn.Sequential(nn.AvgPool2d(SIDE // 2), nn.Upsample(scale_factor=2))
        assert explain_upsampling(subject(tiny)).panels[-1].title == "This network's steps up"
