"""Lectures run from top to bottom, each in a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from ..testing.kernel import AsyncFileKernelManager
from ..testing.variables import inherited_variables, notebook_variables


def execute(
    notebook: NotebookNode,
    path: Path,
    variables: Mapping[str, str],
    after_cell: Callable[[], None] = lambda: None,
    timeout: int | None = None,
) -> None:
    """Run the code cells of a notebook in place, in a kernel of its own in the folder of ``path``.

    Args:
        notebook: its outputs are replaced.
        path: where it lies, or would lie.
        variables: of the kernel's environment, beside those of this process and those that a test
            sets, and before both.
        after_cell: called after each code cell.
        timeout: of one cell, in seconds; None is no limit.

    Raises:
        RuntimeError: a cell raised an error. The cells before it keep their outputs.
    """
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=300,  # a busy machine starts a kernel slowly
        kernel_name="python3",
        kernel_manager_class=AsyncFileKernelManager,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: after_cell(),
    )
    try:
        client.execute(env=inherited_variables() | notebook_variables() | dict(variables))
    except CellExecutionError as error:
        raise RuntimeError(f"{path.name}: {error}") from None


def printed(notebook: NotebookNode) -> str:
    """Return all text that the cells of a notebook printed."""
    texts = [o.text for cell in notebook.cells for o in cell.get("outputs", ()) if "text" in o]
    return "\n".join(text.rstrip() for text in texts) + "\n"
