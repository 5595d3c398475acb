"""What an exercise is, how an answer is scored, and what ``check`` shows.

An exercise is data and three small functions: ``cases`` makes the inputs, ``run`` gives one of
them to the student's function or class, ``judge`` compares what came out. The three are kept
apart so that they can run in different processes: while grading, only ``run`` happens where the
student's code is. So results are plain data, and a judge never sees the student's object.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

Case = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a judge says about one case: right, or wrong with a hint that fits the mistake."""

    is_right: bool
    hint: str = ""


def right() -> Verdict:
    """The result is what the case asks for."""
    return Verdict(True)


def wrong(hint: str) -> Verdict:
    """The result is not what the case asks for; ``hint`` helps to find out why."""
    return Verdict(False, hint)


@dataclass(frozen=True)
class Unusable:
    """Stands for a result that is not plain data; ``kind`` is the name of its type."""

    kind: str


class Exercise(ABC):
    """One exercise, set by a subclass.

    Attributes:
        id: lecture.number, for example "02.1".
        points: the points for all cases.
        title: what it is about, in a few words.
        ready_made: names of what PyTorch has and the answer must write itself. ``run`` watches for
            them; a grader also looks into the code, from where ``run`` cannot be tampered with.
    """

    id: str
    points: int
    title: str
    ready_made: tuple[str, ...] = ()

    @abstractmethod
    def cases(self, rng: Generator) -> Iterator[Case]:
        """Yield the inputs as plain data: the lecture's example, edge cases, then random ones."""

    def run(self, answer: Any, case: Case) -> Any:
        """Give one case to the student's ``answer``: by default its values, in their order."""
        return answer(*case.values())

    @abstractmethod
    def judge(self, case: Case, result: Any) -> Verdict:
        """Compare ``result`` with what is right. It may be any plain data, also nonsense."""

    def describe(self, case: Case) -> str:
        """Return the case as one line for the message of a failing check."""
        return ", ".join(f"{name}={describe(value)}" for name, value in case.items())


@dataclass(frozen=True)
class Score:
    """The result of all cases of one exercise."""

    exercise: Exercise
    name: str
    passed: int
    total: int
    unsolved: bool = False
    failing_case: str = ""
    hint: str = ""

    @property
    def points(self) -> float:
        """Points earned: the share of passed cases, rounded down to a tenth of a point."""
        return math.floor(10 * self.exercise.points * self.passed / self.total) / 10

    def __str__(self) -> str:
        line = f"{self.exercise.id} {self.name}: {self.points:g}/{self.exercise.points} points"
        if self.unsolved:
            return f"{line} (not solved yet)"
        if self.passed == self.total:
            return line
        return (
            f"{line} ({self.passed} of {self.total} cases)\n"
            f"  first failing case: {self.failing_case}\n"
            f"  hint: {self.hint}"
        )


@dataclass(frozen=True)
class Outcome:
    """What came of one case: a result, or the error that the answer stopped with."""

    result: Any = None
    error: str = ""
    unsolved: bool = False


def score(exercise: Exercise, answer: Any, seed: int = 0) -> Score:
    """Run every case of ``exercise`` on ``answer`` and judge it. Raises nothing of its own."""
    name = getattr(answer, "__name__", type(answer).__name__)
    cases = list(exercise.cases(np.random.default_rng(seed)))
    outcomes = []
    for case in cases:
        outcomes.append(outcome_of(exercise, answer, case))
        if outcomes[-1].unsolved:
            break
    return judge_outcomes(exercise, name, cases, outcomes)


def outcome_of(exercise: Exercise, answer: Any, case: Case) -> Outcome:
    """Run one case; an error in the answer is part of the outcome."""
    try:
        return Outcome(run_case(exercise, answer, case))
    except (Exception, SystemExit) as error:
        if type(error) is NotImplementedError and not error.args:  # as the stub raises it
            return Outcome(unsolved=True)
        return Outcome(error=_in_words(error))


