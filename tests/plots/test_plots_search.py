import pytest
from figures import assert_good_figure, points, ticks, written

from course_utils import plots


def test_best_by_trial():
    figure = plots.best_by_trial({"TPE": [0.2, 0.4], "random": [0.3, 0.3, 0.35]}, "Title")
    texts = ["trials with a result", "best validation accuracy", "Title", "TPE", "random", "30%"]
    described = ["TPE: 40.0% after 2 trials; random: 35.0% after 3 trials"]
    assert_good_figure(figure, *texts, alt=described)
    (axes,) = figure.axes
    assert points(axes) == {
        "TPE": [(1, 0.2), (2, 0.4)],
        "random": [(1, 0.3), (2, 0.3), (3, 0.35)],
    }
    assert {line.get_drawstyle() for line in axes.lines} == {"steps-post"}


def test_importances_puts_the_largest_on_top():
    figure = plots.importances({"a": 0.2, "b": 0.7, "c": 0.1}, "Title")
    texts = ["share of the importance", "Title", *"abc", "70%", "20%", "10%"]
    assert_good_figure(figure, *texts, alt=["b 70%, a 20%, c 10%"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "b"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.1, 0.2, 0.7])
    assert written(axes) == ["10%", "20%", "70%"]


def test_setting_grid_says_what_was_not_tried():
    figure = plots.setting_grid({(8, 2): 0.3, (16, 4): 0.5}, "channels", "stride", "Title")
    texts = ["channels", "stride", "accuracy", "Title", "30.0%", "not tried", "8", "16", "2", "4"]
    described = ["2 of 4 tried", "50.0% at channels 16, stride 4"]
    assert_good_figure(figure, *texts, alt=described)
    axes, bar = figure.axes
    assert written(axes) == ["30.0%", "not tried", "not tried", "50.0%"]
    assert ticks(axes.xaxis) == {0: "2", 1: "4"}
    assert ticks(axes.yaxis) == {0: "8", 1: "16"}
    assert axes.images[0].get_array().mask.tolist() == [[False, True], [True, False]]
    assert "40%" in [tick.get_text() for tick in bar.get_yticklabels()]
