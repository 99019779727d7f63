"""Checks of captions: how much is said, in how many words, and whether it tells one picture from another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median_low

from nayan.data.doctor.findings import Finding, counted, listed
from nayan.data.doctor.snapshot import Picture, Snapshot

MANY = 0.05  # share of the words of val or test that train does not know

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def words(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield how many captions there are, how long they are and of how many different words."""
    texts = [text for picture in snapshot.pictures for text in picture.captions]
    if not texts:
        return
    each = sorted(len(picture.captions) for picture in snapshot.pictures)
    lengths = sorted(len(_words(text)) for text in texts)
    known = Counter(word for text in texts for word in _words(text))
    once = sum(count == 1 for count in known.values())
    yield Finding(
        "captions.words", "info",
        f"{counted(len(texts), 'caption')} of {counted(len(each), 'picture')}, {_span(each)} of each; they "
        f"have {_span(lengths, ' words')}, {len(known):,} different ones in all; {once:,} of them come once",
        count=len(texts),
        advice="A network learns a word from the pictures it is said of: what is said once is hardly learnt.",
        details={
            "captions": len(texts), "of_a_picture": [each[0], median_low(each), each[-1]],
            "words": [lengths[0], median_low(lengths), lengths[-1]], "vocabulary": len(known), "once": once,
        },
    )  # fmt: skip


def repeated(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield how many captions are said of several pictures, so that they do not tell these apart."""
    said: dict[str, list[Picture]] = {}
    for picture in snapshot.pictures:
        for text in picture.captions:
            said.setdefault(text, []).append(picture)
    shared = {text: pictures for text, pictures in said.items() if len(pictures) > 1}
    if shared:
        total = sum(map(len, said.values()))
        count = sum(map(len, shared.values()))
        named = sorted(shared, key=lambda text: -len(shared[text]))
        yield Finding(
            "captions.repeated", "info",
            f"{count / total:.0%} of the captions are said of several pictures: "
            f"{listed([f'{text!r} ({len(shared[text])})' for text in named])}",
            count=count,
            advice="Fine where they name what is in a picture and no more: they do not tell those apart.",
            details={"share": count / total, "texts": {text: len(shared[text]) for text in named[:100]}},
        )  # fmt: skip


def unseen(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield, for val and test, the words that train never says."""
    if "train" not in snapshot.splits:
        return
    known = set(_all_words(snapshot, "train"))
    for split in snapshot.splits:
        spoken = list(_all_words(snapshot, split))
        found = Counter(word for word in spoken if word not in known)
        if not found:
            continue
        share = sum(found.values()) / len(spoken)
        yield Finding(
            "captions.unseen", "warning" if share > MANY else "info",
            f"{share:.1%} of the words in {split} are not in train: "
            f"{listed([f'{word!r} ({count})' for word, count in found.most_common()])}",
            count=len(found),
            advice="Nothing is known of them when they are met: move some of their pictures into train.",
            details={"share": share, "words": dict(found.most_common(100))}, split=split,
        )  # fmt: skip


def _all_words(snapshot: Snapshot, split: str) -> Iterable[str]:
    of_split = (picture for picture in snapshot.pictures if picture.split == split)
    return (word for picture in of_split for text in picture.captions for word in _words(text))


def _words(text: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation.

    >>> _words("It's a red 3, isn't it?")
    ["it's", 'a', 'red', '3', "isn't", 'it']
    """
    return _WORD.findall(text.lower())


def _span(values: list[int], noun: str = "") -> str:
    """Return what sorted numbers range over.

    >>> _span([4, 4]), _span([2, 5, 9], " words")
    ('4', '2 to 9 words (5 in the middle)')
    """
    if values[0] == values[-1]:
        return f"{values[0]:,}{noun}"
    return f"{values[0]:,} to {values[-1]:,}{noun} ({median_low(values):,} in the middle)"
