"""One notebook that was handed in, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# What kind of file it is. The other two can lie beside a notebook of the course.
NOTEBOOK, SCRATCH, OTHER = "notebook", "another notebook", "another file"


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

    def as_json(self) -> str:
        """Return the text that is stored and sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """Return what ``as_json`` made a text of."""
        data = json.loads(text)
        cells = (StudentCell(c["source"], c["grade_id"], tuple(c["ids"])) for c in data["cells"])
        return cls(**data | {"cells": tuple(cells)})
