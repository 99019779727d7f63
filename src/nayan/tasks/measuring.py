"""The scores of a task, ready to be collected. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nayan.core.errors import ConfigError
from nayan.core.registry import resolve
from nayan.tasks.cards import TaskCard


def make_metric(card: TaskCard, classes: Sequence[str], *, features: str | Path | None = None) -> Any:
    """Return a fresh metric of a task.

    Args:
        card: of the task.
        classes: names of those that are judged.
        features: what pictures are compared by, see `nayan.tasks.generation.features.named`; None for the
            usual. Only tasks whose pictures are their own truth compare by features.

    Raises:
        ConfigError: features for a task that does not compare by any.
    """
    metric = resolve(card.metric)
    if features is None:
        return metric(classes)
    if "features" in card.recipe.ignores:
        raise ConfigError(f"--features means nothing to {card.name}", hint="leave it out")
    return metric(classes, extractor=resolve("nayan.tasks.generation.features:named")(str(features)))
