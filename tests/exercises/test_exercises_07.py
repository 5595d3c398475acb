"""Lecture 07: a split that changes what it was given; random numbers that stay as they are."""

import pytest
import torch
from answers_07 import one_part_copied
from every_answer import define

from course_utils.exercises import get_exercise
from course_utils.exercises.core import score
from course_utils.instructor.examiners import graded, released


def test_a_copy_for_one_part_only_earns_a_part_of_the_points():
    for asked in (released("07.5"), graded("07.5", 3)):
        result = score(get_exercise("07.5"), one_part_copied, asked)
        assert result.points == 6.7, str(result)


@pytest.mark.parametrize("number", ["07.1", "07.2", "07.3"])
def test_a_check_leaves_the_random_numbers_of_the_gpu_alone(number, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    result = score(get_exercise(number), define(number, solved=True), released(number))
    assert result.points == get_exercise(number).points
    assert seeded == []
