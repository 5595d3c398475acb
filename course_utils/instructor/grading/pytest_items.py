"""A grading as pytest sees it: nbval's file is a submission, its cells are the exercises."""

from __future__ import annotations

import argparse
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
    SubmissionResult,
    describe,
    read_result,
    result_name,
    write_result,
)
from .clerk import Clerk
from .grading_run import SUFFIX, GradingRun
from .reporter import Reporter


class NotFull(Exception):
    """An exercise earned less than all points; the message is what a student should read."""


class NotGraded(Exception):
    """The grader failed, not the student."""


class Collection:
    """A pytest plugin that turns the submissions of a grading into test items."""

    def __init__(self, run: GradingRun, workers: int = 1) -> None:
        self.run, self.started_in = run, Path.cwd()
        self.clerk = Clerk(run, workers)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Go where there is no code: the workers start there, too."""
        os.chdir(self.run.folder)

    def pytest_unconfigure(self) -> None:
        """End the clerk."""
        os.chdir(self.started_in)
        self.clerk.close()

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
        """Start nothing: a clerk grades, when the first exercise is asked for."""

    def teardown(self) -> None:
        """Leave the clerk for the next submission."""

    @cached_property
    def result(self) -> SubmissionResult:
        """Return the result of the submission, stored or new."""
        if stored := self.run.stored(self.submission):
            return stored
        result = self.grading.clerk.grade(self.submission)
        write_result(self.run.results, result)
        return result


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
            NotGraded: the grader failed.
        """
        result = self.parent.result
        if result.state == INFRASTRUCTURE:
            raise NotGraded(result.reason)
        if not result.is_graded:
            raise NotFull(f"{result.state}: {result.reason}")
        exercise = next(e for e in result.exercises if e.id == self.name)
        self.user_properties += [
            ("points", exercise.points),
            ("max_points", exercise.max_points),
            ("status", exercise.status),
        ]
        if exercise.status != FULL:
            raise NotFull(describe(exercise))

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        """Return what is shown of a failure."""
        if isinstance(excinfo.value, NotFull):
            return str(excinfo.value)
        if isinstance(excinfo.value, NotGraded):
            return f"{INFRASTRUCTURE}, not graded: {excinfo.value}"
        return str(pytest.Item.repr_failure(self, excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where pytest says that this is."""
        return Path(self.parent.submission.file), 0, f"{self.parent.submission.file}::{self.name}"


class PytestReporter(Reporter):
    """Reports what pytest and its workers grade."""

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where the submissions are."""
        node.workerinput["grading"] = str(self.run.folder)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the first exercise of a submission its result is there: report it."""
        file = dict(report.user_properties).get("file")
        if report.when != "call" or file not in self.waiting:
            return
        result = read_result(self.run.results / f"{result_name(file)}.json")
        if result and result.fingerprint == self.run.fingerprint(self.waiting[file]):
            self.take(result)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Report what was lost with a worker, and write all reports once more."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if ended and not (
            session.shouldfail or session.shouldstop or _is_partial(session.config.option)
        ):
            for submission in list(self.waiting.values()):
                self.lose(submission, "the process that graded it ended: grade it again")
        self.finish()

    def pytest_unconfigure(self) -> None:
        """Remove what is not kept."""
        self.close()


def _is_partial(option: argparse.Namespace) -> bool:
    """Return whether only some exercises were asked for."""
    return bool(option.keyword or option.markexpr or option.deselect or option.collectonly)
