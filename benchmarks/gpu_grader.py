"""Check of `gpu_check.py`: with `grade --gpu` student code uses the GPU and earns its points."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from gpu_rows import FAILED, OK, Finding

from course_utils.instructor.reports.results import SubmissionResult, read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem
from course_utils.lectures import all_lectures, exercise_and_role
from course_utils.runtime import get_device

LECTURE = "03"
BEGIN = "### BEGIN SOLUTION\n"
# Where "cuda" is only mentioned, the CPU may stand in for it; `is_available` tells the truth.
ASKS_FOR_GPU = (
    "from torch import cuda, ones; assert cuda.is_available() and ones(2).cuda().sum() == 2"
)


def submission(folder: Path, first: str) -> Path:
    """Write the lecture with its solutions, each with ``first`` as its first line.

    What stands outside of an answer's functions and classes would not run while grading.
    """
    path = next(lecture.path for lecture in all_lectures() if lecture.id == LECTURE)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if exercise_and_role(grade_id)[1] == "answer":
            cell.source = re.sub(rf"( *){BEGIN}", rf"\g<0>\1{first}\n", cell.source)
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


def graded(handed_in: Path, out: Path, *options: str) -> SubmissionResult:
    """Grade one notebook with the command, and return its result."""
    command = [sys.executable, "-m", "course_utils", "grade", str(handed_in), f"--out={out}"]
    subprocess.run([*command, *options])
    (result,) = read_results(out / "results")
    return result


def grades() -> Finding:
    """Grade solutions with ``--gpu``: those that need a GPU earn all points, too."""
    options, told = ["--gpu"], "in the sandbox"
    if sandbox_problem():
        options, told = [*options, "--no-sandbox"], "without the sandbox, which cannot be used here"
    has_cuda = get_device().type == "cuda"
    with tempfile.TemporaryDirectory() as name:
        handed_in = submission(Path(name), ASKS_FOR_GPU if has_cuda else "pass")
        result = graded(handed_in, Path(name, "grades"), *options)
    words = f"{result.points:g} of {result.max_points} points for the solutions of lecture "
    words += f"{LECTURE}, {told}; "
    words += "each used the GPU" if has_cuda else "there is no CUDA for them to use"
    is_good = result.is_graded and result.points == result.max_points
    return Finding(OK if is_good else FAILED, words)
