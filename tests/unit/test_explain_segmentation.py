"""Looks at segmenters: what is told of skips, classes and the way is what the network does."""

import dataclasses

import numpy as np
import pytest
import torch
from segmented import NAMES, SIDE, SMALL, Bridge, scene, small_fcn, small_unet, subject
from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import SemanticMask
from nayan.explain import explain
from nayan.explain.cam import explain_cam
from nayan.explain.features import explain_features
from nayan.explain.segmentation.cam import explain_mask_cam, mask_cam
from nayan.explain.segmentation.look import in_input, look_at
from nayan.explain.segmentation.silence import skips_of, without
from nayan.explain.segmentation.skips import explain_skips
from nayan.explain.stages import parts_of, pixel_batch
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Placement, Preprocess

TRUTH = scene()[1]
WIDE = Preprocess((32, 64), "letterbox")


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    return small_unet()


class TestLook:
    def test_the_mask_is_as_large_as_the_picture_and_made_as_predictions_are(self, unet: nn.Module) -> None:
        look = look_at(subject(unet))
        assert look.found.ids.shape == (48, 64)
        assert look.probabilities.shape == (2, SIDE, SIDE)
        assert np.allclose(look.probabilities.sum(axis=0), 1, atol=1e-5)
        strict = look_at(subject(unet, decode_args={"thresholds": [1.1]}))
        assert not strict.found.ids.any()

    def test_a_mask_laid_into_the_input_is_void_where_the_picture_is_not(self) -> None:
        ids = in_input(TRUTH.ids, SMALL.placement((48, 64)), (SIDE, SIDE))
        assert (ids[:8] == 255).all()
        assert (ids[-8:] == 255).all()
        assert np.array_equal(ids[8:56], TRUTH.ids)

    def test_a_crop_shows_only_a_part_of_the_mask(self) -> None:
        ids = np.arange(16, dtype=np.uint8).reshape(4, 4)
        cropped = in_input(ids, Placement((4, 4), (1.0, 1.0), (-1.0, -2.0)), (2, 2))
        assert cropped.tolist() == [[6, 7], [10, 11]]

    def test_a_network_in_words_that_answers_for_every_pixel_is_a_segmenter(self) -> None:
        plain = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1))
        assert explain_mask_cam(subject(plain), steps=0).panels
        with pytest.raises(ConfigError, match="Sequential has no skip connections"):
            explain_skips(subject(plain))


