from course_utils import plots


def test_best_by_trial():
    figure = plots.best_by_trial({"TPE": [0.2, 0.4], "random": [0.3, 0.3, 0.35]})
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 3]
    assert "TPE: 40.0% after 2 trials; random: 35.0% after 3 trials" in figure.alt_text


def test_importances_puts_the_largest_on_top():
    figure = plots.importances({"a": 0.2, "b": 0.7, "c": 0.1})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["c", "a", "b"]
    assert "b 70%, a 20%, c 10%" in figure.alt_text


def test_setting_grid_says_what_was_not_tried():
    figure = plots.setting_grid({(8, 2): 0.3, (16, 4): 0.5}, "channels", "stride")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["30.0%", "not tried", "not tried", "50.0%"]
    assert "2 of 4 tried" in figure.alt_text
    assert "50.0% at channels 16, stride 4" in figure.alt_text
