"""In the kernel: what a case leads to is sent out, and one odd result costs no other case."""

import json

import numpy as np
import pytest
import torch

from course_utils.exercises import get_exercise
from course_utils.exercises.core import Outcome, judge_outcomes
from course_utils.exercises.wire import MAX_BYTES, decode, encode
from course_utils.instructor.examiners import graded
from course_utils.instructor.sandbox.student_kernel import run_exercise

EXERCISE = get_exercise("02.1")
QUESTIONS = graded("02.1", 1)
CASES = [question.case for question in QUESTIONS]


def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
    left = size + 2 * padding - dilation * (kernel_size - 1) - 1
    return left // stride + 1 if left >= 0 else 0


def run(answer):
    """Return the messages that an answer leads to."""
    messages = []

    def send(message):
        json.dumps(message).encode()
        messages.append(message)

    request = {"exercise": "02.1", "answer": "answer", "cases": encode(CASES)}
    assert run_exercise({"answer": answer}, request, send) is None
    assert [message["case"] for message in messages] == list(range(len(messages)))
    return messages


def test_results_of_a_right_answer_are_judged_right():
    outcomes = [Outcome(decode(message["result"])) for message in run(size_after)]
    score = judge_outcomes(EXERCISE, "size_after", QUESTIONS, outcomes)
    assert str(score) == "02.1 size_after: 4/4 points"


class BrokenError(Exception):
    def __str__(self):
        raise ValueError("no text")


def failing(error):
    def fail():
        raise error

    return fail


ODD = {
    "a slice of one element": lambda: torch.arange(2.0)[::2],
    "sparse": lambda: torch.eye(2).to_sparse(),
    "complex": lambda: np.complex64(1),
    "bytes": lambda: np.bytes_(b"x"),
    "half a character": lambda: "\ud800",
    "half a character as key": lambda: {"\ud800": 1},
    "huge": lambda: 10**5000,
    "nan": lambda: float("nan"),
    "half a character in an error": failing(ValueError("\ud800")),
    "long error": failing(ValueError("x" * 1000)),
    "broken error": failing(BrokenError()),
    "exit": failing(SystemExit(0)),
    "an error of the stub's kind": failing(NotImplementedError("not for this size")),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_case_costs_no_other(odd):
    calls = []

    def answer(**case):
        calls.append(case)
        return odd() if len(calls) == 3 else size_after(**case)

    messages = run(answer)
    assert len(messages) == len(CASES)
    assert all("result" in m for i, m in enumerate(messages) if i != 2)
    assert len(messages[2].get("error", "")) <= 500
    outcomes = [Outcome(decode(m.get("result")), m.get("error", "")) for m in messages]
    assert judge_outcomes(EXERCISE, "f", QUESTIONS, outcomes).passed == len(CASES) - 1


def test_a_stub_is_unsolved_in_every_case():
    def stub(**case):
        raise NotImplementedError

    assert run(stub) == [{"case": i, "unsolved": True} for i in range(len(CASES))]


def test_results_end_at_five_megabytes():
    calls = []

    def large(**case):
        calls.append(case)
        return torch.zeros(MAX_BYTES // 8)

    messages = run(large)
    assert len(calls) == 2
    assert len(messages) == len(CASES)
    assert "result" in messages[0]
    assert all("5 MB" in message["error"] for message in messages[1:])


def test_an_answer_that_is_not_there_is_the_error():
    request = {"exercise": "02.1", "answer": "answer", "cases": encode(CASES)}
    assert isinstance(run_exercise({}, request, print), NameError)
