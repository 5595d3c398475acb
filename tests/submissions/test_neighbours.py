"""What one submission, or another program, does to the machine costs no neighbour a point."""

import os
import subprocess
import sys

import pytest
from corpus import POINTS, answered, lines, solved, written
from ordinary_user import as_ordinary_user, home_of_ordinary_user

from course_utils.instructor.reports.results import read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OMP_"))}
ALL = sum(POINTS.values())
# It leaves processes behind that look for other kernels, and fills the machine with them.
HAUNT = lines(
    """
    import os, time
    def size_after(*a, **k):
        for _ in range(100):
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
                while True:
                    sum(range(10**6))
        return 7
    """
)
pytestmark = pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")


def class_of(folder, **contents):
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}_02.ipynb").write_bytes(content)
    return folder


def graded(folder, out, *options, as_user=(), variables=None, **how):
    command = [*as_user, sys.executable, "-m", "course_utils", "grade", str(folder), f"--out={out}"]
    done = subprocess.run(
        [*command, *options],
        env=ENVIRONMENT | (variables or {}),
        capture_output=True,
        text=True,
        timeout=1200,
        **how,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {r.student: (r.points, r.state) for r in read_results(out / "results")}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not on this system")
def test_eight_workers_on_one_core_lose_no_point(tmp_path):
    names = [f"student{letter}" for letter in "abcdefgh"]
    folder = class_of(tmp_path / "class", **dict.fromkeys(names, written(solved())))
    core = min(os.sched_getaffinity(0))
    found = graded(
        folder,
        tmp_path / "out",
        "--workers=8",
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  # no threads here
    )
    assert found == dict.fromkeys(names, (ALL, "graded"))


@pytest.fixture
def home():
    with home_of_ordinary_user() as folder:
        yield folder


@pytest.mark.parametrize("options", [("--workers=1",), ("--workers=2",), ("--cluster",)])
def test_an_ordinary_user_grades_neighbours_of_a_haunting_submission(home, options):
    perfect = written(solved())
    folder = class_of(home / "class", ada=perfect, bob=answered(_1=HAUNT), cas=perfect)
    variables = {"HOME": str(home), "TMPDIR": str(home), "MPLCONFIGDIR": f"{home}/matplotlib"}
    found = graded(
        folder,
        home / "out",
        *options,
        "--cell-seconds=4",
        as_user=as_ordinary_user(),
        variables=variables,
    )
    assert found["ada"] == found["cas"] == (ALL, "graded")
    assert found["bob"][0] == ALL - POINTS["02.1"]
