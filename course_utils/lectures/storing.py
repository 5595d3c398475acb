"""What a run of a lecture leaves in files: stored outputs, or the results of a run at full size."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..runtime import progress, write_whole
from .addresses import lead_to, repository
from .figures import shrink_figures
from .files import WIDGET_STATE, all_lectures
from .running import execute, printed


def refresh(path: Path) -> None:
    """Run a notebook from top to bottom and store its outputs in it.

    It runs as its test does: quick profile, on the CPU. What is stored holds no times of
    execution and no version of this machine's Python. Its badge and its set-up cell are made anew.
    A figure of plain matplotlib gets its description from ``metadata.course.alt`` of its cell.

    Raises:
        RuntimeError: a cell raised an error or wrote to stderr. The file is left as it was.
    """
    notebook = lead_to(nbformat.read(path, as_version=4), repository())
    execute(notebook, path, {"COURSE_DEVICE": "cpu"}, timeout=600)
    for number, cell in enumerate(notebook.cells):
        join_streams(cell)
        describe_plain_figures(cell)
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path.name}, cell {number} wrote to stderr: {output.text}")
    notebook.metadata.pop("language_info", None)
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    store(shrink_figures(with_widgets_numbered(notebook)), path)


def join_streams(cell: NotebookNode) -> None:
    """Make one output of what a cell printed without a figure in between.

    How a kernel cuts it depends on the moment: pages would show a line broken, and each run would
    change the file.
    """
    joined: list[NotebookNode] = []
    for output in cell.get("outputs", ()):
        last = joined[-1] if joined else {}
        if output.get("name") and output.get("name") == last.get("name"):
            last["text"] += output.text
        else:
            joined.append(output)
    if cell.cell_type == "code":
        cell.outputs = joined


def with_widgets_numbered(notebook: NotebookNode) -> NotebookNode:
    """Give widgets numbers for the names that are drawn anew in each run."""
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {})
    text = nbformat.writes(notebook)
    for number, name in enumerate(widgets.get("state", ())):
        text = text.replace(name, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def describe_plain_figures(cell: NotebookNode) -> None:
    """Give the figures of a cell the description that its metadata holds, if they have none."""
    described = cell.metadata.get("course", {}).get("alt")
    for output in cell.get("outputs", ()) if described else ():
        if "image/png" in output.get("data", {}):
            output.metadata.setdefault("image/png", {}).setdefault("alt", described)


def refresh_addresses() -> None:
    """Lead all lectures to the repository that the README names, also those that were not run."""
    for lecture in all_lectures():
        notebook = nbformat.read(lecture.path, as_version=4)
        if (led := lead_to(notebook, repository())) != notebook:
            store(led, lecture.path)


def store(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in place of the old one at once."""
    write_whole(path, (nbformat.writes(notebook) + "\n").encode())


def run_full(path: Path, folder: Path) -> list[str]:
    """Run a notebook in the full profile and write what it gave into ``folder``.

    Two files are written: the executed notebook, and under the same name with ``.txt`` all that
    its cells printed. After an error or an interrupt they hold the cells that were done.

    Returns:
        The printed statements that did not hold.

    Raises:
        RuntimeError: a cell raised an error.
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
        store(notebook, folder / path.name)
        write_whole(folder / f"{path.stem}.txt", text.encode())
    return [line for line in text.splitlines() if line.startswith("✗")]
