"""The pages of a graded class: one for each student, one for the instructor.

A page is one file: no script, nothing from the network. What comes from a submission is escaped by
the templates' engine, and made visible where it could deceive; should that ever fail, the page's
security policy still keeps scripts from running.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ..sandbox.settings import DIED, TIMEOUT
from .gradebook import Student, lecture_name
from .likeness import Pair
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
)
from .safe_text import clipped, feedback_path, one_line, visible
from .summary import summaries

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
    UNSOLVED: "The cell is as it was handed out.",
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
ATTENTION = (INFRASTRUCTURE, UNREADABLE, NEEDS_A_LOOK)  # most urgent first
TODO = {
    INFRASTRUCTURE: "Not graded, and not the student's fault: run the grading again.",
    UNREADABLE: "Not graded: ask the student for the notebook.",
    NEEDS_A_LOOK: "Graded, and the points count: see why before you publish them.",
}


def feedback_page(student: Student) -> bytes:
    """Return a student's page. It holds nothing of others, and no notes for the instructor."""
    return _render("feedback.html", student=student, SENTENCE=SENTENCE, STATE=STATE)


def class_page(students: Sequence[Student], pairs: Sequence[Pair]) -> bytes:
    """Return the instructor's page."""
    results = [result for student in students for result in student.results]
    attention = [
        (state, TODO[state], chosen)
        for state in ATTENTION
        if (chosen := [result for result in results if result.state == state])
    ]
    return _render(
        "class.html",
        students=students,
        total=len(results),
        states=Counter(result.state for result in results).most_common(),
        attention=attention,
        lectures=summaries(students),
        pairs=pairs[:MOST_PAIRS],
        left_out=len(pairs) - len(pairs[:MOST_PAIRS]),
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
        "link": lambda who: quote(feedback_path(*who)),
        "number": lambda value: f"{value:g}",
        "one_line": one_line,
        "status": lambda status: STATUS[status],
    }
    environment.globals["MOST_CELLS"] = MOST_CELLS
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
