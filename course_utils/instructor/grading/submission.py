"""One notebook that was handed in, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class StudentCell:
    """One code cell of a submission: its source, and what may tell which cell it is."""

    source: str
    grade_id: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """One file that was handed in. Without ``reason`` it can be graded.

    student, lecture: whose it is and of which lecture, settled when it is read. version: of the
    lecture, as its metadata says; empty if nothing.
    """

    file: str
    student: str = ""
    lecture: str = ""
    version: str = ""
    cells: tuple[StudentCell, ...] = ()
    reason: str = ""

    def as_json(self) -> str:
        """Return the text that is stored and sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """Return what ``as_json`` made a text of."""
        data = json.loads(text)
        cells = (StudentCell(c["source"], c["grade_id"], tuple(c["ids"])) for c in data["cells"])
        return cls(**data | {"cells": tuple(cells)})
