"""A model as something that predicts: an engine, with what its task adds to it. No torch here."""

from __future__ import annotations

from nayan.core.registry import resolve
from nayan.runtime.predictor import Backend, Predictor
from nayan.runtime.spec import Spec
from nayan.tasks import CARDS


def make_predictor(spec: Spec, run: Backend) -> Predictor:
    """Return the predictor of a model.

    Args:
        spec: what the model is.
        run: the engine that runs it; it may say in `calls` how many it takes at the same time.

    Raises:
        NotFound: if the spec is of a task that this nayan does not know.
    """
    card = CARDS[spec.task]
    compare = resolve(card.compare) if card.compare else None
    return Predictor(spec, run, resolve(card.decode), compare, getattr(run, "calls", 1))
