"""Submissions as pytest sees them: nbval's file is a submission, its cells are the exercises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from .attempt import Attempt
from .bench import Bench
from .results import (
    FULL,
    INFRASTRUCTURE,
    UNREADABLE,
    ExerciseResult,
    SubmissionResult,
    write_result,
)
from .run import Infrastructure
from .skeleton import identify
from .workplace import Workplace

BENCH = pytest.StashKey[Bench]()


class NotFull(Exception):
    """An exercise earned less than all points; the message is what a student should read."""


class GradedFile(IPyNbFile):
    """One submission as a collection of its exercises."""

    def __init__(self, *arguments: Any, place: Workplace, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.place = place
        self.submission = place.read(self.path)

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the exercises; for a file that cannot be read, one item that says so."""
        skeleton = None if self.submission.reason else identify(self.submission, self.skeletons)
        ids = [UNREADABLE] if skeleton is None else list(skeleton.answers)
        for number, exercise_id in enumerate(ids):
            yield GradedExercise.from_parent(
                self, name=exercise_id, cell_num=number, cell=None, options={}
            )

    @property
    def skeletons(self) -> dict[str, Any]:
        """Return the instructor's lectures."""
        return self.place.skeletons

    def setup(self) -> None:
        """Start nothing: the first exercise that has to be graded starts the kernel."""

    @cached_property
    def stored(self) -> SubmissionResult | None:
        """Return the result of an earlier grading, if it still holds."""
        return self.place.stored(self.submission)

    @cached_property
    def attempt(self) -> Attempt:
        """Return the grading of this submission; its kernel starts with the first cell."""
        return Attempt(self.submission, self.place, self.config.stash[BENCH])

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise, stored or new.

        Raises:
            Infrastructure: the submission cannot be graded now.
        """
        if self.stored is not None:
            return next(e for e in self.stored.exercises if e.id == exercise_id)
        return self.attempt.grade(exercise_id)

    def teardown(self) -> None:
        """End the kernel, and store the result if all exercises were graded."""
        if "attempt" in self.__dict__ and (result := self.attempt.finish()):
            write_result(self.place.results, result)


class GradedExercise(IPyNbCell):
    """One exercise of a submission: passes with full points."""

    parent: GradedFile

    def setup(self) -> None:
        """Note whose exercise this is, for reports."""
        submission = self.parent.submission
        self.user_properties += [("student", submission.student), ("file", submission.file)]

    def runtest(self) -> None:
        """Grade the exercise.

        Raises:
            NotFull: it earned less than all points.
            Infrastructure: it was not graded.
        """
        if self.name == UNREADABLE:
            raise NotFull(f"{UNREADABLE}: {self.parent.stored.reason}")
        result = self.parent.grade(self.name)
        self.user_properties += [
            ("points", result.points),
            ("max_points", result.max_points),
            ("status", result.status),
        ]
        if result.status != FULL:
            raise NotFull(describe(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        """Return what is shown of a failure."""
        if isinstance(excinfo.value, NotFull):
            return str(excinfo.value)
        if isinstance(excinfo.value, Infrastructure):
            return f"{INFRASTRUCTURE}, not graded: {excinfo.value}"
        return str(pytest.Item.repr_failure(self, excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where pytest says that this is."""
        return Path(self.parent.submission.file), 0, f"{self.parent.submission.file}::{self.name}"


def describe(result: ExerciseResult) -> str:
    """Return the result of an exercise as its check would show it."""
    line = f"{result.id} {result.title}: {result.points:g}/{result.max_points} points"
    lines = [f"{line} ({result.status}, {result.passed} of {result.total} cases)"]
    if result.failing_case:
        lines.append(f"  first failing case: {result.failing_case}")
    if result.hint:
        lines.append(f"  hint: {result.hint}")
    return "\n".join(lines)
