"""The fence holds for an ordinary user as for root, wherever temporary files lie."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from course_utils.instructor.sandbox.sandbox import sandbox_problem
from course_utils.runtime import project_root

USER = 54_321
# Python may lie where others cannot look: in a view of one's own, that folder is opened.
OPEN = """
set -e
mkdir -m 755 {held}
mount --bind {python} {held}
mount -t tmpfs -o mode=755 none {closed}
mkdir -p {python}
mount --bind {held} {python}
"""
RUN = 'exec setpriv --reuid {user} --regid {user} --clear-groups "$@"'


def closed_folder(place):
    """Return the topmost folder above a place that others cannot enter."""
    above = [folder for folder in reversed(place.parents) if not folder.stat().st_mode & 0o001]
    return above[0] if above else None


@pytest.fixture
def folder():
    """Return a folder of the ordinary user's, outside /tmp."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    if os.geteuid() == 0:
        os.chown(place, USER, USER)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")
def test_every_promise_holds_for_an_ordinary_user(folder):
    tests = ["tests/instructor/sandbox/test_fence.py", "tests/instructor/sandbox/test_sandbox.py"]
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *tests]
    if os.geteuid() == 0:
        script, python = RUN.format(user=USER), Path(sys.base_prefix).resolve()
        if closed := closed_folder(python):
            held = folder / "python"
            script = OPEN.format(held=held, python=python, closed=closed) + script
        unshare = ["unshare", "--mount", "--propagation", "private"]
        command = [*unshare, "sh", "-c", script, "sh", *command]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    places = ("TMPDIR", "HOME", "HYPOTHESIS_STORAGE_DIRECTORY")
    done = subprocess.run(
        command,
        cwd=project_root(),
        env=variables | dict.fromkeys(places, str(folder)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
