"""Lectures run from top to bottom: to store their outputs, or at full size for their results."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from .lectures import lead_to, write_whole
from .runtime import progress
from .testing.kernel import AsyncFileKernelManager
from .testing.plugin import kernel_environment


def execute(
    notebook: NotebookNode,
    path: Path,
    variables: dict[str, str],
    after_cell: Callable[[], None] = lambda: None,
    timeout: int | None = None,
) -> None:
    """Run the code cells of a notebook in place, in a kernel of its own in the folder of ``path``.

    variables: of the environment, beside those that a test sets. after_cell: called after each
    code cell. timeout: of one cell, seconds.

    Raises:
        RuntimeError: a cell raised an error. The cells before it keep their outputs.
    """
    os.environ.update(kernel_environment() | variables)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        kernel_manager_class=AsyncFileKernelManager,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: after_cell(),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise RuntimeError(f"{path.name}: {error}") from None


def refresh(path: Path) -> None:
    """Run a notebook from top to bottom and store its outputs in it.

    It runs as its test does: quick profile, on the CPU. What is stored holds no times of
    execution and no version of this machine's Python. Its badge and its set-up cell are made anew.

    Raises:
        RuntimeError: a cell raised an error or wrote to stderr. The file is left as it was.
    """
    notebook = lead_to(nbformat.read(path, as_version=4))
    execute(notebook, path, {"COURSE_DEVICE": "cpu"}, timeout=600)
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path.name}, cell {number} wrote to stderr: {output.text}")
    notebook.metadata.pop("language_info", None)
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    write_whole(path, (nbformat.writes(notebook) + "\n").encode())


def run_full(path: Path, folder: Path) -> list[str]:
    """Run a notebook in the full profile and write what it gave into ``folder``.

    Two files are written: the executed notebook, and under the same name with ``.txt`` all that
    its cells printed. After an error or an interrupt they hold the cells that were done.

    Returns the statements that did not hold. Raises RuntimeError when a cell raised an error.
    """
    notebook = nbformat.read(path, as_version=4)
    count = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    start = time.perf_counter()
    try:
        with progress(total=count, description=path.stem, unit="cell") as bar:
            execute(notebook, path, {"COURSE_PROFILE": "full"}, bar.update)
    finally:
        seconds = time.perf_counter() - start
        text = f"{path.stem}, full profile, {seconds / 60:.1f} minutes\n\n{printed(notebook)}"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / path.name, (nbformat.writes(notebook) + "\n").encode())
        write_whole(folder / f"{path.stem}.txt", text.encode())
    return [line for line in text.splitlines() if line.startswith("✗")]


def printed(notebook: NotebookNode) -> str:
    """Return all text that the cells of a notebook printed."""
    texts = [o.text for cell in notebook.cells for o in cell.get("outputs", ()) if "text" in o]
    return "\n".join(text.rstrip() for text in texts) + "\n"
