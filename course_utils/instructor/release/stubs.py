"""From the instructor's notebook to the students': stubs in place of solutions, or a refusal."""

from __future__ import annotations

import ast
import copy
import os
from collections import Counter
from collections.abc import Iterator

from nbformat import NotebookNode

from ...lectures import exercise_and_role
from ..cell_names import read_cell
from ..solutions import BEGIN, END, REGION, stub


def answers(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that hold a solution."""
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]


def cell_name(cell: NotebookNode) -> str:
    """Return how a message names a cell: by what it defines, or by how it begins."""
    names = read_cell(cell.source).definitions if cell.cell_type == "code" else []
    return f"«{names[0] if names else cell.source.strip().partition(chr(10))[0][:40]}»"


def student_notebook(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with stubs, and without the outputs of answers and checks."""
    released = copy.deepcopy(notebook)
    for cell in released.cells:
        if "nbgrader" in cell.metadata and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = stub(cell.source)
    return released


def problems(notebook: NotebookNode, run_stubs: bool = True) -> Iterator[str]:
    """Yield what keeps a notebook from being released, naming the cell."""
    yield from id_problems(notebook)
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {})
        has_marks = BEGIN in cell.source or END in cell.source
        if graded.get("solution"):
            count = len(REGION.findall(cell.source))
            if not count or cell.source.count(BEGIN) != count or cell.source.count(END) != count:
                yield f"{graded.grade_id} needs {BEGIN} and {END}, in pairs"
            stubbed = read_cell(stub(cell.source)).definitions
            for name in sorted({*read_cell(cell.source).definitions}.difference(stubbed)):
                yield f"the stub of {graded.grade_id} does not define {name}"
        elif has_marks:
            yield f"{cell_name(cell)} has marks of a solution, but is no answer's cell"
        if graded.get("grade") and not graded.get("points"):
            yield f"{graded.grade_id} has no points"
    if run_stubs:
        yield from stub_problems(notebook)


def id_problems(notebook: NotebookNode) -> Iterator[str]:
    """Yield ids that are double or missing, and exercises without their answer or check."""
    cells = Counter(cell.get("id") for cell in notebook.cells)
    for cell in notebook.cells:
        if "id" not in cell:
            yield f"{cell_name(cell)} has no cell id"
        elif cells[cell.id] > 1:
            yield f"{cell_name(cell)} has the cell id {cell.id}, as {cells[cell.id]} cells have"
    graded = [c.metadata.nbgrader.grade_id for c in notebook.cells if "nbgrader" in c.metadata]
    marks = Counter(graded)
    yield from (f"{mark} is the id of {count} cells" for mark, count in marks.items() if count > 1)
    known = {exercise_and_role(mark) for mark in marks}
    for exercise, role in sorted(known - {("", "")}):
        other = "check" if role == "answer" else "answer"
        if (exercise, other) not in known:
            yield f"exercise {exercise} has no cell for its {other}"


def stub_problems(notebook: NotebookNode) -> Iterator[str]:
    """Yield the answers' cells whose stub does not run behind the notebook's imports."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # keras reads it when it is imported
    space: dict[str, object] = {}
    for line in _imports(notebook):
        try:
            exec(line, space)
        except Exception as error:
            yield f"«{line}» stops with {type(error).__name__}: {error}"
    for cell in answers(notebook):
        try:
            exec(stub(cell.source), space)
        except Exception as error:
            name = cell.metadata.nbgrader.grade_id
            yield f"the stub of {name} stops with {type(error).__name__}: {error}"


def _imports(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for statement in read_cell(cell.source).statements if cell.cell_type == "code" else ():
            if isinstance(statement.tree, (ast.Import, ast.ImportFrom)):
                yield ast.unparse(statement.tree)
