"""Which row of another system's table is which student's: by evidence, and by both sides alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..reports.gradebook import Student
from .graded_class import folded, left_out

NAME = "name"  # the one kind of evidence that two people can share
Evidence = Mapping[str, set[str]]  # by kind, for example "email", what is known


@dataclass
class Matches:
    """The row of each student, and a line for each student that has none."""

    rows: dict[str, int] = field(default_factory=dict)  # by the student's key
    left_out: list[str] = field(default_factory=list)


def match(
    students: Sequence[Student], evidence: Sequence[Evidence], rows: Sequence[Evidence]
) -> Matches:
    """Match students to rows. ``evidence`` is that of the students, in their order.

    An id, a login or an address decides. A name does so only if it is unique among the students
    and among the rows, and if nothing else that both sides have differs.
    """
    index: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for row, known in enumerate(rows):
        for pair in _pairs(known):
            index[pair].add(row)
    namesakes = Counter(pair for known in evidence for pair in _pairs(known) if pair[0] == NAME)
    found = Matches()
    chosen: dict[str, set[int]] = {}
    for student, known in zip(students, evidence, strict=True):
        sure = [index[pair] for pair in _pairs(known) if pair[0] != NAME]
        candidates = set().union(*sure)
        if not candidates:
            names = [pair for pair in _pairs(known) if namesakes[pair] == 1]
            by_name = set().union(*(index[pair] for pair in names))
            candidates = {row for row in by_name if not _differ(known, rows[row])}
            if len(by_name) > 1:  # whom the others of this name are is not known either
                candidates = by_name
        chosen[student.key] = candidates
    taken = Counter(row for candidates in chosen.values() for row in candidates)
    for student in students:
        candidates = chosen[student.key]
        if len(candidates) == 1 and taken[min(candidates)] == 1:
            found.rows[student.key] = min(candidates)
        else:
            found.left_out.append(left_out(student, _reason(candidates)))
    return found


def _reason(candidates: set[int]) -> str:
    if not candidates:
        return "no row of the table has this id, login, e-mail, or unique name"
    lines = " and ".join(str(row + 2) for row in sorted(candidates)[:5])
    return f"row {lines} could be meant, or another student's"


def _pairs(known: Evidence) -> list[tuple[str, str]]:
    """Return evidence as pairs of kind and value, nothing empty."""
    return [(kind, value) for kind, values in known.items() for v in values if (value := folded(v))]


def _differ(one: Evidence, other: Evidence) -> bool:
    """Return whether two know something of one kind, and not the same."""
    mine, others = _grouped(_pairs(one)), _grouped(_pairs(other))
    shared = (mine.keys() & others.keys()) - {NAME}
    return any(not mine[kind] & others[kind] for kind in shared)


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    """Return pairs of kind and value as evidence."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for kind, value in pairs:
        found[kind].add(value)
    return found
