"""An autograder for Gradescope: the course in a zip, and what it writes for one submission."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...lectures import all_lectures
from ...runtime import project_root
from ..reports.gradebook import lecture_name
from ..reports.pages import explained
from ..reports.results import ExerciseResult
from ..reports.safe_text import one_line
from .single import Single
from .zips import write_zip

SCRIPTS = ("setup.sh", "run_autograder")
PLAIN_FILES = ("LICENSE", "requirements.txt", "constraints.txt", "pyproject.toml")
LEFT_OUT = {"cache", "__pycache__"}
NOTHING = "No notebook was found in what you handed in: hand in the .ipynb file."


def autograder(to: Path, lectures: Sequence[str]) -> list[str]:
    """Write the zip of an autograder. Return what to print.

    lectures: those that it grades; all if none is named.

    Raises:
        OSError: it cannot be written.
        ValueError: there is no such lecture.
    """
    chosen = [x for x in all_lectures() if not lectures or x.id in lectures]
    if unknown := set(lectures) - {x.id for x in chosen}:
        raise ValueError(f"there is no lecture {', '.join(sorted(unknown))}: see notebooks/")
    write_zip(to, _content([x.path for x in chosen]), SCRIPTS)
    points = sum(lecture.points for lecture in chosen)
    return [
        f"wrote {to}: grades {', '.join(lecture_name(x.id) for x in chosen)}, {points} points",
        "  It holds the solutions: give it to nobody.",
        f"  upload it: a programming assignment with {points} points > Configure Autograder > "
        "Zip file upload",
        "  Gradescope's container cannot fence student code in: its points are a preview. Grade "
        "the submissions (Review Grades > Export Submissions) here for the record.",
    ]


def _content(notebooks: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the zip: the scripts beside a folder with the course."""
    for name in SCRIPTS:
        yield name, files(__package__).joinpath("templates", name).read_bytes()
    root = project_root()
    inside = [path for folder in ("course_utils", "data") for path in (root / folder).rglob("*")]
    for path in sorted([*notebooks, *(root / name for name in PLAIN_FILES), *inside]):
        place = path.relative_to(root)
        hidden = any(part in LEFT_OUT or part.startswith(".") for part in place.parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield f"course/{place.as_posix()}", path.read_bytes()


def results(single: Single) -> str:
    """Return ``results.json`` for one submission.

    What could not be graded has no points; Gradescope knows no such score, so a submission in which
    nothing could be graded gets 0 beside the reason, and the student can hand in again.
    """
    tests = [_test(exercise) for result in single.counted for exercise in result.exercises]
    notes = [f"Not graded: {one_line(r.file)}: {one_line(r.reason)}" for r in single.not_graded]
    found = {
        "score": round(sum(result.points for result in single.counted), 1),
        "output": "\n".join(notes or ([] if tests else [NOTHING])),
        "visibility": "visible",
        "tests": tests,
    }
    return json.dumps(found, indent=1)


def _test(exercise: ExerciseResult) -> dict[str, Any]:
    lines = [explained(exercise)]
    if exercise.failing_case:
        lines.append(f"First failing case: {one_line(exercise.failing_case)}")
    if exercise.hint:
        lines.append(f"Hint: {one_line(exercise.hint)}")
    return {
        "number": exercise.id,
        "name": one_line(exercise.title),
        "score": exercise.points,
        "max_score": exercise.max_points,
        "output": "\n".join(lines),
        "visibility": "visible",
    }
