"""The cards of the families of generation: one verb, and for each its own data, scores and pictures."""

from __future__ import annotations

from nayan.tasks.cards import Recipe, TaskCard

_AT = "nayan.tasks.generation"
_BELIEF = "What the discriminator believes"
_OF_OTHERS = (
    "label_smoothing",
    "mixup",
    "cutmix",
    "balance",
    "views",
    "head",
    "backbone",
    "up",
    "progressive",
    "freeze",
    "tile",
    "overlap",
    "pooling",
    "dim",
    "margin",
    "far",
)
"""Options of training that mean nothing to networks that draw."""

GENERATE: tuple[TaskCard, ...] = (
    TaskCard(
        name="generation",
        verb="generate",
        targets=("Original",),
        catalog=f"{_AT}.sampling.catalog:MODELS",
        task=f"{_AT}.sampling.task:SamplingTask",
        decode=f"{_AT}.sampling.decode:decode",
        metric=f"{_AT}.sampling.metric:SamplingMetric",
        draw=f"{_AT}.sampling.draw",
        default_model="dcgan",
        compare=f"{_AT}.parity:compare_pictures",
        look="summary",
        exhibit=f"{_AT}.sampling.exhibit:exhibit",
        charts={
            "train_D(x)": (_BELIEF, "D(x), real"),
            "train_D(G(z))": (_BELIEF, "D(G(z)), drawn"),
            "val_kid": ("KID", "validation"),
            "val_fid": ("FID", "validation"),
        },
        recipe=Recipe(
            best_by="fid",  # of as many pictures each epoch; of so few, KID is noisier
            best_is="lowest",
            scratch_pictures=150_000,
            tune_pictures=0,
            epochs=(20, 300),
            batch=64,
            ema=0.995,
            lr={
                "adamw": {"small": 4e-4, "scratch": 4e-4, "head": 4e-4, "tune": 4e-4},
                "sgd": {"small": 0.01, "scratch": 0.01, "head": 0.01, "tune": 0.01},
            },
            cached=False,
            own_range=True,
            multiple=4,
            augment="none",
            ignores=_OF_OTHERS,
        ),
    ),
)
"""In the order in which they are proposed for data."""
