"""The files that a grading leaves for instructors and students, made from its results.

``grades.csv`` and ``gradebook.csv`` are tables, ``class.html`` is the instructor's page and
``feedback/`` holds a page for each student. Each is written whole: an interrupt leaves the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime import write_whole
from .class_list import ClassList, read_class_list
from .gradebook import Student
from .likeness import near_identical
from .overriding import read_gradebook, read_student
from .pages import class_page, feedback_page
from .results import SubmissionResult
from .safe_text import feedback_path
from .tables import gradebook, grades


def write_feedback(
    out: Path, results: Sequence[SubmissionResult], class_list: ClassList | None = None
) -> None:
    """Write the page of one student, from all that this student handed in.

    class_list: who writes many pages reads it once; None reads it here.

    Raises:
        ValueError: the results are not those of one student.
    """
    owners = {result.owner for result in results}
    if len(owners) != 1:
        raise ValueError(f"a page of feedback is for one student, these are {len(owners)}")
    _write_page(out, read_student(out, results, class_list or read_class_list(out)))


def write_class(
    out: Path,
    results: Sequence[SubmissionResult],
    reference: Mapping[str, str] | None = None,
) -> None:
    """Write the tables and the instructor's page, from the results of the whole class.

    A student who handed in nothing, and has points all the same, gets a page here.
    """
    out.mkdir(parents=True, exist_ok=True)
    book = read_gradebook(out, results)
    write_whole(out / "grades.csv", grades(book.students))
    write_whole(out / "gradebook.csv", gradebook(book.students))
    write_whole(out / "class.html", class_page(book, near_identical(results, reference)))
    for student in book.students:
        if student.has_page and not student.results:
            _write_page(out, student)


def without_feedback(
    out: Path, results: Sequence[SubmissionResult]
) -> list[tuple[SubmissionResult, ...]]:
    """Return what the students handed in who have no page; pages of nobody are removed.

    So it is when it was found out whose a file really is.
    """
    students = [student for student in read_gradebook(out, results).students if student.has_page]
    pages = {out / feedback_path(student.key, student.name): student for student in students}
    for path in (out / "feedback").glob("*.html"):
        if path not in pages:
            path.unlink()
    return [s.results for path, s in pages.items() if s.results and not path.exists()]


def _write_page(out: Path, student: Student) -> None:
    path = out / feedback_path(student.key, student.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, feedback_page(student))
