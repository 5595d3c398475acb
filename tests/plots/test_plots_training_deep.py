import pytest
from figures import assert_good_figure, points

from course_utils import plots
from course_utils.runtime import Runs
from course_utils.runtime.trials import Measured

RATES = (0.01, 0.1, 0.3)
VALUES = {"ReLU": (0.5, 0.6, 0.1), "batch norm": (0.45, 0.65, 0.2)}
ROWS = [
    Measured("99 rates", arm, rate, value + 0.02 * seed + 0.1 * (budget == 3), seed, budget)
    for arm, values in VALUES.items()
    for rate, value in zip(RATES, values, strict=True)
    for seed in (0, 1)
    for budget in (1.0, 3.0)
]
LIVE = {"ReLU": {0.1: 0.58}, "another": {0.1: 0.3}}


def draw(runs=Runs(tuple(ROWS))):  # noqa: B008
    return plots.accuracy_by_rate(LIVE, runs, ["ReLU", "batch norm"], "Two networks, 150 steps")


def test_figure_is_good():
    texts = ["learning rate (log scale)", "validation accuracy", "as here", "0.01", "0.1", "0.3"]
    texts += ["trained 3 times as long", "ReLU", "batch norm", "yours"]
    alt = ["ReLU: yours 58.0% at 0.1", "batch norm, budget 3: best at 0.1, 76.0%"]
    assert_good_figure(draw(), *texts, alt=alt)


def test_lines_are_means_and_the_readers_run_is_a_mark_in_the_first_panel():
    first, longer = draw().axes
    assert [y for _, y in points(first)["ReLU"]] == pytest.approx([0.51, 0.61, 0.11])
    assert [y for _, y in points(longer)["batch norm"]] == pytest.approx([0.56, 0.76, 0.31])
    marks = [
        [line for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata())]
        for axes in (first, longer)
    ]
    assert [len(found) for found in marks] == [1, 0]
    assert marks[0][0].get_ydata() == [0.58]


def test_without_stored_runs_only_the_marks_are_there():
    (axes,) = draw(Runs()).axes
    assert [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "D"] == [1, 0]
