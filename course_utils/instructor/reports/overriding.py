"""The students of a class with the points that their instructor gave instead of graded ones."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...lectures import all_lectures
from .class_list import ClassList, Person, read_class_list
from .gradebook import Student, lecture_name, students_of
from .overrides import OVERRIDES, Override, read_overrides
from .results import ExerciseResult, SubmissionResult
from .safe_text import visible


@dataclass(frozen=True)
class Gradebook:
    """A class with all that counts. problems: overrides that do not count, and why."""

    students: list[Student]
    class_list: ClassList
    problems: list[str]


def read_gradebook(out: Path, results: Iterable[SubmissionResult]) -> Gradebook:
    """Return the class whose results these are, with the overrides of their folder."""
    class_list = read_class_list(out)
    overrides, problems = read_overrides(out)
    students = students_of(results, class_list)
    students, wrong = overridden(students, overrides, _people(class_list, students))
    return Gradebook(students, class_list, problems + wrong)


def read_student(out: Path, results: Sequence[SubmissionResult], class_list: ClassList) -> Student:
    """Return the student whose results these are; the rest of the class is not gone through."""
    key = results[0].owner
    own = tuple(person for person in class_list.people if person.key == key)
    students = students_of(results, replace(class_list, people=own))
    overrides, _ = read_overrides(out)
    (student,), _ = overridden(students, overrides, _people(class_list, students))
    return student


def _people(class_list: ClassList, students: Iterable[Student]) -> list[Person]:
    """Return all of the class: who an override means is asked of everybody."""
    people = {person.key: person for person in class_list.people}
    return list((people | {student.key: student.person for student in students}).values())


def overridden(
    students: list[Student], overrides: Iterable[Override], people: Sequence[Person]
) -> tuple[list[Student], list[str]]:
    """Return students with overrides, of two for the same the later one, and what is wrong.

    people: all of the class.
    """
    found = {student.key: student for student in students}
    problems = []
    for override in overrides:
        try:
            key = find(people, override.student).key
            if key in found:
                found[key] = with_override(found[key], override)
        except ValueError as problem:
            problems.append(f"{OVERRIDES} line {override.line}: {problem}")
    return list(found.values()), problems


def find(people: Sequence[Person], text: str) -> Person:
    """Return whom an instructor means by a key, an id, a login, an e-mail address or a name.

    Raises:
        ValueError: nobody, or more than one.
    """
    wanted = _plain(text)
    chosen = [p for p in people if wanted in map(_plain, (p.key, p.id, p.login, p.email))]
    chosen = chosen or [p for p in people if _plain(p.name) == wanted]
    if not wanted or not chosen:
        raise ValueError(f"nobody here is {text!r}: write an id, an e-mail address or a name")
    if len(chosen) > 1:
        keys = " or ".join(repr(visible(person.key)) for person in chosen[:5])
        raise ValueError(f"{text!r} is more than one student: write {keys}")
    return chosen[0]


def _plain(text: str) -> str:
    """Return text without what spreadsheets, and their safety, do to it."""
    plain = unicodedata.normalize("NFC", visible(text)).casefold().replace("'", "")
    plain = " ".join(plain.split())
    return plain.lstrip("0") or "0" if plain.isdigit() else plain


def with_override(student: Student, override: Override) -> Student:
    """Return a student with one more override.

    Raises:
        ValueError: nothing can be changed by it.
    """
    lecture = override.lecture
    result = student.counted.get(lecture)
    is_outdated = override.work not in ("", work_of(result, override.exercise))
    override = replace(override, is_outdated=is_outdated)
    if override.is_whole:
        most = result.max_points if result else lecture_points().get(lecture, 0)
        override = _checked(override, result.points if result else None, most)
    elif result is None:
        raise ValueError(
            f"{lecture_name(lecture)} is not graded: give points for all of it, as {lecture}"
        )
    else:
        exercise = _exercise(result, override.exercise)
        before = student.overrides.get(exercise.id)
        override = _checked(
            override, before.was if before else exercise.points, exercise.max_points
        )
        better = replace(exercise, points=override.points)
        exercises = tuple(better if e is exercise else e for e in result.exercises)
        changed = replace(result, exercises=exercises)
        results = tuple(changed if r is result else r for r in student.results)
        student = replace(student, results=results, counted=student.counted | {lecture: changed})
    return replace(student, overrides={**student.overrides, override.exercise: override})


def work_of(result: SubmissionResult | None, exercise: str) -> str:
    """Return a mark of the student's own code for an exercise, or for a whole lecture.

    It begins with letters: a spreadsheet would make another number of 12e34.
    """
    if result is None:
        return "none"
    sources = [e.source for e in result.exercises if exercise in (e.id, result.lecture)]
    return "work-" + hashlib.sha256(repr((sources, result.added)).encode()).hexdigest()[:12]


def _exercise(result: SubmissionResult, name: str) -> ExerciseResult:
    for exercise in result.exercises:
        if exercise.id == name:
            return exercise
    known = ", ".join(exercise.id for exercise in result.exercises)
    raise ValueError(f"there is no exercise {name}: {lecture_name(result.lecture)} has {known}")


def _checked(override: Override, was: float | None, most: int) -> Override:
    if not most:
        raise ValueError(f"there is no {lecture_name(override.lecture)} in this course")
    if override.points > most:
        raise ValueError(f"{override.points:g} points: {override.exercise} has at most {most}")
    return replace(override, was=was, most=most)


@functools.cache
def lecture_points() -> dict[str, int]:
    """Return the points of each lecture of the course."""
    return {lecture.id: lecture.points for lecture in all_lectures()}
