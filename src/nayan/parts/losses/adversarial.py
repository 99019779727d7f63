"""What two networks that learn against each other minimise: one draws, the other tells drawn from real.

All losses take logits, before any sigmoid, and are means over them; a map of logits (one for each patch of a
picture) counts as many decisions. In the comments D is what the discriminator says and x a logit of it,
so that D = sigmoid(x).
"""

# B pictures

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from nayan.core.errors import NotFound

Adversarial = Literal["minimax", "non_saturating", "hinge", "least_squares", "wasserstein"]
ADVERSARIAL: tuple[str, ...] = get_args(Adversarial)
"""The names of `--loss` of a generative adversarial network."""


def discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """Return what a discriminator minimises.

    Args:
        kind: one of `ADVERSARIAL`. "minimax" and "non_saturating" differ for the generator only.
        real: logits of data, of any shape.
        fake: logits of what was drawn, of any shape.

    Raises:
        NotFound: another kind.

    Source: Goodfellow et al. (2014), arXiv:1406.2661, eq. 1 (minimax); Lim and Ye (2017), arXiv:1705.02894
    (hinge); Mao et al. (2016), arXiv:1611.04076, eq. 9 (least squares, a = 0, b = c = 1); Arjovsky et al.
    (2017), arXiv:1701.07875 (wasserstein, which needs a `slope_penalty`).

    >>> round(discriminator_loss("minimax", torch.zeros(4), torch.zeros(4)).item(), 3)  # 2 log 2
    1.386
    """
    if kind in ("minimax", "non_saturating"):
        return F.softplus(-real).mean() + F.softplus(fake).mean()  # -log D(x) - log(1 - D(G(z)))
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "least_squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    raise NotFound("adversarial loss", kind, ADVERSARIAL)


def generator_loss(kind: str, fake: Tensor) -> Tensor:
    """Return what a generator minimises.

    Args:
        kind: one of `ADVERSARIAL`. "minimax" is the original game, whose gradient vanishes where the
            discriminator is sure of itself; "non_saturating" has the same fixed point and does not stall
            (Goodfellow et al. 2014, section 3).
        fake: logits of what was drawn, of any shape, from a discriminator whose weights take no gradient.

    Raises:
        NotFound: another kind.

    >>> sure = torch.full((4,), -8.0, requires_grad=True)  # the discriminator sees through all of it
    >>> for kind in ("minimax", "non_saturating"):
    ...     slope = torch.autograd.grad(generator_loss(kind, sure), sure)[0]
    ...     print(kind, f"{slope.abs().sum().item():.4f}")
    minimax 0.0003
    non_saturating 0.9997
    """
    if kind == "minimax":
        return -F.softplus(fake).mean()  # log(1 - D(G(z)))
    if kind == "non_saturating":
        return F.softplus(-fake).mean()  # -log D(G(z))
    if kind == "least_squares":
        return (fake - 1).square().mean() / 2
    if kind in ("hinge", "wasserstein"):
        return -fake.mean()
    raise NotFound("adversarial loss", kind, ADVERSARIAL)


def slope_penalty(logits: Tensor, pictures: Tensor, *, slope: float = 0.0) -> Tensor:
    """Return how far the slope of a discriminator is from the wanted one: the mean of (|gradient| - slope)^2.

    Args:
        logits: (B, ...) that the discriminator gives for the pictures.
        pictures: (B, C, h, w) that it was shown, with `requires_grad`.
        slope: 0 at pictures of the data (R1: Mescheder et al. 2018, arXiv:1801.04406, eq. 9, without its
            factor 1/2); 1 at pictures between data and drawn ones, see `between` (Gulrajani et al. 2017,
            arXiv:1704.00028, eq. 3).

    >>> pictures = torch.ones(2, 1, 1, 1, requires_grad=True)
    >>> slope_penalty(3 * pictures.flatten(), pictures).item()
    9.0
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    squares: Tensor = gradient.square().flatten(1).sum(1)
    # at 0 the square of the length is wanted, and the root in between would have no slope
    return squares.mean() if not slope else (squares.sqrt() - slope).square().mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """Return (B, C, h, w) pictures, each somewhere on the line between a real and a drawn one.

    >>> between(torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1)).shape
    torch.Size([2, 1, 1, 1])
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    return real + share * (fake - real)
