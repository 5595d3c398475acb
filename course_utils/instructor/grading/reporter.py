"""The process that a grading was started in: it reports what is graded, and cleans up."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock, Timeout

from ...runtime import progress
from ..reports.results import (
    INFRASTRUCTURE,
    SubmissionResult,
    read_result,
    read_results,
    result_name,
    write_result,
)
from ..reports.writing import write_class, write_feedback
from ..sandbox.sandbox import sandbox_problem
from .grading_run import SUFFIX, GradingRun, open_run
from .settings import Settings
from .submission import Submission

PAUSE = 5.0  # seconds between two versions of the tables and the instructor's page
REST = 10  # for a large class the pause is this many times what a version takes


class Reporter:
    """Reports each submission as soon as its result is stored.

    keep: whether results stay; otherwise the folder goes away and no reports are written.

    Raises ValueError if another grading works in the same folder.
    """

    def __init__(self, run: GradingRun, keep: bool = True) -> None:
        self.run, self.keep = run, keep
        self.lock = FileLock(run.out / "lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            run.clear()
            raise ValueError(
                f"another grading works in {run.out}: wait for its end, or choose another folder"
            ) from None
        self.waiting = {
            submission.file: submission
            for submission in map(run.read, sorted(run.submissions.glob(f"*{SUFFIX}")))
        }
        self.results = {result.file: result for result in read_results(run.results)}
        self.due = 0.0  # when the next version may be written
        self.bar = progress(total=len(self.waiting), description="grading", unit="submission")

    def take(self, result: SubmissionResult) -> None:
        """Report a result that is stored."""
        del self.waiting[result.file]
        self.bar.update()
        self._report(result)

    def lose(self, submission: Submission, reason: str) -> None:
        """Store and report that a submission could not be graded."""
        result = SubmissionResult(
            submission.student, submission.lecture, submission.file, "", INFRASTRUCTURE, reason
        )
        write_result(self.run.results, result)
        self.take(result)

    def finish(self) -> None:
        """Write all reports once more."""
        if self.keep:
            self._write_class()
        self.bar.close()

    def close(self) -> None:
        """Remove what is not kept."""
        self.run.clear()
        self.lock.release()
        if not self.keep:
            shutil.rmtree(self.run.out, ignore_errors=True)

    def _report(self, result: SubmissionResult) -> None:
        self.results[result.file] = result
        if not self.keep:
            return
        own = [r for r in self.results.values() if r.student == result.student]
        write_feedback(self.run.out, own)
        if time.monotonic() > self.due:
            self._write_class()

    def _write_class(self) -> None:
        began = time.monotonic()
        write_class(self.run.out, list(self.results.values()), self.run.solutions)
        now = time.monotonic()
        self.due = now + max(PAUSE, REST * (now - began))


class PytestReporter(Reporter):
    """Reports what pytest and its workers grade."""

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where the submissions are."""
        node.workerinput["grading"] = str(self.run.folder)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the last exercise of a submission its result is there: report it."""
        file = dict(report.user_properties).get("file")
        if report.when != "teardown" or file not in self.waiting:
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


Kind = TypeVar("Kind", bound=Reporter)


def begin(
    paths: Iterable[Path], out: Path, settings: Settings, kind: type[Kind], keep: bool = True
) -> Kind:
    """Read what was handed in, and return the reporter of its grading.

    Raises:
        FileNotFoundError: one of the paths does not exist.
        ValueError: nothing can be graded: there is no sandbox, no notebook, another seed, or
            another grading works in ``out``.
    """
    # The workers of a cluster fence in what they run; each looks for itself whether it can.
    problem = sandbox_problem() if settings.sandbox and not settings.cluster else None
    if problem:
        raise ValueError(
            f"Student code cannot be fenced in: {problem}. To run it unfenced, with all that your "
            "own user may do, add --no-sandbox."
        )
    return kind(open_run(paths, out, settings), keep)


def _is_partial(option: argparse.Namespace) -> bool:
    """Return whether only some exercises were asked for."""
    return bool(option.keyword or option.markexpr or option.deselect or option.collectonly)
