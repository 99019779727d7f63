"""No word is guessed from what stands after it, and signs at words are the words that they were."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.vocabulary import words_of
from nayan.tasks.generation.captioning.decode import spelled
from nayan.tasks.generation.captioning.decoder import Decoder, later

WORDS, LENGTH = 9, 8


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, WORDS - 1), min_size=2, max_size=LENGTH),
    st.data(),
    st.integers(0, 100),
)
def test_what_comes_later_changes_nothing_before_it(
    tokens: list[int], data: st.DataObject, seed: int
) -> None:
    torch.manual_seed(seed)
    decoder = Decoder(WORDS, length=LENGTH, dim=8, layers=2, heads=2, dropout=0.0).eval()
    place = data.draw(st.integers(1, len(tokens) - 1))
    other = [
        *tokens[:place],
        *data.draw(st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=LENGTH - place)),
    ]
    with torch.no_grad():
        seen = decoder.remember(torch.randn(1, 3, 8))
        first, second = (decoder(torch.tensor([each]), seen)[0][0] for each in (tokens, other))
    torch.testing.assert_close(first[:place], second[:place])


@given(st.integers(2, 9), st.integers(0, 9))
def test_the_mask_hides_what_comes_later_and_nothing_else(words: int, before: int) -> None:
    hidden = later(words, before + words, like=torch.zeros(1))
    assert hidden is not None
    for row in range(words):
        assert hidden[row].tolist() == [column > before + row for column in range(before + words)]


@given(st.text(alphabet="ab'-., ()!:[]%", max_size=30))
def test_what_is_spelled_has_the_same_words(text: str) -> None:
    words = words_of(text)
    assert words_of(spelled(" ".join(words))) == words
