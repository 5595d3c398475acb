"""Lecture 02: what the task of 02.6 promises, ten layers are enough for all that is asked."""

from every_answer import define

from course_utils.exercises import get_exercise
from course_utils.instructor.examiners import graded, released

FIELD = 40  # the widest that is asked for


def promised(size):
    """The targets that the task promises for a size."""
    halved = {size >> times for times in range(4)} - {0}
    return {target for n in halved for target in range(max(1, n - 6), n + 1)}


def test_solution_of_02_6_solves_all_that_is_promised():
    choose_layers, judge = define("02.6", solved=True), get_exercise("02.6").judge
    for size in (*range(1, 40), 63, 64, 224, 225, 227, 231):
        for target in promised(size):
            layers = [list(layer) for layer in choose_layers(size, target, FIELD)]
            verdict = judge(dict(size=size, target=target, field=FIELD), {}, layers)
            assert not verdict.hint, (size, target, verdict.hint)


def test_02_6_asks_only_what_is_promised():
    for asked in (released("02.6"), graded("02.6", 1), graded("02.6", 2)):
        for question in asked:
            case = question.case
            assert case["target"] in promised(case["size"]), case
            assert case["field"] <= FIELD, case
