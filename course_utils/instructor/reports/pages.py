"""The pages of a graded class: one for each student, one for the instructor.

A page is one file, with nothing from the network. What comes from a submission is escaped by the
templates' engine, and made visible where it could deceive; should that ever fail, the page's
security policy still keeps scripts from running. Only the instructor's page has a script of its
own, for search and sorting: the policy knows it by its hash. Without it the page shows everything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ..sandbox.settings import DIED, TIMEOUT
from .attention import groups
from .gradebook import Student, lecture_name, lectures_of, most_points
from .histogram import STEP_HEIGHT, STEP_WIDTH
from .likeness import Pair
from .overriding import Gradebook
from .results import (
    BESIDE,
    FULL,
    GRADED,
    INFRASTRUCTURE,
    MISSING,
    NEEDS_A_LOOK,
    PARTIAL,
    UNREADABLE,
    UNSOLVED,
    WRONG,
    ExerciseResult,
    SubmissionResult,
)
from .safe_text import clipped, feedback_path, one_line, visible
from .summary import accounted_for, summaries

LONGEST_CELL = 10_000  # characters of a cell that are shown
MOST_CELLS = 50  # cells of a student's own that are shown
MOST_PAIRS = 50  # pairs that are listed: a longer list helps nobody

# A mark and words for each status: nothing is told by colour alone.
STATUS = {
    FULL: ("✓", "right"),
    PARTIAL: ("◐", "partly right"),
    WRONG: ("✗", "not right"),
    UNSOLVED: ("○", "not solved"),
    MISSING: ("○", "not found"),
    TIMEOUT: ("✗", "took too long"),
    DIED: ("✗", "ended early"),
}
SENTENCE = {
    FULL: "Every case is right.",
    WRONG: "No case is right yet.",
    UNSOLVED: "Not solved yet: every case comes to `raise NotImplementedError`.",
    MISSING: "Your notebook has no cell for this exercise.",
    TIMEOUT: "Your code took too long and was stopped.",
    DIED: "Python ended before your code was done.",
}
STATE = {
    GRADED: "Graded.",
    BESIDE: "Not graded: it lies beside your notebook.",
    NEEDS_A_LOOK: "Graded. Your instructor will look at this submission.",
    UNREADABLE: "Not graded: the file could not be read as a notebook of this course.",
    INFRASTRUCTURE: "Not graded yet, for a reason that lies outside your work. It will be graded "
    "again, and you lose no points by it.",
}


def feedback_page(student: Student) -> bytes:
    """Return a student's page. It holds nothing of others, and no notes for the instructor."""
    own = [result for result in student.results if result.state != BESIDE]
    return _render(
        "feedback.html",
        student=student,
        results=own,
        beside=[result for result in student.results if result.state == BESIDE],
        others=student.missing(o.lecture for o in student.overrides.values() if o.is_whole),
        SENTENCE=SENTENCE,
        STATE=STATE,
    )


def class_page(book: Gradebook, pairs: Sequence[Pair]) -> bytes:
    """Return the instructor's page."""
    students = book.students
    results = [result for student in students for result in student.results]
    script = files(__package__).joinpath("templates/class.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    return _render(
        "class.html",
        students=students,
        total=len(results),
        states=Counter(result.state for result in results).most_common(),
        accounted=accounted_for(results, book.class_list),
        problems=book.problems,
        groups=groups(students),
        all_lectures=lectures_of(students),
        most=most_points(students),
        lectures=summaries(students),
        pairs=pairs[:MOST_PAIRS],
        left_out=len(pairs) - len(pairs[:MOST_PAIRS]),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode(),
    )


def _render(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(values).encode()


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("course_utils.instructor.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "code": code,
        "explained": explained,
        "lecture": lecture_name,
        "lost": lost,
        "link": lambda who: quote(feedback_path(*who)),
        "number": lambda value: f"{value:g}",
        "one_line": one_line,
        "status": lambda status: STATUS[status],
    }
    environment.globals |= {
        "MOST_CELLS": MOST_CELLS,
        "STEP_HEIGHT": STEP_HEIGHT,
        "STEP_WIDTH": STEP_WIDTH,
    }
    return environment


def code(source: str) -> Markup:
    """Return Python source as HTML, coloured; the end of a very long one is left out."""
    return _coloured(visible(clipped(source, LONGEST_CELL)))


@functools.lru_cache(maxsize=4096)
def _coloured(shown: str) -> Markup:
    """Return code as HTML. Kept, as a page is written again for each submission of its student."""
    return Markup(highlight(shown, _LEXER, _FORMATTER))


_LEXER = PythonLexer(stripnl=False)
_FORMATTER = HtmlFormatter(nowrap=True)


def explained(exercise: ExerciseResult) -> str:
    """Return the status of an exercise in a sentence or two."""
    some = f"{exercise.passed} of {exercise.total} cases are right."
    if exercise.status == PARTIAL:
        return some
    if exercise.status in (TIMEOUT, DIED) and exercise.passed:
        return f"{SENTENCE[exercise.status]} {some}"
    return SENTENCE[exercise.status]


def lost(result: SubmissionResult) -> list[str]:
    """Return the exercises without full points, with what the student's notebook shows of them."""
    return [
        f"{e.id}: {e.points:g}/{e.max_points}"
        + (f" (notebook: {e.shown:g})" if e.shows_more else "")
        for e in result.exercises
        if result.is_graded and e.points < e.max_points
    ]
