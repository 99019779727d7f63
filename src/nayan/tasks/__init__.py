"""The tasks that nayan knows: one card each, strings only."""

from nayan.core.registry import Catalog
from nayan.tasks.cards import TaskCard

CARDS = Catalog(
    "task",
    [
        TaskCard(
            name="classification",
            verb="classify",
            targets=("Label",),
            catalog="nayan.tasks.classification.catalog:MODELS",
            task="nayan.tasks.classification.task:ClassificationTask",
            decode="nayan.tasks.classification.decode:decode",
            metric="nayan.tasks.classification.metric:ClassificationMetric",
            draw="nayan.tasks.classification.draw",
            default_model="mobilenetv2_100",
        ),
    ],
)
"""Every task card by its name."""


def by_verb(verb: str) -> TaskCard:
    """Return the card of a task by its verb ("classify") or its name ("classification")."""
    named = Catalog(
        "task", [_Verb(card.verb, card) for card in CARDS] + [_Verb(card.name, card) for card in CARDS]
    )
    return named[verb].card


class _Verb:
    def __init__(self, name: str, card: TaskCard) -> None:
        self.name = name
        self.card = card