class TestSkips:
    def test_all_maps_but_the_coarsest_are_skips(self, unet: nn.Module) -> None:
        found = skips_of(unet, pixel_batch(subject(unet), unet))
        assert [skip.name for skip in found] == ["1/1", "1/2", "1/4", "1/8"]
        assert [skip.shape for skip in found][-1] == (32, 8, 8)
        assert [skip.name for skip in skips_of(small_fcn(8), torch.zeros(1, 3, SIDE, SIDE))] == [
            "1/8",
            "1/16",
        ]

    def test_a_map_that_nobody_reads_is_no_skip(self) -> None:
        model = Bridge(0.5)
        assert [skip.name for skip in skips_of(model, torch.zeros(1, 3, SIDE, SIDE))] == ["1/1"]

    def test_without_skips_it_says_what_there_is(self) -> None:
        for network, name in ((small_unet(skips=False), "Segmenter"), (small_fcn(32), "Segmenter")):
            with pytest.raises(
                ConfigError, match=rf"{name} has no skip connections: .*backbone.*head"
            ) as caught:
                explain_skips(subject(network))
            assert "fcn8s" in caught.value.hint

    def test_a_silenced_map_is_its_mean_or_zero_and_only_for_the_block(self) -> None:
        model, pixels = Bridge(), torch.rand(1, 3, SIDE, SIDE) * 255
        (skip,) = skips_of(model, pixels)
        with torch.no_grad():
            before = model(pixels)
            with without([skip]):
                flat = model(pixels)
            with without([skip], fill="zero"):
                dark = model(pixels)
            assert torch.equal(model(pixels), before)
        assert torch.allclose(
            flat[:, 1], 40 * (pixels[:, 0].mean() / 255 - 0.5).expand(1, SIDE, SIDE), atol=1e-3
        )
        assert torch.equal(dark[:, 1], torch.full((1, SIDE, SIDE), -20.0))
        assert not any(module._forward_hooks for module in model.modules())

    def test_the_skip_that_carries_everything_is_named_with_its_loss(self) -> None:
        story = explain_skips(subject(Bridge(), mask=TRUTH))
        whole, alone = story.panels[0].data["variants"]
        assert (whole["name"], alone["name"]) == ("all skips", "without 1/1")
        assert whole["miou"] == 1.0
        assert whole["boundary_f1"] == 1.0
        assert alone["boundary_f1"] == 0.0
        known = TRUTH.ids != 255
        assert alone["changed"] == pytest.approx((TRUTH.ids == 1).sum() / known.sum())
        assert "borders hang most on 1/1" in story.panels[0].text
        assert story.panels[0].data["against"] == "truth"

    def test_a_skip_that_only_sharpens_changes_pixels_near_the_border(self) -> None:
        story = explain_skips(subject(Bridge(0.75), mask=TRUTH))
        _, alone = story.panels[0].data["variants"]
        assert alone["changed"] < 0.25
        assert alone["at_border"] > 0.3

    def test_without_a_truth_the_whole_network_is_the_reference(self, unet: nn.Module) -> None:
        story = explain_skips(subject(unet), fill="zero")
        variants = story.panels[0].data["variants"]
        assert story.panels[0].data["against"] == "all skips"
        assert variants[0]["miou"] == 1.0
        assert variants[0]["changed"] == 0
        assert [each["name"] for each in variants][1:] == [
            "without 1/1", "without 1/2", "without 1/4", "without 1/8", "without any"
        ]  # fmt: skip

    def test_the_close_up_lies_where_masks_differ(self) -> None:
        panel = explain_skips(subject(Bridge(), mask=TRUTH)).panels[1]
        left, top, side = panel.data["left"], panel.data["top"], panel.data["side"]
        assert side == 16
        assert TRUTH.ids[top : top + side, left : left + side].mean() == 1

    def test_another_fill_and_a_mask_of_another_size_are_refused(self, unet: nn.Module) -> None:
        with pytest.raises(ConfigError, match="--fill noise: expected mean or zero"):
            explain_skips(subject(unet), fill="noise")
        small = SemanticMask(np.zeros((4, 4), np.uint8))
        with pytest.raises(ConfigError, match=r"the mask has \(4, 4\) pixels"):
            explain_skips(subject(unet, mask=small))


class TestWay:
    def test_every_map_of_the_way_down_and_every_step_up_has_a_panel(self, unet: nn.Module) -> None:
        story = explain_features(subject(unet))
        assert [panel.title for panel in story.panels] == [
            "The way down and up",
            *(f"Stage backbone[{level}]" for level in range(5)),
            *(f"Stage decoder.steps.{stride}" for stride in (8, 4, 2, 1)),
            "Stage head",
        ]
        assert story.panels[0].data["down"] == [f"backbone[{level}]" for level in range(5)]
        sizes = [row[2] for row in story.panels[0].table.rows]
        assert sizes == ["1/1", "1/2", "1/4", "1/8", "1/16", "1/8", "1/4", "1/2", "1/1", "1/1"]

    def test_of_an_fcn_scores_and_their_sums_are_shown(self) -> None:
        names = [panel.data["stage"] for panel in explain_features(subject(small_fcn(8))).panels[1:]]
        assert names[:3] == ["backbone[0]", "backbone[1]", "backbone[2]"]
        assert {f"scores.scores.{level}" for level in (0, 1, 2)} < set(names)
        assert names[-2:] == ["scores", "head"]

    def test_one_layer_is_shown_without_the_way(self, unet: nn.Module) -> None:
        story = explain_features(subject(unet), layer="decoder")
        assert [panel.title for panel in story.panels] == ["Stage decoder"]
        backbone = explain_features(subject(unet), layer="backbone")
        assert len(backbone.panels) == 5

    def test_a_wide_picture_gives_a_wide_board(self) -> None:
        wide = Subject(small_unet(), WIDE, NAMES, scene()[0])
        tall, flat = (explain_features(each).panels[0].image for each in (subject(small_unet()), wide))
        assert flat.shape[0] < tall.shape[0]

    def test_the_parts_of_a_stage_are_its_steps(self) -> None:
        stage = nn.Sequential(nn.ModuleList([nn.ReLU(), nn.Sequential(nn.ReLU(), nn.ReLU())]))
        assert list(parts_of(stage)) == ["0.0", "0.1"]
        assert list(parts_of(nn.Sequential(nn.Sequential(nn.ReLU())))) == ["0.0"]
        assert parts_of(nn.ReLU()) == {}


