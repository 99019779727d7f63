"""A discriminator's memory: translations of some time ago, so that it does not forget what it saw through.

Source: Shrivastava et al., "Learning from simulated and unsupervised images through adversarial training",
2016, arXiv:1612.07828, section 2.3; as Zhu et al. 2017 use it, with 50 pictures.
"""

# N pictures, C channels, (h, w) their size

from __future__ import annotations

import torch
from torch import Tensor, nn

from nayan.core.types import Size

CAPACITY = 50


class PicturePool(nn.Module):
    """Up to 50 earlier pictures; half of what is shown to the discriminator comes from here.

    The pictures are buffers, but no weights: a checkpoint keeps them, a bundle does not. They are kept in
    half precision, which is finer than the 8 bits of a picture.

    Args:
        channels: C.
        size: (h, w).
        capacity: most pictures; 0 remembers none.
    """

    pictures: Tensor
    count: Tensor

    def __init__(self, channels: int, size: Size, *, capacity: int = CAPACITY) -> None:
        super().__init__()
        kept = torch.zeros(capacity, channels, *size, dtype=torch.float16)
        self.register_buffer("pictures", kept, persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64), persistent=False)

    @torch.no_grad()
    def exchange(self, pictures: Tensor) -> Tensor:
        """Return as many pictures: each one itself, or with probability 1/2 an earlier one in its place.

        Until the pool is full each is kept and returned. Afterwards the one that is returned instead gives
        its place to the new one. The randomness is torch's global one, which the loop seeds at every step.

        Args:
            pictures: (N, C, h, w) in [-1, 1]; not changed.
        """
        capacity = len(self.pictures)
        shown = pictures.detach().clone()
        for row in range(len(shown) if capacity else 0):
            held = int(self.count)
            if held < capacity:
                self.pictures[held] = shown[row]
                self.count += 1
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(capacity, ()))
                earlier = self.pictures[place].clone()
                self.pictures[place] = shown[row]
                shown[row] = earlier
        return shown
