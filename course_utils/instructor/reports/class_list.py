"""Who is in a class, and what of the files that were seen is no submission.

It is kept in ``class.json`` beside the results. What a later grading into the same folder is not
told again, it takes from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...runtime import write_whole

CLASS_LIST = "class.json"
ROSTER = "roster.csv"  # the file that was given, kept beside it
TEXTS = ("doubts", "aliases", "remarks")  # of a person, several each
BEST, LATEST = "best", "latest"  # which of several submissions of one lecture counts


@dataclass(frozen=True)
class Person:
    """One student.

    key: equal keys are one student, whatever else is equal. evidence: what the name comes from:
    "roster", "platform", "pattern", "folder", "file name", or "" where nobody knows whose it is.
    doubts: what a person should settle, one sentence each; remarks: what is told, no more.
    is_on_roster: also without a hand-in. aliases: what else the learning platform calls this
    person: a number, "Participant 9001".
    """

    key: str
    name: str
    id: str = ""
    login: str = ""
    email: str = ""
    evidence: str = ""
    doubts: tuple[str, ...] = ()
    is_on_roster: bool = False
    aliases: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassList:
    """What all reports of one folder of results have in common.

    people: those who handed in, and all of the roster. passed_over: files that were seen in the
    last grading and are no submissions, by kind. names: the instructor's pattern of file names.
    counts: which of several submissions counts, as it was last said; rules: of each lecture that
    was there then. due: when each lecture was due, as "2026-10-01T23:59"; of "" in folders of once,
    where it is one date for all that were graded.
    seen: the files that were handed in at the last grading of what was named.
    """

    people: tuple[Person, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    names: str = ""
    counts: str = BEST
    rules: Mapping[str, str] = field(default_factory=dict)
    due: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rule(self, lecture: str) -> str:
        """Return which of several submissions of a lecture counts."""
        return self.rules.get(lecture, self.counts)

    def write(self, out: Path) -> None:
        """Write it into the folder of the results."""
        write_whole(out / CLASS_LIST, json.dumps(asdict(self), indent=1).encode())


def read_class_list(out: Path) -> ClassList:
    """Return the class list of a folder of results; an empty one if it has none."""
    try:
        data = json.loads((out / CLASS_LIST).read_text("utf-8"))
        people = (
            Person(**p | {name: tuple(p.get(name, ())) for name in TEXTS}) for p in data["people"]
        )
        due = data.get("due", {})
        if isinstance(due, str):  # once it was one for all
            due = {"": due} if due else {}
        return ClassList(**data | {"people": tuple(people), "due": due})
    except (OSError, ValueError, TypeError, KeyError):
        return ClassList()
