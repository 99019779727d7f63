"""The command that is proposed for a trained model is one that there is, and names the model."""

import pytest

from nayan.cli import VERBS
from nayan.core.registry import Catalog, resolve
from nayan.tasks import CARDS, use_of
from nayan.tasks.cards import Entry, TaskCard


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_model_is_proposed_for_a_verb_that_there_is(card: TaskCard) -> None:
    catalog: Catalog[Entry] = resolve(card.catalog)
    for entry in catalog:
        program, verb, *rest = use_of(card.name, entry.name, path="runs/a/b").split()
        assert program == "nayan"
        assert verb in VERBS
        assert "runs/a/b" in rest


def test_each_way_of_making_pictures_has_its_own_verb() -> None:
    models = ("dcgan", "cyclegan", "super_resolution", "inpainting", "fast_style", "captioner")
    verbs = [use_of("generate", model, path="RUN").split()[1] for model in models]
    assert verbs == ["generate", "translate", "upscale", "inpaint", "stylize", "caption"]
