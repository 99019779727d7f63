"""How a network learned, as one picture that moves: what it made of the same after each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

FRAMES = 60
"""At most."""
FRAME_MS = 220
LAST_MS = 2000


def make_film(folder: Path) -> str:
    """Put the pictures of the epochs together as one that moves.

    Args:
        folder: `evaluation/` of a run; `film/` in it holds a picture of each epoch, see `Task.snapshot`.

    Returns:
        The name of the film in the folder; "" where there are no pictures.
    """
    files = sorted((folder / "film").glob("*.webp"))
    if not files:
        return ""
    rows = np.unique(np.linspace(0, len(files) - 1, FRAMES).astype(int))
    frames = [PillowImage.open(files[row]).convert("RGB") for row in rows]
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        folder / "film.webp", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=80
    )
    return "film.webp"
