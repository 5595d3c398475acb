"""The exercises, one file a lecture, and ``check``, which scores an answer in its notebook."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import Any, TypeVar

from .core import Exercise, score
from .questions import stored_questions

__all__ = ["all_exercises", "check", "get_exercise", "yours"]

Answer = TypeVar("Answer")
_solved: dict[str, Any] = {}  # what earned all points when it was last checked here


def all_exercises() -> dict[str, Exercise]:
    """Return every exercise by its id, in the order of the course."""
    lectures = sorted({name[1:3] for name in _modules()})
    return {e.id: e for lecture in lectures for e in _exercises_of(lecture)}


def get_exercise(exercise_id: str) -> Exercise:
    """Return the exercise with this id, for example ``"02.1"``.

    Raises:
        KeyError: there is no such exercise.
    """
    for exercise in _exercises_of(exercise_id.split(".")[0]):
        if exercise.id == exercise_id:
            return exercise
    raise KeyError(f"there is no exercise {exercise_id!r}; there are {', '.join(all_exercises())}")


def _modules() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return [name for name in names if re.fullmatch(r"l\d\d_\w+", name)]


def _exercises_of(lecture: str) -> list[Exercise]:
    """Return one lecture's exercises. Only its own file is imported, so a check starts at once."""
    found = [name for name in _modules() if name.startswith(f"l{lecture}_")]
    return [e for name in found for e in import_module(f".{name}", __name__).EXERCISES]


def check(exercise_id: str, answer: Any) -> None:
    """Score ``answer`` on the exercise's cases and print the points.

    A wrong answer also shows the first failing case with a hint. An error in the answer is
    reported, never raised, so that the rest of the notebook still runs.

    Args:
        exercise_id: lecture.number, as it stands above the task.
        answer: the function or class that the task asks for.

    Raises:
        KeyError: there is no such exercise.

    Example:
        >>> def size_after(size, kernel_size, **others):
        ...     raise NotImplementedError
        >>> check("02.1", size_after)
        02.1 size_after: 0/4 points (not solved yet)
    """
    exercise = get_exercise(exercise_id)
    _solved.pop(exercise_id, None)
    try:
        found = score(exercise, answer, stored_questions(exercise_id))
    except LookupError:
        print(f"{exercise_id} is scored by the grader")
        return
    if found.passed == found.total:
        _solved[exercise_id] = answer
    print(found)


def yours(exercise_id: str, answer: Answer, otherwise: Answer) -> Answer:
    """Return the student's answer where `check` has just given it all points, else the course's.

    A lecture goes on with what was written in it, and also runs where an exercise is unsolved.

    Args:
        exercise_id: lecture.number.
        answer: the function or class that was checked.
        otherwise: the course's own, with the same arguments.

    Example:
        >>> yours("02.1", answer=len, otherwise=max)  # it was not checked
        The lecture goes on with the course's `max`: 02.1 is not solved yet.
        <built-in function max>
    """
    if exercise_id in _solved and _solved[exercise_id] is answer:
        return answer
    name = getattr(otherwise, "__name__", type(otherwise).__name__)
    print(f"The lecture goes on with the course's `{name}`: {exercise_id} is not solved yet.")
    return otherwise
