"""Beam search against all sentences of a tiny language, and the decoding of what it gives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nayan.core.errors import BundleError, ShapeError
from nayan.core.types import Caption
from nayan.core.vocabulary import END, PAD, SPECIAL, START
from nayan.runtime.parity import Answers
from nayan.runtime.preprocess import Placement
from nayan.tasks.generation.captioning.decode import IMPOSSIBLE, decode, to_records
from nayan.tasks.generation.captioning.draw import annotate, sheet
from nayan.tasks.generation.captioning.parity import compare_captions
from nayan.tasks.generation.captioning.search import State, beam_search

WORDS, LENGTH, PICTURES = 3, 4, 2
PLACE = Placement((8, 8), (1.0, 1.0), (0.0, 0.0))


def language(seed: int) -> Tensor:
    """Return (B, V, V, V) log-probabilities of what follows two numbers, of each picture its own."""
    size = SPECIAL + WORDS
    logits = torch.randn(PICTURES, size, size, size, generator=torch.Generator().manual_seed(seed))
    return (2 * logits).log_softmax(dim=3)


def search(table: Tensor, width: int) -> tuple[Tensor, Tensor]:
    of = torch.arange(PICTURES).repeat_interleave(width)

    def step(words: Tensor, state: State) -> tuple[Tensor, State]:
        before = state[0] if state else torch.full_like(words, PAD)
        return table[of, before, words], (words,)

    return beam_search(step, torch.zeros(PICTURES * width), words=SPECIAL + WORDS, width=width, length=LENGTH)


def every_sentence(table: Tensor) -> list[tuple[float, float, tuple[int, ...]]]:
    """Return (mean, sum, numbers) of each sentence that can be said, the best first."""
    words = range(SPECIAL, SPECIAL + WORDS)
    found = []
    for count in range(1, LENGTH):
        for said in itertools.product(words, repeat=count):
            numbers = (PAD, START, *said, END)
            total = sum(
                float(table[a, b, c]) for a, b, c in zip(numbers, numbers[1:], numbers[2:], strict=False)
            )
            found.append((total / (count + 1), total, (*said, END)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_as_wide_as_the_language_finds_its_best_sentences_in_order(seed: int) -> None:
    table = language(seed)
    width = WORDS ** (LENGTH - 1) * 2
    tokens, logprob = search(table, width)
    for picture in range(PICTURES):
        expected = every_sentence(table[picture])[:10]
        for place, (_, total, numbers) in enumerate(expected):
            said = tokens[picture, place].tolist()
            assert tuple(said[: len(numbers)]) == numbers
            assert set(said[len(numbers) :]) <= {PAD}
            assert float(logprob[picture, place]) == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_takes_the_best_word_each_time(seed: int) -> None:
    table = language(seed)
    tokens, _ = search(table, 1)
    for picture in range(PICTURES):
        before, last, said = PAD, START, []
        for place in range(LENGTH):
            may = (
                [END]
                if place == LENGTH - 1
                else [*range(SPECIAL, SPECIAL + WORDS), *([END] if place else [])]
            )
            best = max(may, key=lambda number: float(table[picture, before, last, number]))
            said.append(best)
            if best == END:
                break
            before, last = last, best
        assert tokens[picture, 0].tolist()[: len(said)] == said


def test_a_wider_beam_never_says_something_less_probable_than_a_whole_search_allows() -> None:
    for seed in range(5):
        table = language(seed)
        best = [every_sentence(table[picture])[0][0] for picture in range(PICTURES)]
        for width in (1, 2, 3, 8):
            tokens, logprob = search(table, width)
            count = (tokens[:, 0] != PAD).sum(dim=1)
            means = (logprob[:, 0] / count).tolist()
            assert all(mean <= most + 1e-5 for mean, most in zip(means, best, strict=True))


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    table = language(3)
    both, _ = search(table, 3)
    swapped, _ = search(table.flip(0), 3)
    assert torch.equal(both, swapped.flip(0))


def raw(tokens: list[list[list[int]]], logprob: list[list[float]]) -> dict[str, np.ndarray]:
    return {"tokens": np.array(tokens, np.float32), "logprob": np.array(logprob, np.float32)}


def test_a_score_is_the_geometric_mean_of_the_words_and_the_end() -> None:
    found = decode(
        raw([[[4, 5, 2, 0], [5, 2, 0, 0]]], [[3 * math.log(0.5), -1.0]]), [PLACE], words=("a", "b")
    )
    assert found[0].texts == ("a b", "b")
    assert found[0].scores == pytest.approx((0.5, math.exp(-0.5)))
    rows = to_records(found[0], (), top=2)
    assert [row["logprob"] for row in rows] == pytest.approx([3 * math.log(0.5), -1.0], abs=1e-5)
    assert to_records(found[0], (), conf=0.55, top=2) == rows[1:]


def test_what_a_narrow_language_has_no_sentence_for_is_left_out() -> None:
    found = decode(
        raw([[[4, 2], [4, 2], [4, 2]]], [[-1.0, IMPOSSIBLE, 2 * IMPOSSIBLE]]), [PLACE], words=("a",)
    )
    assert found[0].texts == ("a",)


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        ({"tokens": np.zeros((1, 1, 2))}, BundleError, "a captioner returns tokens and logprob"),
        (raw([[[4, 2]]], [[math.nan]]), BundleError, "not finite"),
        (raw([[[9, 2]]], [[-1.0]]), BundleError, "a word that is not in its list: number 9"),
        (raw([[[2, 0]]], [[-1.0]]), BundleError, "no sentence"),
        (raw([[[4, 2]]], [[IMPOSSIBLE]]), BundleError, "no sentence"),
        (raw([[[4, 2]], [[4, 2]]], [[-1.0], [-1.0]]), ShapeError, "must have the shape"),
        (raw([[[4, 2]]], [[-1.0, -2.0]]), ShapeError, "must have the shape"),
    ],
)
def test_outputs_that_are_no_captions_are_refused(
    outputs: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        decode(outputs, [PLACE], words=("a",))


def test_an_empty_batch_gives_no_captions() -> None:
    assert decode({"tokens": np.zeros((0, 3, 5)), "logprob": np.zeros((0, 3))}, [], words=("a",)) == []


def parity(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> object:
    answers = [Answers(expected, found, [PLACE] * len(expected["tokens"]))]
    return compare_captions(answers, decode_args={}, tolerance=1e-4)


def test_two_engines_have_to_say_the_same_unless_two_sentences_are_as_probable() -> None:
    one = raw([[[4, 2], [5, 2]]], [[-1.0, -3.0]])
    other = raw([[[5, 2], [4, 2]]], [[-1.0, -3.0]])
    assert parity(one, one).holds
    assert not parity(one, other).holds
    assert "0 % of 1 captions are the same" in str(parity(one, other))
    assert "something else of 100.0% of 1 pictures" in parity(one, other).fault
    assert not parity(one, raw([[[4, 2], [5, 2]]], [[-1.1, -3.0]])).holds
    tied, swapped = raw([[[4, 2], [5, 2]]], [[-1.0, -1.0]]), raw([[[5, 2], [4, 2]]], [[-1.0, -1.0]])
    assert parity(tied, swapped).holds
    alone, wrong = raw([[[4, 2]]], [[-1.0]]), raw([[[5, 2]]], [[-1.0]])
    assert not parity(alone, wrong).holds


@pytest.mark.parametrize("size", [(32, 32), (300, 500), (20, 900)])
def test_a_caption_is_painted_below_its_picture(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    long = Caption((" ".join(["bananas"] * 40),), (1.0,))
    for caption in (Caption(("a red three",), (1.0,)), long):
        painted = annotate(image, caption, ())
        factor = painted.shape[1] // size[1]
        assert (painted[: factor * size[0]] == 90).all()
        assert painted[factor * size[0] :].min() < 100


def test_a_sheet_has_the_first_sentence_of_each_picture() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    assert (sheet([image], [Caption(("a", "b"))], ()) != sheet([image], [Caption(("b", "b"))], ())).any()
