"""Which of a lecture's cells to tag: those that take long and that no exercise needs."""

from __future__ import annotations

from collections.abc import Collection

from .names import bound_names, used_names
from .skeleton import Step, needed


def skippable(steps: tuple[Step, ...], slow: Collection[int]) -> set[int]:
    """Return the places of the cells to skip: slow ones, and what cannot run without these.

    Cells that the exercises need are never among them.
    """
    kept, bound = needed(steps), [bound_names(step.source) for step in steps]
    skipped = {i for i in slow if i not in kept}
    for i, step in enumerate(steps):
        if i in kept or i in skipped:
            continue
        available = {name for j in range(i) if j not in skipped for name in bound[j]}
        lost = {name for j in range(i) if j in skipped for name in bound[j]} - available
        if lost & used_names(step.source):
            skipped.add(i)
    return skipped
