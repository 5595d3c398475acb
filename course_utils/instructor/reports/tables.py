"""The tables of a graded class, as CSV that spreadsheets and learning platforms can read.

UTF-8 with a byte-order mark: without it Excel takes the file for the local code page and spoils
every name with an accent. LibreOffice, R and pandas skip the mark; Python's ``csv`` needs
``encoding="utf-8-sig"``.
"""

from __future__ import annotations

import csv
import functools
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator

from .gradebook import Student, lecture_name, lectures_of, most_points
from .results import SubmissionResult
from .safe_text import feedback_path, one_line

# A cell that starts so is a formula to a spreadsheet; in some countries ";" starts a cell, too.
FORMULA = re.compile(r"(^|;)(?=[\s\"']*[=+\-@＝＋－＠])")

GRADES = (
    "student",
    "lecture",
    "exercise",
    "points",
    "max",
    "status",
    "state",
    "counts",
    "passed",
    "cases",
    "hint",
    "found",
    "seconds",
    "remark",
    "file",
    "id",
    "login",
    "email",
    "override",
)
NOT_HANDED_IN = "not handed in"  # the state of what is not there
OVERRIDE = "override"  # the state of points that the instructor gave for a whole lecture


def grades(students: list[Student]) -> bytes:
    """Return ``grades.csv``: a row for each exercise of each submission.

    A submission that was not graded has one row, with its state as status and no points. So has a
    lecture that was not handed in, and one whose points as a whole are the instructor's.
    """
    lectures = lectures_of(students)
    rows = (row for student in students for row in _rows_of(student, lectures))
    return table(GRADES, rows)


def _rows_of(student: Student, lectures: list[str]) -> Iterator[dict[str, object]]:
    for result in student.results:
        yield from _rows(student, result)
    for lecture in student.missing(lectures or [""]):
        yield _row(student, lecture, NOT_HANDED_IN)
    for override in student.overrides.values():
        if override.is_whole:
            yield _row(student, override.lecture, OVERRIDE) | {
                "points": f"{override.points:g}",
                "max": override.most,
                "counts": "yes",
                "override": str(override),
            }


def _row(student: Student, lecture: str, state: str) -> dict[str, object]:
    """Return what every row of a student holds."""
    common: dict[str, object] = {"lecture": lecture, "status": state, "state": state}
    return common | {"counts": "no"} | _who(student)


def _rows(student: Student, result: SubmissionResult) -> Iterator[dict[str, object]]:
    common = _row(student, result.lecture, result.state) | {
        "counts": "yes" if student.counts(result) else "no",
        "remark": "; ".join(filter(None, (result.reason, *result.notes))),
        "file": result.file,
    }
    if not (result.is_graded and result.exercises):
        yield common | {"seconds": f"{result.seconds:.1f}"}
        return
    for exercise in result.exercises:
        override = student.override(result, exercise)
        yield common | {
            "exercise": exercise.id,
            "points": f"{exercise.points:g}",
            "max": exercise.max_points,
            "status": exercise.status,
            "passed": exercise.passed,
            "cases": exercise.total,
            "hint": exercise.hint,
            "found": exercise.found,
            "seconds": f"{exercise.seconds:.1f}",
            "override": str(override) if override else "",
        }


def _who(student: Student) -> dict[str, object]:
    person = student.person
    return {
        "student": person.name,
        "id": person.id,
        "login": person.login,
        "email": person.email,
    }


def gradebook(students: list[Student]) -> bytes:
    """Return ``gradebook.csv``: a row for each student, a column for each lecture.

    A lecture that was not graded is empty, and so is the total of a student with such a one.
    """
    lectures, most = lectures_of(students), sum(most_points(students).values())
    rows = []
    for student in students:
        row: dict[str, object] = {lecture_name(x): f"{p:g}" for x, p in student.points.items()}
        row |= _who(student)
        row["total"] = "" if student.total is None else f"{student.total:g}"
        row["max"] = most
        row["note"] = "; ".join(student.notes(lectures))
        row["feedback"] = feedback_path(student.key, student.name) if student.has_page else ""
        rows.append(row)
    who, rest = ("student", "id", "login", "email"), ("total", "max", "note", "feedback")
    columns = [*who, *map(lecture_name, lectures), *rest]
    return table(columns, rows)


def table(columns: Iterable[str], rows: Iterable[dict[str, object]]) -> bytes:
    """Return rows as CSV; a column that a row lacks stays empty, texts are made harmless."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    for row in rows:
        writer.writerow({k: harmless(v) if isinstance(v, str) else v for k, v in row.items()})
    return text.getvalue().encode("utf-8-sig")


@functools.lru_cache(maxsize=10_000)  # most texts of a class are the same few
def harmless(text: str) -> str:
    """Return text as one line that no spreadsheet takes for a formula: ``'`` is put before it.

    Letters with accents are put together: some spreadsheets show a lone accent beside its letter.
    """
    return FORMULA.sub(r"\1'", unicodedata.normalize("NFC", one_line(text)))
