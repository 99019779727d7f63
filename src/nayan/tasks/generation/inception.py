"""The Inception network by which published FIDs are measured, of torch-fidelity. Imports torch."""

# B pictures, D features

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nayan.core.errors import MissingExtra, WeightsError
from nayan.core.types import Image
from nayan.runtime.preprocess import resize
from nayan.tasks.generation.features import Extractor

SIDE = 299
FEATURES = "2048"
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"


def inception() -> Extractor:
    """Return the extractor of the Inception network of 2015, from weights that lie in torch's cache.

    Nothing is fetched here: numbers must not depend on whether a network can be reached.

    Raises:
        MissingExtra: without torch-fidelity.
        WeightsError: if its weights are not on this machine.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise MissingExtra("torch-fidelity, for --features inception,", "train") from error
    file = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not file.is_file():
        raise WeightsError(
            f"--features inception: {file} is not there",
            hint=f"put {WEIGHTS} of torch-fidelity there, or leave --features out",
        )
    network = FeatureExtractorInceptionV3("inception", [FEATURES], feature_extractor_weights_path=str(file))
    network.eval()

    def extract(pictures: Sequence[Image]) -> NDArray[np.float32]:
        small = np.stack([resize(picture, (SIDE, SIDE)) for picture in pictures])  # (B, 299, 299, 3)
        with torch.inference_mode():
            (found,) = network(torch.from_numpy(small).permute(0, 3, 1, 2))
        features: NDArray[np.float32] = found.float().numpy()
        return features

    return Extractor(
        f"Inception 2015 of torch-fidelity ({FEATURES} features, {SIDE}x{SIDE} bilinear)", extract
    )
