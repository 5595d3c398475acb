"""What an instructor should look at before the points are published, most urgent first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .gradebook import Student, lectures_of
from .results import BESIDE, INFRASTRUCTURE, NEEDS_A_LOOK, UNREADABLE, SubmissionResult


@dataclass(frozen=True)
class Row:
    """One thing to look at: whose it is, in which lecture, why, and in which files."""

    student: Student
    lectures: Sequence[str] = ()
    why: Sequence[str] = ()
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Rows of one kind, and what to do about them. A quiet group is for those who want to know."""

    title: str
    advice: str
    rows: Sequence[Row]
    is_quiet: bool = False

    @property
    def has_lectures(self) -> bool:
        """Return whether a row names a lecture."""
        return any(row.lectures for row in self.rows)

    @property
    def has_reasons(self) -> bool:
        """Return whether a row says why."""
        return any(row.why for row in self.rows)

    @property
    def has_files(self) -> bool:
        """Return whether a row names a file."""
        return any(row.files for row in self.rows)


def groups(students: Sequence[Student]) -> list[Group]:
    """Return all groups that have a row."""
    found = [*_urgent(students), *_quiet(students)]
    return [group for group in found if group.rows]


def _urgent(students: Sequence[Student]) -> Iterator[Group]:
    for state, advice in (
        (INFRASTRUCTURE, "Not graded, and not the student's fault: run the grading again."),
        (UNREADABLE, "Not graded: ask the student for the notebook."),
    ):
        yield Group(state, advice, [*_in_state(students, state, but_settled=True)])
    asked = (
        Row(s, [lecture], [why], files) for s in students for lecture, why, files in s.questions()
    )
    yield Group(
        NEEDS_A_LOOK,
        "Graded, and the points count: see why before you publish them.",
        [*_in_state(students, NEEDS_A_LOOK), *asked],
    )
    yield Group(
        "whose is this?",
        "It is not sure whose these are: name a roster (--roster), say how files are named "
        "(--names), or rename the files. What can be graded is.",
        [*_of_nobody(students)],
    )


def _quiet(students: Sequence[Student]) -> Iterator[Group]:
    lectures = lectures_of(students)
    for title, advice, rows in (
        (
            "not handed in",
            "No points and no zero: remind them, or give points with a reason.",
            [*_missing(students, lectures)],
        ),
        ("late", "Graded as all others.", [*_late(students)]),
        ("handed in more than once", "One of them counts.", [*_chosen(students)]),
        (
            "changed by you",
            "Points that you gave instead of those that were graded.",
            [*_changed(students)],
        ),
        (
            "also handed in",
            "Not graded: it lies beside a notebook that is.",
            [*_in_state(students, BESIDE)],
        ),
    ):
        yield Group(title, advice, rows, is_quiet=True)


def _in_state(students: Iterable[Student], state: str, but_settled: bool = False) -> Iterator[Row]:
    for student in students:
        for result in student.results:
            if result.state == state and not (but_settled and student.is_settled(result)):
                why = [*filter(None, [result.reason]), *result.notes]
                yield _row(student, result, *why)


def _row(student: Student, result: SubmissionResult, *why: str) -> Row:
    return Row(student, [result.lecture], why, [result.file])


def _of_nobody(students: Iterable[Student]) -> Iterator[Row]:
    for student in students:
        person = student.person
        if person.doubts or not person.evidence:
            files = [result.file for result in student.results]
            yield Row(student, [], person.doubts or ["nothing says whose it is"], files)


def _missing(students: Sequence[Student], lectures: Sequence[str]) -> Iterator[Row]:
    """Yield who handed in nothing of a lecture, and which file may be theirs all the same."""
    doubtful = [student for student in students if student.person.doubts]
    for student in students:
        missing = [x for x in student.missing(lectures) if x not in student.points]
        if missing or not student.has_page:
            files = [
                result.file
                for other in doubtful
                if other is not student and _may_be(other, student)
                for result in other.results
                if result.lecture in (*missing, "")
            ]
            why = [f"perhaps {', '.join(files)}: see “Whose is this?”"] if files else []
            yield Row(student, missing, why)


def _may_be(other: Student, student: Student) -> bool:
    """Return whether what is doubtful about another one names this student."""
    name = rf"(?<!\w){re.escape(student.name)}(?!\w)"
    return any(student.name in doubt and re.search(name, doubt) for doubt in other.person.doubts)


def _late(students: Iterable[Student]) -> Iterator[Row]:
    for student in students:
        for result in student.results:
            if result.is_late and result.state != BESIDE:
                yield _row(student, result, *filter(None, [result.handed_in.replace("T", " ")]))


def _chosen(students: Iterable[Student]) -> Iterator[Row]:
    for student in students:
        for lecture, result in student.counted.items():
            others = [r for r in student.results if r.lecture == lecture and r.is_graded]
            if len(others) > 1:
                why = f"{result.points:g} points, {student.rules[lecture]} of {len(others)}"
                yield _row(student, result, why)


def _changed(students: Iterable[Student]) -> Iterator[Row]:
    for student in students:
        for name, override in student.overrides.items():
            yield Row(student, [override.lecture], [f"{name}: {override}"])
