"""What an exercise is, how an answer is scored, and what ``check`` shows.

An exercise is data and two small functions: ``run`` gives the inputs of one question to the
student's function or class, ``judge`` compares what came out with the question's key. They are
kept apart so that they can run in different processes: while grading, only ``run`` happens where
the student's code is. So results are plain data, and a judge never sees the student's object.

Nothing here knows an answer. What is right stands in the key, as plain data; what makes keys is
`course_utils.instructor.examiners`, which students do not have.
"""

from __future__ import annotations

import copy
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..withheld import running

Case = dict[str, Any]
ROOM = 20  # a result may be this many times as large as its question: a judge's work has an end
SMALLEST_ROOM = 20_000  # numbers and characters that every result may have
STILL_THERE = "this case comes to a `raise NotImplementedError` that still stands in your code"


@dataclass(frozen=True)
class Question:
    """One case of an exercise and its key, both plain data.

    The key holds what is right and, where a hint can name a mistake, what that mistake leads to:
    by habit ``{"want": ..., "mistakes": {hint: result}}``.
    """

    case: Case
    key: Any


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


class Watch:
    """Notes what of PyTorch is used inside its `with` block.

    Args:
        packages: whether to note packages too. Every call of a Python function then takes longer.

    Attributes:
        calls: names of the functions that were called, in their order.
        names: these, and the names of the operations that ran; of a convolution also whether it
            was "a convolution in groups".
        packages: names of the packages of which Python functions ran, for example "scipy".
    """

    def __init__(self, packages: bool = False) -> None:
        self.calls: list[str] = []
        self.operations: set[str] = set()
        self.packages: set[str] = set()
        self.modes: list[Any] = [_Calls(self.calls), _Operations(self.operations)]
        if packages:
            self.modes.append(_Packages(self.packages))

    def __enter__(self) -> Watch:
        for mode in self.modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self.modes):
            mode.__exit__(*error)

    @property
    def names(self) -> set[str]:
        """Return the names of functions and operations."""
        return self.operations.union(self.calls)


