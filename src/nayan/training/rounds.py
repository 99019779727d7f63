"""How long to train, and what: the default recipe, from scratch and from pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence

from nayan.core.config import TrainConfig
from nayan.training.freeze import Round, parse_freeze

SCRATCH_PICTURES = 130_000  # pictures that a small network sees when it starts from nothing
TUNE_PICTURES = 4_000  # pictures that a pretrained network sees while it is fine-tuned, at the least
HEAD_EPOCHS = 40  # of a head on cached features; each takes milliseconds
VIEWS = 1  # cached views a picture: the plain one; more cost as much again and helped no more in our trials

LR = {
    "adamw": {"scratch": 2e-3, "head": 1e-3, "tune": 1e-3},
    "sgd": {"scratch": 0.05, "head": 0.1, "tune": 0.02},
}


def plan_rounds(
    config: TrainConfig, stages: Sequence[str], *, pretrained: bool, pictures: int
) -> tuple[Round, ...]:
    """Return the rounds of a run.

    From scratch everything learns in one round. With pretrained weights and `freeze = auto` the head learns
    first, on cached features, so that its random start cannot harm what is below (Kumar et al. 2022,
    arXiv:2202.10054); then the whole network is fine-tuned, each stage slower than the one after it.

    Args:
        config: epochs, lr, freeze, views and cache count.
        stages: names, the head last.
        pretrained: whether the weights come from elsewhere.
        pictures: in the training set.
    """
    rates = LR[config.optimizer]
    head = len(stages) - 1
    first = parse_freeze(config.freeze, stages, pretrained=pretrained)
    cached = config.cache != "off"
    views = (config.views or VIEWS) if cached else 0
    if first is None:
        return (
            Round("head", head, HEAD_EPOCHS, rates["head"], views=1 if cached else 0, keep_statistics=True),
            Round(
                "fine-tune",
                0,
                config.epochs or max(5, -(-TUNE_PICTURES // pictures)),
                config.lr or rates["tune"],
                keep_statistics=True,
            ),
        )
    if not pretrained:
        epochs = config.epochs or min(60, max(10, -(-SCRATCH_PICTURES // pictures)))
        return (Round("train", first, epochs, config.lr or rates["scratch"]),)
    if first == head:
        epochs = config.epochs or HEAD_EPOCHS
        return (Round("head", head, epochs, config.lr or rates["head"], views=views, keep_statistics=True),)
    epochs = config.epochs or max(5, -(-TUNE_PICTURES // pictures))
    return (
        Round(
            "fine-tune",
            first,
            epochs,
            config.lr or rates["tune"],
            views=views if first else 0,
            keep_statistics=True,
        ),
    )
