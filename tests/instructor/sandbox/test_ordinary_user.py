"""The fence holds for an ordinary user as for root, wherever temporary files lie."""

import os
import subprocess
import sys

import pytest
from ordinary_user import as_ordinary_user, home_of_ordinary_user

from course_utils.instructor.sandbox.sandbox import sandbox_problem
from course_utils.runtime import project_root


@pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")
def test_every_promise_holds_for_an_ordinary_user():
    tests = ["tests/instructor/sandbox/test_fence.py", "tests/instructor/sandbox/test_sandbox.py"]
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *tests]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    places = ("TMPDIR", "HOME", "HYPOTHESIS_STORAGE_DIRECTORY")
    with home_of_ordinary_user() as home:
        done = subprocess.run(
            [*as_ordinary_user(), *command],
            cwd=project_root(),
            env=variables | dict.fromkeys(places, str(home)),
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
