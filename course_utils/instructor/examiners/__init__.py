"""What the exercises ask and what is right: the one place that knows answers."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module

import numpy as np

from ...exercises.core import Case, Question, to_plain
from ...exercises.wire import encode
from .core import Examiner

__all__ = ["Examiner", "graded", "released"]
RELEASED = 0  # the seed of what students see


@lru_cache
def examiner(exercise_id: str) -> Examiner:
    """Return what makes the questions of an exercise. Raises KeyError if there is none."""
    lecture = exercise_id.split(".")[0]
    names = (module.name for module in pkgutil.iter_modules(__path__))
    for name in names:
        if name.startswith(f"l{lecture}_"):
            for one in import_module(f".{name}", __name__).EXAMINERS:
                if one.id == exercise_id:
                    return one
    raise KeyError(f"nothing asks for {exercise_id!r}")


@lru_cache
def released(exercise_id: str) -> list[Question]:
    """Return the questions of the students' ``check``."""
    return list(_questions(exercise_id, _released_cases(exercise_id)))


@lru_cache
def graded(exercise_id: str, seed: int) -> list[Question]:
    """Return the questions of a grading: none that students have seen."""
    seen = {_text(case) for case in _released_cases(exercise_id)}
    drawn = examiner(exercise_id).cases(np.random.default_rng(seed))
    return list(_questions(exercise_id, (case for case in drawn if _text(case) not in seen)))


def _released_cases(exercise_id: str) -> Iterator[Case]:
    source = examiner(exercise_id)
    yield from source.examples()
    yield from source.cases(np.random.default_rng(RELEASED))


def _questions(exercise_id: str, cases: Iterable[Case]) -> Iterator[Question]:
    source = examiner(exercise_id)
    for case in cases:
        yield Question(case, to_plain(source.key(case)))


def _text(case: Case) -> str:
    return json.dumps(encode(to_plain(case)), sort_keys=True)
