"""The command ``python -m course_utils grade``.

It grades on this machine or on a cluster, with a progress bar, and keeps results and reports.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...runtime.exit_codes import DONE, FAILED, WRONG_USAGE
from ...runtime.signals import ended_as_interrupted
from ..reports.attention import groups
from ..reports.class_list import ClassList
from ..reports.gradebook import lecture_name, need_a_look
from ..reports.overriding import read_gradebook
from ..reports.results import (
    BESIDE,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    UNREADABLE,
    SubmissionResult,
    read_results,
)
from ..reports.safe_text import one_line
from ..reports.summary import accounted_for
from .local import grade_here
from .reporter import CannotGoOn, Reporter
from .settings import Settings, add_settings, add_where

MOST_LINES = 20  # submissions of one state that are named in the end


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("submissions", nargs="+", type=Path, help="notebooks, folders with notebooks, or zips")
    add("--out", required=True, type=Path, metavar="DIR", help="folder of results and reports")
    add_where(add)
    add_settings(add)


def grade(options: argparse.Namespace) -> int:
    """Grade, and print where the reports are. Return 1 if something could not be graded."""
    settings = Settings.from_options(options)
    out, paths = options.out.resolve(), [path.resolve() for path in options.submissions]
    try:
        grade_all = _way(settings)
        out.mkdir(parents=True, exist_ok=True)
        with ended_as_interrupted(), _elsewhere():
            reporter = grade_all(paths, out, settings)
    except ModuleNotFoundError as problem:
        if problem.name != "distributed":
            raise
        print("distributed is missing: python -m pip install distributed", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("It was interrupted before it graded anything.", file=sys.stderr)
        return FAILED
    except CannotGoOn as problem:
        print(problem, file=sys.stderr)
        return FAILED
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return WRONG_USAGE
    except OSError as problem:
        print(_told(problem, out), file=sys.stderr)
        return WRONG_USAGE
    return _conclude(reporter)


def _told(problem: OSError, out: Path) -> str:
    """Return what the system said, with the file that it said it of and a way out."""
    if problem.errno is None:  # our own words
        return str(problem)
    return (
        f"{problem.filename or out}: {problem.strerror}. Results go to {out}: make room, or choose "
        "another folder with --out. What is graded is kept: the same command goes on."
    )


def _way(settings: Settings) -> Callable[[Sequence[Path], Path, Settings], Reporter]:
    """Return what grades: this machine, or a cluster. Raises ModuleNotFoundError."""
    if settings.cluster:
        from .cluster import grade_on_cluster

        return grade_on_cluster
    return grade_here


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in an empty folder: the processes that grade look for modules where they start."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="grading-") as empty:
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(here)


def _conclude(reporter: Reporter) -> int:
    """Print what came of a grading, and return the exit code."""
    results = read_results(reporter.run.results)
    print("\n".join(summary(results, reporter.run.out)))
    for problem in reporter.problems:
        print(f"  not written: {problem}", file=sys.stderr)
    if reporter.is_interrupted:
        left = len(reporter.waiting)
        goes_on = "It was interrupted. The same command goes on"
        print(f"{goes_on}. Not graded yet: {left}.", file=sys.stderr)
    failed = any(result.state == INFRASTRUCTURE for result in results)
    return FAILED if failed or reporter.problems or reporter.is_interrupted else DONE


def summary(results: list[SubmissionResult], out: Path) -> list[str]:
    """Return what to print in the end: where each file went, and what to look at."""
    book = read_gradebook(out, results)
    open_ = [r for student in book.students for r in student.results if not student.is_settled(r)]
    graded = sum(result.is_graded for result in results)
    found = groups(book.students)
    looks = sum(len(group.rows) for group in found if group.title == NEEDS_A_LOOK)
    lines = [f"{graded} of {len(results)} submissions graded, {need_a_look(looks)}"]
    lines.append(accounted_for(results, book.class_list))
    lines += due_dates(results, book.class_list)
    for state in (UNREADABLE, INFRASTRUCTURE):
        texts = [f"{r.file}: {r.reason}" for r in open_ if r.state == state]
        lines += [f"  {state}: {one_line(text)}" for text in texts[:MOST_LINES]]
        if texts[MOST_LINES:]:
            lines.append(f"  {state}: {len(texts) - MOST_LINES} more")
    counted = (f"{group.title}: {len(group.rows)}" for group in found)
    lines += [f"  {line}" for line in counted if not line.startswith((UNREADABLE, INFRASTRUCTURE))]
    lines += [f"  {one_line(problem)}" for problem in book.problems]
    return [*lines, f"Start with {out / 'class.html'}; the points are in {out / 'gradebook.csv'}"]


def due_dates(results: Sequence[SubmissionResult], class_list: ClassList) -> Iterator[str]:
    """Yield when each lecture is due, and of how many of its files that says nothing."""
    for lecture, due in sorted(class_list.due.items()):
        files = [r for r in results if r.lecture == lecture and r.state != BESIDE]
        timeless = sum(not result.handed_in for result in files)
        line = f"{lecture_name(lecture)} is due {due.replace('T', ' ')}"
        if not files:
            line += "; no file is of it yet"
        without = f"{timeless} of {len(files)} files have no time in their name"
        yield f"{line}; {without}: it judges none of them" if timeless else line
