"""`text_to_image`: both adversaries read a sentence, so that one can ask for a picture in words.

Paper: Reed et al., "Generative adversarial text to image synthesis", 2016, arXiv:1605.05396.

    noise (B, Z) ───────────────────┐
                                    ├── StridedGenerator ── drawn (B, C, h, w) ─┐
    sentence (B, L) ── reads (B, S) ┘                                           ├─ StridedEncoder ── v (B, D)
                                                            real (B, C, h, w) ──┘

    logit (B,) = w · v + linear(reads the sentence) · v

    reads:  words (B, L) ── embedding (B, L, E) ── GRU (B, L, S) ── mean over the words (B, S)

The discriminator learns from three kinds of pairs (section 4.2, GAN-CLS): a real picture with its sentence
is real; a drawn picture with the sentence that was asked for is false; and so is a real picture with the
sentence of another one. Without the last kind it could do its work without reading.

What differs from the paper: the sentence is read by a recurrent network over words that learns together with
the adversary that it belongs to, instead of one over letters that was trained before; the discriminator
compares it with what it sees by an inner product (Miyato and Koyama 2018, arXiv:1802.05637, figure 1d)
instead of laying it beside its smallest map; and half of the wrong sentences are nearly right, see
`sampling.conditions`.
"""

# B pictures, L numbers of a sentence, E of a word, S of what a sentence says, D of what a picture shows

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.core.vocabulary import PAD, Vocabulary
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.sampling.network import Adversaries, with_spectral_norm
from nayan.tasks.generation.sampling.strided import StridedEncoder, StridedGenerator, start_small

WORD, SAID = 64, 64
"""E and S."""


def text_to_image(
    classes: Sequence[str],  # noqa: ARG001  sentences say what is drawn
    *,
    words: Sequence[str] = (),
    length: int = 0,
    captions: Sequence[str] = (),
    channels: int = 3,
    size: Size = (64, 64),
    latent: int = 100,
    width: int = 48,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    dropout: float = 0.0,
    spectral_norm: bool = False,
    diffaug: Sequence[str] = (),
) -> Adversaries:
    """Build a text-to-image GAN with fresh weights.

    Args:
        classes: of the data; not needed.
        words: that it reads, see `nayan.core.vocabulary.Vocabulary`.
        length: L.
        captions: some that it can be asked for.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures: the same, up to 7 px times a power of 2.
        latent: numbers of noise.
        width: maps of the layers next to the picture.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer of the discriminator.
        spectral_norm: whether the discriminator's layers are bounded, in place of BatchNorm.
        diffaug: differentiable augmentation, see `nayan.parts.differentiable_augment`.

    Raises:
        ConfigError: without captions, or for pictures of another size.

    >>> text_to_image((), words=("a", "red", "three"), length=5, captions=["a red three"]).choices
    tensor([[1, 4, 5, 6, 2]])
    """
    if not captions:
        raise ConfigError(
            "text_to_image learns to draw from sentences, and there are none",
            hint="train it on pictures with captions, or use --model dcgan",
        )
    vocabulary = Vocabulary(tuple(words))
    rows = np.stack([vocabulary.encode(text, length=length) for text in captions])
    encoder = StridedEncoder(
        channels=channels, size=size, width=width, normalised=not spectral_norm, dropout=dropout
    )
    discriminator: nn.Module = ReadingDiscriminator(encoder, words=len(vocabulary))
    return Adversaries(
        ReadingGenerator(len(vocabulary), latent=latent, channels=channels, size=size, width=width),
        with_spectral_norm(discriminator) if spectral_norm else discriminator,
        latent=latent,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        asked="caption",
        choices=torch.from_numpy(rows),
        augment=diffaug,
    )


class SentenceEncoder(nn.Module):
    """From (B, L) words to (B, S) numbers in [-1, 1] that say the same.

    Args:
        words: how many the vocabulary has.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, WORD)
        self.read = nn.GRU(WORD, SAID, batch_first=True)

    def forward(self, sentences: Tensor) -> Tensor:
        """Return what the sentences say; what follows their end changes nothing."""
        states, _ = self.read(self.embed(sentences))  # (B, L, S)
        is_word = (sentences != PAD)[:, :, None].to(states)
        said: Tensor = (states * is_word).sum(dim=1) / is_word.sum(dim=1)
        return said


class ReadingGenerator(nn.Module):
    """From noise and a sentence to a picture.

    Args:
        words: how many the vocabulary has.
        latent: numbers of noise.
        channels: of a picture.
        size: of it.
        width: of the last layer but one.
    """

    def __init__(self, words: int, *, latent: int, channels: int, size: Size, width: int) -> None:
        super().__init__()
        self.read = SentenceEncoder(words)
        self.as_loud_as_noise = nn.LayerNorm(SAID, elementwise_affine=False)
        self.draw = StridedGenerator(latent + SAID, channels=channels, size=size, width=width)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Return (B, C, h, w) in [-1, 1] for (B, Z) noise and (B, L) sentences."""
        said = self.as_loud_as_noise(self.read(condition))  # (B, S)
        drawn: Tensor = self.draw(torch.cat([noise, said], dim=1))
        return drawn


class ReadingDiscriminator(nn.Module):
    """From pictures and sentences about them to one decision each: real, and rightly described?

    Args:
        encoder: from pictures to vectors.
        words: how many the vocabulary has.
    """

    def __init__(self, encoder: StridedEncoder, *, words: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decide = nn.Linear(encoder.outputs, 1)
        self.read = SentenceEncoder(words)
        self.compare = nn.Linear(SAID, encoder.outputs)
        start_small(self.decide)
        start_small(self.compare)

    def forward(self, pictures: Tensor, condition: Tensor) -> Tensor:
        """Return (B,) logits of (B, C, h, w) pictures in [-1, 1] under (B, L) sentences.

        Given 2 B sentences, the first half and the second are both about these pictures: (2 B,) logits.
        """
        vectors = self.encoder(pictures)  # (B, D)
        said = self.compare(self.read(condition)).unflatten(0, (-1, len(vectors)))  # (B, D) -> (1, B, D)
        logits: Tensor = self.decide(vectors)[:, 0] + (said * vectors).sum(dim=2)
        return logits.flatten()
