"""Grading as pytest users know it; and grading that is killed, goes on, and fails as a whole."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import psutil
import pytest
from corpus import POINTS, solved, stubbed, written

from course_utils.instructor.reports.results import INFRASTRUCTURE, read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem

needs_sandbox = pytest.mark.skipif(
    bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}"
)
pytest_plugins = ["pytester"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OMP_"))}


def run(*arguments, cwd=None, **variables):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        env=ENVIRONMENT | variables,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "ada_02.ipynb").write_bytes(written(solved()))
    (folder / "bob_02.ipynb").write_bytes(written(stubbed("02.1", "02.2")))
    return folder


@needs_sandbox
def test_pytest_grades_with_its_own_options(handed_in, tmp_path):
    report = tmp_path / "junit.xml"
    options = ("-n2", "-k", "02.1 or 02.5", f"--junitxml={report}", "-v")
    status, printed = run("pytest", "--nbval", f"--grade={handed_in}", *options, cwd=tmp_path)
    assert status == 1, printed
    assert "1 failed, 3 passed" in printed
    assert "bob_02.ipynb::02.1" in printed
    assert "0/4 points (unsolved" in printed
    cases = {(c.get("classname"), c.get("name")): c for c in xml.parse(report).iter("testcase")}
    assert len(cases) == 4
    properties = cases["ada_02.ipynb", "02.5"].iter("property")
    found = {p.get("name"): p.get("value") for p in properties}
    assert found["student"] == "ada"
    assert (found["points"], found["max_points"], found["status"]) == ("4.0", "4", "full")


@needs_sandbox
def test_pytest_stops_at_the_first_failure(handed_in, tmp_path):
    status, printed = run(
        "pytest", "--nbval", f"--grade={handed_in / 'bob_02.ipynb'}", "-x", "-n0", cwd=tmp_path
    )
    assert status == 1, printed
    assert "1 failed" in printed
    assert "passed" not in printed.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grade=x.ipynb"], "pytest --nbval --grade=SUBMISSIONS"),
        (["--nbval", "--grade", "empty"], "name what to grade as --grade=SUBMISSIONS"),
        (["--nbval", "--grade=empty", "empty"], "name what to grade as --grade=SUBMISSIONS"),
        (["--nbval", "--grade=nothing.ipynb", "--no-sandbox"], "there is no nothing.ipynb"),
        (["--nbval", "--grade=empty", "--no-sandbox"], "no notebook and no zip"),
    ],
)
def test_wrong_usage_is_told_in_one_line(pytester, arguments, message):
    pytester.mkdir("empty")
    done = pytester.runpytest_inprocess("-n0", *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str()
    assert "Traceback" not in done.stderr.str() + done.stdout.str()


def test_without_bubblewrap_it_says_what_to_do(handed_in, tmp_path):
    (tmp_path / "bin").mkdir()
    status, printed = run(
        "course_utils", "grade", handed_in, "--out", tmp_path / "out", PATH=str(tmp_path / "bin")
    )
    assert status == 2, printed
    assert "bwrap" in printed
    assert "--no-sandbox" in printed
    assert "Traceback" not in printed


def test_without_a_sandbox_it_grades_too(handed_in, tmp_path):
    options = ("--no-sandbox", "--workers", "1", "--out", tmp_path / "out")
    status, printed = run("course_utils", "grade", handed_in / "bob_02.ipynb", *options)
    assert status == 0, printed
    (result,) = read_results(tmp_path / "out" / "results")
    assert result.points == sum(POINTS.values()) - 10


def test_when_no_kernel_starts_nobody_gets_a_zero(handed_in, tmp_path):
    """A grader without memory to give is no fault of the students'."""
    options = ("--no-sandbox", "--workers", "1", "--memory", "0.001", "--out", tmp_path / "out")
    status, printed = run("course_utils", "grade", handed_in, *options)
    assert status == 1, printed
    results = read_results(tmp_path / "out" / "results")
    assert {result.state for result in results} == {INFRASTRUCTURE}
    assert printed.count(INFRASTRUCTURE) == 2


@needs_sandbox
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_a_grading_that_was_ended_goes_on_where_it_was(how, handed_in, tmp_path):
    for name in ("cas", "dan", "eve"):
        (handed_in / f"{name}_02.ipynb").write_bytes(written(stubbed("02.3")))
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    command = ["course_utils", "grade", str(handed_in), f"--out={out}", "--workers=2"]
    first = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=ENVIRONMENT | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 300
    while len(list(out.glob("results/*.json"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    below = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(how)
    printed = first.communicate(timeout=120)[0]
    if how == signal.SIGTERM:
        assert first.returncode == 1, printed
        assert "It was interrupted. The same command goes on." in printed
        assert psutil.wait_procs(below, timeout=30)[1] == []
        assert list(scratch.iterdir()) == []
    before = {p.name: p.stat().st_mtime_ns for p in (out / "results").glob("*.json")}
    assert 2 <= len(before) < 5
    status, printed = run(*command)
    assert status == 0, printed
    after = {p.name: p.stat().st_mtime_ns for p in (out / "results").glob("*.json")}
    assert len(after) == 5
    assert {name: after[name] for name in before} == before
    assert [r.points for r in read_results(out / "results")] == [30, 20, 25, 25, 25]


@needs_sandbox
def test_one_folder_is_graded_by_one_grader_at_a_time(handed_in, tmp_path):
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / "lock"):
        status, printed = run("course_utils", "grade", handed_in, "--out", out)
    assert status == 2
    assert "another grading works in" in printed
