"""What the processes of one grading share: submissions, skeletons, the seed, the stored results.

The first process reads what was handed in and puts it into a folder of its own; pytest's workers
read it there. Nothing of it is visible to a kernel.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..lectures import all_lectures, write_whole
from ..runtime import progress, project_root
from .intake import Submission, read_submissions
from .kernel_view import make_kernel_view
from .results import (
    INFRASTRUCTURE,
    UNREADABLE,
    SubmissionResult,
    read_result,
    result_name,
    write_result,
)
from .run import Limits
from .skeleton import Skeleton, identify, read_skeleton

SUFFIX = ".submission"


@dataclass(frozen=True)
class Settings:
    """How submissions are graded; the same for all of them."""

    sandbox: bool = True
    gpu: bool = False
    cell_seconds: float = 60
    total_seconds: float = 600
    memory_gb: float = 4
    regrade: bool = False

    @property
    def limits(self) -> Limits:
        """Return the limits of time."""
        return Limits(self.cell_seconds, self.total_seconds)


@dataclass(frozen=True)
class Workplace:
    """One grading. ``folder`` is its own and goes away; ``out`` keeps results and seed."""

    folder: Path
    out: Path
    settings: Settings

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
        """Return the seed of all cases: drawn once, so that a grading that goes on is the same."""
        return int((self.out / "seed").read_text("ascii"))

    @cached_property
    def code(self) -> str:
        """Return the mark of the code that grades, as it was when the grading began."""
        return (self.folder / "code").read_text("ascii")

    @property
    def submissions(self) -> Path:
        """Return the folder with one file for each submission."""
        return self.folder / "submissions"

    @property
    def view(self) -> Path:
        """Return the folder with the course as kernels see it."""
        return self.folder / "course"

    @property
    def results(self) -> Path:
        """Return the folder with the stored results."""
        return self.out / "results"

    def read(self, path: Path) -> Submission:
        """Return one of the submissions."""
        return Submission.from_json(path.read_text("utf-8"))

    def fingerprint(self, submission: Submission) -> str:
        """Return what changes when a submission must be graded again."""
        skeleton = identify(submission, self.skeletons)
        parts = (submission, skeleton, self.seed, self.code)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

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


def content_of(*patterns: str) -> str:
    """Return a text that changes with the content of the course's files of these names."""
    files = sorted(file for pattern in patterns for file in project_root().glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def new_workplace(out: Path, settings: Settings, seed: int | None = None) -> Workplace:
    """Prepare a grading, still without submissions.

    Raises:
        ValueError: ``out`` was graded with another seed.
    """
    place = Workplace(Path(tempfile.mkdtemp(prefix="grading-")), out, settings)
    place.folder.chmod(0o755)
    place.results.mkdir(parents=True, exist_ok=True)
    _keep_seed(out / "seed", seed)
    code = content_of("course_utils/exercises/*.py", "course_utils/grading/*.py")
    (place.folder / "code").write_text(code, "ascii")
    place.submissions.mkdir()
    place.view.mkdir()
    make_kernel_view(place.view)
    data = place.view / "data"
    if settings.sandbox:
        data.mkdir()
    else:
        data.symlink_to(project_root() / "data")
    return place


def open_workplace(
    paths: Iterable[Path], out: Path, settings: Settings, seed: int | None = None
) -> Workplace:
    """Read what was handed in and prepare its grading.

    A file that cannot be graded gets its result here: it needs no kernel.

    Raises:
        FileNotFoundError: one of the paths does not exist.
        ValueError: ``out`` was graded with another seed, or nothing was handed in.
    """
    place = new_workplace(out, settings, seed)
    count = 0
    for submission in progress(read_submissions(paths), description="reading", unit="file"):
        name = f"{count:06}-{result_name(submission.file)}{SUFFIX}"
        (place.submissions / name).write_text(submission.as_json(), "utf-8")
        _keep_unreadable(place, submission)
        count += 1
    if not count:
        raise ValueError("there is no notebook and no zip in what was named")
    return place


def _keep_seed(path: Path, seed: int | None) -> None:
    if path.is_file():
        if seed is not None and int(path.read_text("ascii")) != seed:
            raise ValueError(f"{path.parent} was graded with another seed: choose another folder")
        return
    write_whole(path, str(secrets.randbits(63) if seed is None else seed).encode())
    path.chmod(0o600)


def _keep_unreadable(place: Workplace, submission: Submission) -> None:
    reason = submission.reason
    if not reason and identify(submission, place.skeletons) is None:
        reason = "it is no lecture of this course: no graded cell or answer was recognised"
    if reason:
        result = SubmissionResult(
            submission.student,
            submission.lecture,
            submission.file,
            place.fingerprint(submission),
            UNREADABLE,
            reason,
        )
        write_result(place.results, result)
