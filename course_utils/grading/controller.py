"""The process that a grading was started in: it reports what is graded, and cleans up."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from filelock import FileLock, Timeout

from ..runtime import progress
from .intake import Submission
from .reports import write_class, write_feedback
from .results import (
    INFRASTRUCTURE,
    SubmissionResult,
    read_result,
    read_results,
    result_name,
    write_result,
)
from .skeleton import identify
from .workplace import SUFFIX, Workplace

PAUSE = 5.0  # seconds between two versions of the tables and the instructor's page
REST = 10  # for a large class the pause is this many times what a version takes


class Reporter:
    """Reports each submission as soon as its result is stored.

    keep: whether results stay; otherwise the folder goes away and no reports are written.

    Raises ValueError if another grading works in the same folder.
    """

    def __init__(self, place: Workplace, keep: bool = True) -> None:
        self.place, self.keep = place, keep
        self.lock = FileLock(place.out / "lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            place.clear()
            raise ValueError(
                f"another grading works in {place.out}: wait for its end, or choose another folder"
            ) from None
        self.waiting = {
            submission.file: submission
            for submission in map(place.read, sorted(place.submissions.glob(f"*{SUFFIX}")))
        }
        self.results = {result.file: result for result in read_results(place.results)}
        self.due = 0.0  # when the next version may be written
        self.bar = progress(total=len(self.waiting), description="grading", unit="submission")

    def take(self, result: SubmissionResult) -> None:
        """Report a result that is stored."""
        del self.waiting[result.file]
        self.bar.update()
        self._report(result)

    def lose(self, submission: Submission, reason: str) -> None:
        """Store and report that a submission could not be graded."""
        skeleton = identify(submission, self.place.skeletons)
        lecture = skeleton.lecture if skeleton else ""
        result = SubmissionResult(
            submission.student, lecture, submission.file, "", INFRASTRUCTURE, reason
        )
        write_result(self.place.results, result)
        self.take(result)

    def finish(self) -> None:
        """Write all reports once more."""
        if self.keep:
            self._write_class()
        self.bar.close()

    def close(self) -> None:
        """Remove what is not kept."""
        self.place.clear()
        self.lock.release()
        if not self.keep:
            shutil.rmtree(self.place.out, ignore_errors=True)

    def _report(self, result: SubmissionResult) -> None:
        self.results[result.file] = result
        if not self.keep:
            return
        own = [r for r in self.results.values() if r.student == result.student]
        write_feedback(self.place.out, own)
        if time.monotonic() > self.due:
            self._write_class()

    def _write_class(self) -> None:
        began = time.monotonic()
        write_class(self.place.out, list(self.results.values()), self.place.solutions)
        now = time.monotonic()
        self.due = now + max(PAUSE, REST * (now - began))


class Controller(Reporter):
    """Reports what pytest and its workers grade."""

    def __init__(self, config: pytest.Config, place: Workplace, keep: bool) -> None:
        super().__init__(place, keep)
        self.config = config

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where the submissions are."""
        node.workerinput["grading"] = {
            "folder": str(self.place.folder),
            "out": str(self.place.out),
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the last exercise of a submission its result is there: report it."""
        file = dict(report.user_properties).get("file")
        if report.when != "teardown" or file not in self.waiting:
            return
        result = read_result(self.place.results / f"{result_name(file)}.json")
        if result and result.fingerprint == self.place.fingerprint(self.waiting[file]):
            self.take(result)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Report what was lost with a worker, and write all reports once more."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if ended and not (session.shouldfail or session.shouldstop or self._is_partial()):
            for submission in list(self.waiting.values()):
                self.lose(submission, "the process that graded it ended: grade it again")
        self.finish()

    def _is_partial(self) -> bool:
        """Return whether only some exercises were asked for."""
        option = self.config.option
        return bool(option.keyword or option.markexpr or option.deselect or option.collectonly)

    def pytest_unconfigure(self) -> None:
        """Remove what is not kept."""
        self.close()
