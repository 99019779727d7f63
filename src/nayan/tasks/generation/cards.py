"""The cards of the families of generation: one verb, and for each its own data, scores and pictures."""

from __future__ import annotations

from nayan.tasks.cards import TaskCard

GENERATE: tuple[TaskCard, ...] = ()
"""In the order in which they are proposed for data."""
