"""What a kernel uses: time of all its processes, memory of all kinds, and who only sleeps."""

import subprocess
import sys
import time

import psutil
import pytest

from course_utils.instructor.sandbox.usage import GLANCE, QUEUE, Meter, Reading, Usage, family

PARENT = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, {children})
if os.fork() == 0:
    while time.process_time() < 1:
        pass
    print("burnt", flush=True)
    sys.stdin.readline()
    os._exit(0)
try:
    os.waitpid(-1, 0)
except OSError:
    pass
print("ended", flush=True)
time.sleep(600)
"""


def started(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("children", ["signal.SIG_DFL", "signal.SIG_IGN"])
def test_time_of_ended_children_counts_once(children):
    """A process can let the system forget the time of its children: what was seen still counts."""
    with started(PARENT.format(children=children)) as process:
        usage = Usage(process.pid, 10**12)
        assert process.stdout.readline() == "burnt\n"
        first = usage.read().cpu
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ended\n"
        second = usage.read().cpu
        process.kill()
    assert first > 0.9  # the system counts in steps
    assert first <= second < first + 0.9


@pytest.mark.parametrize(("code", "sleeps"), [("input()", True), ("while True: pass", False)])
def test_whether_a_process_sleeps_is_seen(code, sleeps):
    with started(f"import threading\nprint('up', flush=True)\n{code}") as process:
        process.stdout.readline()
        usage = Usage(process.pid, 10**12)
        deadline = time.monotonic() + 60
        while (seen := usage.read().sleeps) != sleeps and time.monotonic() < deadline:
            pass  # it has just printed
        process.kill()
    assert seen == sleeps


def test_a_busy_thread_beside_a_waiting_one_is_no_sleep():
    code = "import threading\nt = threading.Thread(target=lambda: [0 for _ in iter(int, 1)])\n"
    with started(f"{code}t.start()\nprint('up', flush=True)\nt.join()") as process:
        process.stdout.readline()
        usage = Usage(process.pid, 10**12)
        assert not all(usage.read().sleeps for _ in range(5))
        process.kill()


def test_time_of_others_does_not_count_and_their_memory_does():
    own = psutil.Process()
    with started("print('up', flush=True)\ninput()") as process:
        process.stdout.readline()
        apart = Usage(own.pid, 10**12, apart=set(family(own.pid))).read()
        process.kill()
    assert apart.cpu == 0
    assert apart.sleeps
    assert apart.memory > own.memory_info().rss // 2 + QUEUE


def test_of_no_process_nothing_is_used():
    assert Usage(2**22 + 1, 0).read() == Reading()


def test_seconds_are_work_or_sleep_and_never_waiting():
    moments = iter([0.0, 0.2, 0.4, 0.6, 9.6, 10.0, 10.2])
    readings = iter(
        [
            Reading(5, 0, False),
            Reading(5.1, 0, False),  # half of it waited for the processor
            Reading(5.1, 0, True),
            Reading(5.5, 0, False),  # on two processors
            Reading(5.5, 0, True),  # the grader itself came late
            Reading(5.5, 0, True),
        ]
    )
    meter = Meter(lambda: next(readings), lambda: next(moments))
    seconds = []
    for _ in range(4):
        meter.glance()
        seconds.append(round(meter.seconds, 6))
    assert seconds == [0.1, 0.3, 0.7, round(0.7 + 2 * GLANCE, 6)]
    meter.begin()
    meter.glance(has_answered=True)
    assert round(meter.seconds, 6) == seconds[-1]
