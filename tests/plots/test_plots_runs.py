"""The reader's run in front of stored ones."""

import pytest
from figures import assert_good_figure, points

from course_utils import plots
from course_utils.runtime import Runs
from course_utils.runtime.trials import Measured

ARMS = {"batch norm": (0.72, 0.74), "nothing": (0.66, 0.67)}
ROWS = [
    Measured("99 a", arm, "", value + 0.05 * (budget == 3), seed, budget)
    for arm, values in ARMS.items()
    for seed, value in enumerate(values)
    for budget in (1.0, 3.0)
]
SHIFTS = {"flatten": (0.86, 0.5, 0.2), "pool": (0.85, 0.7, 0.5)}
CURVES = [
    Measured("99 b", arm, float(x), value + 0.02 * seed, seed, 1.0)
    for arm, values in SHIFTS.items()
    for x, value in enumerate(values)
    for seed in (0, 1)
]
LIVE = {"batch norm": 0.735}
AXES = dict(x="shift (pixels)", value="accuracy", title="LeNet-5, 8 epochs")


def arms(live=LIVE, rows=ROWS):
    return plots.compared_arms(
        live, Runs(tuple(rows)), value="validation accuracy", title="Slim VGG-11, 4 epochs"
    )


def curves(live, rows=CURVES, **options):
    return plots.compared_curves(live, Runs(tuple(rows)), **AXES | options)


def test_arms_are_a_good_figure():
    texts = ["Slim VGG-11, 4 epochs", "as here", "trained 3 times as long", "batch norm", "nothing"]
    texts += ["yours", "each of 2 stored runs", "their mean ± one standard deviation"]
    alt = ["batch norm: yours 73.5%, mean of 2 stored runs 73.0%."]
    alt += ["nothing, trained 3 times as long: mean of 2 stored runs 71.5%."]
    assert_good_figure(arms(), *texts, alt=alt)


def test_stored_runs_are_dots_with_a_bar_and_the_readers_run_is_in_the_first_panel():
    first, longer = arms().axes
    dots = [list(line.get_xdata()) for line in first.lines if line.get_marker() == "o"]
    assert dots == [[0.72, 0.74], [0.66, 0.67]]
    assert [bar.get_x() + bar.get_width() / 2 for bar in longer.patches] == pytest.approx(
        [0.78, 0.715]
    )
    marks = [[x for line in a.lines if line.get_marker() == "D" for x in line.get_xdata()]
             for a in (first, longer)]  # fmt: skip
    assert marks == [[0.735], []]


def test_without_stored_runs_the_readers_run_stands_alone():
    (axes,) = arms(rows=()).axes
    assert not axes.patches
    assert axes.get_title() == ""


def test_curves_are_a_good_figure():
    live = {arm: dict(enumerate(values)) for arm, values in SHIFTS.items()}
    texts = ["shift (pixels)", "accuracy", "flatten", "pool", "0", "1", "2"]
    alt = ["flatten: from 86.0% at 0 to 20.0% at 2."]
    assert_good_figure(curves(live), *texts, alt=alt)
    assert_good_figure(curves(live, log_x=False), "thick lines: yours; thin: each of 2 stored runs")


def test_a_linear_axis_has_a_tick_at_each_place_where_there_is_room():
    values = {place: 0.5 for place in (10, 20, 30, 40, 50, 60)}
    (axes,) = curves({"flatten": values}, rows=()).axes
    assert list(axes.get_xticks()) == list(values)
    (axes,) = curves({"flatten": {place: 0.5 for place in (1, 2, 4, 8, 100)}}, rows=()).axes
    assert not {1, 2, 4} <= set(axes.get_xticks())


def thin(axes):
    return [
        list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        for line in axes.lines
        if line.get_linewidth() < 1
    ]


def test_a_stored_run_of_one_place_is_a_mark():
    rows = [
        Measured("05 depth", "large", 0.02, value, seed, 1) for seed, value in enumerate((0.5, 0.6))
    ]
    (axes,) = curves({}, rows=rows).axes
    assert thin(axes) == [[(0.02, 0.5)], [(0.02, 0.6)]]
    assert axes.lines[0].get_marker() == "_"


def test_each_stored_run_is_a_thin_line_whatever_the_order_of_its_places():
    rows = [
        Measured("99 c", "new", place, value + seed, seed, 1.0)
        for place, value in ((2, 0.2), (1, 0.1))
        for seed in (0, 1)
    ]
    (axes,) = curves({}, rows=rows).axes
    assert thin(axes) == [[(1, 0.1), (2, 0.2)], [(1, 1.1), (2, 1.2)]]
    assert points(axes)["new"] == [(1, pytest.approx(0.6)), (2, pytest.approx(0.7))]


def test_an_arm_without_a_run_of_the_readers_is_called_a_mean():
    assert_good_figure(curves({"flatten": {0: 0.86, 1: 0.5, 2: 0.2}}), "flatten", "pool (mean)")
    assert_good_figure(curves({}), "flatten", "pool")


def test_a_logarithmic_axis_has_a_tick_for_each_place():
    (axes,) = curves({"new": {0.01: 0.5}}, rows=(), log_x=True).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.01"]
    rows = [Measured("99 c", "old", 0.1, 0.4, 0, 1.0), Measured("99 c", "new", 0.01, 0.5, 0, 1.0)]
    (axes,) = curves({"new": {0.01: 0.5}}, rows, log_x=True).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.01", "0.1"]
    near = {0.001: 0.5, 0.0015: 0.5, 0.1: 0.5}
    (axes,) = curves({"new": near}, rows=(), log_x=True).axes
    texts = [tick.get_text() for tick in axes.get_xticklabels()]
    assert texts == ["0.001", "\n0.0015", "0.1"]


def test_curves_of_several_budgets_are_refused():
    with pytest.raises(ValueError, match=r"\.at\(1\)"):
        curves({}, ROWS)


def test_unequal_numbers_of_runs_are_told_for_each_budget():
    fewer = [row for row in ROWS if (row.budget, row.seed) != (3.0, 1)]
    texts = [text.get_text() for text in arms(rows=fewer).legends[0].get_texts()]
    assert texts == ["yours", "each of 2 and 1 stored runs", "their mean ± one standard deviation"]
