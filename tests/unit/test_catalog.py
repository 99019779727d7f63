"""The table of models and the names beyond it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nayan.core.errors import NotFound
from nayan.core.registry import resolve
from nayan.parts import published
from nayan.tasks.classification.catalog import MODELS


def test_every_entry_says_where_it_comes_from() -> None:
    for entry in MODELS:
        assert all((entry.summary, entry.paper, entry.licence, entry.parameters)), entry.name
        assert callable(resolve(entry.build))
        assert entry.weights or "backbone" not in entry.args  # our own have none


def test_the_table_agrees_with_what_timm_says_of_the_default_weights() -> None:
    for entry in MODELS:
        if "backbone" not in entry.args:
            continue
        known = published.architecture(entry.name)
        best = known.weights[0]
        assert entry.parameters == known.parameters, entry.name
        ours = entry.preprocess
        assert (ours.size, ours.crop_ratio, ours.mean, ours.std, ours.interpolation) == (
            best.size,
            best.crop_ratio,
            best.mean,
            best.std,
            best.interpolation,
        ), entry.name
        assert best.licence in entry.weights.lower(), entry.name
        assert best.tag in entry.weights, entry.name


def test_every_backbone_of_timm_is_found_by_name() -> None:
    entry = MODELS["vit_tiny_patch16_224"]
    assert entry.preprocess.size == (224, 224)
    assert entry.preprocess.mean == (0.5, 0.5, 0.5)
    assert entry.args == {"backbone": "vit_tiny_patch16_224"}
    assert entry.weights == "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k (apache-2.0)"
    assert "vit_tiny_patch16_224" in MODELS


def test_a_tag_chooses_the_weights_with_their_own_preprocessing() -> None:
    entry = MODELS["inception_v3.gluon_in1k"]
    assert entry.preprocess.mean != MODELS["inception_v3"].preprocess.mean
    assert entry.summary == MODELS["inception_v3"].summary
    assert "gluon_in1k" in entry.weights


def test_an_architecture_without_weights_can_be_trained_from_nothing() -> None:
    name = next(n for n in published.architecture_names() if not published.architecture(n).weights)
    assert MODELS[name].weights == ""


def test_unknown_names_are_refused_with_the_nearest_of_all() -> None:
    with pytest.raises(NotFound) as caught:
        MODELS["mobilnetv2_100"]
    assert "mobilenetv2_100" in caught.value.near
    assert caught.value.exit_code == 4
    with pytest.raises(NotFound) as caught:
        MODELS["resnet18.a1_in2k"]
    assert "resnet18.a1_in1k" in caught.value.near
    assert "resnet18.a1_in2k" not in MODELS
    assert 18 not in MODELS


def test_everything_starts_with_the_table_and_names_nothing_twice() -> None:
    everything = [entry.name for entry in MODELS.everything()]
    assert everything[: len(MODELS)] == list(MODELS.names)
    assert len(everything) == len(set(everything)) > 1300


def test_a_signature_recognises_an_architecture_by_names_and_shapes() -> None:
    shapes = {"conv.weight": (1, 2, 3, 3), "bn.num_batches_tracked": ()}
    assert published.signature(shapes) == published.signature({"conv.weight": [1, 2, 3, 3]})
    assert published.signature(shapes) != published.signature({"conv.weight": [1, 2, 5, 5]})
    assert published.recognise(shapes) == ()


def test_the_catalogue_needs_no_torch() -> None:
    code = (
        "import sys; from nayan.tasks.classification.catalog import MODELS; MODELS['resnet26'];"
        "sys.exit(any(m in sys.modules for m in ('torch', 'timm', 'torchvision')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
