"""A clerk: a plain process that reads, grades and reports what was handed in, within limits.

What was handed in is data, and data can be made to break or to stall whatever parses, plans, judges
or reports it. It does so to a clerk. The process that asked sees the clerk end, or ends it, and
goes on with a new one. `clerk_work.py` is what runs inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from ...runtime import project_root
from ..answers.submission import Submission
from ..reports.results import (
    INFRASTRUCTURE,
    UNREADABLE,
    SubmissionResult,
    result_from_json,
)
from ..sandbox.settings import GB
from .grading_run import GradingRun

GLANCE = 0.2  # seconds between two looks at a clerk that works
WAKING = "starting"
# Seconds of a clerk's own processor time for a phase of its work, and for one that has no entry.
# While student code runs, a clerk waits, and the kernel has limits of its own.
SECONDS: Mapping[str, float] = {"reporting": 300}
OTHER_SECONDS = 60
FAR = 20  # times as long, by the clock: for a clerk that waits for nothing
MEMORY = 2 * GB  # beside what it had when it was asked
MAX_ANSWER = 100_000_000  # bytes


class Stopped(RuntimeError):
    """A clerk could not do its work with what it was given; the message says in which phase."""


class Failed(Stopped):
    """Its own code stopped with an error."""


class Ended(RuntimeError):
    """A clerk's process ended while it worked, and nobody knows why."""


class Clerk:
    """One clerk of a grading; its process starts when it is first asked, and again after a stop.

    workers: how many clerks share this machine.
    """

    def __init__(self, run: GradingRun, workers: int = 1, memory: int = MEMORY) -> None:
        self.run, self.workers, self.memory = run, workers, memory
        self.process: subprocess.Popen[bytes] | None = None
        self.watch: _Watch | None = None
        self.is_asked = self.is_closed = False

    @property
    def phase(self) -> str:
        """Return what the clerk does, or did when it was stopped."""
        return self.watch.phase if self.watch else WAKING

    def grade(self, submission: Submission) -> SubmissionResult:
        """Return the result of a submission. What fails for no known reason is tried once more."""
        result = self._grade_once(submission)
        if result.state == INFRASTRUCTURE and not self.is_closed:
            self.stop()
            result = self._grade_once(submission)
        return result

    def _grade_once(self, submission: Submission) -> SubmissionResult:
        try:
            (text,) = self.ask("grade", submission.as_json())
            result = result_from_json(text)
            assert result is not None
            return result
        except Exception as problem:
            is_its_own = isinstance(problem, Stopped) and not isinstance(problem, Failed)
            state = UNREADABLE if is_its_own else INFRASTRUCTURE
            return self.run.without_points(submission, state, str(problem))

    def ask(self, what: str, *arguments: Any) -> Iterator[Any]:
        """Yield what the clerk answers, as JSON knows it.

        Raises:
            Stopped, Failed: it took too much, or stopped with an error.
            Ended: its process ended.
        """
        process, is_done = self._awake(), False
        self.is_asked = True
        try:
            stdin = process.stdin
            assert stdin is not None
            stdin.write(json.dumps({"do": what, "arguments": arguments}).encode() + b"\n")
            stdin.flush()
            watch = self.watch = _Watch(process.pid, SECONDS, self.memory)
            for message in _messages(process, watch):
                if "value" in message:
                    yield message["value"]
                elif "phase" in message:
                    watch.begin(message["phase"])
                elif "error" in message:
                    raise Failed(f"failed while {watch.phase}: {message['error']}")
                else:
                    is_done = True
                    return
        except BrokenPipeError:
            raise Ended(f"the process that works on it ended while {WAKING}") from None
        finally:
            self.is_asked = False
            if not is_done:
                self.stop()

    def _awake(self) -> subprocess.Popen[bytes]:
        """Return the process, which runs. It starts in a folder that holds no code."""
        if self.is_closed:
            raise Ended("the grading was stopped")
        if self.process is None:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "course_utils.instructor.grading.clerk_work"),
                    *(str(self.run.folder), str(self.workers)),
                ],
                cwd=self.run.folder,
                # What it leaves, if it has to be ended, goes away with the grading.
                env=os.environ
                | {"PYTHONPATH": str(project_root()), "TMPDIR": str(self.run.folder)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is for who asks
            )
        return self.process

    def stop(self) -> None:
        """End the process and all that it started. The next question starts another."""
        process, self.process = self.process, None
        if process is not None:
            _kill(process)
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()  # type: ignore[union-attr]  # both were asked for

    def close(self) -> None:
        """End the process for good, also while another thread waits for an answer."""
        self.is_closed = True
        process = self.process
        if process is not None:
            _kill(process)
            if not self.is_asked:
                self.stop()


def _kill(process: subprocess.Popen[bytes]) -> None:
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for one in below:
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait()


class _Watch:
    """Sees that a clerk keeps its limits in each phase of its work."""

    def __init__(self, pid: int, seconds: Mapping[str, float], memory: int) -> None:
        self.process, self.seconds = psutil.Process(pid), seconds
        self.memory = self.process.memory_info().rss + memory
        self.begin(WAKING)

    def begin(self, phase: str) -> None:
        """Note that another phase begins, "judging 02.1": its first word has the limit."""
        self.phase = phase
        self.limit = self.seconds.get(phase.split(" ", 1)[0], OTHER_SECONDS)
        self.used, self.began = self._used(), time.monotonic()

    def look(self) -> None:
        """Raise Stopped if the clerk may not go on."""
        if self.process.memory_info().rss > self.memory:
            gigabytes = self.memory / GB
            raise Stopped(f"stopped while {self.phase}: more than {gigabytes:.1f} GB of memory")
        late = time.monotonic() > self.began + FAR * self.limit and self.phase != "running"
        if late or self._used() > self.used + self.limit:
            raise Stopped(f"stopped while {self.phase}: more than {self.limit:g} s")

    def _used(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


def _messages(process: subprocess.Popen[bytes], watch: _Watch) -> Iterator[dict[str, Any]]:
    """Yield what a clerk says, line by line, and look at it meanwhile. Raises Stopped, Ended."""
    assert process.stdout is not None
    pipe, waiting = process.stdout.fileno(), b""
    while True:
        # Windows cannot wait for a pipe: there a clerk is not watched, and no code fenced in.
        if os.name != "nt" and not select.select([pipe], [], [], GLANCE)[0]:
            with contextlib.suppress(psutil.NoSuchProcess):
                watch.look()
            continue
        part = os.read(pipe, 1 << 20)
        if not part:
            raise Ended(f"the process that works on it ended while {watch.phase}")
        *lines, waiting = (waiting + part).split(b"\n")
        if len(waiting) > MAX_ANSWER:
            raise Stopped(f"stopped while {watch.phase}: more than {MAX_ANSWER // 10**6} MB")
        yield from map(json.loads, lines)
