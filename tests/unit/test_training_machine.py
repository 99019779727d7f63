"""Signals, devices, and how many epochs fit into a time."""

from __future__ import annotations

import signal
import threading

import pytest
import torch

from nayan.core.config import make_config
from nayan.core.errors import ConfigError
from nayan.core.machine import cores
from nayan.tasks import CARDS
from nayan.training.freeze import Round
from nayan.training.interrupt import Interrupted, StopSign
from nayan.training.machine import choose_precision, cpu_has_bf16, device_kind
from nayan.training.plan import Costs, fit_epochs, round_seconds
from nayan.training.rounds import plan_rounds

STAGES = [("stem", 10), ("body", 30), ("top", 150), ("head", 10)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_remembered_and_afterwards_all_is_as_before(number: int) -> None:
    before = signal.getsignal(number)
    with StopSign().watching() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        assert stop.signal == number
    assert signal.getsignal(number) is before
    assert Interrupted(number, "saved").exit_code == 128 + number


def test_a_second_ctrl_c_is_not_held_back() -> None:
    with StopSign().watching() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_thread_trains_without_listening() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with StopSign().watching() as stop:
            seen.extend([bool(stop), signal.getsignal(signal.SIGTERM)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, before]


def test_precision_is_the_fastest_that_the_processor_has() -> None:
    assert choose_precision("auto", "cpu") == ("bf16" if cpu_has_bf16() else "fp32")
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(ConfigError, match="needs a GPU"):
        choose_precision("fp16", "cpu")


def test_devices_have_a_kind() -> None:
    assert device_kind("cpu") == "cpu"
    assert device_kind("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda, or GPU numbers"):
        device_kind("cuda:one")
    if not torch.cuda.is_available():
        for device in ("cuda", "0", "0,1", "cuda:1"):
            with pytest.raises(ConfigError, match="finds no GPU here"):
                device_kind(device)
    assert cores() >= 1


def test_as_many_epochs_are_planned_as_fit_into_the_time() -> None:
    costs = Costs(read=0.01, forward=0.002, learn=0.02)
    rounds = (Round("head", 3, 40, 0.1, views=1), Round("fine-tune", 0, 5, 0.1))
    for budget in (30.0, 60.0, 600.0):
        planned = fit_epochs(rounds, costs, pictures=100, budget=budget)
        assert planned[0] == rounds[0]
        spent = sum(round_seconds(stretch, costs, 100) for stretch in planned)
        assert 0.75 * budget < spent <= 0.86 * budget
    assert fit_epochs(rounds, costs, pictures=100, budget=0.1)[-1].epochs == 1
    assert fit_epochs(rounds, costs, pictures=1, budget=1e9)[-1].epochs == 1000


def test_epochs_with_small_pictures_leave_time_for_more_of_them() -> None:
    costs = Costs(read=0.001, forward=0.1, learn=0.4)
    whole, small = Round("fine-tune", 0, 1, 0.1), Round("fine-tune", 0, 1, 0.1, small=0.75)
    planned = [fit_epochs((one,), costs, pictures=100, budget=600.0)[0].epochs for one in (whole, small)]
    assert planned[1] > 1.7 * planned[0]
    assert round_seconds(Round("train", 0, 8, 0.1, small=0.75), costs, 100) == pytest.approx(
        100 * (2 * 0.4 + 6 * 0.3 * 0.4 + 8 * 0.1 / 6)
    )


def test_a_segmenter_sees_small_pictures_first_and_a_detector_keeps_what_it_knows() -> None:
    config, _ = make_config({"data": "d", "progressive": 0.75})
    recipe = CARDS["segmentation"].recipe
    (only,) = plan_rounds(config, STAGES, recipe=recipe, pretrained=True, pictures=100)
    assert (only.small, only.settled, only.pyramid_rate) == (0.75, False, 0.25)
    assert only.small_epochs == 30
    recipe = CARDS["detection"].recipe
    (only,) = plan_rounds(make_config({"data": "d"})[0], STAGES, recipe=recipe, pretrained=True, pictures=100)
    assert (only.small, only.settled, only.pyramid_rate) == (0.0, True, 0.25)


def plan(*, pretrained: bool, pictures: int = 100, **options: object) -> tuple[Round, ...]:
    config, _ = make_config({"data": "d", **options})
    return plan_rounds(
        config, STAGES, recipe=CARDS["classification"].recipe, pretrained=pretrained, pictures=pictures
    )


def test_from_scratch_everything_learns_at_once_and_statistics_move() -> None:
    (only,) = plan(pretrained=False)
    assert (only.first, only.views, only.keep_statistics, only.stage_decay) == (0, 0, False, 1.0)
    assert plan(pretrained=False, epochs=3, lr=0.5)[0] == Round("train", 0, 3, 0.5)
    assert plan(pretrained=False, pictures=10)[0].epochs > plan(pretrained=False, pictures=10**7)[0].epochs


def test_from_pretrained_weights_the_head_learns_first_and_then_more() -> None:
    head, tune = plan(pretrained=True, epochs=7, lr=0.5)
    assert (head.first, head.views) == (3, 1)
    assert tune.first < head.first
    assert (tune.epochs, tune.lr) == (7, 0.5)
    assert plan(pretrained=True, pictures=10**6)[-1].first == 0
    assert head.keep_statistics
    assert tune.keep_statistics
    assert tune.stage_decay < 1


def test_freezing_decides_what_is_cached_and_the_cache_can_be_off() -> None:
    (head,) = plan(pretrained=True, freeze="backbone")
    assert (head.first, bool(head.views)) == (3, True)
    (some,) = plan(pretrained=True, freeze="2", views=5)
    assert (some.first, some.views) == (2, 5)
    (none,) = plan(pretrained=True, freeze="none")
    assert (none.first, none.views) == (0, 0)
    assert all(not stretch.views for stretch in plan(pretrained=True, cache="off"))
