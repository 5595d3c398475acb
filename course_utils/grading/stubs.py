"""From the instructor's notebook to the students': stubs in place of solutions, or a refusal."""

from __future__ import annotations

import copy
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from nbformat import NotebookNode

from .names import definitions

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^( *){BEGIN}\n(.*?)^ *{END}$", re.DOTALL | re.MULTILINE)
IMPORT = re.compile(r"(?:import|from) \w")
LEAK_LENGTH, LEAK_SHARE = 40, 0.8  # characters of a solution, and the share of it elsewhere


def stub(source: str) -> str:
    """Return an answer's cell with a stub in place of its solution."""
    return REGION.sub(r"\1raise NotImplementedError", source)


def solution(source: str) -> str:
    """Return the lines of an answer's cell that students must not see."""
    return "\n".join(match[2] for match in REGION.finditer(source))


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
    graded = [c.metadata.nbgrader for c in notebook.cells if "nbgrader" in c.metadata]
    marks = Counter(part.grade_id for part in graded)
    yield from (f"{mark} is the id of {count} cells" for mark, count in marks.items() if count > 1)
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {})
        has_marks = BEGIN in cell.source or END in cell.source
        if graded.get("solution"):
            count = len(REGION.findall(cell.source))
            if not count or cell.source.count(BEGIN) != count or cell.source.count(END) != count:
                yield f"{graded.grade_id} needs {BEGIN} and {END}, in pairs"
        elif has_marks:
            yield f"{_name(cell)} has marks of a solution, but is no answer's cell"
        if graded.get("grade") and not isinstance(graded.get("points"), int):
            yield f"{graded.grade_id} has no points"
    if run_stubs:
        yield from stub_problems(notebook)


def stub_problems(notebook: NotebookNode) -> Iterator[str]:
    """Yield the answers' cells whose stub does not run behind the notebook's imports."""
    imports = [
        line
        for cell in notebook.cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if IMPORT.match(line) and not line.endswith("(")
    ]
    os.environ.setdefault("KERAS_BACKEND", "torch")  # keras reads it when it is imported
    space: dict[str, object] = {}
    exec("\n".join(imports), space)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            try:
                exec(stub(cell.source), space)
            except Exception as error:
                name = cell.metadata.nbgrader.grade_id
                yield f"the stub of {name} stops with {type(error).__name__}: {error}"


def leaks(notebook: NotebookNode, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the answers whose solution appears in one of the released ``texts``, by name.

    Lines that the lecture itself shows are given, not found out; of the others, nearly all in one
    place are a leak. One or two in common are none: layers and loops look alike everywhere.
    """
    plain = {name: _plain(text) for name, text in texts.items()}
    given = "".join(_plain(REGION.sub("", cell.source)) for cell in notebook.cells)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            lines = [_plain(line) for line in solution(cell.source).splitlines()]
            own = [line for line in lines if line not in given]
            whole = sum(map(len, own))
            for name, text in plain.items():
                known = sum(len(line) for line in own if line in text)
                if whole >= LEAK_LENGTH and known >= LEAK_SHARE * whole:
                    yield f"the solution of {cell.metadata.nbgrader.grade_id} appears in {name}"


def texts_of(notebook: NotebookNode, name: str) -> dict[str, str]:
    """Return all text of a released notebook's cells and outputs, by the cell's place."""
    found = {}
    for number, cell in enumerate(notebook.cells):
        outputs = [output.get("text", "") for output in cell.get("outputs", ())]
        found[f"{name}, cell {number} {_name(cell)}"] = "\n".join([cell.source, *outputs])
    return found


def _plain(text: str) -> str:
    """Return code without comments and white space."""
    return re.sub(r"\s+", "", re.sub(r"#.*", "", text))


def _name(cell: NotebookNode) -> str:
    names = definitions(cell.source) if cell.cell_type == "code" else []
    return f"«{names[0] if names else cell.source.strip().splitlines()[0][:40]}»"
