"""Words as numbers and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.vocabulary import END, PAD, START, UNKNOWN, Vocabulary, longest, words_of

WORDS = ["red", "three", "on", "a", "don't", "größe", ","]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9)


@given(SENTENCES)
def test_a_sentence_of_known_words_comes_back(words: list[str]) -> None:
    text = " ".join(words)
    vocabulary = Vocabulary.fit([text])
    assert vocabulary.decode(vocabulary.encode(text, length=longest([text]))) == text


@given(SENTENCES, st.integers(3, 8))
def test_every_row_begins_ends_and_is_as_long_as_asked(words: list[str], length: int) -> None:
    row = Vocabulary(("a", "red")).encode(" ".join(words), length=length)
    end = row.tolist().index(END)
    assert len(row) == length
    assert row[0] == START
    assert (row[end + 1 :] == PAD).all()
    assert not (row[:end] == PAD).any()


def test_the_most_frequent_words_are_kept_in_the_order_of_the_alphabet() -> None:
    assert Vocabulary.fit(["b a", "b c", "c b"], most=2).words == ("b", "c")
    assert Vocabulary.fit(["b a", "b c", "c b"], least=2).words == ("b", "c")


def test_one_word_however_its_letters_are_composed_and_cased() -> None:
    assert words_of("Caf\u00e9") == words_of("CAFE\u0301")


def test_words_that_are_not_known_are_named_and_marked() -> None:
    vocabulary = Vocabulary(("a", "cat"))
    assert vocabulary.unknown("a dog, a cat") == ["dog", ","]
    assert vocabulary.encode("a dog", length=4).tolist() == [START, 4, UNKNOWN, END]
    assert vocabulary.decode([START, 4, UNKNOWN, END]) == "a ?"


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no word"):
        Vocabulary.fit(["once upon"], least=2)
    with pytest.raises(ShapeError, match="length 2"):
        Vocabulary(("a",)).encode("a", length=2)
    with pytest.raises(ShapeError, match="number 9"):
        Vocabulary(("a",)).decode([9])
