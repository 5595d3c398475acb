"""One file that was handed in, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

# What kind of file it is. The next two can lie beside a notebook of the course.
NOTEBOOK, SCRATCH, OTHER = "notebook", "another notebook", "another file"
UNWORKED = "an untouched notebook"  # of a copy of the course in which nothing was worked on
PASSED_OVER = "passed over"  # it is no submission; its reason says what it is


class Unreadable(ValueError):
    """A file is no notebook that can be graded; the message says why."""


@dataclass(frozen=True)
class StudentCell:
    """One code cell of a submission: its source, and what may tell which cell it is."""

    source: str
    grade_id: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """One file that was handed in. Without ``reason`` it can be graded.

    kind: whether it was meant as a notebook of the course.

    lecture: which one it is of. version: of the lecture, as its metadata says; empty if nothing.
    shown: the points, and those that there are, that the student's own check printed for an
    exercise. python: the version of Python that it ran with, empty if unknown.

    student, person, handed_in, attempt, is_late: as of a `SubmissionResult`; settled when all that
    was handed in is known.
    """

    file: str
    student: str = ""
    lecture: str = ""
    version: str = ""
    cells: tuple[StudentCell, ...] = ()
    reason: str = ""
    person: str = ""
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False
    kind: str = NOTEBOOK
    shown: dict[str, tuple[float, float]] = field(default_factory=dict)
    python: str = ""

    def as_json(self) -> str:
        """Return the text that is stored and sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """Return what ``as_json`` made a text of."""
        data = json.loads(text)
        cells = (StudentCell(c["source"], c["grade_id"], tuple(c["ids"])) for c in data["cells"])
        shown = {exercise: (points, of) for exercise, (points, of) in data["shown"].items()}
        return cls(**data | {"cells": tuple(cells), "shown": shown})
