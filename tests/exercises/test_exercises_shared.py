"""What exercises share, on a module that is small enough to see through."""

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.exercises.core import Exercise, Question, right, run_case, score, wrong
from course_utils.exercises.shared import (
    NO_MODULE,
    NO_PARAMETERS,
    BuildModule,
    first_mistake,
)
from course_utils.instructor.examiners.core import ModuleExaminer
from course_utils.instructor.examiners.tensors import layer_state, normal


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_first_mistake_that_leads_to_a_result_gives_the_hint():
    def add(number):
        if number == 0:
            raise RuntimeError("shapes do not fit")
        return torch.tensor([1.0]) + number

    mistakes = {"stops": 0, "two": 2, "also two": 2, "three": 3}
    assert first_mistake(torch.tensor([3.0]), mistakes, add) == "two"
    assert first_mistake(torch.tensor([4.0]), mistakes, add) == "three"
    assert first_mistake(torch.tensor([9.0]), mistakes, add) is None
    assert first_mistake("x", {"a hint": "x"}, same=str.__eq__) == "a hint"


def test_by_default_the_answer_gets_the_values_of_a_case_in_their_order():
    class Subtract(Exercise):
        id, points, title = "00.2", 1, "A difference"

        def judge(self, case, key, result):
            return right() if result == key else wrong("")

    asked = [Question({"first": 5, "second": 3}, 2)]
    assert score(Subtract(), lambda a, b: a - b, asked).passed == 1
    assert score(Subtract(), lambda a, b: b - a, asked).passed == 0


class BuildLinear(BuildModule):
    id, points, title = "00.3", 2, "A linear layer"

    def output_hint(self, output, want):
        return f"not {tuple(want.shape)}"


class AskLinear(ModuleExaminer):
    id = "00.3"
    mistakes = {"no ReLU": {"last": torch.relu}, "not possible": {"last": lambda x: x @ x}}

    def cases(self, rng):
        for size in (2, 3):
            state = layer_state(rng, "linear", 4, size)
            yield {"arguments": {"size": size}, "state": state, "x": normal(rng, 2, size)}

    def reference(self, case, *, last=lambda x: x):
        return last(case["x"] @ case["state"]["linear.weight"].T + case["state"]["linear.bias"])


class Linear(nn.Module):
    def __init__(self, inputs, outputs=4, bias=True, last=nn.Identity):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias)
        self.last = last()

    def forward(self, x):
        return self.last(self.linear(x))


SOURCE = AskLinear()
QUESTIONS = [Question(case, SOURCE.key(case)) for case in SOURCE.cases(np.random.default_rng(0))]


class Extra(Linear):
    def __init__(self, inputs):
        super().__init__(inputs)
        self.extra = nn.Parameter(torch.zeros(1))


def test_a_module_with_the_weights_of_the_case_is_right():
    assert score(BuildLinear(), Linear, QUESTIONS).points == 2


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda size: "text", NO_MODULE),
        (lambda size: nn.Identity(), NO_PARAMETERS),
        (
            lambda size: Linear(size, bias=False),
            "the state dict has no tensor linear.bias; it has linear.weight",
        ),
        (Extra, "the tensor extra is not in the task"),
        (
            lambda size: Linear(size, 5),
            "linear.weight should have shape [4, 2], yours has [5, 2]",
        ),
        (lambda size: Linear(size, last=nn.ReLU), "no ReLU"),
        (lambda size: Linear(size, last=nn.Tanh), "not (2, 4)"),
    ],
)
def test_a_wrong_module_gets_its_hint(answer, hint):
    assert score(BuildLinear(), answer, QUESTIONS).hint == hint


def test_a_module_whose_weights_do_not_fit_is_not_run():
    ran = []

    def answer(size):
        model = Linear(size, 5)
        model.register_forward_pre_hook(lambda *_: ran.append(True))
        return model

    case = QUESTIONS[0].case
    assert set(run_case(BuildLinear(), answer, case)) == {"shapes"}
    assert not ran


@pytest.mark.parametrize(
    ("options", "names"), [({}, {"a.weight", "a.bias"}), ({"bias": 0}, {"a.weight"})]
)
def test_numbers_keep_their_size_on_the_way_through_a_random_layer(rng, options, names):
    state = layer_state(rng, "a", 400, 100, 3, 3, **options)
    assert set(state) == names
    assert state["a.weight"].std().item() == pytest.approx((2 / 900) ** 0.5, rel=0.02)
