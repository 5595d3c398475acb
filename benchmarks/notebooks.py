"""Run every lecture in the quick profile and measure its seconds and peak memory.

    python benchmarks/notebooks.py [--check] [NOTEBOOK ...]

Each notebook runs in a kernel of its own, one after the other, with all cores. The memory is that
of the kernel alone. Without arguments all lectures are run, and the table goes into the README.

A lecture's budget is one minute on two cores and 2 GB. With `--check` nothing is written; the
command fails when a lecture needs half as much again, and names its slowest cells.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import datetime
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

from course_utils.lectures import all_lectures, store_part
from course_utils.runtime import machine
from course_utils.testing.kernel import AsyncFileKernelManager
from course_utils.testing.variables import notebook_variables

# In KiB. Not getrusage: its peak includes that of the process which started the kernel.
PEAK = """with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))"""
BUDGET = {"seconds": 60, "GB": 2}
TOLERANCE = 1.5  # other machines and other programs must not be taken for a slow lecture
HEADER = ["| lecture | code + text cells | seconds | peak memory (GB) |", "|---|---|---|---|"]


def measure(path: Path) -> tuple[nbformat.NotebookNode, dict[str, float]]:
    """Run a notebook; return it, and what of the budget it needed.

    The seconds are those from the start of the kernel to the last cell.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    resources = {"metadata": {"path": str(path.parent)}}
    start = time.perf_counter()
    NotebookClient(
        notebook, timeout=600, resources=resources, kernel_manager_class=AsyncFileKernelManager
    ).execute()
    seconds = time.perf_counter() - start
    kibibytes = int(notebook.cells.pop().outputs[0].text)
    return notebook, {"seconds": seconds, "GB": kibibytes * 1024 / 1e9}


def row(path: Path, notebook: nbformat.NotebookNode, needed: dict[str, float]) -> str:
    """Return a notebook's row of the table."""
    code, text = (
        sum(cell.cell_type == kind for cell in notebook.cells) for kind in ("code", "markdown")
    )
    return f"| {path.stem} | {code} + {text} | {needed['seconds']:.0f} | {needed['GB']:.1f} |"


def seconds_of(cell: nbformat.NotebookNode) -> float:
    """Return the time between the start of a cell and the kernel's reply."""
    moments = cell.metadata.get("execution", {})
    if "iopub.execute_input" not in moments:  # an empty cell
        return 0.0
    start, end = (
        datetime.fromisoformat(moments[name].replace("Z", "+00:00"))
        for name in ("iopub.execute_input", "shell.execute_reply")
    )
    return (end - start).total_seconds()


def slowest(notebook: nbformat.NotebookNode, count: int = 3) -> list[str]:
    """Return a line for each of the slowest cells: its number, seconds and first line."""
    ranked = sorted(enumerate(notebook.cells), key=lambda pair: seconds_of(pair[1]), reverse=True)
    return [
        f"cell {number}: {seconds_of(cell):.1f} s, «{cell.source.strip().splitlines()[0][:60]}»"
        for number, cell in ranked[:count]
    ]


def over_budget(needed: dict[str, float]) -> str:
    """Return what is above the budget by more than the tolerance; empty if nothing is."""
    most = {unit: TOLERANCE * budget for unit, budget in BUDGET.items()}
    parts = [f"{needed[u]:.1f} {u}, at most {most[u]:g}" for u in most if needed[u] > most[u]]
    return "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--check", action="store_true", help="fail where a budget is exceeded")
    options = parser.parse_args()
    os.environ.update(notebook_variables())
    lines, faults = list(HEADER), []
    print(*lines, sep="\n")
    for path in options.notebooks or [lecture.path for lecture in all_lectures()]:
        notebook, needed = measure(path)
        lines.append(row(path, notebook, needed))
        print(lines[-1], flush=True)
        if excess := over_budget(needed):
            faults.append("\n  ".join([f"{path.stem}: {excess}", *slowest(notebook)]))
    if options.check:
        sys.exit("\n".join(faults) if faults else 0)
    if not options.notebooks:
        lines += ["", f"Measured with `make bench` on {machine(torch.device('cpu'))}."]
        store_part("README.md", "quick", lines)


if __name__ == "__main__":
    main()
