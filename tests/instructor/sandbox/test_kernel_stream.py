"""Whatever comes on a kernel's stream, the grader gets an answer and takes only so much."""

import contextlib
import json
import socket
import threading

import psutil
import pytest

from course_utils.exercises.core import Outcome
from course_utils.instructor.sandbox import kernel as kernels
from course_utils.instructor.sandbox.kernel import FAR, MAX_ANSWER, Incomplete, Kernel, Lost
from course_utils.instructor.sandbox.settings import DIED, TIMEOUT
from course_utils.instructor.sandbox.usage import Reading

CASES = [{"size": size} for size in (5, 6, 7)]
END = {"status": "ok"}


class Process:
    """A kernel's process that uses what a test wants."""

    def __init__(self, readings):
        self.readings, self.has_ended = iter(readings), False

    def read(self):
        return next(self.readings)

    def is_alive(self):
        return not self.has_ended

    def end(self):
        self.has_ended = True


def sent(*messages):
    """Return messages as bytes."""
    data = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    return b"".join(len(part).to_bytes(4, "big") + part for part in data)


def result(case, value=1, **more):
    return {"case": case, "result": value} | more


@pytest.fixture
def start():
    """Return a function that starts a kernel which answers each request in a given way."""
    with contextlib.ExitStack() as stack:

        def begin(answer, readings=None, **options):
            ours, theirs = map(stack.enter_context, socket.socketpair())

            def serve():
                with contextlib.suppress(OSError), theirs:
                    theirs.sendall(sent({"id": "", **END}))
                    file = theirs.makefile("rb")
                    while length := file.read(4):
                        size = int.from_bytes(length, "big")
                        if len(request := file.read(size)) < size:  # the test is over
                            return
                        answer(theirs, json.loads(request)["id"])

            threading.Thread(target=serve, daemon=True).start()
            still = iter(lambda: Reading(sleeps=False), None)
            options = {"memory": 100} | options
            return Kernel(ours, Process(still if readings is None else readings), **options)

        yield begin


def answering(*messages):
    """Return an answer that sends messages, each marked as belonging to the request."""

    def answer(stream, number):
        marked = [{"id": number} | m if isinstance(m, dict) else m for m in messages]
        stream.sendall(b"".join(m if isinstance(m, bytes) else sent(m) for m in marked))

    return answer


def outcomes(kernel):
    found = []
    reply = kernel.run_exercise("02.1", "f", CASES, 9, found.append)
    return reply, found


def test_results_come_in_order_and_the_end_is_the_reply(start):
    odd = {"case": 1, "error": "ValueError: no"}
    unreadable = {"case": 2, "result": {"$tensor": 3}}
    reply, found = outcomes(start(answering(result(0, 8), odd, unreadable, END)))
    assert (reply.status, reply.error) == ("ok", "")
    assert found[:2] == [Outcome(result=8), Outcome(error="ValueError: no")]
    assert found[2].error.startswith("its result cannot be read")


def test_an_error_is_one_line(start):
    error = {"status": "error", "ename": "ValueError", "evalue": "two\nlines \ud800"}
    reply = start(answering(error)).run("f()", 9)
    assert reply.error == "ValueError: two lines ?"


def test_an_unsolved_case_is_one_of_all(start):
    unsolved = {"case": 1, "unsolved": True}
    reply, found = outcomes(start(answering(result(0, 8), unsolved, result(2, 8), END)))
    assert reply.status == "ok"
    assert found == [Outcome(8), Outcome(unsolved=True), Outcome(8)]


def test_results_may_be_missing_after_an_error(start):
    error = {"status": "error", "ename": "KeyboardInterrupt"}
    reply, found = outcomes(start(answering(result(0), error)))
    assert reply.error == "KeyboardInterrupt:"
    assert len(found) == 1


@pytest.mark.parametrize("messages", [(result(0), result(1), END), (END,)])
def test_results_that_are_not_all_there_are_incomplete(start, messages):
    kernel = start(answering(*messages))
    with pytest.raises(Incomplete):
        outcomes(kernel)
    assert not kernel.is_alive()


@pytest.mark.parametrize(
    "messages",
    [
        (result(1), result(0), result(2), END),
        (result(0), result(0), result(1), result(2), END),
        (result(0), result(1), result(2), result(3), END),
        (result(False), result(1), result(2), END),
        ({"result": 1}, END),
    ],
)
def test_results_that_no_stream_puts_in_this_order_end_the_kernel(start, messages):
    kernel = start(answering(*messages))
    with pytest.raises(Lost, match="broke the connection"):
        outcomes(kernel)
    assert not kernel.is_alive()


