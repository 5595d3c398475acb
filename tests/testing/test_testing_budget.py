"""A cell's seconds are those of the processor; the clock counts only where nothing is done."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.testing.budget import IDLE, LOOK, Budget, processor_seconds


class Machine:
    """A kernel on a machine that gives it a share of a core."""

    def __init__(self):
        self.now, self.used = 100.0, 7.0

    def budget(self, seconds):
        return Budget(seconds, lambda: self.used, lambda: self.now)

    def run(self, budget, share, seconds):
        """Let it run for so many seconds by the clock; return when it was stopped."""
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK
            self.used += share * LOOK
            if budget.is_over():
                return self.now - 100
        return None


@given(share=st.floats(0.05, 4), seconds=st.integers(20, 1000))
def test_only_processor_time_counts(share, seconds):
    machine = Machine()
    stopped = machine.run(budget := machine.budget(seconds), share, 100 * seconds)
    assert stopped == pytest.approx(seconds / share, abs=3 * LOOK)
    assert budget.excess == f"it used more than {seconds} seconds of processor time"


def test_a_kernel_that_does_nothing_is_stopped():
    machine = Machine()
    budget = machine.budget(20)
    assert machine.run(budget, 0.5, 20) is None
    assert machine.run(budget, 0.001, 200) == pytest.approx(20 + IDLE * 20, abs=1)
    assert budget.excess == "it did nothing for 60 seconds"
    machine.used += 1
    machine.now += LOOK
    assert budget.is_over(), "what is over stays over"


def test_processes_that_it_started_count_too():
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
    before = processor_seconds(os.getpid())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", burn], **pipes) as child:
        child.stdout.readline()
        running = processor_seconds(os.getpid()) - before
        child.communicate(b"\n")
    assert running > 0.45
    assert processor_seconds(os.getpid()) - before > 0.45, "also after their end"
    assert processor_seconds(child.pid) == 0
