"""The process that a grading was started in: it has results reported, and cleans up."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from ...runtime import progress, write_whole
from ..answers.submission import Submission
from ..intake.course_folder import without_unworked
from ..reports.junit import junit
from ..reports.results import (
    BESIDE,
    INFRASTRUCTURE,
    UNREADABLE,
    SubmissionResult,
    read_results,
    result_name,
    write_result,
)
from ..sandbox.sandbox import sandbox_problem
from .clerk import Clerk, Ended, Stopped
from .earlier import apart_from_earlier
from .grading_run import SUFFIX, GradingRun, new_run
from .reading import read_submissions
from .settings import Settings
from .settling import lying_beside, settle

PAUSE = 5.0  # seconds between two versions of the tables and the instructor's page
REST = 10  # for a large class the pause is this many times what a version takes


class CannotGoOn(RuntimeError):
    """What grades cannot grade; the message says why and what to do."""


class Reporter:
    """Reports each submission as soon as its result is stored.

    clerk: writes the reports. keep: whether results stay; otherwise the folder goes away and no
    reports are written.

    Raises ValueError if another grading works in the same folder.
    """

    def __init__(self, run: GradingRun, clerk: Clerk, keep: bool = True) -> None:
        self.run, self.clerk, self.keep = run, clerk, keep
        self.problems: list[str] = []  # reports that could not be written
        self.is_interrupted = False
        self.lock = FileLock(run.out / "lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
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

    def take_stored(self) -> list[Submission]:
        """Report what has a result of an earlier grading. Return what has not."""
        for submission in list(self.waiting.values()):
            if stored := self.run.stored(submission):
                self.take(stored)
        return list(self.waiting.values())

    def keep_result(self, result: SubmissionResult) -> None:
        """Store and report a result."""
        write_result(self.run.results, result)
        self.take(result)

    def take(self, result: SubmissionResult) -> None:
        """Report a result that is stored."""
        del self.waiting[result.file]
        self.results[result.file] = result
        self.bar.update()
        if self.keep:
            self._write("feedback", f"{result_name(result.file)}.json")
            if time.monotonic() > self.due:
                self._write_class()

    def lose(self, submission: Submission, reason: str) -> None:
        """Store and report that a submission could not be graded."""
        self.keep_result(self.run.without_points(submission, INFRASTRUCTURE, reason))

    def finish(self) -> None:
        """Write all reports once more."""
        if self.keep:
            self._write_class()
            write_whole(self.run.out / "junit.xml", junit(read_results(self.run.results)))
        self.bar.close()

    def close(self) -> None:
        """Remove what is not kept."""
        self.clerk.close()
        self.run.clear()
        self.lock.release()
        if not self.keep:
            shutil.rmtree(self.run.out, ignore_errors=True)

    def _write(self, what: str, *names: str) -> None:
        try:
            for _ in self.clerk.ask(what, *names):
                pass
        except (Stopped, Ended) as problem:
            self.problems.append(f"{what} {' '.join(names)}".strip() + f": {problem}")

    def _write_class(self) -> None:
        began = time.monotonic()
        self._write("overview")
        now = time.monotonic()
        self.due = now + max(PAUSE, REST * (now - began))


@contextlib.contextmanager
def reporting(reporter: Reporter) -> Iterator[Reporter]:
    """Write all reports in the end, also of a grading that is interrupted or cannot go on."""
    try:
        try:
            yield reporter
        except KeyboardInterrupt:
            reporter.is_interrupted = True
        finally:
            reporter.finish()
    finally:
        reporter.close()


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
    run = new_run(out, settings)
    clerk = Clerk(run)
    try:
        _read_all(paths, run, clerk)
        return kind(run, clerk, keep)
    except BaseException:
        clerk.close()
        run.clear()
        raise


def _read_all(paths: Iterable[Path], run: GradingRun, clerk: Clerk) -> None:
    """Read what was handed in. A file that cannot be graded gets its result here.

    Raises:
        FileNotFoundError: one of the paths does not exist.
        ValueError: nothing was handed in.
    """
    paths = list(paths)
    passed_over: Counter[str] = Counter()
    found = read_submissions(paths, clerk, passed_over)
    handed_in = list(progress(found, description="reading", unit="file"))
    handed_in = without_unworked(handed_in, passed_over)
    handed_in = apart_from_earlier(run, handed_in, paths)
    submissions = settle(run, handed_in, passed_over, paths)
    if not submissions:
        raise ValueError("there is no notebook and no zip in what was named")
    beside = lying_beside(submissions)
    for number, submission in enumerate(submissions):
        if submission.file not in beside:
            run.add(submission, number)
        if submission.reason:
            state = BESIDE if submission.file in beside else UNREADABLE
            write_result(run.results, run.without_points(submission, state, submission.reason))
