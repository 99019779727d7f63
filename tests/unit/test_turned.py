"""Characters turned by quarters: further identities to learn from."""

import numpy as np
import pytest

from nayan.core.errors import ConfigError
from nayan.core.types import Dataset, Identity, Sample
from nayan.data.turned import Turned, with_turns
from nayan.tasks import CARDS
from nayan.tasks.embedding.catalog import MODELS
from nayan.training.augment import POLICIES
from nayan.training.looks import Looks
from nayan.training.policies import choose_augment

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def letters(tmp_path) -> Dataset:
    samples = tuple(
        Sample(f"{name}.png", lambda _at_least=None: PIXELS, Identity(index, name=f"{name}.png"), tmp_path)
        for index, name in enumerate("ab")
    )
    return Dataset(samples, ("a", "b"), tmp_path, "folder", split="train")


def test_each_identity_becomes_four_and_the_first_stay_as_they_were(tmp_path) -> None:
    data = letters(tmp_path)
    more = with_turns(data)
    assert more.samples[:2] == data.samples
    assert more.classes[:3] == ("a", "b", "a turned 90")
    assert [sample.target.index for sample in more.samples] == list(range(8))
    assert len({sample.id for sample in more.samples}) == 8
    assert more.samples[2].path is None


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_is_turned_back_by_the_other_quarters(quarters: int) -> None:
    once = Turned(lambda: PIXELS, quarters)
    back = Turned(lambda: once(), 4 - quarters)()
    np.testing.assert_array_equal(back, PIXELS)
    assert once().flags.c_contiguous


def test_a_picture_turned_by_a_quarter_is_asked_for_the_other_way_round() -> None:
    asked = []

    def load(at_least: tuple[int, int]) -> np.ndarray:
        asked.append(at_least)
        return PIXELS

    for quarters in (1, 2):
        Turned(load, quarters)((5, 9))
    assert asked == [(9, 5), (5, 9)]


def test_letters_are_turned_by_default_and_classes_never() -> None:
    drawn = Looks(gray=True, sizes=((105, 105),), mean=(0.9,), std=(0.28,))
    faces = Looks(gray=True, sizes=((112, 92),), mean=(0.45,), std=(0.2,))
    entry, card = MODELS["supcon"], CARDS["embedding"]
    assert choose_augment("auto", card, entry, looks=drawn) == ("turned", POLICIES["symbol"])
    assert choose_augment("auto", card, entry, looks=faces)[0] == "photo"
    assert choose_augment("symbol", card, entry, looks=drawn)[0] == "symbol"
    for name in ("classification", "segmentation", "detection"):
        with pytest.raises(ConfigError, match=f"--augment turned is for identities, this is {name}"):
            choose_augment("turned", CARDS[name], entry, looks=drawn)
