"""Python files and settings among the submissions are data: whoever grades, none of them runs."""

import os
import subprocess
import sys

import pytest

from course_utils.instructor.reports.results import UNREADABLE, read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OMP_"))}
# Called like what a grading imports: at the start, while it works, in a worker, in the end.
MODULES = ("filelock", "nbval", "psutil", "nbformat", "execnet", "xdist", "distributed", "evil")
PYTEST = os.path.join(os.path.dirname(sys.executable), "pytest")
needs_sandbox = pytest.mark.skipif(
    bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}"
)


@pytest.fixture
def class_folder(tmp_path):
    """Return a folder of submissions with code for the grader to run, in each place it may look."""
    folder = tmp_path / "class"
    mark = f"open({str(tmp_path / 'ran')!r}, 'a').write(__file__)\n"
    for place in (folder, folder / "tests", folder / "ada"):
        place.mkdir()
        (place / "conftest.py").write_text(mark)
        (place / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p evil\n")
        for name in MODULES:
            (place / f"{name}.py").write_text(mark)
        (place / "essay.ipynb").write_text("no notebook")
    return folder


def run(*command, cwd):
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def check_nothing_ran(tmp_path, out, printed):
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    results = read_results(out / "results")
    assert [result.file for result in results if result.file.endswith(".ipynb")], printed
    assert {result.state for result in results} == {UNREADABLE}


@needs_sandbox
@pytest.mark.parametrize("how", [("--workers=1",), ("--workers=2",), ("--workers=2", "--cluster")])
def test_grade_runs_no_code_of_the_folder(class_folder, tmp_path, how):
    if "--cluster" in how:
        pytest.importorskip("distributed")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "course_utils", "grade", ".", f"--out={out}", *how]
    status, printed = run(*command, cwd=class_folder)
    assert status == 0, printed
    check_nothing_ran(tmp_path, out, printed)


@needs_sandbox
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_pytest_runs_no_code_of_the_folder(class_folder, tmp_path, workers):
    out = tmp_path / "out"
    named = [f"--grade={class_folder}", f"--grade={class_folder / 'essay.ipynb'}"]
    command = [sys.executable, "-m", "pytest", "--nbval", *named, f"--grade-out={out}", workers]
    status, printed = run(*command, cwd=tmp_path)
    assert status == 1, printed
    check_nothing_ran(tmp_path, out, printed)


@needs_sandbox
def test_pytest_started_in_the_folder_runs_no_code_of_it(class_folder, tmp_path):
    """Pytest obeys settings where it starts before it asks any plugin: there must be none."""
    (class_folder / "pytest.ini").unlink()
    out = tmp_path / "out"
    status, printed = run(
        PYTEST, "--nbval", "--grade=.", f"--grade-out={out}", "-n2", cwd=class_folder
    )
    assert status == 1, printed
    check_nothing_ran(tmp_path, out, printed)


def test_settings_that_are_not_the_courses_are_refused(class_folder, tmp_path):
    (class_folder / "pytest.ini").write_text("[pytest]\n")
    status, printed = run(PYTEST, "--nbval", "--grade=.", "--no-sandbox", cwd=class_folder)
    assert status == pytest.ExitCode.USAGE_ERROR, printed
    assert "is not the course's: start pytest in" in printed
