"""What the course has of its own and an exercise asks for: withheld while that exercise runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

Thing = TypeVar("Thing", bound=Callable[..., Any])


class Withheld(RuntimeError):
    """An answer uses what its exercise asks for."""


def asked_for(*exercises: str) -> Callable[[Thing], Thing]:
    """Mark a function or a class as what these exercises ask for.

    While one of them runs, in `check` and in a grading, calling it raises `Withheld`. So an answer
    cannot be made of it, and a student sees that before handing in.

    Example:
        >>> @asked_for("00.1")
        ... def double(x):
        ...     return 2 * x
        >>> double(2)
        4
        >>> with running("00.1"):
        ...     double(2)
        Traceback (most recent call last):
        course_utils.withheld.Withheld: double is the course's own: 00.1 asks you to write it
    """

    def mark(thing: Thing) -> Thing:
        if isinstance(thing, type):
            thing.__init__ = _guarded(thing.__init__, thing.__name__, exercises)  # type: ignore[misc]
            return thing
        return _guarded(thing, thing.__qualname__, exercises)

    return mark


def _guard() -> tuple[Callable, Callable[[str], AbstractContextManager[None]]]:
    """Return what withholds a function, and what says which exercise runs.

    What runs is known to these two alone, and neither leads to the function that is withheld: an
    answer has nothing to undo that has a plain name.
    """
    now: dict[object, str] = {}

    def guarded(function: Any, name: str, exercises: tuple[str, ...]) -> Any:
        @functools.wraps(function)
        def asks_first(*arguments: Any, **options: Any) -> Any:
            for exercise in exercises:
                if exercise in now.values():
                    raise Withheld(f"{name} is the course's own: {exercise} asks you to write it")
            return function(*arguments, **options)

        asks_first.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        del asks_first.__wrapped__
        return asks_first

    @contextmanager
    def running(exercise: str) -> Iterator[None]:
        """Withhold what an exercise asks for inside a `with` block."""
        block = object()  # each block ends itself and no other
        now[block] = exercise
        try:
            yield
        finally:
            del now[block]

    return guarded, running


_guarded, running = _guard()
