"""A notebook computes on the cores that are free; a user's own number of threads stays."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils.runtime import setup, threads
from course_utils.runtime.threads import Load, kernel_threads, leave_busy_cores, threads_beside
from course_utils.testing.variables import notebook_variables


@pytest.fixture
def two_threads(monkeypatch):
    """Let torch compute with two threads on a machine of two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    yield
    torch.set_num_threads(before)


def others(monkeypatch, cores):
    monkeypatch.setattr(threads.Load, "of_others", lambda self: cores)


@given(st.floats(0, 64), st.integers(1, 64))
def test_there_is_always_a_thread_and_never_more_than_before(cores, count):
    assert 1 <= threads_beside(cores, count) <= count


@pytest.mark.parametrize(("cores", "left"), [(0.0, 2), (0.4, 2), (0.6, 1), (1.0, 1), (9.0, 1)])
def test_busy_cores_are_left_alone(two_threads, monkeypatch, cores, left):
    others(monkeypatch, cores)
    said = leave_busy_cores()
    assert torch.get_num_threads() == left
    assert (f"other programs keep {cores} of 2 cores busy" in said) == (left < 2)


def test_a_users_number_of_threads_stays(two_threads, monkeypatch):
    others(monkeypatch, 1.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert leave_busy_cores() == ""
    assert torch.get_num_threads() == 2


def test_the_first_line_of_a_lecture_says_so(two_threads, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    others(monkeypatch, 1.0)
    setup()
    assert "cpu (1 thread; other programs keep 1.0 of 2 cores busy)" in capsys.readouterr().out


def test_programs_are_seen_that_keep_cores_busy():
    """As many as there are cores: together they get at least a part of one on any machine."""
    load = Load()
    with ExitStack() as stack:
        for _ in range(os.cpu_count()):
            program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(program.wait)
            stack.callback(program.kill)
        for _ in range(10):
            seen = load.of_others()
            if seen > 0.2:
                break
    assert seen > 0.2


def test_own_work_does_not_count(monkeypatch):
    """Of three seconds on all cores in two by the clock, this process did two and a half."""
    seconds = iter([(10.0, 100.0, 5.0), (12.0, 103.0, 7.5)])
    monkeypatch.setattr(threads, "_seconds", lambda: next(seconds))
    monkeypatch.setattr(threads.time, "monotonic", lambda: 12.0)
    assert Load().of_others() == 0.25


def test_threads_are_divided_among_workers(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [kernel_threads(workers) for workers in (1, 4, 16)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert kernel_threads(4) == 3
    assert notebook_variables(4)["OMP_NUM_THREADS"] == "3"
