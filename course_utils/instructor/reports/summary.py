"""What a class did well and what it did not, in numbers, for the class page."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .class_list import ClassList
from .gradebook import Student
from .histogram import Histogram, Step, histogram, steps
from .results import FULL, MISSING, UNSOLVED, ExerciseResult, SubmissionResult
from .safe_text import one_line

MOST_HINTS = 3


@dataclass(frozen=True)
class ExerciseSummary:
    """How a class did in one exercise.

    wrong: those who tried and lost points. shown_more: those whose own notebook shows more points.
    """

    id: str
    title: str
    right: int
    wrong: int
    unsolved: int
    mean: float
    max_points: int
    steps: tuple[Step, ...]
    shown_more: int
    hints: tuple[tuple[str, int], ...]  # the most frequent ones, and how often they were given


@dataclass(frozen=True)
class LectureSummary:
    """How a class did in one lecture. Exercises with the most wrong answers come first."""

    lecture: str
    graded: int
    max_points: int
    median: float
    lowest: float
    highest: float
    histogram: Histogram
    exercises: tuple[ExerciseSummary, ...]


def summaries(students: Iterable[Student]) -> list[LectureSummary]:
    """Return a summary of each lecture that somebody was graded in, from what counts."""
    counted = [result for student in students for result in student.counted.values()]
    lectures = sorted({result.lecture for result in counted})
    return [_of_lecture(name, [r for r in counted if r.lecture == name]) for name in lectures]


def accounted_for(results: Sequence[SubmissionResult], class_list: ClassList) -> str:
    """Return where each file that was seen has gone, and what is kept of those that are gone."""
    handed_in = {file for files in class_list.seen.values() for file in files}
    there = [r for r in results if r.file in handed_in] if handed_in else results
    graded = sum(result.is_graded for result in there)
    listed, passed = len(there) - graded, sum(class_list.passed_over.values())
    seen, kept = len(there) + passed, len(results) - len(there)
    kinds = ", ".join(f"{kind}: {count:,}" for kind, count in class_list.passed_over.items())
    line = f"{seen:,} {'file' if seen == 1 else 'files'} seen"
    line += f" = {graded:,} graded + {listed:,} listed + {passed:,} passed over"
    line += f" ({kinds})" * bool(kinds)
    return f"{line}, + {kept:,} kept from earlier" if kept else line


def _of_lecture(lecture: str, results: Sequence[SubmissionResult]) -> LectureSummary:
    points = [result.points for result in results]
    most = max(result.max_points for result in results)
    by_id: dict[str, list[ExerciseResult]] = {}
    for result in results:
        for exercise in result.exercises:
            by_id.setdefault(exercise.id, []).append(exercise)
    exercises = (_of_exercise(by_id[name]) for name in sorted(by_id))
    return LectureSummary(
        lecture,
        len(results),
        most,
        round(statistics.median(points), 1),
        min(points),
        max(points),
        histogram(points, most),
        tuple(sorted(exercises, key=lambda exercise: -exercise.wrong)),
    )


def _of_exercise(answers: Sequence[ExerciseResult]) -> ExerciseSummary:
    first = answers[0]
    right = sum(answer.status == FULL for answer in answers)
    unsolved = [answer for answer in answers if answer.status in (UNSOLVED, MISSING)]
    wrong = [a for a in answers if a.status not in (FULL, UNSOLVED, MISSING)]
    hints = Counter(one_line(answer.hint, 200) for answer in wrong if answer.hint)
    return ExerciseSummary(
        first.id,
        first.title,
        right,
        len(wrong),
        len(unsolved),
        round(statistics.mean(answer.points for answer in answers), 1),
        first.max_points,
        steps([answer.points for answer in answers], first.max_points),
        sum(answer.shows_more for answer in answers),
        tuple(hints.most_common(MOST_HINTS)),
    )
