"""What a run is for, from its data and its weights."""

from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from nayan.core.config import TrainConfig
from nayan.core.errors import WeightsError
from nayan.training.opening import open_data


@pytest.fixture
def gray_faces(tmp_path: Path) -> Path:
    """Return a folder of four people, three gray pictures of each."""
    random = np.random.default_rng(0)
    for person in range(4):
        folder = tmp_path / "faces" / f"p{person}"
        folder.mkdir(parents=True)
        for number in range(3):
            Image.fromarray(random.integers(0, 255, (80, 80), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "faces"


def opened_model(data: Path, weights: str | None) -> str:
    return open_data(TrainConfig(data=str(data), task="compare", weights=weights)).model


def test_gray_pictures_are_learnt_from_scratch_unless_weights_are_given(gray_faces: Path) -> None:
    assert opened_model(gray_faces, None) == "supcon"
    assert opened_model(gray_faces, "none") == "supcon"
    assert opened_model(gray_faces, "imagenet") == "supcon_mobilenetv2_100"


def test_a_file_of_published_weights_brings_its_kind_of_network(gray_faces: Path, tmp_path: Path) -> None:
    file = tmp_path / "published.safetensors"
    save_file(timm.create_model("mobilenetv2_100").state_dict(), file)
    assert opened_model(gray_faces, str(file)) == "supcon_mobilenetv2_100"
    own = tmp_path / "own.safetensors"
    save_file(timm.create_model("mobilenetv2_100").classifier.state_dict(), own)
    assert opened_model(gray_faces, str(own)) == "supcon"
    with pytest.raises(WeightsError, match="there is no file of weights"):
        opened_model(gray_faces, str(tmp_path / "missing.safetensors"))
