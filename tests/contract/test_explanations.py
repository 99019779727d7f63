"""What every explanation of the table promises."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.registry import resolve
from nayan.core.types import Boxes
from nayan.explain import EXPLANATIONS, explain
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.classification.models import lenet
from nayan.tasks.detection.models.yolo import yolo

DIGITS = Preprocess((28, 28), "stretch", mean=(0.5,), std=(0.5,), channels=1)
ANY_NETWORK = [entry for entry in EXPLANATIONS if not entry.task]
DETECTORS_ONLY = [entry for entry in EXPLANATIONS if entry.task == "detection"]
SEGMENTERS_ONLY = [entry for entry in EXPLANATIONS if entry.task == "segmentation"]
EMBEDDERS_ONLY = [entry for entry in EXPLANATIONS if entry.task == "embedding"]
QUICK = {"cam": {"steps": 2}, "receptive": {"samples": 1}}


@pytest.fixture(scope="module")
def network():
    return lenet.build([str(n) for n in range(10)])


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("entry", ANY_NETWORK, ids=lambda entry: entry.name)
def test_it_tells_a_story_that_can_be_written_and_leaves_the_network_alone(entry, network, image, tmp_path):
    network.train()
    story = explain(network, what=entry.name, preprocess=DIGITS, image=image, options=QUICK.get(entry.name))
    assert story.panels
    json.dumps(story.to_json())
    for panel in story.panels:
        assert panel.text
        assert panel.image is None or (panel.image.dtype == np.uint8 and panel.image.shape[2] == 3)
    assert all(file.stat().st_size > 0 for file in story.write(tmp_path))
    assert all(module.training for module in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("entry", ANY_NETWORK, ids=lambda entry: entry.name)
def test_it_works_on_a_plain_module_without_classes(entry, image):
    plain = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 144, 3))
    story = explain(plain, what=entry.name, preprocess=DIGITS, image=image, options=QUICK.get(entry.name))
    assert story.panels


@pytest.mark.parametrize("entry", DETECTORS_ONLY, ids=lambda entry: entry.name)
def test_a_look_at_detectors_refuses_a_classifier(entry, network, image):
    with pytest.raises(ConfigError, match=r"for detectors|works without proposals"):
        explain(network, what=entry.name, preprocess=DIGITS, image=image, truth=Boxes.none())


@pytest.mark.parametrize("entry", SEGMENTERS_ONLY, ids=lambda entry: entry.name)
def test_a_look_at_segmenters_refuses_a_classifier_and_a_detector(entry, network, image):
    with pytest.raises(ConfigError, match=r"is for segmenters, and \w+ is none") as caught:
        explain(network, what=entry.name, preprocess=DIGITS, image=image)
    assert "--task segment" in caught.value.hint
    small = Preprocess((64, 64), "letterbox")
    with pytest.raises(ConfigError, match="Yolo is none"):
        explain(yolo(["cat"], size=(64, 64), mean=small.mean, std=small.std), what=entry.name,
                preprocess=small, image=image)  # fmt: skip


@pytest.mark.parametrize("entry", EMBEDDERS_ONLY, ids=lambda entry: entry.name)
def test_a_look_at_embedders_refuses_a_detector(entry, image):
    small = Preprocess((64, 64), "letterbox")
    with pytest.raises(ConfigError, match="needs a network that gives vectors") as caught:
        explain(yolo(["cat"], size=(64, 64), mean=small.mean, std=small.std), what=entry.name,
                preprocess=small, image=image, options={"other": image})  # fmt: skip
    assert "--task compare" in caught.value.hint


def test_every_explanation_is_of_a_task_or_of_all_networks():
    of_tasks = len(DETECTORS_ONLY) + len(SEGMENTERS_ONLY) + len(EMBEDDERS_ONLY)
    assert len(ANY_NETWORK) + of_tasks == len(EXPLANATIONS)
    assert all(entry.task for entry in EXPLANATIONS if entry.truth)


@pytest.mark.parametrize("entry", EXPLANATIONS, ids=lambda entry: entry.name)
def test_the_options_of_the_table_are_those_of_the_function(entry):
    _, *options = inspect.signature(resolve(entry.function)).parameters
    assert entry.takes_inputs or entry.task != "detection"
    assert tuple(options) == entry.options


@pytest.mark.parametrize("entry", [e for e in EXPLANATIONS if e.needs_image], ids=lambda entry: entry.name)
def test_a_missing_picture_is_asked_for(entry, network):
    with pytest.raises(ConfigError, match=f"{entry.name} needs a picture"):
        explain(network, what=entry.name, preprocess=DIGITS)


@pytest.mark.parametrize("entry", [e for e in EXPLANATIONS if e.needs_network], ids=lambda entry: entry.name)
def test_a_missing_network_is_asked_for(entry, image):
    with pytest.raises(ConfigError, match=f"{entry.name} needs a network"):
        explain(None, what=entry.name, preprocess=DIGITS, image=image)


def test_an_unknown_explanation_names_the_nearest(network):
    with pytest.raises(NotFound, match="did you mean 'features'"):
        explain(network, what="feature", preprocess=DIGITS)


def test_an_option_that_is_not_taken_is_refused_and_none_is_not_given(network):
    with pytest.raises(ConfigError, match="filters does not take the option 'layr'") as caught:
        explain(network, what="filters", preprocess=DIGITS, options={"layr": "c1"})
    assert "did you mean 'layer'" in caught.value.hint
    with pytest.raises(ConfigError, match="summary does not take the option 'layer'") as caught:
        explain(network, what="summary", preprocess=DIGITS, options={"layer": "c1"})
    assert caught.value.hint == "it takes: none"
    assert explain(network, what="summary", preprocess=DIGITS, options={"layer": None}).panels


def test_the_table_and_the_kernel_come_without_torch():
    code = (
        "import sys, numpy as np\n"
        "from nayan.explain import explain\n"
        "from nayan.runtime.preprocess import Preprocess\n"
        "gray = np.zeros((32, 32, 3), np.uint8)\n"
        "for what in ('kernel', 'proposals'):\n"
        "    explain(None, what=what, preprocess=Preprocess((32, 32)), image=gray)\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