class TestCam:
    def test_the_heat_of_a_class_lies_where_its_evidence_is(self) -> None:
        story = explain_mask_cam(subject(Bridge()), layer="down")
        data = story.panels[0].data
        assert data["class"] == "disc"
        assert data["pixels"] == int((TRUTH.ids == 1).sum())
        heat = np.array(data["heat"])
        assert heat.shape == (SIDE, SIDE)  # of the maps that the class depends on, the only one
        assert heat[8 + 22, 30] > 2 * heat[8 + 2, 2]

    def test_the_weights_are_the_mean_gradients_of_the_sum_over_the_pixels(self, unet: nn.Module) -> None:
        where = np.zeros((SIDE, SIDE), bool)
        where[20:30, 20:30] = True
        cam = mask_cam(subject(unet), label=1, where=where)
        assert (cam.layer, cam.channels, cam.heat.shape) == ("backbone[4]", 64, (4, 4))
        assert cam.heat.max() in (0.0, 1.0)
        pixels = pixel_batch(subject(unet), unet)
        maps = unet.backbone(unet.normalise(pixels))
        live = [each.detach().requires_grad_() for each in maps]
        unet.head(unet.decoder(live)).logits[0, 1][torch.from_numpy(where)].sum().backward()
        weights = live[4].grad.mean(dim=(2, 3), keepdim=True)
        expected = (weights * live[4].detach()).sum(dim=1)[0].clamp(min=0).numpy()
        assert np.allclose(cam.heat * expected.max(), expected, atol=1e-4 * max(1.0, float(expected.max())))

    def test_one_pixel_may_be_asked(self, unet: nn.Module) -> None:
        story = explain_mask_cam(subject(unet), at=(30, 20), class_name="disc", steps=0)
        assert len(story.panels) == 1
        assert story.panels[0].data["pixels"] == 1
        assert "the pixel at x = 30, y = 20" in story.panels[0].text

    def test_the_faithfulness_of_a_class_is_measured_over_its_pixels(self) -> None:
        story = explain_mask_cam(subject(Bridge()), layer="down", steps=4)
        trust = story.panels[1].data
        assert trust["deletion_auc"] < trust["random_deletion_auc"]
        assert "Mean probability of disc" in story.panels[1].svg

    def test_it_is_the_cam_of_a_segmenter(self, unet: nn.Module) -> None:
        story = explain_cam(subject(unet), class_name="1", steps=0)
        assert story.title == "Where does disc come from?"
        with pytest.raises(ConfigError, match=r"--box 1 is for detectors"):
            explain_cam(subject(unet), box=1)

    def test_a_pixel_is_asked_of_segmenters_only(self) -> None:
        classifier = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 62 * 62, 2))
        with pytest.raises(ConfigError, match="--at 3,4 is for segmenters"):
            explain_cam(subject(classifier), at=(3, 4))

    def test_what_cannot_be_explained_says_why(self, unet: nn.Module) -> None:
        never = subject(unet, decode_args={"thresholds": [1.1]})
        with pytest.raises(ConfigError, match="no pixel of this picture was given the class disc") as caught:
            explain_mask_cam(never, class_name="disc")
        assert "--class-name: background" in caught.value.hint
        assert explain_mask_cam(never, steps=0).panels[0].data["class"] == "background"
        with pytest.raises(ConfigError, match="--at 90,2 lies outside"):
            explain_mask_cam(subject(unet), at=(90, 2))
        with pytest.raises(NotFound, match="no layer is named 'decodr'"):
            explain_mask_cam(subject(unet), layer="decodr")
        with pytest.raises(ConfigError, match="no map that was looked at moves the class"):
            explain_mask_cam(subject(Bridge(share=0.0)), layer="up.grow")


def test_boxes_and_masks_are_told_apart(unet: nn.Module) -> None:
    story = explain(unet, what="skips", preprocess=SMALL, classes=NAMES, image=scene()[0], truth=TRUTH)
    assert story.panels[0].data["against"] == "truth"
    assert {field.name for field in dataclasses.fields(Subject)} >= {"truth", "mask"}
