"""Points in nbgrader's gradebook, where its formgrader and its exporters find them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...exercises import all_exercises
from ...lectures import all_lectures, graded_id
from ...runtime.files import replaced
from ..reports.gradebook import Student, lecture_name
from ..reports.tables import harmless
from .graded_class import GradedClass, folded, left_out

# nbgrader names folders by ids, and writes its CSV without quotes.
ID = re.compile(r"\w(?:[\w.@+: -]{0,200}\w)?")


def fill_gradebook(graded: GradedClass, to: Path) -> list[str]:
    """Add students, lectures and points to a gradebook, a new one or nbgrader's own.

    A lecture is an assignment with one notebook, both called as its file; a check is a graded cell,
    as in the notebook. What was graded by hand in nbgrader stays. Returns what to print.

    Raises:
        ModuleNotFoundError: nbgrader is not installed.
        ValueError: the file is no gradebook.
    """
    ids = _ids(graded.students)
    students = [student for student in graded.students if ids[student.key] and student.points]
    _fill(graded, students, ids, to)
    lost = [s for s in graded.students if s.points and not ids[s.key]]
    return [
        f"wrote {to}: {len(students)} students, {', '.join(map(lecture_name, graded.lectures))}",
        "  use it: in the course's folder as gradebook.db, then `nbgrader export` or formgrader",
        "  nbgrader shows 0 for a student of the class who has no submission",
        *(left_out(student, "no id of its own that nbgrader can use") for student in lost),
    ]


def _fill(
    graded: GradedClass, students: Iterable[Student], ids: Mapping[str, str], to: Path
) -> None:
    from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
    from sqlalchemy import text
    from sqlalchemy.exc import DatabaseError

    try:
        # A copy, for nbgrader adds its tables to whatever it opens.
        with (
            warnings.catch_warnings(),
            _copy_of(to) as copy,
            Gradebook(f"sqlite:///{copy}") as gradebook,
        ):
            warnings.simplefilter("ignore")  # nbgrader's own, of how it uses SQLAlchemy
            # nbgrader stores each cell by itself; the copy is worth no wait for the disk.
            for setting in ("synchronous = OFF", "journal_mode = MEMORY"):
                gradebook.db.execute(text(f"PRAGMA {setting}"))
            places = _add_lectures(gradebook, graded)
            for student in students:
                _add_student(gradebook, student, ids[student.key])
                for lecture in student.points:
                    _add_points(gradebook, student, ids[student.key], lecture, *places[lecture])
    except (DatabaseError, InvalidEntry, MissingEntry) as problem:
        reason = f"{to} is no gradebook of nbgrader, or one of other lectures: name another file"
        raise ValueError(reason) from problem


@contextlib.contextmanager
def _copy_of(to: Path) -> Iterator[Path]:
    """Give a copy of a file to work on, and put it in place of the file when all went well."""
    before = os.environ.get("PATH", "")
    with replaced(to) as copy:
        if to.exists():
            shutil.copyfile(to, copy)
        # nbgrader starts the program `alembic`, which lies beside this Python.
        own = str(Path(sys.executable).parent)
        os.environ["PATH"] = os.pathsep.join(filter(None, (own, before)))
        try:
            yield copy
        finally:
            os.environ["PATH"] = before


def _ids(students: Iterable[Student]) -> dict[str, str]:
    """Return what nbgrader calls each student; "" where nothing is fit, or two share it."""
    found = {}
    for student in students:
        person = student.person
        known = (person.login, person.id, person.email, person.key)
        first = next(filter(None, map(str.strip, known)), "")
        found[student.key] = first if ID.fullmatch(first) else ""
    count = Counter(map(folded, found.values()))
    return {key: name if count[folded(name)] == 1 else "" for key, name in found.items()}


def _add_lectures(gradebook: Any, graded: GradedClass) -> dict[str, tuple[str, list[str]]]:
    """Add the lectures that have points. Return their names there, and of each its cells."""
    found = {}
    stems = {lecture.id: lecture.path.stem for lecture in all_lectures()}
    for lecture in graded.lectures:
        name = stems.get(lecture, lecture)
        gradebook.update_or_create_assignment(name)
        gradebook.update_or_create_notebook(name, name)
        cells = {graded_id(e, "check"): most for e, most in _exercises(graded, lecture).items()}
        for cell, most in cells.items():
            gradebook.update_or_create_grade_cell(
                cell, name, name, max_score=most, cell_type="code"
            )
        found[lecture] = name, list(cells)
    return found


def _exercises(graded: GradedClass, lecture: str) -> dict[str, int]:
    """Return the points of each exercise of a lecture, also of one that nobody handed in."""
    counted = [s.counted[lecture].exercises for s in graded.students if lecture in s.counted]
    if counted:
        return {exercise.id: exercise.max_points for exercise in max(counted, key=len)}
    return {e.id: e.points for e in all_exercises().values() if e.id.startswith(f"{lecture}.")}


def _add_student(gradebook: Any, student: Student, student_id: str) -> None:
    name = harmless(student.name).replace(",", " ")
    email = harmless(student.person.email).replace(",", " ")
    gradebook.update_or_create_student(student_id, last_name=name, first_name="", email=email)


def _add_points(
    gradebook: Any, student: Student, student_id: str, lecture: str, name: str, cells: list[str]
) -> None:
    """Add the points of a lecture; what the instructor gave beside the exercises' is extra."""
    result = student.counted.get(lecture)
    when = {"timestamp": result.handed_in} if result and result.handed_in else {}
    gradebook.update_or_create_submission(name, student_id, **when)
    scores = dict.fromkeys(cells, 0.0)
    if result:
        scores = {graded_id(e.id, "check"): e.points for e in result.exercises}
    more = student.points[lecture] - (result.points if result else 0)
    for cell, score in scores.items():
        grade = gradebook.find_grade(cell, name, name, student_id)
        grade.auto_score, grade.needs_manual_grade = score, False
        grade.extra_credit, more = more, 0.0
    gradebook.db.commit()
