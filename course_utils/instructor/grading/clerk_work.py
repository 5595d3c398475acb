"""What runs in a clerk's process: each question is a line on its input, each answer one or more."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from ..answers.submission import Submission
from ..intake.intake import Intake
from ..reports.class_list import ClassList, read_class_list
from ..reports.results import (
    SubmissionResult,
    read_result,
    read_results,
    result_as_json,
)
from ..reports.safe_text import one_line
from ..sandbox.kernels import Kernels
from .grading_run import GradingRun


class Work:
    """What a clerk can be asked to do. Before something that can stall it says its phase."""

    def __init__(self, folder: str, workers: str, replies: Any) -> None:
        self.run, self.workers, self.replies = GradingRun.opened(Path(folder)), workers, replies
        self.kernels: Kernels | None = None

    def say(self, **message: Any) -> None:
        """Send one message to the process that asked."""
        self.replies.write(json.dumps(message).encode() + b"\n")
        self.replies.flush()

    def phase(self, name: str) -> None:
        """Say what begins now."""
        self.say(phase=name)

    def read(self, path: str, start: int, broken: list[str]) -> Iterator[str]:
        """Yield what lies at a path as text, without the first ``start`` and what is broken."""
        self.phase("reading")
        intake = Intake(self.run.skeletons, self._reads, broken, self.run.out)
        for entry in islice(intake.entries(Path(path)), start, None):
            self._reads(entry.name)
            yield entry.read().as_json()
            self.phase("reading")

    def _reads(self, name: str) -> None:
        self.phase(f"reading {name}")

    def grade(self, text: str) -> Iterator[str]:
        """Yield the result of a submission as text."""
        submission = Submission.from_json(text)
        self.kernels = self.kernels or Kernels(self.run.fence(int(self.workers)))
        waking = threading.Thread(target=self._wake, args=(submission.lecture,))
        waking.start()  # the sandbox and this process import torch side by side
        from .grade_submission import grade_submission  # readers do without torch

        waking.join()
        yield result_as_json(grade_submission(submission, self.run, self.kernels, self.phase))
        self.kernels.sweep()

    def _wake(self, lecture: str) -> None:
        assert self.kernels is not None
        with suppress(RuntimeError):  # the first kernel will say so
            self.kernels.prepare(self.run.skeletons[lecture].imports)

    @cached_property
    def results(self) -> dict[str, SubmissionResult]:
        """Return all results that are stored."""
        return {result.file: result for result in read_results(self.run.results)}

    @cached_property
    def class_list(self) -> ClassList:
        """Return who is in the class: settled before the first report is asked for."""
        return read_class_list(self.run.out)

    def feedback(self, name: str) -> Iterator[str]:
        """Write the page of the student whose result is stored as ``name``."""
        from ..reports.writing import write_feedback  # who grades does without

        self.phase("reporting")
        if result := read_result(self.run.results / name):
            self.results[result.file] = result
            own = [r for r in self.results.values() if r.owner == result.owner]
            write_feedback(self.run.out, own, self.class_list)
        return iter(())

    def overview(self) -> Iterator[str]:
        """Write the tables, the instructor's page, and pages of students that are missing."""
        from ..reports.writing import without_feedback, write_class, write_feedback

        self.phase("reporting")
        results = list(self.results.values())
        write_class(self.run.out, results, self.run.solutions)
        for own in without_feedback(self.run.out, results):
            self.phase("reporting")
            write_feedback(self.run.out, own, self.class_list)
        return iter(())

    def close(self) -> None:
        """End the kernels."""
        if self.kernels is not None:
            self.kernels.close()


def main(folder: str, workers: str) -> None:
    """Answer questions until there are no more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not look like an answer
    work = Work(folder, workers, replies)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        try:
            for value in getattr(work, question["do"])(*question["arguments"]):
                work.say(value=value)
        except Exception as problem:
            work.say(error=one_line(f"{type(problem).__name__}: {problem}"))
        else:
            work.say(end=True)
    work.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
