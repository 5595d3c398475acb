"""Cells that grading skips are those that exercises do not need."""

import pytest

from course_utils.grading.names import bound_names, used_names
from course_utils.grading.skeleton import ANSWER, CHECK, LECTURE, Step, needed, read_skeleton
from course_utils.grading.skipping import skippable
from course_utils.lectures import all_lectures


@pytest.mark.parametrize("lecture", all_lectures(), ids=lambda lecture: lecture.id)
def test_no_tagged_cell_is_needed(lecture):
    steps = read_skeleton(lecture.path).steps
    skipped = {i for i, step in enumerate(steps) if step.skipped}
    assert skipped, "nothing is skipped: tag what takes long with grade-skip"
    assert not skipped & needed(steps)
    assert skippable(steps, skipped) == skipped, "a cell that runs needs one that does not"


STEPS = (
    Step(LECTURE, "import torch"),
    Step(LECTURE, "scale = torch.ones(1)"),
    Step(LECTURE, "model = train()"),
    Step(LECTURE, "show(model)"),
    Step(ANSWER, "def double(model):\n    return scale * model * 2", "99.1", "double"),
    Step(CHECK, 'check("99.1", double)', "99.1", "double"),
)


def test_what_answers_take_from_other_cells_is_needed():
    assert needed(STEPS) == {0, 1, 4, 5}, "a parameter called model is not the lecture's model"


def test_cells_that_use_a_skipped_one_are_skipped():
    assert skippable(STEPS, {2}) == {2, 3}
    assert skippable(STEPS, {1}) == set()


def test_names_of_a_cell():
    source = "\n".join(
        [
            "from x import y as z",
            "@deco",
            "def f(p, q=default):",
            "    local = p + outer",
            "    return [i * local for i in q]",
            "for w in f(1):",
            "    pass",
            "%matplotlib inline",
        ]
    )
    assert bound_names(source) == {"z", "f", "w"}
    assert used_names(source) == {"deco", "default", "outer", "f", "get_ipython"}
    assert bound_names("def broken(:") == used_names("def broken(:") == set()
