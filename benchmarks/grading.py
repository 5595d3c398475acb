"""Measure what grading costs, beside nbgrader's autograde and otter's run on the same notebooks.

    python benchmarks/grading.py [--submissions 16] [--peers DIR]

Submissions of lecture 02 with all exercises solved. The floor is the same cells in a kernel that
has run them before, with nothing around them; a second row adds the start of that kernel. The peers
are installed into a virtual environment in DIR (default: .venv-peers) that sees this one's torch;
they run the whole notebook, as they do, and `assert` the score of each exercise. Where they cannot
be installed their rows are left out. The table goes to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import copy
import os
import site
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

from course_utils.instructor.answers.skeleton import SKIP_TAG
from course_utils.lectures import all_lectures, exercise_and_role, store_part
from course_utils.runtime import machine, project_root
from course_utils.testing.kernel import AsyncFileKernelManager
from course_utils.testing.variables import notebook_variables

ASSERT = """from course_utils.exercises import get_exercise
from course_utils.exercises.core import score
assert score(get_exercise({exercise!r}), {answer}).points == {points}"""
OTTER_TEST = """OK_FORMAT = True
test = {{"name": {exercise!r}, "points": {points}, "suites": [{{"type": "doctest", "setup": "",
    "teardown": "", "scored": True, "cases": [{{"hidden": False, "locked": False,
    "code": {code!r}}}]}}]}}
"""


def lecture() -> nbformat.NotebookNode:
    """Return lecture 02 without outputs."""
    path = next(x.path for x in all_lectures() if x.id == "02")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def checks(notebook: nbformat.NotebookNode) -> dict[str, tuple[nbformat.NotebookNode, str]]:
    """Return the check's cell of each exercise, and the same check as an assertion."""
    found = {}
    for cell in notebook.cells:
        exercise, role = exercise_and_role(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if role == "check":
            answer = cell.source.split(", ")[1].rstrip(")")
            points = cell.metadata.nbgrader.points
            text = ASSERT.format(exercise=exercise, answer=answer, points=points)
            found[exercise] = (cell, text)
    return found


def run(command: list[str], cwd: Path, **variables: str) -> float:
    """Return the seconds that a command takes. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        done.check_returncode()
    return time.perf_counter() - start


def floors(notebook: nbformat.NotebookNode) -> tuple[float, float]:
    """Return the seconds of the cells that grading runs: in a warm kernel, and in a new one."""
    bare = copy.deepcopy(notebook)
    bare.cells = [c for c in bare.cells if SKIP_TAG not in c.metadata.get("tags", ())]
    passes: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        client = NotebookClient(bare, timeout=600, kernel_manager_class=AsyncFileKernelManager)
        start = time.perf_counter()
        with client.setup_kernel():
            for times in passes:
                for index, cell in enumerate(bare.cells):
                    client.execute_cell(cell, index)
                times.append(time.perf_counter() - start)
                start = time.perf_counter()
    new, warm = map(statistics.median, passes)
    return warm, new


def ours(folder: Path, handed_in: Path, workers: int) -> float:
    """Return the seconds of our grading."""
    out = folder / f"ours-{workers}"
    command = [sys.executable, "-m", "course_utils", "grade", str(handed_in), f"--out={out}"]
    return run([*command, f"--workers={workers}"], folder)


def peers(folder: Path) -> Path | None:
    """Return where the programs of nbgrader and otter are; None if they cannot be installed."""
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (programs / "otter").exists():
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
        steps = ([sys.executable, "-m", "venv", str(folder)], [*pip, "nbgrader", "otter-grader"])
        if any(subprocess.run(step).returncode for step in steps):
            print("nbgrader and otter cannot be installed here: their rows are left out")
            return None
        (place,) = folder.glob("lib/*/site-packages")
        here = [*site.getsitepackages(), str(project_root())]
        (place / "course.pth").write_text("\n".join(here) + "\n", "utf-8")
    return programs


def nbgrader(folder: Path, notebook: nbformat.NotebookNode, count: int, programs: Path) -> float:
    """Return the seconds of nbgrader's autograde for ``count`` students."""
    course, asserting = folder / "nbgrader", copy.deepcopy(notebook)
    for cell, text in checks(asserting).values():
        cell.source = text
    variables = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    source = course / "source" / "02"
    source.mkdir(parents=True)
    nbformat.write(asserting, source / "02_convolution.ipynb")
    base = [str(programs / "python"), "-m", "nbgrader"]
    options = [f"--course-dir={course}"]
    run([*base, "generate_assignment", "02", "--create", *options], folder, **variables)
    for number in range(count):
        place = course / "submitted" / f"student{number}" / "02"
        place.mkdir(parents=True)
        nbformat.write(asserting, place / "02_convolution.ipynb")
    options += ["--ExecutePreprocessor.timeout=600"]
    return run([*base, "autograde", "02", "--create", *options], folder, **variables)


def otter(folder: Path, notebook: nbformat.NotebookNode, count: int, programs: Path) -> float:
    """Return the seconds of otter's run for ``count`` students, one after the other."""
    place = folder / "otter"
    (place / "tests").mkdir(parents=True)
    for exercise, (cell, text) in checks(notebook).items():
        lines = "\n".join(f">>> {line}" for line in text.splitlines())
        test = OTTER_TEST.format(
            exercise=exercise, points=cell.metadata.nbgrader.points, code=lines
        )
        (place / "tests" / f"q{exercise.replace('.', '_')}.py").write_text(test, "utf-8")
    base = [str(programs / "otter")]
    run([*base, "generate", "--no-environment", "--no-requirements", "--no-config"], place)
    nbformat.write(notebook, place / "student.ipynb")
    command = [*base, "run", "--no-logo", "-a", "autograder.zip", "student.ipynb"]
    return sum(run(command, place) for _ in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=16)
    parser.add_argument("--peers", type=Path, default=project_root() / ".venv-peers")
    options = parser.parse_args()
    os.environ.update(notebook_variables() | {"COURSE_DEVICE": "cpu"})
    count, notebook = options.submissions, lecture()
    programs = peers(options.peers)
    lines = ["| what | seconds a submission | a minute | against the floor |", "|---|---|---|---|"]
    print(*lines, sep="\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        handed_in = folder / "class"
        handed_in.mkdir()
        for number in range(count):
            nbformat.write(notebook, handed_in / f"student{number}_02_convolution.ipynb")
        warm, new = floors(notebook)
        rows: dict[str, tuple[Callable[[], float], int]] = {
            "floor: the same cells in a warm kernel": (lambda: warm, 1),
            "the same cells in a new kernel": (lambda: new, 1),
            "ours, 1 worker": (lambda: ours(folder, handed_in, 1), count),
            "ours, 2 workers": (lambda: ours(folder, handed_in, 2), count),
        }
        if programs:
            rows["nbgrader autograde"] = (lambda: nbgrader(folder, notebook, 3, programs), 3)
            rows["otter run"] = (lambda: otter(folder, notebook, 3, programs), 3)
        for what, (measure, number) in rows.items():
            seconds = measure() / number
            lines.append(f"| {what} | {seconds:.1f} | {60 / seconds:.0f} | {seconds / warm:.1f} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        f"{count} submissions of lecture 02 (nbgrader and otter: 3), all start-up included.",
    ]
    lines += [f"Measured with `python benchmarks/grading.py` on {machine(torch.device('cpu'))}."]
    store_part("benchmarks/RESULTS.md", "grading", lines)


if __name__ == "__main__":
    main()
