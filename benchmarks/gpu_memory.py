"""Estimate how much memory of a GPU each lecture needs in the full profile.

    python benchmarks/gpu_memory.py [NOTEBOOK ...]

Each lecture runs on the strict device of the tests, which counts what its tensors hold. What only
repeats is shortened: 20 steps, a tenth of each `length`, two seeds, two batches in a pass over a
data set, two blocks of images in a search of K-NN. Memory is at its peak by then; the numbers that
come out mean nothing.
Needs all images of Fashion-MNIST (COURSE_DATA, the cache, or the download). Without arguments all
lectures are run, and the table goes into RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_utils.lectures import all_lectures, store_part
from course_utils.runtime import project_root
from course_utils.testing.kernel import AsyncFileKernelManager
from course_utils.testing.variables import notebook_variables

T4 = 15.0  # GB that a free GPU in Colab has
FIRST = """
import torch

def shorten():  # a function, so that no name of a notebook is in the way
    import itertools
    from torch.utils.data import DataLoader
    from course_utils.data import BatchLoader
    from course_utils.models.knn import KNearestNeighbors

    batches, classical = BatchLoader._batches, DataLoader.__iter__
    search = KNearestNeighbors.neighbors

    def search_few(self, images):
        every, self.images = self.images, self.images[:4096]
        try:
            return search(self, images)
        finally:
            self.images = every

    BatchLoader._batches = lambda self, epoch: itertools.islice(batches(self, epoch), 2)
    DataLoader.__iter__ = lambda self: itertools.islice(classical(self), 2)
    KNearestNeighbors.neighbors = search_few

shorten()
"""
LAST = "print(torch.strict.max_memory_allocated())"


def peak(path: Path) -> tuple[float, int]:
    """Return the peak in GB, and how many cells stopped with an error on so few batches."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(r"\bsteps=\d{3,}", "steps=20", cell.source)
        cell.source = re.sub(r"\bseeds=\d+", "seeds=2", cell.source)
    first, last = (nbformat.v4.new_code_cell(source) for source in (FIRST, LAST))
    notebook.cells = [first, *notebook.cells, last]
    NotebookClient(
        notebook,
        timeout=3600,
        allow_errors=True,
        resources={"metadata": {"path": str(path.parent)}},
        kernel_manager_class=AsyncFileKernelManager,
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    errors = [output for output in outputs if output.output_type == "error"]
    for error in errors:
        print(f"{path.stem}: {error.ename}: {error.evalue}")
    return int(last.outputs[0].text) / 1e9, len(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    given = parser.parse_args().notebooks
    device = {"COURSE_DEVICE": "strict", "COURSE_PROFILE": "full", "COURSE_BUDGET": "0.1"}
    device["PYTHONPATH"] = str(project_root() / "tests" / "strict_device")
    os.environ.update(notebook_variables() | device)
    lines = [f"| lecture | peak (GB) | of a T4's {T4:g} GB | cells in error |", "|---|---|---|---|"]
    print(*lines, sep="\n")
    for path in given or [lecture.path for lecture in all_lectures()]:
        gigabytes, errors = peak(path)
        lines.append(f"| {path.stem} | {gigabytes:.2f} | {gigabytes / T4:.0%} | {errors} |")
        print(lines[-1], flush=True)
    if not given:
        lines += ["", "Tensors alone: a GPU's own start-up takes about 0.5 GB more."]
        lines += ["Measured with `python benchmarks/gpu_memory.py`."]
        store_part("benchmarks/RESULTS.md", "gpu memory", lines)


if __name__ == "__main__":
    main()
