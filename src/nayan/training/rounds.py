"""How long to train, and what: the default recipe, from scratch and from pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence

from nayan.core.config import TrainConfig
from nayan.tasks.cards import Recipe
from nayan.training.freeze import PYRAMID_RATE, Round, parse_freeze

HEAD_EPOCHS = 40  # of a head on cached features; each takes milliseconds
TOP_VIEWS = 4  # cached views a picture where more than the head learns: one plain, the others augmented
FEW_PICTURES = 2_000  # below, only the top of a pretrained network is fine-tuned
TOP_SHARE = 0.75  # of a network's parameters; they lie late, while most of the work is done early

SMALL_NETWORK = 1_000_000  # parameters; below, a higher rate is safe and quicker
STAGE_DECAY = 0.7


def plan_rounds(
    config: TrainConfig,
    stages: Sequence[tuple[str, int]],
    *,
    recipe: Recipe,
    pretrained: bool,
    pictures: int,
) -> tuple[Round, ...]:
    """Return the rounds of a run.

    From scratch everything learns in one round. With pretrained weights and `freeze = auto` the head learns
    first, on cached features, so that its random start cannot harm what is below (Kumar et al. 2022,
    arXiv:2202.10054). Then what holds most of the parameters is unfrozen, each stage slower than the one
    after it; with enough pictures, everything.

    Args:
        config: epochs, lr, freeze, views and cache count.
        stages: (name, parameters) each, the head last.
        recipe: of the task. Where it caches nothing, everything that is not frozen learns in one round.
        pretrained: whether the weights come from elsewhere.
        pictures: in the training set.
    """
    rates = recipe.lr[config.optimizer]
    head = len(stages) - 1
    first = parse_freeze(config.freeze, [name for name, _ in stages], pretrained=pretrained)
    if not pretrained:
        least, most = recipe.epochs
        epochs = config.epochs or min(most, max(least, -(-recipe.scratch_pictures // pictures)))
        size = "small" if sum(count for _, count in stages) < SMALL_NETWORK else "scratch"
        small = config.progressive or 0.0
        return (Round("train", first or 0, epochs, config.lr or rates[size], small=small),)
    if not recipe.cached:
        epochs = config.epochs or max(recipe.epochs[0], -(-recipe.tune_pictures // pictures))
        rate = config.lr or rates["tune"]
        auto = config.freeze == "auto"
        return (
            Round(
                "fine-tune",
                first or 0,
                epochs,
                rate,
                stage_decay=STAGE_DECAY,
                settled=recipe.settled and auto,
                pyramid_rate=PYRAMID_RATE if auto else 1.0,
                small=config.progressive or 0.0,
            ),
        )
    cached = config.cache != "off"
    rounds = []
    if first is None:
        rounds.append(Round("head", head, HEAD_EPOCHS, rates["head"], int(cached), keep_statistics=True))
        first = top_stage(stages) if pictures < FEW_PICTURES else 0
    only_head = first == head
    views = config.views or (1 if only_head else TOP_VIEWS)
    rounds.append(
        Round(
            "head" if only_head else "fine-tune",
            first,
            config.epochs or (HEAD_EPOCHS if only_head else max(5, -(-recipe.tune_pictures // pictures))),
            config.lr or rates["head" if only_head else "tune"],
            views if cached and first else 0,
            keep_statistics=True,
            stage_decay=STAGE_DECAY,
        )
    )
    return tuple(rounds)


def top_stage(stages: Sequence[tuple[str, int]]) -> int:
    """Return the first of the last stages that together hold `TOP_SHARE` of all parameters.

    >>> top_stage([("stem", 5), ("body", 15), ("neck", 70), ("head", 10)])
    2
    """
    total = sum(parameters for _, parameters in stages)
    held = 0
    for index in reversed(range(len(stages))):
        held += stages[index][1]
        if held >= TOP_SHARE * total:
            return index
    return 0
