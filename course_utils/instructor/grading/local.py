"""Grading on this machine: several clerks, each with one submission after the other."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path

from ..answers.submission import Submission
from ..reports.results import SubmissionResult
from .clerk import Clerk
from .reporter import Reporter, begin, reporting
from .settings import Settings


def grade_here(paths: Sequence[Path], out: Path, settings: Settings) -> Reporter:
    """Grade what lies at ``paths``. An interrupt leaves what is graded, and reports.

    Raises:
        FileNotFoundError, ValueError: wrong usage, as of `begin`.
    """
    with reporting(begin(paths, out, settings, Reporter)) as reporter:
        waiting = reporter.take_stored()
        workers = min(settings.workers or os.cpu_count() or 1, len(waiting))
        clerks = [Clerk(reporter.run, workers) for _ in range(workers)]
        _grade(waiting, clerks, reporter)
    return reporter


def _grade(waiting: list[Submission], clerks: list[Clerk], reporter: Reporter) -> None:
    todo: queue.SimpleQueue[Submission] = queue.SimpleQueue()
    done: queue.SimpleQueue[SubmissionResult] = queue.SimpleQueue()
    for submission in waiting:
        todo.put(submission)

    def work(clerk: Clerk) -> None:
        while not clerk.is_closed:
            try:
                done.put(clerk.grade(todo.get_nowait()))
            except queue.Empty:
                return

    threads = [threading.Thread(target=work, args=(clerk,), daemon=True) for clerk in clerks]
    try:
        for thread in threads:
            thread.start()
        for _ in waiting:
            reporter.keep_result(done.get())
    finally:
        for clerk in clerks:
            clerk.close()
        for thread in threads:
            thread.join()
