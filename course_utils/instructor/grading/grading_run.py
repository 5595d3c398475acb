"""What the processes of one grading share: submissions, skeletons, the seed, the stored results.

The first process reads what was handed in and puts it into a folder of its own; the others read it
there. Nothing of it is visible to a kernel.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...lectures import all_lectures
from ...runtime import project_root, write_whole
from ...runtime.threads import kernel_threads
from ..answers.skeleton import Skeleton, read_skeleton
from ..answers.submission import Submission
from ..reports.results import (
    INFRASTRUCTURE,
    UNREADABLE,
    SubmissionResult,
    read_result,
    result_name,
)
from ..sandbox.course_copy import make_course_copy
from ..sandbox.settings import GB, Fence
from .settings import Settings

SUFFIX = ".submission"


@dataclass(frozen=True)
class GradingRun:
    """One grading. ``folder`` is its own and goes away; ``out`` keeps results and seed."""

    folder: Path
    out: Path
    settings: Settings

    @classmethod
    def opened(cls, folder: Path) -> GradingRun:
        """Return the grading that another process has prepared in ``folder``."""
        stored = json.loads((folder / "settings.json").read_text("utf-8"))
        return cls(folder, Path(stored["out"]), Settings(**stored["settings"]))

    @cached_property
    def skeletons(self) -> dict[str, Skeleton]:
        """Return the instructor's lectures by id."""
        found = (read_skeleton(lecture.path) for lecture in all_lectures())
        return {skeleton.lecture: skeleton for skeleton in found}

    @property
    def solutions(self) -> dict[str, str]:
        """Return the instructor's solution of each exercise."""
        answers = (skeleton.answers.items() for skeleton in self.skeletons.values())
        return {exercise: step.source for pairs in answers for exercise, step in pairs}

    @property
    def seed(self) -> int:
        """Return the seed of all cases."""
        if self.settings.seed is None:
            raise ValueError("the seed of this grading was not drawn yet")
        return self.settings.seed

    @cached_property
    def code(self) -> str:
        """Return the mark of the code that grades, as it was when the grading began."""
        return (self.folder / "code").read_text("ascii")

    @property
    def submissions(self) -> Path:
        """Return the folder with one file for each submission."""
        return self.folder / "submissions"

    @property
    def course(self) -> Path:
        """Return the folder with the course as kernels see it."""
        return self.folder / "course"

    @property
    def results(self) -> Path:
        """Return the folder with the stored results."""
        return self.out / "results"

    def add(self, submission: Submission, number: int) -> None:
        """Keep a submission for the processes of this grading."""
        path = self.submissions / f"{number:06}-{result_name(submission.file)}{SUFFIX}"
        path.write_text(submission.as_json(), "utf-8")

    def read(self, path: Path) -> Submission:
        """Return one of the submissions."""
        return Submission.from_json(path.read_text("utf-8"))

    def fence(self, workers: int) -> Fence:
        """Return the fence for the kernels of one of ``workers`` processes."""
        return Fence(
            self.course,
            project_root() / "data",
            memory=int(self.settings.memory * GB),
            threads=kernel_threads(workers),
            sandbox=self.settings.sandbox,
            gpu=self.settings.gpu,
        )

    def fingerprint(self, submission: Submission) -> str:
        """Return what changes when a submission must be graded again."""
        skeleton = self.skeletons.get(submission.lecture)
        work = (submission.lecture, submission.version, submission.cells, submission.reason)
        shown = (submission.shown, submission.python)
        here = (sys.version_info[:2], self.settings.gpu)  # what a note may ask for is graded again
        parts = (work, shown, here, skeleton, self.seed, self.code)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def without_points(self, submission: Submission, state: str, reason: str) -> SubmissionResult:
        """Return the result of a submission that was not graded."""
        return SubmissionResult(
            submission.student,
            submission.lecture,
            submission.file,
            self.fingerprint(submission),
            state,
            reason,
            **owner_of(submission),
        )

    def stored(self, submission: Submission) -> SubmissionResult | None:
        """Return the result of an earlier grading, if it still holds."""
        result = read_result(self.results / f"{result_name(submission.file)}.json")
        if result is None or result.state == INFRASTRUCTURE:
            return None
        if self.settings.regrade and result.state != UNREADABLE:  # reading needs no second time
            return None
        return result if result.fingerprint == self.fingerprint(submission) else None

    def clear(self) -> None:
        """Remove what is not kept."""
        shutil.rmtree(self.folder, ignore_errors=True)


def owner_of(submission: Submission) -> dict[str, Any]:
    """Return what a result says of who handed in, and when, beside the name."""
    names = ("person", "handed_in", "attempt", "is_late")
    return {name: getattr(submission, name) for name in names}


def content_of(*patterns: str) -> str:
    """Return a text that changes with the content of the course's files of these names."""
    files = sorted(file for pattern in patterns for file in project_root().glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def new_run(out: Path, settings: Settings) -> GradingRun:
    """Prepare a grading, still without submissions.

    Raises:
        ValueError: ``out`` was graded with another seed, or two files are the same lecture.
    """
    all_lectures()  # better refused here than by each clerk
    (out / "results").mkdir(parents=True, exist_ok=True)
    settings = replace(settings, seed=_kept_seed(out / "seed", settings.seed))
    run = GradingRun(Path(tempfile.mkdtemp(prefix="grading-")), out, settings)
    shared = run.folder / "settings.json"
    shared.touch(mode=0o600)
    shared.write_text(json.dumps({"out": str(out), "settings": asdict(settings)}), "utf-8")
    code = content_of("course_utils/exercises/*.py", "course_utils/instructor/**/*.py")
    (run.folder / "code").write_text(code, "ascii")
    run.submissions.mkdir()
    run.course.mkdir()
    make_course_copy(run.course)
    data = run.course / "data"
    if settings.sandbox:
        data.mkdir()
    else:
        data.symlink_to(project_root() / "data")
    return run


def _kept_seed(path: Path, wanted: int | None) -> int:
    """Return the seed of all cases: drawn once, so that a grading that goes on is the same."""
    if not path.is_file():
        seed = secrets.randbits(63) if wanted is None else wanted
        write_whole(path, str(seed).encode(), mode=0o600)
    try:
        seed = int(path.read_text("ascii"))
    except ValueError:
        raise ValueError(
            f"{path} is damaged: put the seed of this grading there, or remove it to draw another"
        ) from None
    if wanted not in (None, seed):
        raise ValueError(f"{path.parent} was graded with another seed: choose another folder")
    return seed
