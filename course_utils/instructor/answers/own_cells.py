"""What of a submission is the student's own, and which of it answers the exercises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..cell_names import Code, grouped, read_cell, root
from .skeleton import ANSWER, Skeleton, Step
from .submission import StudentCell

DEFINES = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)
# What a version of an answer is. Of several, the best counts; of those, the last in the notebook.
ELSEWHERE, STUB, BROKEN, SOLVED = range(4)
# Nobody can call what these make.
VALUES = (
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare),
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp),
)


@dataclass(frozen=True)
class OwnCell:
    """A cell of the student's, without the statements that the lecture has there.

    after: the last cell of the lecture that stands before it. An answer in its own place stands
    behind that place.
    """

    cell: StudentCell
    after: int
    source: str
    parts: tuple[Code, ...]

    def sign_of(self, step: Step) -> str:
        """Return what marks it as the cell of an answer; "" if nothing."""
        if self.cell.grade_id == step.mark:
            return "grade_id"
        return "cell id" if step.id in self.cell.ids else ""


@dataclass(frozen=True)
class Version:
    """One answer to an exercise: the cell, and the number of the statement in it.

    A cell that does not parse is one statement; one that is only marked has no such number.
    """

    kind: int
    cell: int
    number: int = -1


def own_cells(skeleton: Skeleton, cells: Iterable[StudentCell]) -> list[OwnCell]:
    """Return the cells that hold more than the lecture has, in the order of the notebook."""
    signs = [(step.mark, _plain(step.source), step.id) for step in skeleton.steps]
    known = {sign: at for at in reversed(range(len(signs))) for sign in signs[at] if sign}
    names = {step.answer for step in skeleton.answers.values()}
    own, after = [], -1
    for cell in cells:
        code = read_cell(cell.source)
        parts, source = tuple(code.statements or [code]), cell.source
        those = (cell.grade_id, _plain(cell.source), *cell.ids)
        at = next((known[sign] for sign in those if sign in known), None)
        if at is not None:
            after = max(after, at)
        if at is not None and skeleton.steps[at].kind != ANSWER:
            parts = tuple(_added_to(skeleton.steps[at], parts, names))
            source = "\n".join(part.source for part in parts)
        elif at is None and not source.strip():
            parts = ()
        if parts:
            own.append(OwnCell(cell, after, source, parts))
    return own


def _added_to(step: Step, parts: Iterable[Code], names: set[str]) -> Iterator[Code]:
    """Yield what a student has added to a cell of the lecture. A spoilt one is nobody's work."""
    lecture = {_plain(part.source) for part in read_cell(step.source).statements}
    for part in parts:
        defined = names.intersection(DEFINES.findall(part.source))
        if (part.tree or defined) and _plain(part.source) not in lecture:
            yield part


def _plain(source: str) -> str:
    """Return a source without what editors change: line ends and space at the ends."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def versions(skeleton: Skeleton, own: list[OwnCell]) -> dict[str, list[Version]]:
    """Return what answers each exercise, the best last. Without anything, it is missing."""
    names = {step.answer for step in skeleton.answers.values()}
    defined = grouped(
        (name, v) for at, cell in enumerate(own) for name, v in _found(at, cell, names)
    )
    marked = grouped(
        (sign, at) for at, cell in enumerate(own) for sign in {cell.cell.grade_id, *cell.cell.ids}
    )
    found = {}
    for exercise, step in skeleton.answers.items():
        here = {at for sign in (step.mark, step.id) if sign for at in marked[sign]}
        broken = [Version(BROKEN, at, 0) for at in here if not read_cell(own[at].source).tree]
        those = sorted([*defined[step.answer], *broken], key=lambda v: (v.kind, v.cell))
        found[exercise] = those, sorted(here)
    taken = {those[-1].cell for those, _ in found.values() if those}
    return {
        exercise: those or [Version(ELSEWHERE, at) for at in here if at not in taken]
        for exercise, (those, here) in found.items()
    }


def _found(at: int, cell: OwnCell, names: set[str]) -> Iterator[tuple[str, Version]]:
    """Yield the versions of answers that are in a cell, each with its name."""
    for number, part in enumerate(cell.parts):
        for name in names & part.bound:
            if _is_definition(part.tree, name):
                kind = STUB if is_stub(part.tree) else SOLVED
                yield name, Version(kind, at, number)
        if not part.tree:
            for name in names.intersection(DEFINES.findall(part.source)):
                yield name, Version(BROKEN, at, number)


def _is_definition(tree: Any, name: str) -> bool:
    """Return whether a statement makes an answer: a loop's variable or a test's result is none."""
    if isinstance(tree, (ast.Assign, ast.AnnAssign)):
        calls = (n.func for n in ast.walk(tree.value or tree) if isinstance(n, ast.Call))
        is_result = name in map(root, calls)
        return not is_result and not isinstance(tree.value, (*VALUES, type(None)))
    return not isinstance(tree, (ast.For, ast.AsyncFor, ast.AugAssign, ast.Delete))


def is_stub(tree: ast.AST) -> bool:
    """Return whether a function in it does nothing but say that it is not implemented."""
    return any(_gives_up(n.body) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def _gives_up(body: list[ast.stmt]) -> bool:
    for statement in body:
        match statement:
            case ast.Return():
                return False
            case ast.Raise(
                ast.Name("NotImplementedError") | ast.Call(ast.Name("NotImplementedError"))
            ):
                return True
    return False
