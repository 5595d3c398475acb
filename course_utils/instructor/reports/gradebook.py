"""Who handed in what, which of it counts, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .class_list import BEST, LATEST, ClassList, Person
from .results import BESIDE, GRADED, NEEDS_A_LOOK, SubmissionResult


@dataclass(frozen=True)
class Student:
    """All that one student handed in.

    counted: by lecture, the submission that counts. rule: which one that is, of several.
    """

    person: Person
    results: tuple[SubmissionResult, ...]
    counted: dict[str, SubmissionResult]
    rule: str = BEST

    @property
    def name(self) -> str:
        """Return how the student is called."""
        return self.person.name

    @property
    def key(self) -> str:
        """Return what no other student has."""
        return self.person.key

    @property
    def not_graded(self) -> list[SubmissionResult]:
        """Return the submissions whose lecture has no points although it was handed in."""
        return [
            r
            for r in self.results
            if not r.is_graded and r.state != BESIDE and r.lecture not in self.counted
        ]

    @property
    def total(self) -> float | None:
        """Return the points of all lectures; None if nothing or not all of it could be graded.

        The sum of a part would count the rest as zero.
        """
        if self.not_graded or not self.counted:
            return None
        return round(sum(result.points for result in self.counted.values()), 1)

    def notes(self, lectures: Iterable[str]) -> list[str]:
        """Return what is missing or needs a look, in words."""
        found = list(self.person.doubts)
        found += [
            f"{lecture_name(r.lecture)}: not graded, {r.state} ({r.file}): {r.reason}"
            for r in self.results
            if not r.is_graded and r.state != BESIDE
        ]
        found += [
            f"{lecture_name(r.lecture)}: needs a look: {'; '.join(r.notes) or r.reason}"
            for r in self.results
            if r.state == NEEDS_A_LOOK
        ]
        for lecture, best in self.counted.items():
            graded = [r for r in self.results if r.lecture == lecture and r.is_graded]
            if len(graded) > 1:
                points = ", ".join(f"{r.points:g} in {r.file}" for r in graded)
                found.append(
                    f"{lecture_name(lecture)}: {len(graded)} submissions ({points}): "
                    f"{best.file} counts, the {'last one' if self.rule == LATEST else 'best one'}"
                )
        handed_in = {result.lecture for result in self.results}
        found += [
            f"{lecture_name(lecture)}: not handed in"
            for lecture in lectures
            if lecture not in handed_in
        ]
        found += [
            f"{lecture_name(lecture)}: late"
            for lecture, result in self.counted.items()
            if result.is_late
        ]
        if beside := [r.file for r in self.results if r.state == BESIDE]:
            found.append(f"also handed in, and not graded: {', '.join(beside)}")
        if self.not_graded:
            found.append("no total before all of it is graded")
        return found


def students_of(
    results: Iterable[SubmissionResult], class_list: ClassList | None = None
) -> list[Student]:
    """Return all students, by name; those of the roster who handed in nothing, too."""
    class_list = class_list or ClassList()
    people = {person.key: person for person in class_list.people}
    found: defaultdict[str, list[SubmissionResult]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.lecture, result.file)):
        found[result.owner].append(result)
        people.setdefault(result.owner, Person(result.owner, result.student))
    rule = class_list.counts
    students = (
        Student(person, tuple(found[key]), counted(found[key], rule), rule)
        for key, person in people.items()
        if person.is_on_roster or key in found
    )
    return sorted(students, key=lambda student: (student.name.casefold(), student.key))


def counted(results: list[SubmissionResult], rule: str = BEST) -> dict[str, SubmissionResult]:
    """Return the graded submission that counts for each lecture, from those of one student.

    The best is that with the most points; of equal ones that needs no look, then the first by file
    name. The latest is the last by time, attempt and file name.
    """
    merit: Callable[[SubmissionResult], Any] = _time if rule == LATEST else _merit
    best: dict[str, SubmissionResult] = {}
    for result in results:
        if result.is_graded:
            other = best.get(result.lecture)
            if other is None or merit(result) > merit(other):
                best[result.lecture] = result
    return best


def _merit(result: SubmissionResult) -> tuple[float, bool]:
    return result.points, result.state == GRADED


def _time(result: SubmissionResult) -> tuple[str, int, str]:
    return result.handed_in, result.attempt, result.file


def lecture_name(lecture: str) -> str:
    """Return how a lecture is called in reports."""
    return f"lecture {lecture}" if lecture else "unknown lecture"