BROKEN = {
    "not JSON": sent(b"}{"),
    "not text": sent(b"\xff\xfe"),
    "nested": sent(b"[" * 10**6),
    "a huge number": sent(b'{"id": ' + b"9" * 10**5 + b"}"),
    "a list": sent([1]),
    "an empty frame": sent(b""),
    "of an earlier request": sent({"id": "0123456789abcdef", **END}),
    "of no request": sent(END),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_frame_that_is_none_ends_the_kernel(start, data):
    kernel = start(answering(data))
    with pytest.raises(Lost, match="broke the connection") as lost:
        kernel.run("f()", 9)
    assert lost.value.status == DIED
    assert not kernel.is_alive()


def test_a_cell_has_no_cases(start):
    with pytest.raises(Lost, match="broke the connection"):
        start(answering(result(0), END)).run("f()", 9)


@pytest.mark.parametrize("data", [sent(result(0))[:-3], b"\0\0", b""])
def test_a_stream_that_ends_early_is_a_lost_kernel(start, data):
    def answer(stream, number):
        stream.sendall(data)
        stream.shutdown(socket.SHUT_RDWR)

    with pytest.raises(Lost, match="ended the kernel") as lost:
        outcomes(start(answer))
    assert lost.value.status == DIED


def test_results_without_an_end_are_waited_for(start, monkeypatch):
    monkeypatch.setattr(kernels, "GLANCE", 0.01)
    idle = (Reading() for _ in iter(int, 1))
    kernel = start(answering(result(0), result(1), result(2)), idle)
    with pytest.raises(Lost) as lost:
        kernel.run_exercise("02.1", "f", CASES, 0.05, lambda outcome: None)
    assert lost.value.status == TIMEOUT


@pytest.mark.parametrize("kind", ["one frame", "many frames"])
def test_a_flood_is_cut_and_takes_no_memory(start, kind):
    def answer(stream, number):
        if kind == "one frame":
            stream.sendall(b"\x7f\xff\xff\xff")
        for case in range(10**6):
            text = "x" * 60_000
            many = sent({"id": number, "case": case, "error": text})
            stream.sendall(text.encode() if kind == "one frame" else many)

    kernel = start(answer)
    before = psutil.Process().memory_info().rss
    with pytest.raises(Lost, match="more than 8 MB") as lost:
        kernel.run_exercise("02.1", "f", [{}] * 10**4, 9, lambda outcome: None)
    assert lost.value.status == DIED
    assert psutil.Process().memory_info().rss - before < 10 * MAX_ANSWER


def silent(stream, number):
    """Answer nothing."""


@pytest.fixture
def fast(monkeypatch):
    """Let the grader look often, with a clock of which each look takes a second."""
    monkeypatch.setattr(kernels, "GLANCE", 0.001)
    ticks = iter(range(10**9))
    return lambda: float(next(ticks))


def test_a_kernel_that_waits_for_the_processor_is_not_late(start, fast):
    """It gets nothing done, and does not sleep: only the far end by the clock stops it."""
    times = []

    def clock():
        times.append(fast())
        return times[-1]

    kernel = start(silent, clock=clock)
    began = times[-1]
    with pytest.raises(Lost) as lost:
        kernel.run("f()", 30)
    assert lost.value.status == TIMEOUT
    assert lost.value.seconds == 0
    assert FAR * 30 < times[-1] - began < 2 * FAR * 30


@pytest.mark.parametrize("kind", ["works", "sleeps"])
def test_seconds_of_work_and_of_sleep_count(start, fast, kind):
    work = (Reading(cpu=float(n), sleeps=kind == "sleeps") for n in range(10**6))
    rest = (Reading(sleeps=True) for _ in range(10**6))
    kernel = start(silent, work if kind == "works" else rest, clock=fast)
    with pytest.raises(Lost, match="took more than 3 seconds") as lost:
        kernel.run("f()", 3)
    assert lost.value.status == TIMEOUT
    assert 3 < lost.value.seconds < 5


def test_too_much_memory_ends_the_kernel(start, fast):
    big = (Reading(memory=101 if n > 5 else 100, sleeps=False) for n in range(100))
    with pytest.raises(Lost, match=r"more than 0\.0 GB of memory") as lost:
        start(silent, big, clock=fast).run("f()", 99)
    assert lost.value.status == DIED


def test_a_dead_kernel_whose_children_hold_the_stream_is_seen(start, fast):
    kernel = start(silent, clock=fast)
    kernel.process.has_ended = True
    with pytest.raises(Lost, match="ended the kernel"):
        kernel.run("f()", 99)


def test_a_request_that_nobody_reads_ends(start, monkeypatch):
    def deaf(stream, number):
        threading.Event().wait()

    monkeypatch.setattr(kernels, "GLANCE", 0.01)
    kernel = start(deaf, (Reading() for _ in iter(int, 1)))
    with pytest.raises(Lost) as lost:
        kernel.run("#" * 10**7, 0.05)
    assert lost.value.status == TIMEOUT


def test_a_kernel_that_cannot_start_says_why():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent({"id": "", "status": "error", "ename": "OSError", "evalue": "mount"}))
        with pytest.raises(RuntimeError, match="no kernel starts: OSError: mount"):
            Kernel(ours, Process(Reading() for _ in range(9)), memory=1)
