"""OpenMP's variables are set before torch is loaded, and a user's own stay."""

import os
import re
import subprocess
import sys

import pytest

from course_utils.runtime import project_root
from course_utils.runtime.threads import THREAD_VARIABLES, kernel_threads, thread_variables
from course_utils.testing.variables import notebook_variables

ASK = """import os, sys
import course_utils
assert "torch" not in sys.modules
os.environ["OMP_DISPLAY_ENV"] = "verbose"
import torch"""


def spins(**variables):
    """Return how often a thread of torch looks again before it lets go of its core."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=project_root(),
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(re.search(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)[1])


@pytest.mark.skipif(sys.platform != "linux", reason="each system's OpenMP has its own words")
def test_torch_gets_what_the_course_sets_and_the_user_has_the_last_word():
    assert spins() == 0
    assert spins(OMP_WAIT_POLICY="active") > 1000


def test_the_variables_of_kernels_leave_what_the_user_has_set(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert thread_variables() == THREAD_VARIABLES
    assert notebook_variables()["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert notebook_variables()["OMP_WAIT_POLICY"] == "active"


def test_make_lab_sets_the_same():
    text = (project_root() / "Makefile").read_text("utf-8")
    lab = text[text.index("\nlab:") : text.index("\ntest:")]
    for name, value in THREAD_VARIABLES.items():
        assert f"{name}=$${{{name}:-{value}}}" in lab


def test_threads_are_divided_among_workers(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [kernel_threads(workers) for workers in (1, 4, 16)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert kernel_threads(4) == 3
    assert notebook_variables(4)["OMP_NUM_THREADS"] == "3"
