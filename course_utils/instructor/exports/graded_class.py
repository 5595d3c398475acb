"""A graded class, as all exports see it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..reports.gradebook import Student, need_a_look
from ..reports.overriding import lecture_points, read_gradebook
from ..reports.results import NEEDS_A_LOOK, SubmissionResult, read_results
from ..reports.safe_text import one_line


@dataclass(frozen=True)
class GradedClass:
    """The students whose identity is settled, and a line for each of the others."""

    out: Path
    students: tuple[Student, ...]
    left_out: tuple[str, ...] = ()

    @property
    def lectures(self) -> list[str]:
        """Return the lectures that have points, by number."""
        return sorted({lecture for student in self.students for lecture in student.points})

    def lecture(self, wanted: str | None) -> str:
        """Return the lecture that is asked for; without a wish, the only one.

        Raises:
            ValueError: there are several, or it has no points.
        """
        lectures = self.lectures
        if wanted is None and len(lectures) == 1:
            return lectures[0]
        if wanted not in lectures:
            problem = f"lecture {wanted} has no points" if wanted else "it holds several lectures"
            raise ValueError(f"{self.out}: {problem}: add --lecture {' or '.join(lectures)}")
        return wanted

    def most(self, lecture: str) -> int:
        """Return the points that a perfect submission of a lecture earns."""
        counted = (student.counted.get(lecture) for student in self.students)
        most = (result.max_points for result in counted if result)
        return max(most, default=lecture_points().get(lecture, 0))

    def remarks(self) -> list[str]:
        """Return what to know before the points are published, one line each."""
        results = [result for student in self.students for result in student.counted.values()]
        looks = sum(result.state == NEEDS_A_LOOK for result in results)
        looks += sum(len([*student.questions()]) for student in self.students)
        page = self.out / "class.html"
        return [
            *([f"{need_a_look(looks)}: see {page} before you publish them"] if looks else []),
            *(
                f"no points yet: {_who(student, [result])}: {result.state}"
                for student in self.students
                for result in student.not_graded
            ),
            *self.left_out,
        ]


def read_class(out: Path) -> GradedClass:
    """Return the class that was graded into a folder.

    Raises:
        ValueError: there are no points.
    """
    students = read_gradebook(out, results_of(out)).students
    doubts = {student.key: doubt for student in students if (doubt := doubt_about(student))}
    known = tuple(student for student in students if student.key not in doubts)
    if not any(student.points for student in known):
        raise ValueError(f"{out}: no student that is known has points: see {out / 'class.html'}")
    lost = (left_out(s, doubts[s.key]) for s in students if s.key in doubts and s.has_page)
    return GradedClass(out, known, tuple(lost))


def results_of(out: Path) -> list[SubmissionResult]:
    """Return the results in a folder that was graded into. Raises ValueError if it has none."""
    results = read_results(out / "results")
    if not results:
        raise ValueError(f"{out} holds no results: name the folder of `grade --out`")
    return results


def doubt_about(student: Student) -> str:
    """Return why nobody is sure who a student is; "" if it is sure."""
    if student.person.doubts:
        return "; ".join(map(one_line, student.person.doubts))
    return "" if student.person.evidence else "nobody knows whose it is"


def left_out(student: Student, reason: str) -> str:
    """Return the line about a student whose points go nowhere."""
    return f"left out: {_who(student, student.results)}: {reason}"


def _who(student: Student, results: Iterable[SubmissionResult]) -> str:
    files = ", ".join(one_line(result.file, 80) for result in results)
    return f"{one_line(student.name, 80)} ({files})"


def folded(text: str) -> str:
    """Return text so that equal ones are one name, login or e-mail address."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def number(points: float) -> str:
    """Return points as all systems read them."""
    return f"{round(points, 2):g}"
