"""Run every lecture in the quick profile and print its seconds and peak memory.

    python benchmarks/notebooks.py [NOTEBOOK ...]

Each notebook runs in a kernel of its own, one after the other, with all cores. The memory is that
of the kernel alone.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_utils.grading.kernel import AsyncFileKernelManager
from course_utils.grading.plugin import kernel_environment
from course_utils.lectures import all_lectures

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    paths = parser.parse_args().notebooks or [lecture.path for lecture in all_lectures()]
    os.environ.update(kernel_environment())
    print("| lecture | seconds | peak memory, GB |\n|---|---|---|")
    for path in paths:
        seconds, gigabytes = measure(path)
        print(f"| {path.stem} | {seconds:.0f} | {gigabytes:.2f} |", flush=True)


if __name__ == "__main__":
    main()
