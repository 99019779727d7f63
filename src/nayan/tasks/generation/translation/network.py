"""What every translator without pairs is: two generators, two discriminators; and what it gives.

                 ┌── to B ── picture of B? ── to A ── A again (cycle)
a picture of A ──┤                │
                 └── to A ── A?   └── discriminator of B: real, or made?
                     (identity)

and the same with A and B exchanged. What is deployed are the two generators: either way, and back again.
"""

# B pictures, of which Na are of the domain A and Nb of B; C channels, (h, w) their size

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.translation.pool import PicturePool


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward takes and returns
class Turn:
    """Who learns from a batch, and what has to be known of it for that.

    Attributes:
        learner: whose turn it is.
        domains: (B,) int64, 0 for A and 1 for B.
        made_a: (Nb, C, h, w) translations of the pictures of B, from the generators' turn.
        made_b: (Na, C, h, w) translations of those of A. None makes them anew.
        identity: whether the generators also see pictures that need no translation.
    """

    learner: Literal["generators", "discriminators"]
    domains: Tensor
    made_a: Tensor | None = None
    made_b: Tensor | None = None
    identity: bool = True


@dataclass(slots=True, eq=False)
class TranslationRaw:
    """Translations and, in training, what is needed to judge them. Pictures are (N, C, h, w) in [-1, 1].

    Without a turn every picture is translated either way and back, and the rest is None. In a turn `to_b` and
    `back_a` are of the Na pictures of A, `to_a` and `back_b` of the Nb of B; what has no pictures is None.

    Attributes:
        to_a, to_b: translations.
        back_a, back_b: and back: `back_a` went from A to B and returned.
        a, b: the pictures themselves.
        same_a, same_b: through the generator of the domain that they are of already.
        fake_a, fake_b: logits of the patches of translations, (N, 1, h', w').
        real_a, real_b: logits of the pictures themselves.
    """

    to_a: Tensor | None = None
    to_b: Tensor | None = None
    back_a: Tensor | None = None
    back_b: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None
    same_a: Tensor | None = None
    same_b: Tensor | None = None
    fake_a: Tensor | None = None
    fake_b: Tensor | None = None
    real_a: Tensor | None = None
    real_b: Tensor | None = None


class Translator(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        to_a, to_b: generators, from (N, C, h, w) in [-1, 1] to the same.
        judge_a, judge_b: discriminators, from such pictures to logits of patches.
        normalise: from pixels to [-1, 1].
        channels: C.
        size: (h, w) of the pictures that it learns from.
    """

    def __init__(
        self,
        to_a: nn.Module,
        to_b: nn.Module,
        judge_a: nn.Module,
        judge_b: nn.Module,
        *,
        normalise: Normalise,
        channels: int,
        size: Size,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.generators = nn.ModuleDict({"to_a": to_a, "to_b": to_b})
        self.discriminators = nn.ModuleDict({"a": judge_a, "b": judge_b})
        self.pool_a = PicturePool(channels, size)
        self.pool_b = PicturePool(channels, size)

    def forward(
        self, images: Tensor, targets: Turn | None = None, *, picture: Tensor | None = None
    ) -> TranslationRaw:
        """Translate (B, C, h, w) pixels in [0, 255], uint8 or float.

        Args:
            images: of any domain.
            targets: whose turn it is to learn; None: nobody's, and all pictures are translated either way.
            picture: (B, h', w', C) pixels of any size that are to be translated in their place, with sides
                that are multiples of 4: what an exported graph takes.
        """
        pictures = self.normalise(images if picture is None else picture.permute(0, 3, 1, 2))
        if targets is None:
            to_a, to_b = self._to_a(pictures), self._to_b(pictures)
            return TranslationRaw(to_a, to_b, back_a=self._to_a(to_b), back_b=self._to_b(to_a))
        a = _some(pictures[targets.domains == 0])
        b = _some(pictures[targets.domains == 1])
        if targets.learner == "generators":
            return self._generate(a, b, identity=targets.identity)
        return self._judge(a, b, made_a=targets.made_a, made_b=targets.made_b)

    def deploy(self, raw: TranslationRaw) -> dict[str, Tensor]:
        """Return "to_a", "to_b", "back_a" and "back_b", each (B, h, w, C) float32 in [0, 1]."""
        named = {"to_a": raw.to_a, "to_b": raw.to_b, "back_a": raw.back_a, "back_b": raw.back_b}
        return {
            name: (pictures.float().permute(0, 2, 3, 1) + 1) / 2  # (B, C, h, w) -> (B, h, w, C)
            for name, pictures in named.items()
            if pictures is not None
        }

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the generators and their judges. They do not follow each other: a decision lies between."""
        return [("generators", self.generators), ("discriminators", self.discriminators)]

    def _generate(self, a: Tensor | None, b: Tensor | None, *, identity: bool) -> TranslationRaw:
        """Return what the generators make; pictures that one generator takes go through it together."""
        to_b, same_b = _together(self.generators["to_b"], a, b if identity else None)
        to_a, same_a = _together(self.generators["to_a"], b, a if identity else None)
        return TranslationRaw(
            to_a,
            to_b,
            back_a=None if to_b is None else self._to_a(to_b),
            back_b=None if to_a is None else self._to_b(to_a),
            a=a,
            b=b,
            same_a=same_a,
            same_b=same_b,
            fake_a=None if to_a is None else self.discriminators["a"](to_a),
            fake_b=None if to_b is None else self.discriminators["b"](to_b),
        )

    def _judge(
        self, a: Tensor | None, b: Tensor | None, *, made_a: Tensor | None, made_b: Tensor | None
    ) -> TranslationRaw:
        """Return what the discriminators say of the pictures, and of translations of now and of earlier."""
        with torch.no_grad():
            made_a = self._to_a(b) if made_a is None and b is not None else made_a
            made_b = self._to_b(a) if made_b is None and a is not None else made_b
        old_a = None if made_a is None else self.pool_a.exchange(made_a)
        old_b = None if made_b is None else self.pool_b.exchange(made_b)
        real_a, fake_a = _together(self.discriminators["a"], a, old_a)
        real_b, fake_b = _together(self.discriminators["b"], b, old_b)
        return TranslationRaw(
            made_a, made_b, a=a, b=b, fake_a=fake_a, fake_b=fake_b, real_a=real_a, real_b=real_b
        )

    def _to_a(self, pictures: Tensor) -> Tensor:
        made: Tensor = self.generators["to_a"](pictures)
        return made

    def _to_b(self, pictures: Tensor) -> Tensor:
        made: Tensor = self.generators["to_b"](pictures)
        return made


def _some(pictures: Tensor) -> Tensor | None:
    """Return the pictures, or None where there are none."""
    return pictures if len(pictures) else None


def _together(
    module: nn.Module, first: Tensor | None, second: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Return what a module gives for each of two batches, either of which may be missing, in one go."""
    given = [part for part in (first, second) if part is not None]
    if not given:
        return None, None
    made = module(torch.cat(given))
    split = 0 if first is None else len(first)
    return _some(made[:split]), _some(made[split:])
