"""Every exercise: the solution and valid variants earn all points, wrong answers get their hint.

The solution is the one in the lecture's notebook. Variants and wrong answers stand in
``answers_NN.py`` beside this file.
"""

import re
from functools import cache, lru_cache

import pytest
import torch
from every_answer import answers, define
from test_wire import sent
from torch import nn

from course_utils.exercises import all_exercises, check
from course_utils.exercises.core import (
    Outcome,
    Unusable,
    equal,
    judge_outcome,
    judge_outcomes,
    outcome_of,
    score,
    to_plain,
)
from course_utils.exercises.questions import stored_questions
from course_utils.exercises.wire import encode
from course_utils.instructor.examiners import graded, released

EXERCISES = all_exercises()
SEED = 7  # of a grading
NONSENSE = [None, True, -1, 3.5, float("nan"), "text", [], {}, Unusable("Sneaky")]


def always(value):
    return lambda *_, **__: value


CONSTANTS = (None, 0, 1, 2, 0.0, 0.5, 1.0, True, False, "", [], {}, torch.zeros(()))
EMPTY = {f"always {value!r}": always(value) for value in CONSTANTS} | {
    "the first argument": lambda *given, **named: [*given, *named.values()][0],
    "the last argument": lambda *given, **named: [*given, *named.values()][-1],
    "all arguments": lambda *given, **named: [*given, *named.values()],
    "a module that returns its input": nn.Identity,
    "a network without layers": lambda *_, **__: nn.Sequential(),
}


def every(kind):
    return [
        pytest.param(exercise_id, name, id=f"{exercise_id} {name}")
        for exercise_id in EXERCISES
        for name in answers(exercise_id).get(kind, ())
    ]


def defined(exercise_id, *, solved):
    """Return what the answer cell defines; skip the test where its lecture cannot run."""
    try:
        return define(exercise_id, solved=solved)
    except ImportError as error:
        pytest.skip(f"lecture {exercise_id[:2]} needs {error.name}")


questions_of_a_grading = lru_cache(graded)


def points_of_a_grading(exercise_id, answer):
    """As the grader gives them: what PyTorch has ready-made costs nothing, a person looks at it."""
    exercise, asked = EXERCISES[exercise_id], questions_of_a_grading(exercise_id, SEED)
    outcomes = [outcome_of(exercise, answer, question.case) for question in asked]
    return judge_outcomes(exercise, "answer", asked, outcomes).points


@cache
def results_of_wrong_answers(exercise_id):
    """Return the result of each wrong answer, and whether judging them all changed a question."""
    asked = stored_questions(exercise_id)
    before = as_bytes(asked)
    wrong = answers(exercise_id)["wrong"]
    results = {n: score(EXERCISES[exercise_id], a, asked) for n, (a, _) in wrong.items()}
    return results, as_bytes(asked) != before


def as_bytes(questions):
    return [encode(to_plain([question.case, question.key])) for question in questions]


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_solution_earns_all_points(exercise_id):
    """By the check; `test_case_seeds` tries it in gradings."""
    exercise = EXERCISES[exercise_id]
    result = score(exercise, defined(exercise_id, solved=True), stored_questions(exercise_id))
    assert result.points == exercise.points, str(result)


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_unsolved_stub_earns_nothing_and_raises_nothing(exercise_id, capsys):
    check(exercise_id, defined(exercise_id, solved=False))
    assert re.fullmatch(
        rf"{exercise_id} \w+: 0/\d+ points \(not solved yet\)\n", capsys.readouterr().out
    )


@pytest.mark.parametrize(("exercise_id", "name"), every("variants"))
def test_valid_variant_earns_all_points(exercise_id, name):
    result = score(
        EXERCISES[exercise_id],
        answers(exercise_id)["variants"][name],
        stored_questions(exercise_id),
    )
    assert result.points == EXERCISES[exercise_id].points, str(result)


@pytest.mark.parametrize(("exercise_id", "name"), every("wrong"))
def test_wrong_answer_earns_less_and_gets_its_hint(exercise_id, name):
    hint = answers(exercise_id)["wrong"][name][1]
    result = results_of_wrong_answers(exercise_id)[0][name]
    assert result.points < EXERCISES[exercise_id].points
    assert re.search(hint, result.hint), str(result)


@pytest.mark.parametrize("exercise_id", [e for e in EXERCISES if "empty" in answers(e)])
def test_empty_answers_earn_nothing(exercise_id):
    empty = EMPTY | answers(exercise_id)["empty"]
    points = {name: points_of_a_grading(exercise_id, answer) for name, answer in empty.items()}
    assert {name: earned for name, earned in points.items() if earned} == {}


@pytest.mark.parametrize(("exercise_id", "name"), every("adapters"))
def test_adapter_earns_what_is_known(exercise_id, name):
    """An answer that only calls what the course or a library has."""
    answer, points = answers(exercise_id)["adapters"][name]
    assert points_of_a_grading(exercise_id, answer) == points


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_there_are_enough_answers_with_hints_of_their_own(exercise_id):
    assert len(answers(exercise_id)["variants"]) >= 1
    wrong = results_of_wrong_answers(exercise_id)[0]
    assert len(wrong) >= 3
    assert len({result.hint for result in wrong.values()}) >= 3


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_judging_changes_no_question(exercise_id):
    """One student's answer is judged with the questions of all."""
    assert not results_of_wrong_answers(exercise_id)[1]


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_judge_survives_nonsense(exercise_id):
    exercise = EXERCISES[exercise_id]
    for question in stored_questions(exercise_id):
        for nonsense in NONSENSE:
            assert not judge_outcome(exercise, question, Outcome(nonsense)).is_right


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_cases_repeat_by_seed_and_none_is_one_that_students_have_seen(exercise_id):
    first = questions_of_a_grading(exercise_id, SEED)
    draw = graded.__wrapped__  # does not return what it has kept
    again, other = draw(exercise_id, SEED), draw(exercise_id, 1)
    texts = [[repr(question.case) for question in asked] for asked in (first, again, other)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2], "a new seed must give new cases"
    seen = {repr(question.case) for question in released(exercise_id)}
    for asked in (texts[0], texts[2]):
        assert len(asked) >= 4
        assert not seen & set(asked)


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_questions_can_be_described_and_sent(exercise_id):
    for question in questions_of_a_grading(exercise_id, SEED):
        assert EXERCISES[exercise_id].describe(question.case)
        case = to_plain(question.case)
        assert repr(sent(case, limit=None)) == repr(case)
        assert equal(sent(question.key, limit=None), question.key)
