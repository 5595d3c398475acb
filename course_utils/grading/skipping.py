"""Which of a lecture's cells the exercises need: the others need not run while grading."""

from __future__ import annotations

from collections.abc import Collection

from .names import bound_names, used_names
from .skeleton import LECTURE, Step


def needed(steps: tuple[Step, ...]) -> set[int]:
    """Return the places of the cells that answers and checks need, directly or through others."""
    bound = [bound_names(step.source) for step in steps]
    used = [used_names(step.source) for step in steps]
    found = {i for i, step in enumerate(steps) if step.kind != LECTURE}
    waiting = list(found)
    while waiting:
        place = waiting.pop()
        # A function reads its names when it is called: at the latest, at the end of the notebook.
        for i in range(len(steps)):
            if i not in found and bound[i] & used[place]:
                found.add(i)
                waiting.append(i)
    return found


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
