"""Run every lecture in the quick profile and measure its seconds and peak memory.

    python benchmarks/notebooks.py [NOTEBOOK ...]

Each notebook runs in a kernel of its own, one after the other, with all cores. The memory is that
of the kernel alone. Without arguments all lectures are run, and the table goes into the README.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

from course_utils.lectures import all_lectures, store_part
from course_utils.runtime import machine
from course_utils.testing.kernel import AsyncFileKernelManager
from course_utils.testing.plugin import kernel_environment

PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"  # KiB


def measure(path: Path) -> tuple[float, float]:
    """Return the seconds from the start of the kernel to the last cell, and the peak in GB."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    resources = {"metadata": {"path": str(path.parent)}}
    start = time.perf_counter()
    NotebookClient(
        notebook, timeout=600, resources=resources, kernel_manager_class=AsyncFileKernelManager
    ).execute()
    seconds = time.perf_counter() - start
    return seconds, int(notebook.cells[-1].outputs[0].text) * 1024 / 1e9


def row(path: Path) -> str:
    """Measure one notebook and return its row of the table."""
    cells = nbformat.read(path, as_version=4).cells
    counts = [sum(cell.cell_type == kind for cell in cells) for kind in ("code", "markdown")]
    seconds, gigabytes = measure(path)
    return f"| {path.stem} | {counts[0]} + {counts[1]} | {seconds:.0f} | {gigabytes:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    given = parser.parse_args().notebooks
    os.environ.update(kernel_environment())
    lines = ["| lecture | code + text cells | seconds | peak memory (GB) |", "|---|---|---|---|"]
    print(*lines, sep="\n")
    for path in given or [lecture.path for lecture in all_lectures()]:
        lines.append(row(path))
        print(lines[-1], flush=True)
    if not given:
        lines += ["", f"Measured with `make bench` on {machine(torch.device('cpu'))}."]
        store_part("README.md", "quick", lines)


if __name__ == "__main__":
    main()
