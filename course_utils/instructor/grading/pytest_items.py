"""Submissions as pytest sees them: nbval's file is a submission, its cells are the exercises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from ..reports.results import (
    FULL,
    INFRASTRUCTURE,
    UNREADABLE,
    ExerciseResult,
    SubmissionResult,
    describe,
    write_result,
)
from ..sandbox.kernels import Kernels
from .grade_submission import SubmissionGrading
from .grading_run import SUFFIX, GradingRun
from .submission_run import Infrastructure


class NotFull(Exception):
    """An exercise earned less than all points; the message is what a student should read."""


class Collection:
    """A pytest plugin that turns the submissions of a grading into test items."""

    def __init__(self, run: GradingRun, workers: int = 1) -> None:
        self.run, self.started_in = run, Path.cwd()
        self.kernels = Kernels(run.fence(workers))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Go where there is no code: the workers start there, too."""
        os.chdir(self.run.folder)

    def pytest_unconfigure(self) -> None:
        """End the kernels."""
        os.chdir(self.started_in)
        self.kernels.close()

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect a submission."""
        if file_path.suffix != SUFFIX:
            return None
        name = self.run.read(file_path).file
        return GradedFile.from_parent(parent, path=file_path, nodeid=name, grading=self)


class GradedFile(IPyNbFile):
    """One submission as a collection of its exercises."""

    def __init__(self, *arguments: Any, grading: Collection, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.grading, self.run = grading, grading.run
        self.submission = self.run.read(self.path)

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the exercises; for a file that cannot be graded, one item that says so."""
        ids = [UNREADABLE]
        if not self.submission.reason:
            ids = list(self.run.skeletons[self.submission.lecture].answers)
        for number, exercise_id in enumerate(ids):
            yield GradedExercise.from_parent(
                self, name=exercise_id, cell_num=number, cell=None, options={}
            )

    def setup(self) -> None:
        """Start nothing: the first exercise that has to be graded starts the kernel."""

    @cached_property
    def stored(self) -> SubmissionResult | None:
        """Return the result of an earlier grading, if it still holds."""
        return self.run.stored(self.submission)

    @cached_property
    def attempt(self) -> SubmissionGrading:
        """Return the grading of this submission; its kernel starts with the first cell."""
        return SubmissionGrading(self.submission, self.run, self.grading.kernels)

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
            write_result(self.run.results, result)


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
            raise NotFull(f"{UNREADABLE}: {self.parent.submission.reason}")
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
