"""The cards of the families of generation: one verb, and for each its own data, scores and pictures."""

from __future__ import annotations

from nayan.tasks.cards import Recipe, TaskCard

_RESTORATION = "nayan.tasks.generation.restoration"

GENERATE: tuple[TaskCard, ...] = (
    TaskCard(
        name="restoration",
        verb="generate",
        targets=("Original",),
        catalog=f"{_RESTORATION}.catalog:MODELS",
        task=f"{_RESTORATION}.task:RestorationTask",
        decode=f"{_RESTORATION}.decode:decode",
        metric=f"{_RESTORATION}.metric:RestorationMetric",
        draw=f"{_RESTORATION}.draw",
        default_model="super_resolution",
        compare="nayan.tasks.generation.parity:compare_pictures",
        look="features",
        recipe=Recipe(
            best_by="psnr",
            best_is="highest",
            scratch_pictures=10_000,
            tune_pictures=5_000,
            epochs=(10, 200),
            batch=16,
            ema=0.99,
            lr={
                "adamw": {"small": 2e-3, "scratch": 1e-3, "head": 1e-3, "tune": 5e-4},
                "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.05, "tune": 0.02},
            },
            cached=False,
            settled=False,
            own_range=True,
            multiple=16,
            ignores=(
                "backbone",
                "head",
                "label_smoothing",
                "dropout",
                "mixup",
                "cutmix",
                "balance",
                "views",
                "loss",
                "up",
                "progressive",
                "pooling",
                "dim",
                "margin",
                "far",
            ),
        ),
    ),
)
"""In the order in which they are proposed for data."""
