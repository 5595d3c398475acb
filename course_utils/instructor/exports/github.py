"""Grading in repositories of students on GitHub: a workflow, and the summary of its job."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from ...runtime import write_whole
from ..reports.gradebook import lecture_name
from ..reports.pages import explained
from ..reports.results import SubmissionResult
from ..reports.safe_text import clipped, one_line
from .single import Single

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
MOST = 900_000  # characters: GitHub drops a summary of more than 1 MiB
# What Markdown or HTML reads as more than a character, mentions of people and lines of tables too.
SPECIAL = re.compile(r"[^a-zA-Z0-9 .,:;/()=+-]")


def workflow(course: str, to: Path) -> list[str]:
    """Write the workflow that grades a push. Return what to print.

    course: the instructor's private repository, as "owner/name".

    Raises:
        OSError: it cannot be written.
        ValueError: that is no name of a repository.
    """
    if not REPOSITORY.fullmatch(course):
        raise ValueError(f"--course {course!r} is not like OWNER/NAME, for example ada/course")
    template = files(__package__).joinpath("templates", "grade.yml").read_text("utf-8")
    to.parent.mkdir(parents=True, exist_ok=True)
    write_whole(to, template.replace("OWNER/COURSE", course).encode())
    return [
        f"wrote {to}",
        "  put it into the template repository of the assignment, as .github/workflows/grade.yml",
        f"  and a token that may read {course} into the organisation's secrets: COURSE_TOKEN",
        "  Read its comments first: they say what a student can do with it.",
    ]


def summary(single: Single) -> str:
    """Return the points of one push as Markdown, with nothing that only instructors should see."""
    parts = ["## Points", *map(_table, single.counted)]
    parts += [
        f"Not graded: {escaped(result.file)}: {escaped(result.reason)}"
        for result in single.not_graded
    ]
    if len(parts) == 1:
        parts.append("No notebook was found in this push.")
    parts.append("These points are a preview: your instructor's grading is what counts.")
    return clipped("\n\n".join(parts), MOST) + "\n"


def _table(result: SubmissionResult) -> str:
    title = f"### {lecture_name(result.lecture).capitalize()}"
    lines = [
        f"{title}: {result.points:g} of {result.max_points} points",
        "",
        "| Exercise | Points | Result |",
        "| --- | ---: | --- |",
    ]
    for exercise in result.exercises:
        words = " ".join(filter(None, (explained(exercise), exercise.hint)))
        lines.append(
            f"| {escaped(exercise.id)} {escaped(exercise.title)} "
            f"| {exercise.points:g} of {exercise.max_points} | {escaped(words)} |"
        )
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return text as one line of Markdown that shows as it is."""
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", one_line(text))
