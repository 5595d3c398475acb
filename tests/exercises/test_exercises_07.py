"""Lecture 07: what 07.5 gives for a split that changes the data set that it was given."""

from answers_07 import one_part_copied

from course_utils.exercises import get_exercise
from course_utils.exercises.core import score
from course_utils.instructor.examiners import graded, released


def test_a_copy_for_one_part_only_earns_a_part_of_the_points():
    for asked in (released("07.5"), graded("07.5", 3)):
        result = score(get_exercise("07.5"), one_part_copied, asked)
        assert result.points == 6.7, str(result)