def _in_words(error: BaseException) -> str:
    """Return an error as its last line shows it. An error class can be broken itself."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def judge_outcomes(
    exercise: Exercise,
    name: str,
    cases: list[Case],
    outcomes: list[Outcome],
    missing: str = "no result came back",
) -> Score:
    """Judge what came of the first cases; those without an outcome failed, ``missing`` says why."""
    if any(outcome.unsolved for outcome in outcomes):
        return Score(exercise, name, 0, len(cases), unsolved=True)
    passed, first = 0, None
    for case, outcome in zip(cases, outcomes, strict=False):
        verdict = judge_outcome(exercise, case, outcome)
        passed += verdict.is_right
        if not verdict.is_right and first is None:
            first = (exercise.describe(case), verdict.hint)
    if first is None and len(outcomes) < len(cases):
        first = (exercise.describe(cases[len(outcomes)]), missing)
    failing_case, hint = first or ("", "")
    return Score(exercise, name, passed, len(cases), failing_case=failing_case, hint=hint)


def judge_outcome(exercise: Exercise, case: Case, outcome: Outcome) -> Verdict:
    """Judge one outcome. A result that the judge itself fails on is wrong."""
    if outcome.error:
        return wrong(f"your code stops with {outcome.error}")
    try:
        return exercise.judge(case, outcome.result)
    except Exception as error:
        return wrong(f"this result cannot be judged ({type(error).__name__})")


def run_case(exercise: Exercise, answer: Any, case: Case) -> Any:
    """Run one case on a copy of its data, from a fixed random state, and return plain data."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return to_plain(exercise.run(answer, copy.deepcopy(case)))


def to_plain(value: Any) -> Any:
    """Return ``value`` as plain data: numbers, strings, lists, dicts and CPU tensors.

    Exact types only: an object that merely pretends to be a number or a tensor, for example by
    being equal to everything, becomes ``Unusable``.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [to_plain(item) for item in value]
    if type(value) is dict:
        return {str(key): to_plain(item) for key, item in value.items()}
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return value.detach().cpu().clone()
    if type(value) is np.ndarray and value.dtype != object:
        return torch.from_numpy(np.ascontiguousarray(value)).clone()
    if isinstance(value, np.generic) and type(value).__module__ == "numpy":
        item = value.item()  # which can be complex, or bytes
        return item if type(item) in (bool, int, float, str) else Unusable(type(value).__name__)
    if type(value) is torch.Size:
        return list(value)
    return Unusable(type(value).__name__)


def describe(value: Any) -> str:
    """Return plain data in a few words, as a hint or a case shows it."""
    if isinstance(value, torch.Tensor):
        if value.ndim == 0:
            return f"tensor({value.item():.6g})"
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Unusable):
        return f"an object of type {value.kind}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def same_number(result: Any, want: float, tolerance: float = 0.0) -> bool:
    """Return whether ``result`` is a Python number within ``tolerance`` of ``want``."""
    if type(result) not in (int, float) or not math.isfinite(result):
        return False
    return abs(result - want) <= tolerance


def same_tensor(result: Any, want: torch.Tensor, tolerance: float = 1e-5) -> bool:
    """Return whether ``result`` is a tensor of ``want``'s shape with its values.

    ``tolerance`` is relative to the largest absolute value of ``want``, or absolute below 1.
    """
    if not isinstance(result, torch.Tensor) or result.shape != want.shape or result.is_complex():
        return False
    if want.numel() == 0:
        return True
    result, want = result.double(), want.double()
    limit = tolerance * max(1.0, want.abs().max().item())
    return bool(((result - want).abs() <= limit).all())


def tensor_problem(result: Any, want: torch.Tensor, tolerance: float = 1e-5) -> str | None:
    """Return what is wrong with ``result`` in words that fit any exercise; None if it is right."""
    if not isinstance(result, torch.Tensor):
        return f"return a tensor; your code returned {describe(result)}"
    if result.shape != want.shape:
        return f"the shape should be {tuple(want.shape)}, yours is {tuple(result.shape)}"
    if not same_tensor(result, want, tolerance):
        return "the shape is right, but the values are not"
    return None
