"""What grading finds out about one submission, as data that is stored as JSON.

Reports are made from these files only, so a grading that was interrupted reports what it has.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime import write_whole

# The state of a submission. Points count in the first two only.
GRADED = "graded"
NEEDS_A_LOOK = "needs a look"  # graded too, but a person should see why (`notes`)
BESIDE = "beside"  # not graded: it lies beside a graded notebook of its student
UNREADABLE = "unreadable"  # not graded: the file is no notebook of this course (`reason`)
INFRASTRUCTURE = "infrastructure failure"  # not graded: the grader failed; run it again

# The status of an exercise of a graded submission. Where the sandbox's TIMEOUT or DIED is one, the
# cases that were judged before count.
FULL = "full"  # every case is right
PARTIAL = "partial"  # some cases are right
WRONG = "wrong"  # no case is right
UNSOLVED = "unsolved"  # the stub is still there: no case gets past it
MISSING = "missing"  # the answer's cell is not in the notebook


@dataclass(frozen=True)
class ExerciseResult:
    """One exercise of one submission.

    found: how its cell was recognised. shown: the points that the student's own ``check`` printed
    in the notebook that was handed in; None if it printed none. other: another definition of the
    answer, which was not graded. doubt: why the points may not be what the work deserves.
    """

    id: str
    title: str
    points: float
    max_points: int
    status: str
    passed: int = 0
    total: int = 0
    failing_case: str = ""
    hint: str = ""
    seconds: float = 0.0
    found: str = ""
    source: str = ""
    shown: float | None = None
    other: str = ""
    doubt: str = ""

    @property
    def shows_more(self) -> bool:
        """Return whether the notebook that was handed in shows more points than these."""
        return self.shown is not None and self.shown > self.points


@dataclass(frozen=True)
class SubmissionResult:
    """One notebook that was handed in.

    student: the name that reports show; person: the key of who it is, of equal names different
    ones. handed_in: when, as "2026-10-01T12:05", if that is known; attempt: of several of one
    lecture. is_late: handed in late.

    file: as the instructor named it, for a file in a zip ``class.zip/alice/02.ipynb``.
    fingerprint: changes whenever the submission would have to be graded again.
    notes: what a person should know, one sentence each. added: sources of the student's own
    cells that ran beside the answers.
    """

    student: str
    lecture: str  # "02", or "" where it could not be told
    file: str
    fingerprint: str
    state: str
    reason: str = ""
    exercises: tuple[ExerciseResult, ...] = ()
    notes: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    seconds: float = 0.0
    person: str = ""
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False

    @property
    def owner(self) -> str:
        """Return the key of the student."""
        return self.person or self.student

    @property
    def is_graded(self) -> bool:
        """Return whether points count: a zero then is an earned zero."""
        return self.state in (GRADED, NEEDS_A_LOOK)

    @property
    def points(self) -> float:
        """Return the points of all exercises."""
        return round(sum(exercise.points for exercise in self.exercises), 1)

    @property
    def max_points(self) -> int:
        """Return the points that a perfect submission earns."""
        return sum(exercise.max_points for exercise in self.exercises)


def describe(result: ExerciseResult) -> str:
    """Return the result of an exercise as its check would show it."""
    line = f"{result.id} {result.title}: {result.points:g}/{result.max_points} points"
    lines = [f"{line} ({result.status}, {result.passed} of {result.total} cases)"]
    if result.failing_case:
        lines.append(f"  first failing case: {result.failing_case}")
    if result.hint:
        lines.append(f"  hint: {result.hint}")
    return "\n".join(lines)


def write_result(folder: Path, result: SubmissionResult) -> Path:
    """Write a result into ``folder``, in place of an older one of the same file, at once."""
    path = folder / f"{result_name(result.file)}.json"
    write_whole(path, result_as_json(result).encode())
    return path


def read_results(folder: Path) -> list[SubmissionResult]:
    """Read all results of ``folder``, by student and lecture. A damaged file counts as none."""
    found = [result for path in folder.glob("*.json") if (result := read_result(path))]
    return sorted(found, key=lambda result: (result.student.lower(), result.lecture, result.file))


def read_result(path: Path) -> SubmissionResult | None:
    """Read one result; None if it is not there or damaged, so that it is made again."""
    try:
        return result_from_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def result_as_json(result: SubmissionResult) -> str:
    """Return a result as the text that is stored and sent."""
    return json.dumps(dataclasses.asdict(result), indent=1)


def result_from_json(text: str) -> SubmissionResult | None:
    """Return the result that a text holds; None if it holds none."""
    try:
        data: dict[str, Any] = json.loads(text)
        data["exercises"] = tuple(ExerciseResult(**item) for item in data["exercises"])
        return SubmissionResult(**data | {name: tuple(data[name]) for name in ("notes", "added")})
    except (ValueError, TypeError, KeyError):
        return None


def result_name(file: str) -> str:
    """Return a file name for the result of ``file``: readable, and different for each file."""
    readable = "".join(c if c.isalnum() else "-" for c in Path(file).stem)[:40]
    return f"{readable}-{hashlib.sha256(file.encode()).hexdigest()[:12]}"
