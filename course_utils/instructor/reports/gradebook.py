"""Who handed in what, which of it counts, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .results import GRADED, NEEDS_A_LOOK, SubmissionResult


@dataclass(frozen=True)
class Student:
    """All that one student handed in.

    counted: by lecture, the submission that counts: of several the one with the most points.
    """

    name: str
    results: tuple[SubmissionResult, ...]
    counted: dict[str, SubmissionResult]

    @property
    def not_graded(self) -> list[SubmissionResult]:
        """Return the submissions whose lecture has no points although it was handed in."""
        return [r for r in self.results if not r.is_graded and r.lecture not in self.counted]

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
        found = [
            f"{lecture_name(r.lecture)}: not graded, {r.state} ({r.file}): {r.reason}"
            for r in self.results
            if not r.is_graded
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
                    f"{best.file} counts"
                )
        handed_in = {result.lecture for result in self.results}
        found += [
            f"{lecture_name(lecture)}: not handed in"
            for lecture in lectures
            if lecture not in handed_in
        ]
        if self.not_graded:
            found.append("no total before all of it is graded")
        return found


def students_of(results: Iterable[SubmissionResult]) -> list[Student]:
    """Return all students, by name; equal names are one student."""
    found = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.lecture, result.file)):
        found[result.student].append(result)
    names = sorted(found, key=lambda name: (name.casefold(), name))
    return [Student(name, tuple(found[name]), counted(found[name])) for name in names]


def counted(results: list[SubmissionResult]) -> dict[str, SubmissionResult]:
    """Return the graded submission that counts for each lecture, from those of one student.

    Of equal points the one that needs no look counts, then the first by file name.
    """
    best: dict[str, SubmissionResult] = {}
    for result in results:
        if result.is_graded:
            other = best.get(result.lecture)
            if other is None or _merit(result) > _merit(other):
                best[result.lecture] = result
    return best


def _merit(result: SubmissionResult) -> tuple[float, bool]:
    return result.points, result.state == GRADED


def lecture_name(lecture: str) -> str:
    """Return how a lecture is called in reports."""
    return f"lecture {lecture}" if lecture else "unknown lecture"
