"""Which model a run trains when its user names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from nayan.core.config import make_config
from nayan.data.samples import write_sample
from nayan.training.opening import open_data


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opening") / "numbers"
    write_sample("compare", root, seed=0, count=200)
    return root


def test_gray_pictures_are_learnt_from_nothing(gray: Path) -> None:
    opened = open_data(make_config({"data": gray, "task": "compare"})[0])
    assert opened.model == "supcon"
    assert "gray" in opened.reason


def test_gray_pictures_with_weights_of_photographs_get_the_model_that_these_belong_to(gray: Path) -> None:
    opened = open_data(make_config({"data": gray, "task": "compare", "weights": "imagenet"})[0])
    assert opened.model == "supcon_mobilenetv2_100"
    assert "weights" in opened.reason


def test_a_model_that_is_named_is_taken(gray: Path) -> None:
    options = {"data": gray, "task": "compare", "weights": "imagenet", "model": "siamese"}
    assert open_data(make_config(options)[0]).model == "siamese"
