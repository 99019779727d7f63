"""One photograph painted in any style by following gradients, from coarse to fine: no training, but minutes.

Paper: Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016
(arXiv:1508.06576); from coarse to fine as Gatys, Ecker, Bethge, Hertzmann, Shechtman, "Controlling perceptual
factors in neural style transfer", 2017, arXiv:1611.07865, section 6.

    photograph ── small ── its waves (Spectrum) ⟲ Adam ── twice as large ── ⟲ Adam ── ... ── painting
                                  └── picture ── shifted a little ── Teacher: content, style, smoothness

What differs from the papers, and why:
- Waves instead of pixels are changed, by Adam instead of L-BFGS (`spectrum.py`), and the picture is shifted
  by a few pixels from step to step, so that the grid on which a network halves its maps leaves no trace.
  Both made most of the difference between noise and strokes for networks smaller than VGG-19.
- It begins with the photograph instead of noise, which needs fewer steps and keeps what it shows.
"""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nayan.core.types import Image, Size
from nayan.runtime.preprocess import resize
from nayan.tasks.generation.stylization.colours import as_bright, as_gray, luminance, with_colours_of
from nayan.tasks.generation.stylization.spectrum import Spectrum
from nayan.tasks.generation.stylization.stylizing import full_size, sized
from nayan.tasks.generation.stylization.teacher import EDGE_PX, Teacher

COARSEST = 96
"""Pixels of the longer side below which nothing is painted: the deepest maps would have but a few cells."""
RATE = 0.05
BETAS = (0.9, 0.99)
SHIFT, SHIFTS = 8, 4
"""Largest shift in pixels, and how many there are: for each the photograph is looked at once."""
MARGIN = EDGE_PX
"""Pixels by which a picture is mirrored at its edges beyond that: all of it is asked for its style."""
RANGE = 1.0
"""Weight of the squared share by which values leave [0, 255]."""

OnStep = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done for a painting.

    Attributes:
        size: pixels of the longer side at which it is painted, at most the picture's own.
        steps: at each scale.
        keep_colours: whether only the brightness is painted.
        seed: of the shifts.
    """

    size: int = 512
    steps: int = 100
    keep_colours: bool = False
    seed: int = 0


def paint(
    teacher: Teacher, photograph: Image, style: Image, *, effort: Effort, on_step: OnStep | None = None
) -> Image:
    """Return a painting of a photograph, as large as it.

    Args:
        teacher: on the device that is to do the work; it is shown the style at each scale.
        photograph: (H, W, 3) uint8 RGB; not changed.
        style: (H', W', 3) uint8 RGB; not changed.
        effort: how much is done.
        on_step: hears of the progress.

    Returns:
        (H, W, 3) uint8; where the photograph is larger than it was painted, with its own fine detail.
    """
    shown, palette = photograph, style
    if effort.keep_colours:
        shown, palette = as_gray(luminance(photograph)), as_bright(style, photograph)
    sizes = scales(photograph.shape[:2], effort.size)
    total, painting = effort.steps * len(sizes), None
    for number, size in enumerate(sizes):
        colours = _tensor(sized(palette, max(size)), teacher)
        teacher.learn_style(colours)
        seen = resize(shown, size, interpolation="bicubic")
        start = seen if painting is None else resize(painting, size, interpolation="bicubic")
        picture = Spectrum(_tensor(start, teacher), colours)

        def report(done: int, before: int = number * effort.steps) -> None:
            if on_step is not None:
                on_step(before + done, total)

        _follow(teacher, picture, _tensor(seen, teacher), effort=effort, on_step=report)
        with torch.no_grad():
            made = picture().clamp(0, 255).round().byte()
        painting = np.ascontiguousarray(made[0].permute(1, 2, 0).cpu().numpy())
    assert painting is not None
    painting = full_size(painting, photograph)
    return with_colours_of(photograph, painting) if effort.keep_colours else painting


def scales(original: tuple[int, ...], size: int) -> list[Size]:
    """Return the (height, width) at which a picture is painted, coarse to fine: each twice the one before.

    >>> scales((600, 800), 400)
    [(75, 100), (150, 200), (300, 400)]
    """
    found: list[Size] = []
    side = min(size, max(original))
    while side >= COARSEST or not found:
        found.append(_at(original, side))
        side //= 2
    return found[::-1]


def _follow(
    teacher: Teacher, picture: Spectrum, photograph: Tensor, *, effort: Effort, on_step: Callable[[int], None]
) -> None:
    """Change the waves of a picture towards what the teacher wants, at one scale."""
    random = torch.Generator().manual_seed(effort.seed)
    shifts = torch.randint(0, SHIFT + 1, (SHIFTS, 2), generator=random).tolist()
    shown = [teacher.look_at(_shifted(photograph, *shift)) for shift in shifts]
    optimizer = torch.optim.Adam(picture.parameters(), lr=RATE, betas=BETAS)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.02, 1 - step / effort.steps))
    for step in range(effort.steps):
        turn = step % SHIFTS
        optimizer.zero_grad()
        made = picture()
        inside = made + (made.clamp(0, 255) - made).detach()  # cut, but with a gradient everywhere
        losses = teacher.losses(_shifted(inside, *shifts[turn]), shown[turn])
        outside = ((made - inside.detach()) / 255).square().mean()
        (torch.stack(list(losses.values())).sum() + RANGE * outside).backward()
        optimizer.step()
        schedule.step()
        on_step(step + 1)


def _shifted(picture: Tensor, down: int, right: int) -> Tensor:
    """Return (1, 3, h + 2 MARGIN + SHIFT, w + ...): the picture with a mirrored border that shifts it."""
    sides = (right, SHIFT - right, down, SHIFT - down)
    return F.pad(picture, [side + MARGIN for side in sides], mode="reflect")


def _at(original: tuple[int, ...], side: int) -> Size:
    scale = side / max(original)
    least = SHIFT + MARGIN + 1  # a border that is mirrored is smaller than the picture
    return max(least, round(original[0] * scale)), max(least, round(original[1] * scale))


def _tensor(image: Image, teacher: Teacher) -> Tensor:
    """Return (1, 3, H, W) float32 in [0, 255] where the teacher is."""
    device = next(teacher.parameters()).device
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float().contiguous().to(device)
