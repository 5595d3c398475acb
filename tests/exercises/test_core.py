"""The scoring of an answer, on an exercise small enough to see through."""

import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import euclidean_distances

from course_utils.exercises import check
from course_utils.exercises.core import (
    Exercise,
    Outcome,
    Question,
    Unusable,
    Watch,
    describe,
    judge_outcomes,
    right,
    same_number,
    same_tensor,
    score,
    tensor_problem,
    to_plain,
    wrong,
)


class Double(Exercise):
    id, points, title = "00.1", 4, "Twice a number"

    def run(self, answer, case):
        return answer(**case)

    def judge(self, case, key, result):
        if same_number(result, key["want"]):
            return right()
        if same_number(result, key["square"]):
            return wrong("twice is not the square")
        return wrong(f"expected {key['want']}, got {describe(result)}")


VALUES = (3, 0, 7, 11, 19, 42)
QUESTIONS = [Question({"value": v}, {"want": 2 * v, "square": v**2}) for v in VALUES]


def test_right_answer():
    def double(value):
        return value + value

    assert str(score(Double(), double, QUESTIONS)) == "00.1 double: 4/4 points"


def test_partly_right_answer_earns_a_share_and_shows_the_first_failing_case():
    def square(value):
        return value**2

    result = score(Double(), square, QUESTIONS)
    assert (result.passed, result.total, result.points) == (1, 6, 0.6)
    assert str(result) == (
        "00.1 square: 0.6/4 points (1 of 6 cases)\n"
        "  first failing case: value=3\n"
        "  hint: twice is not the square"
    )


def test_nearly_right_never_rounds_up_to_full_points():
    def fails_once(value):
        return 2 * value if value else 1

    assert score(Double(), fails_once, QUESTIONS).points < 4


def test_unsolved():
    def double(value):
        raise NotImplementedError

    assert str(score(Double(), double, QUESTIONS)) == "00.1 double: 0/4 points (not solved yet)"


def test_a_stub_in_one_branch_is_wrong_there_alone():
    def double(value):
        if value < 5:
            raise NotImplementedError
        return 2 * value

    result = score(Double(), double, QUESTIONS)
    assert (result.passed, result.unsolved, result.failing_case) == (4, False, "value=3")
    assert result.hint.endswith("`raise NotImplementedError` that still stands in your code")


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), SystemExit(0)])
def test_an_error_in_the_answer_is_a_hint(error):
    def double(value):
        raise error

    assert type(error).__name__ in score(Double(), double, QUESTIONS).hint


def test_an_error_that_cannot_be_shown_is_still_named():
    class Broken(Exception):
        def __str__(self):
            raise ValueError

    def double(value):
        raise Broken

    assert "Broken" in score(Double(), double, QUESTIONS).hint


def test_a_judge_that_fails_on_a_result_counts_it_as_wrong():
    class Careless(Double):
        def judge(self, case, key, result):
            return right() if result["value"] else wrong("")

    result = score(Careless(), lambda value: value, QUESTIONS)
    assert (result.passed, result.hint) == (0, "this result cannot be judged (TypeError)")


def test_cases_without_an_outcome_failed():
    some = [Outcome(2 * value) for value in VALUES[:4]]
    result = judge_outcomes(Double(), "double", QUESTIONS, some, "it took too long")
    assert (result.passed, result.total, result.hint) == (4, 6, "it took too long")
    assert result.failing_case == f"value={VALUES[4]}"
    assert judge_outcomes(Double(), "double", QUESTIONS, []).points == 0


def test_something_that_is_no_function_is_a_hint():
    assert "TypeError" in score(Double(), 5, QUESTIONS).hint


class EqualsEverything:
    def __eq__(self, other):
        return True

    __hash__ = None

    def __sub__(self, other):
        return 0


class FakeNumber(float):
    def __eq__(self, other):
        return True

    __hash__ = None


def test_objects_that_pretend_earn_nothing():
    for pretender in (EqualsEverything(), FakeNumber(1.0)):
        assert score(Double(), lambda value, it=pretender: it, QUESTIONS).points == 0


def test_the_answer_gets_a_copy_and_leaves_the_random_state_alone():
    class Greedy(Double):
        def judge(self, case, key, result):
            return right() if case["value"] == [1, 2] else wrong("the case was changed")

    def take_all(value):
        torch.rand(3)
        value.clear()

    state = torch.random.get_rng_state()
    assert score(Greedy(), take_all, [Question({"value": [1, 2]}, None)]).points == 4
    assert torch.equal(torch.random.get_rng_state(), state)


def test_to_plain():
    parameter = torch.nn.Parameter(torch.ones(2))
    plain = to_plain((1, np.float32(0.5), {"w": parameter}, torch.Size([2, 3]), np.arange(2)))
    assert plain[:2] == [1, 0.5]
    assert not plain[2]["w"].requires_grad
    assert type(plain[2]["w"]) is torch.Tensor
    assert plain[3] == [2, 3]
    assert torch.equal(plain[4], torch.tensor([0, 1]))
    assert to_plain(EqualsEverything()) == Unusable("EqualsEverything")
    assert to_plain(np.array([EqualsEverything()])) == Unusable("ndarray")
    assert to_plain(np.complex64(1)) == Unusable("complex64")


def test_same_number():
    assert same_number(3, 3)
    assert same_number(3.05, 3, 0.1)
    for junk in (True, "3", None, float("nan"), [3], torch.tensor(3)):
        assert not same_number(junk, 1 if junk is True else 3)


def test_same_tensor_and_its_problem():
    want = torch.tensor([[1.0, 2.0]])
    assert same_tensor(want + 1e-7, want)
    assert tensor_problem(want, want) is None
    assert "return a tensor" in tensor_problem([[1.0, 2.0]], want)
    assert "(1, 2)" in tensor_problem(want.T, want)
    assert "values" in tensor_problem(want + 1, want)
    assert "values" in tensor_problem(want * float("nan"), want)
    assert same_tensor(torch.empty(0, 3), torch.empty(0, 3))


def test_a_check_draws_from_a_fixed_state_and_leaves_all_generators_alone(monkeypatch):
    accelerators, drawn = [], []
    for device in (torch.cuda, torch.xpu):  # their generators would be seeded without a device, too
        monkeypatch.setattr(device, "manual_seed_all", accelerators.append)
    torch.manual_seed(3)
    accelerators.clear()
    before = torch.get_rng_state()

    def draw(value):
        drawn.append(torch.rand(1).item())
        return 2 * value

    score(Double(), draw, QUESTIONS)
    assert len(set(drawn)) == 1
    assert torch.equal(torch.get_rng_state(), before)
    assert accelerators == []


def test_check_names_the_exercises_when_there_is_no_such_one():
    with pytest.raises(KeyError, match="no exercise '99.1'"):
        check("99.1", print)


def test_a_watch_notes_the_packages_at_work_and_leaves_a_profiler_as_it_was():
    seen = []

    def profiler(frame, event, argument):
        seen.append(event)

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with Watch(packages=True) as watch:
            euclidean_distances([[0.0]], [[3.0]])
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)
    assert "sklearn" in watch.packages
    assert "scipy" not in Watch().packages
    assert "call" in seen
