"""``grade --cluster``: the same grading, spread over the workers of a Dask cluster.

The process of the command reads what was handed in, sends each submission to a worker as text, and
stores and reports the text that comes back. Workers need no disk in common, only the same course.
Dask runs a submission again whose worker ended. Student code stays in the worker's sandbox, without
a network: whoever reaches a scheduler rules its cluster.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker

from ..answers.submission import Submission
from ..reports.results import SubmissionResult, result_as_json, result_from_json
from ..reports.safe_text import one_line
from ..sandbox.sandbox import sandbox_problem
from .clerk import Clerk
from .grading_run import content_of, new_run
from .reporter import CannotGoOn, Reporter, begin, reporting
from .settings import LOCAL, Settings

GLANCE = 1.0  # seconds between two looks for new workers
PATIENCE = 600.0  # seconds without any worker
# Ctrl-C in a terminal reaches workers on this machine, too; the command ends them itself.
IGNORE_INTERRUPT = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


class ClusterProblem(CannotGoOn):
    """The cluster cannot grade; the message says why and what to do."""


# --- on the workers ------------------------------------------------------------------------------


class Station(WorkerPlugin):
    """What a worker keeps for one grading: its folder and a clerk."""

    def __init__(self, course: dict[str, str], settings: Settings) -> None:
        self.course, self.settings = course, settings
        self.clerk: Clerk | None = None

    def setup(self, worker: Worker) -> None:
        """Let a worker take part. Raises ClusterProblem if it would grade otherwise."""
        if problem := unfit(self.course, worker.state.nthreads):
            raise ClusterProblem(f"the worker {worker.address} {problem}")

    def grade(self, text: str) -> SubmissionResult:
        """Return the result of a submission."""
        if self.clerk is None:
            run = new_run(Path(tempfile.mkdtemp(prefix="seed-")), self.settings)
            self.clerk = Clerk(run, os.cpu_count() or 1)
        return self.clerk.grade(Submission.from_json(text))

    def teardown(self, worker: Worker) -> None:
        """End the clerk and all that it runs, and leave no file."""
        if self.clerk is not None:
            self.clerk.close()
            self.clerk.run.clear()
            shutil.rmtree(self.clerk.run.out, ignore_errors=True)


def unfit(course: dict[str, str], threads: int) -> str:
    """Return what keeps this worker from grading as the command would; empty if nothing does."""
    mine = course_identity()
    for what, wanted in course.items():
        if mine[what] != wanted:
            return (
                f"has {what} {mine[what]}, this command {wanted}: "
                "install the same on both, then start the worker again"
            )
    if threads != 1:
        return f"has {threads} threads: start it with `dask worker --nthreads 1`"
    return f"cannot fence in student code: {problem}" if (problem := sandbox_problem()) else ""


def course_identity() -> dict[str, str]:
    """Return what must be the same everywhere for the same results."""
    course = content_of("course_utils/**/*.py", "notebooks/*.ipynb")
    python = ".".join(platform.python_version_tuple()[:2])
    return {"the course": course[:12], "Python": python, "torch": version("torch")}


def grade_text(name: str, text: str) -> str:
    """Return the result of a submission as text: the task that a worker runs.

    An error becomes a text that is no result: as an object it could hold anything.
    """
    try:
        station = get_worker().plugins[name]
        assert isinstance(station, Station)
        return result_as_json(station.grade(text))
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"[:500]


# --- in the process of the command ---------------------------------------------------------------


def grade_on_cluster(paths: Sequence[Path], out: Path, settings: Settings) -> Reporter:
    """Grade what lies at ``paths``. An interrupt leaves what is graded, and reports.

    Raises:
        ClusterProblem: the cluster cannot grade, or not go on. What is graded is stored.
        FileNotFoundError, ValueError: wrong usage, as of `begin`.
    """
    if not settings.sandbox:
        raise ValueError("--cluster needs the sandbox: student code could reach the scheduler")
    workers = settings.workers or os.cpu_count() or 1
    with (
        _connected(settings.cluster or LOCAL, workers) as client,
        reporting(begin(paths, out, settings, Reporter)) as reporter,
    ):
        Distribution(client, reporter).distribute()
    return reporter


@contextlib.contextmanager
def _connected(address: str, workers: int) -> Iterator[Client]:
    """Yield a client of the cluster. Raises ClusterProblem if there is none."""
    with contextlib.ExitStack() as stack:
        if address == LOCAL:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # that of a submission is watched by the sandbox
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                preload=IGNORE_INTERRUPT,
            )
            address = stack.enter_context(cluster).scheduler_address
        try:
            client = Client(address, set_as_default=False)
        except (OSError, TimeoutError) as problem:
            raise ClusterProblem(
                f"no scheduler answers at {address} ({type(problem).__name__}): start one with "
                "`dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`"
            ) from None
        yield stack.enter_context(client)


class Distribution:
    """Hands submissions to workers, one to each at a time, and reports what comes back.

    One at a time, because Dask blames each submission that a worker holds when the worker ends.
    """

    def __init__(self, client: Client, reporter: Reporter) -> None:
        self.client, self.reporter, self.run = client, reporter, reporter.run
        where = f"{platform.node()} {self.run.out}"
        # The same command gets the same name: it replaces what a killed one left on the workers.
        self.name = f"grading-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
        self.running: dict[Future, Submission] = {}
        self.done: queue.Queue[Future] = queue.Queue()
        self.seen = time.monotonic()  # when there was a worker
        self.workers = 0
        self.due = 0.0  # when they may be counted again

    def distribute(self) -> None:
        """Grade what has no result yet. Raises ClusterProblem."""
        waiting = deque(self.reporter.take_stored())
        station = Station(course_identity(), self.run.settings)
        try:
            with _kept_interrupts() as interrupted:
                self._open(station)
                while waiting or self.running:
                    if interrupted.is_set():
                        raise KeyboardInterrupt
                    self._fill(waiting)
                    with contextlib.suppress(queue.Empty):
                        self._take(self.done.get(timeout=GLANCE))
        finally:
            self._close()

    def _open(self, station: Station) -> None:
        try:
            self.client.register_plugin(station, self.name)
        except ClusterProblem:
            raise
        except Exception as problem:
            raise ClusterProblem(
                f"a worker does not load the course ({type(problem).__name__}: {problem}): install "
                "the course of this command there"
            ) from None

    def _fill(self, waiting: deque[Submission]) -> None:
        """Give each idle worker a submission."""
        if time.monotonic() > self.due:
            self.workers = self._count_workers()
            self.due = time.monotonic() + GLANCE
        while waiting and len(self.running) < self.workers:
            submission = waiting.popleft()
            text = submission.as_json()
            future = self.client.submit(grade_text, self.name, text, pure=False)
            self.running[future] = submission
            future.add_done_callback(self.done.put)

    def _count_workers(self) -> int:
        """Return how many workers there are. Raises ClusterProblem if there were none for long."""
        try:
            count = len(self.client.nthreads())
        except Exception as problem:  # each transport has its own
            raise _gone() from problem
        now = time.monotonic()
        self.seen = now if count else self.seen
        if now > self.seen + PATIENCE:
            raise ClusterProblem(
                f"the cluster has had no worker for {PATIENCE / 60:.0f} minutes: start some (their "
                "log says why one does not join), then the same command goes on"
            )
        return count

    def _take(self, future: Future) -> None:
        """Store and report what became of a submission."""
        submission = self.running.pop(future)
        if future.status == "error":
            self.reporter.lose(submission, _why(future.exception()))
            return
        if future.status != "finished":
            raise _gone()
        text = future.result()
        result = result_from_json(text)
        if result is None or not self._is_of(result, submission):
            self.reporter.lose(submission, f"its worker sent no result of it: {one_line(text)}")
            return
        self.reporter.keep_result(result)

    def _is_of(self, result: SubmissionResult, submission: Submission) -> bool:
        expected = (submission.file, submission.student, self.run.fingerprint(submission))
        return (result.file, result.student, result.fingerprint) == expected

    def _close(self) -> None:
        """Take back what is not done, and leave nothing on the workers."""
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self.client.cancel(list(self.running))
            self.client.unregister_worker_plugin(self.name)


@contextlib.contextmanager
def _kept_interrupts() -> Iterator[threading.Event]:
    """Note an interrupt as well: Python drops one that comes while it clears an object away."""
    interrupted = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _why(problem: BaseException) -> str:
    if isinstance(problem, KilledWorker):
        return f"{problem.allowed_failures + 1} workers ended while they graded it"
    return one_line(f"{type(problem).__name__}: {problem}")


def _gone() -> ClusterProblem:
    return ClusterProblem("the scheduler is gone: start it, then the same command goes on")
