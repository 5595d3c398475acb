"""The command ``python -m course_utils override``: points from the instructor, with a reason."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ...runtime import progress
from ...runtime.exit_codes import DONE, FAILED, WRONG_USAGE
from ..reports.gradebook import Student, lecture_name
from ..reports.overrides import (
    OVERRIDES,
    Override,
    Sheet,
    exercise_id,
    points_of,
    reason_of,
)
from ..reports.overriding import find, read_gradebook, with_override, work_of
from ..reports.results import SubmissionResult, read_results, result_name
from ..reports.safe_text import one_line, visible
from ..reports.tables import harmless
from .clerk import Clerk, Ended, Stopped
from .grading_run import GradingRun, new_run
from .settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("out", type=Path, metavar="DIR", help="folder of results and reports")
    add("student", nargs="?", help="an id, login, e-mail address, or a name that only one has")
    add("exercise", nargs="?", help="02.1, or 02 for a whole lecture, also one not handed in")
    add("points", nargs="?", help="the points that count instead of those that were graded")
    add("reason", nargs="?", help="why; the student reads it, too")
    add("--remove", action="store_true", help="take the override of this exercise back")


def override(options: argparse.Namespace) -> int:
    """Change the overrides, and write the reports anew. Return 1 if one of them does not count."""
    out = options.out.resolve()
    try:
        given = [options.student, options.exercise, options.points, options.reason]
        _check_usage(sum(value is not None for value in given), options.remove)
        results = read_results(out / "results")
        if not results:
            raise ValueError(f"{out} holds no results: name the folder that grade --out wrote")
        students = read_gradebook(out, results).students
        if options.student:
            students = [_change(out, students, options)]
    except (ValueError, OSError) as mistake:
        print(mistake, file=sys.stderr)
        return WRONG_USAGE
    problems = [*read_gradebook(out, results).problems, *_write_reports(out, students)]
    for problem in problems:
        print(one_line(problem), file=sys.stderr)
    return FAILED if problems else DONE


def _check_usage(given: int, remove: bool) -> None:
    if given not in ((2,) if remove else (0, 4)):
        raise ValueError(
            "name student and exercise to remove an override"
            if remove
            else "name student, exercise, points and reason; or none of them, to write the reports "
            f"anew after {OVERRIDES} was edited"
        )


def _change(out: Path, students: list[Student], options: argparse.Namespace) -> Student:
    """Add or remove a row of the file, and return whose it is. Raises ValueError, OSError."""
    people = [student.person for student in students]
    person = find(people, options.student)
    (student,) = (student for student in students if student.person is person)
    exercise = exercise_id(options.exercise)
    sheet = Sheet(out)

    def is_meant(row: dict[str, str]) -> bool:
        try:
            return exercise_id(row["exercise"]) == exercise and (
                find(people, row["student"]) is person
            )
        except ValueError:
            return False

    removed = sheet.remove(is_meant)
    if options.remove:
        if not removed:
            raise ValueError(f"{person.name} has no override of {exercise} in {sheet.path}")
        what = "as it was graded"
    else:
        row = Override(person.key, exercise, points_of(options.points), reason_of(options.reason))
        row = replace(row, work=work_of(student.counted.get(row.lecture), exercise))
        changed = with_override(student, row)
        sheet.add(_cells(row))
        what = f"now {changed.overrides[exercise]}"
    sheet.write()
    print(f"{one_line(person.name)}: {exercise} is {what}")
    whole = student.overrides.get(exercise[:2])
    if whole and whole.exercise != exercise:
        print(
            f"{lecture_name(whole.lecture)} stays {whole.points:g}, as you gave points for all of "
            f"it: take them back with `{whole.lecture} --remove`"
        )
    return student


def _cells(row: Override) -> dict[str, str]:
    return {
        "student": harmless(visible(row.student)),
        "exercise": row.exercise,
        "points": f"{row.points:g}",
        "reason": harmless(row.reason),
        "when": f"{datetime.now():%Y-%m-%d %H:%M}",
        "work": row.work,
    }


def _write_reports(out: Path, students: Iterable[Student]) -> list[str]:
    """Write the pages of these students and the overview. Return what could not be written."""
    try:
        with FileLock(out / "lock").acquire(timeout=0):
            run = new_run(out, Settings())
            clerk = Clerk(run)
            try:
                return _ask(clerk, run, [s.results[0] for s in students if s.results])
            finally:
                clerk.close()
                run.clear()
    except Timeout:
        return [
            f"A grading works in {out}. When it has ended, write the reports anew: override DIR"
        ]


def _ask(clerk: Clerk, run: GradingRun, results: list[SubmissionResult]) -> list[str]:
    problems = []
    questions = [("feedback", f"{result_name(result.file)}.json") for result in results]
    for what, *names in progress([*questions, ("overview",)], description="writing", unit="page"):
        try:
            for _ in clerk.ask(what, *names):
                pass
        except (Stopped, Ended) as problem:
            problems.append(f"not written: {what} {' '.join(names)}: {problem}")
    if not problems:
        print(f"The reports are written: {run.out / 'class.html'}")
    return problems
