"""The files that a grading leaves for instructors and students, made from its results.

``grades.csv`` and ``gradebook.csv`` are tables, ``class.html`` is the instructor's page and
``feedback/`` holds a page for each student. Each is written whole: an interrupt leaves the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime import write_whole
from .class_list import read_class_list
from .gradebook import students_of
from .likeness import near_identical
from .pages import class_page, feedback_page
from .results import SubmissionResult
from .safe_text import feedback_path
from .tables import gradebook, grades


def write_feedback(out: Path, results: Sequence[SubmissionResult]) -> None:
    """Write the page of one student, from all that this student handed in.

    Raises:
        ValueError: the results are not those of one student.
    """
    owners = {result.owner for result in results}
    if len(owners) != 1:
        raise ValueError(f"a page of feedback is for one student, these are {len(owners)}")
    students = students_of(results, read_class_list(out))
    (student,) = (student for student in students if student.key in owners)
    path = out / feedback_path(student.key, student.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, feedback_page(student))


def write_class(
    out: Path,
    results: Sequence[SubmissionResult],
    reference: Mapping[str, str] | None = None,
) -> None:
    """Write the tables and the instructor's page, from the results of the whole class."""
    out.mkdir(parents=True, exist_ok=True)
    students = students_of(results, read_class_list(out))
    write_whole(out / "grades.csv", grades(students))
    write_whole(out / "gradebook.csv", gradebook(students))
    pairs = near_identical(results, reference)
    write_whole(out / "class.html", class_page(students, pairs))