class _Calls(TorchFunctionMode):
    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def __torch_function__(
        self, function: Callable, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        self.names.append(getattr(function, "__name__", ""))
        return function(*arguments, **(options or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        name = operation.overloadpacket.__name__
        self.names.add(name)
        if name == "convolution" and arguments[8] > 1:
            self.names.add("a convolution in groups")
        return operation(*arguments, **(options or {}))


class _Packages:
    """Notes whose Python functions run, beside a profiler that may be at work."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def __enter__(self) -> None:
        self.before = sys.getprofile()
        sys.setprofile(self._note)

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self.before)

    def _note(self, frame: FrameType, event: Any, argument: Any) -> None:
        if event == "call":
            self.names.add(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        if self.before is not None:
            self.before(frame, event, argument)


class Exercise(ABC):
    """One exercise, set by a subclass.

    Attributes:
        id: lecture.number, for example "02.1".
        points: the points for all cases.
        title: what it is about, in a few words.
        ready_made: names of what PyTorch has and the answer must write itself. ``check`` watches
            for them; a grader names them to a person.
        ready_made_hint: what ``check`` says of an answer that uses them.
        watches_packages: whether ``check`` also notes which packages an answer calls.
    """

    id: str
    points: int
    title: str
    ready_made: tuple[str, ...] = ()
    ready_made_hint: str = ""
    watches_packages = False
    worth_a_look: tuple[str, ...] = ()  # names that a person should see in an answer
    no_loops: bool = False  # a person should see a loop in an answer

    def run(self, answer: Any, case: Case) -> Any:
        """Give one case to the student's ``answer``: by default its values, in their order."""
        return answer(*case.values())

    @abstractmethod
    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        """Compare ``result`` with the key. It may be any plain data, also nonsense."""

    def objection(self, case: Case, watch: Watch) -> str:
        """Return what ``check`` says of a right result that came about in a wrong way."""
        return self.ready_made_hint if watch.names & {*self.ready_made} else ""

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
    """What came of one case: a result, or the error that the answer stopped with.

    unsolved: it stopped where the stub does.
    objection: why the result does not count even if it is right.
    """

    result: Any = None
    error: str = ""
    unsolved: bool = False
    objection: str = ""


def score(exercise: Exercise, answer: Any, questions: Sequence[Question]) -> Score:
    """Run every question's case on ``answer`` and judge it. Raises nothing of its own."""
    name = getattr(answer, "__name__", type(answer).__name__)
    outcomes = [_watched(exercise, answer, question.case) for question in questions]
    return judge_outcomes(exercise, name, questions, outcomes)


def _watched(exercise: Exercise, answer: Any, case: Case) -> Outcome:
    """Run one case, and note the objection to how it was done, where the exercise can have one."""
    if not exercise.ready_made and type(exercise).objection is Exercise.objection:
        return outcome_of(exercise, answer, case)
    with Watch(exercise.watches_packages) as watch:
        outcome = outcome_of(exercise, answer, case)
    return replace(outcome, objection=exercise.objection(case, watch))


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
    questions: Sequence[Question],
    outcomes: Sequence[Outcome],
    missing: str = "no result came back",
) -> Score:
    """Judge what came of the first cases; those without an outcome failed, ``missing`` says why."""
    total = len(questions)
    if sum(outcome.unsolved for outcome in outcomes) == total:
        return Score(exercise, name, 0, total, unsolved=True)
    verdicts = [judge_outcome(exercise, *both) for both in zip(questions, outcomes, strict=False)]
    verdicts += [wrong(missing)] * (total - len(verdicts))
    passed = sum(verdict.is_right for verdict in verdicts)
    if passed == total:
        return Score(exercise, name, passed, total)
    empty = empty_answer(questions, outcomes) if passed else ""
    if empty:
        verdicts, passed = [wrong(empty)] * total, 0
    place = next(i for i, verdict in enumerate(verdicts) if not verdict.is_right)
    failing_case = exercise.describe(questions[place].case)
    return Score(
        exercise, name, passed, total, failing_case=failing_case, hint=verdicts[place].hint
    )


def judge_outcome(exercise: Exercise, question: Question, outcome: Outcome) -> Verdict:
    """Judge one outcome. A result that the judge itself fails on is wrong."""
    if outcome.unsolved:
        return wrong(STILL_THERE)
    if outcome.error:
        return wrong(f"your code stops with {outcome.error}")
    room = ROOM * (size_of(question.case) + size_of(question.key))
    if size_of(outcome.result) > max(SMALLEST_ROOM, room):
        return wrong("your result is far larger than what is asked for")
    try:
        verdict = exercise.judge(question.case, question.key, outcome.result)
    except Exception as error:
        return wrong(f"this result cannot be judged ({type(error).__name__})")
    return wrong(outcome.objection) if verdict.is_right and outcome.objection else verdict


def size_of(value: Any) -> int:
    """Return how many numbers and characters plain data holds, about."""
    size, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, (list, tuple)):
            waiting += part
        size += part.numel() if isinstance(part, torch.Tensor) else 1
        size += len(part) if isinstance(part, str) else 0
    return size


def empty_answer(questions: Sequence[Question], outcomes: Sequence[Outcome]) -> str:
    """Return why an answer that is right here and there shows nothing; empty if it may."""
    if len(outcomes) < 3 or any(o.error or o.unsolved for o in outcomes):
        return ""
    results = [outcome.result for outcome in outcomes]
    results = [_returned(result) for result in results]
    if all(equal(result, results[0]) for result in results):
        return "your answer gives the same result for every case"
    given = (question.case.values() for question in questions)
    if all(any(equal(r, x) for x in v) for r, v in zip(results, given, strict=False)):
        return "your answer returns what it was given"
    return ""


def _returned(result: Any) -> Any:
    """Return the part of a result that the student's code returned, where it has such a part."""
    for name in ("returned", "output"):
        if isinstance(result, dict) and name in result:
            return result[name]
    return result


def equal(one: Any, other: Any) -> bool:
    """Return whether two plain values are the same in type, shape and every number."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def run_case(exercise: Exercise, answer: Any, case: Case) -> Any:
    """Run one case on a copy of its data, from a fixed random state, and return plain data."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # torch.manual_seed would reset the GPU's, too
        with running(exercise.id):
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
