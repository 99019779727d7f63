"""The frozen network by which restored pictures are compared with whole ones, from a file of weights."""

from __future__ import annotations

from pathlib import Path

from nayan.core.errors import ConfigError
from nayan.parts.losses.perceptual import Features, build_features
from nayan.parts.published import recognise
from nayan.parts.weights import read_file


def features_of(file: Path) -> Features:
    """Return a published network with the weights of a file; which one it is, the file's tensors say.

    Raises:
        WeightsError: if the file cannot be read.
        ConfigError: if it belongs to no network that is known.
    """
    tensors, _ = read_file(file)
    names = recognise({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if not names:
        raise ConfigError(
            f"--perceptual {file}: these are not the weights of a network that is known",
            hint="give a .safetensors file of a network of timm or torchvision, such as vgg16",
        )
    return build_features(names[0], weights=file)
