"""Make the pictures of docs/guides/explain.md: `python scripts/explain_pictures.py`.

A small network learns scikit-learn's scanned digits for some seconds; the photograph is one of
scikit-learn's samples (flower.jpg, CC BY, by dany13). Nothing is fetched.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from sklearn.datasets import load_digits, load_sample_image
from torch import nn

from nayan.core.story import Story
from nayan.core.types import Image
from nayan.explain import explain
from nayan.explain.small_model import build_small_model
from nayan.runtime.preprocess import Preprocess

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DIGITS = Preprocess((32, 32), "stretch", mean=(0.5,), std=(0.5,), channels=1)
MODEL = "conv 16 5 pad 2; relu; pool 2; conv 32 3 pad 1; relu; pool 2; conv 32 3 pad 1; relu; gap; dense 10"


def main() -> None:
    """Write every picture of the guide."""
    network, digit = train_on_digits()
    photo = load_sample_image("flower.jpg")
    save(
        explain(None, what="kernel", preprocess=DIGITS, image=photo, options={"kernel": "sobel_x"}), "kernel"
    )
    for what in ("filters", "features", "receptive", "cam"):
        options = {"layer": "4_conv"} if what == "features" else None
        names = [str(n) for n in range(10)]
        story = explain(network, what=what, preprocess=DIGITS, classes=names, image=digit, options=options)
        save(story, what)


def train_on_digits() -> tuple[nn.Module, Image]:
    """Return a network that reads 32x32 digits, and one digit that it has not seen."""
    torch.manual_seed(0)
    data = load_digits()
    small = (data.images * 255 / 16).astype(np.uint8)
    large = np.stack([DIGITS(np.repeat(image[:, :, None], 3, axis=2))[0] for image in small])
    pixels = torch.from_numpy(large).permute(0, 3, 1, 2).float()
    labels = torch.from_numpy(data.target)
    layers = OrderedDict(scale=Scale(), **dict(build_small_model(MODEL, (1, 32, 32)).named_children()))
    network = nn.Sequential(layers)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(12):
        for batch in torch.randperm(1500).split(50):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pixels[batch]), labels[batch]).backward()
            optimiser.step()
    right = (network(pixels[1500:]).argmax(dim=1) == labels[1500:]).float().mean()
    print(f"accuracy on 297 digits that were not trained on: {right:.3f}")
    unseen = next(i for i in range(1500, 1797) if data.target[i] == 3)
    return network, np.repeat(large[unseen], 3, axis=2)


class Scale(nn.Module):
    """From pixels in [0, 255] to about unit variance."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, h, w) scaled pixels."""
        return pixels / 128 - 0.6


def save(story: Story, what: str) -> None:
    """Write the story's pictures as explain_WHAT_N."""
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(story.write(Path(folder))[1:], start=1):
            target = IMAGES / f"explain_{what}_{number}{file.suffix}"
            if file.suffix == ".png":  # 256 colours are plenty, and a third of the bytes
                PillowImage.open(file).quantize(256).save(target, optimize=True)
            else:
                target.write_bytes(file.read_bytes())
            print(target.name, f"{target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
