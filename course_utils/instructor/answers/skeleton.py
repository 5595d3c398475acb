"""The instructor's notebook as what is graded, and which of them a submission answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...lectures import exercise_and_role, graded_id, read_notebook
from ..cell_names import read_cell
from ..versions import lecture_version
from .submission import Submission

SKIP_TAG = "grade-skip"
LECTURE, ANSWER, CHECK, ADDED = "lecture", "answer", "check", "added"


@dataclass(frozen=True)
class Statement:
    """One statement of a student's cell. ``exercise``: the first that needs it; "" if none does."""

    source: str
    exercise: str = ""


@dataclass(frozen=True)
class Step:
    """One cell. Of a student's only ``statements`` run; if it has several answers, in the first.

    ``answer`` of a check is the expression that the exercise is given.
    """

    kind: str
    source: str
    exercise: str = ""
    answer: str = ""
    id: str = ""
    skipped: bool = False
    statements: tuple[Statement, ...] = ()

    @property
    def mark(self) -> str:
        """Return the grade_id of the cell; "" if it has none."""
        return graded_id(self.exercise, self.kind) if self.exercise else ""

    def is_check_of(self, exercise: str) -> bool:
        """Return whether it asks an exercise."""
        return self.kind == CHECK and self.exercise == exercise


@dataclass(frozen=True)
class Skeleton:
    """The code cells of one lecture; each answer step holds the instructor's solution."""

    lecture: str
    version: str
    steps: tuple[Step, ...]

    @property
    def answers(self) -> dict[str, Step]:
        """Return the answer step of each exercise."""
        return {step.exercise: step for step in self.steps if step.kind == ANSWER}

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """Return what its cells import when they are graded: "torch.nn", "copy.deepcopy"."""
        trees = [read_cell(step.source).tree for step in self.steps if not step.skipped]
        nodes = [node for tree in trees if tree for node in ast.walk(tree)]
        found = [
            f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            for node in nodes
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        ]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Plan:
    """What is run for one submission.

    found: how the cell of each exercise was recognised; an exercise without one is missing.
    others: the cell of the last other solved answer to each exercise, which is not graded; "" if
    there is none.
    """

    steps: tuple[Step, ...]
    found: dict[str, str]
    notes: tuple[str, ...]
    others: Mapping[str, str] = field(default_factory=dict)


def read_skeleton(path: Path) -> Skeleton:
    """Read a lecture of the instructor's.

    Raises:
        ValueError: the notebook has no ``course`` metadata.
    """
    notebook = read_notebook(path)
    if "course" not in notebook["metadata"]:
        raise ValueError(f"{path.name} is no lecture: it has no metadata.course")
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    steps = tuple(_step(cell) for cell in code if cell["source"].strip())
    return Skeleton(notebook["metadata"]["course"]["id"], lecture_version(notebook), steps)


def _step(cell: Mapping[str, Any]) -> Step:
    source, metadata, cell_id = cell["source"], cell["metadata"], cell["id"]
    exercise, role = exercise_and_role(metadata.get("nbgrader", {}).get("grade_id", ""))
    if role == "answer":
        name = re.search(r"^(?:def|class) (\w+)", source, re.MULTILINE)
        return Step(ANSWER, source, exercise, name[1] if name else "", cell_id)
    if role == "check":
        (call,) = ast.parse(source).body
        return Step(CHECK, source, exercise, ast.unparse(call.value.args[1]), cell_id)
    return Step(LECTURE, source, id=cell_id, skipped=SKIP_TAG in metadata.get("tags", ()))


def identify(submission: Submission, skeletons: Mapping[str, Skeleton]) -> Skeleton | None:
    """Return the lecture of a submission: by its metadata, its graded cells, or its functions."""
    if submission.lecture in skeletons:
        return skeletons[submission.lecture]
    marks = {cell.grade_id for cell in submission.cells}
    names = {n for cell in submission.cells for n in read_cell(cell.source).definitions}

    def likeness(skeleton: Skeleton) -> tuple[int, int]:
        answers = skeleton.answers.values()
        return sum(a.mark in marks for a in answers), sum(a.answer in names for a in answers)

    best = max(skeletons.values(), key=likeness, default=None)
    return best if best and any(likeness(best)) else None
