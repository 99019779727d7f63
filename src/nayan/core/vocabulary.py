"""Words as numbers: what networks read captions by, and write them in."""

# L numbers of a sentence

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError

PAD, START, END, UNKNOWN = 0, 1, 2, 3
"""The numbers that are no words: nothing more, the beginning, the end, a word that is not known."""
SPECIAL = 4
"""How many they are; the first word has this number."""

_TOKEN = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|[^\w\s]|_")


def words_of(text: str) -> list[str]:
    """Return the words of a sentence in small letters; each other sign is a word of its own.

    Words are what white space and signs part: of a script that does not part its words, such as Chinese, a
    run of letters is one word.

    >>> words_of("A dog's ball, half-full.")
    ['a', "dog's", 'ball', ',', 'half-full', '.']
    """
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


@dataclass(frozen=True)
class Vocabulary:
    """The words that a network knows.

    Attributes:
        words: without those numbers that are no words; word i has the number `SPECIAL + i`.

    >>> vocabulary = Vocabulary.fit(["a red three", "a blue three"])
    >>> vocabulary.encode("A red moon", length=6).tolist()
    [1, 4, 6, 3, 2, 0]
    >>> vocabulary.decode([1, 4, 6, 7, 2, 0])
    'a red three'
    """

    words: tuple[str, ...]

    @classmethod
    def fit(cls, texts: Iterable[str], *, least: int = 1, most: int = 10_000) -> Vocabulary:
        """Return the vocabulary of sentences, in the order of the alphabet.

        Args:
            texts: to learn from.
            least: how often a word has to occur.
            most: words; the most frequent ones are kept, of equal ones those that the alphabet has first.

        Raises:
            ConfigError: if no word occurs that often.
        """
        counts = Counter(word for text in texts for word in words_of(text))
        often = [word for word, count in counts.items() if count >= least]
        kept = sorted(often, key=lambda word: (-counts[word], word))[:most]
        if not kept:
            raise ConfigError(
                f"no word occurs {least} times or more in the captions",
                hint="there has to be a word",
            )
        return cls(tuple(sorted(kept)))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, SPECIAL)}

    def __len__(self) -> int:
        """Return how many numbers there are, with those that are no words."""
        return SPECIAL + len(self.words)

    def encode(self, text: str, *, length: int) -> NDArray[np.int64]:
        """Return (L,) int64: START, the words, END, and PAD up to `length`; what is longer is cut before END.

        Raises:
            ShapeError: for a length that holds no word.
        """
        if length < 3:
            raise ShapeError(f"a sentence takes 3 numbers or more, got length {length}")
        numbers = [self._numbers.get(word, UNKNOWN) for word in words_of(text)][: length - 2]
        row = np.full(length, PAD, np.int64)
        row[: len(numbers) + 2] = [START, *numbers, END]
        return row

    def decode(self, numbers: Sequence[int] | NDArray[np.int64]) -> str:
        """Return the words of numbers up to the first END, parted by blanks; an unknown word is "?".

        Raises:
            ShapeError: for a number beyond the vocabulary.
        """
        found: list[str] = []
        for number in (int(number) for number in numbers):
            if not 0 <= number < len(self):
                raise ShapeError(f"number {number} of a vocabulary of {len(self)}")
            if number == END:
                break
            if number == UNKNOWN:
                found.append("?")
            elif number >= SPECIAL:
                found.append(self.words[number - SPECIAL])
        return " ".join(found)

    def unknown(self, text: str) -> list[str]:
        """Return the words of a sentence that are not known.

        >>> Vocabulary(("a", "red")).unknown("A red moon")
        ['moon']
        """
        return [word for word in words_of(text) if word not in self._numbers]


def longest(texts: Iterable[str]) -> int:
    """Return the length that holds each of some sentences whole, see `Vocabulary.encode`; 3 or more.

    >>> longest(["a red three", "a three"])
    5
    """
    return 2 + max((len(words_of(text)) for text in texts), default=1)
