"""Each plot says which lectures use it; a plot that none uses has no place in the course."""

import functools
import inspect
import re
from collections import defaultdict

import nbformat
import pytest

from course_utils import plots
from course_utils.lectures import all_lectures

SAID = re.compile(r"\bLectures? (\d\d(?:, \d\d)*(?: and \d\d)?)\.")
PARTS = {"draw_image", "new_figure", "to_picture"}  # what figures are made of


@functools.cache
def lectures_by_plot():
    """Return the lectures whose code cells draw each plot, by its name, in order."""
    used = defaultdict(list)
    for lecture in all_lectures():
        cells = nbformat.read(lecture.path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        names = set(re.findall(r"\bplots\.(\w+)\(", code))
        for name in names:
            used[name].append(lecture.path.name[:2])
    return used


PLOTS = [
    name for name in plots.__all__ if inspect.isfunction(getattr(plots, name)) and name not in PARTS
]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_says_which_lectures_use_it(name):
    (said,) = SAID.findall(inspect.getdoc(getattr(plots, name)))
    assert re.findall(r"\d\d", said) == lectures_by_plot()[name]


def test_lectures_draw_nothing_else():
    assert set(lectures_by_plot()) == set(PLOTS)
