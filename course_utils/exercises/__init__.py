"""The exercises, one file a lecture, and ``check``, which scores an answer in its notebook."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from .core import Exercise, score

__all__ = ["all_exercises", "check", "get_exercise"]


def all_exercises() -> dict[str, Exercise]:
    """Return every exercise by its id, in the order of the course."""
    found = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if module.startswith("l") and module[1:3].isdigit():
            for exercise in import_module(f".{module}", __name__).EXERCISES:
                found[exercise.id] = exercise
    return found


def get_exercise(exercise_id: str) -> Exercise:
    """Return the exercise with this id, for example ``"02.1"``.

    Raises:
        KeyError: there is no such exercise.
    """
    exercises = all_exercises()
    if exercise_id not in exercises:
        raise KeyError(f"there is no exercise {exercise_id!r}; there are {', '.join(exercises)}")
    return exercises[exercise_id]


def check(exercise_id: str, answer: Any) -> None:
    """Score ``answer`` on the exercise's cases and print the points.

    A wrong answer also shows the first failing case with a hint. An error in the answer is
    reported, never raised, so that the rest of the notebook still runs.
    """
    print(score(get_exercise(exercise_id), answer))
