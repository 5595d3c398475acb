import pytest
import torch

from course_utils import plots


def test_shares_of_guesses_says_the_most_frequent_answer():
    figure = plots.shares_of_guesses(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), ["a", "b"], ["x", "y"])
    assert "a: x 90%; b: y 80%" in figure.alt_text
    with pytest.raises(ValueError, match="do not fit"):
        plots.shares_of_guesses(torch.ones(2, 3), ["a", "b"], ["x", "y"])


def test_accuracy_by_labels_draws_means_and_bands_in_order():
    figure = plots.accuracy_by_labels({"frozen": {50: [0.5, 0.7], 10: [0.3, 0.3]}})
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [10, 50]
    assert line.get_ydata() == pytest.approx([0.3, 0.6])
    (band,) = figure.axes[0].collections
    assert band.get_datalim(figure.axes[0].transData).y1 == pytest.approx(0.7)
    assert "frozen: 30% at 10, 60% at 50" in figure.alt_text


def test_shared_objects_are_drawn_once():
    ways = {"shared": (("a", "data", "files"), ("b", "data", "files")), "own": ("abc", "xyz")}
    figure = plots.shared_objects(ways)
    assert [len(axes.texts) for axes in figure.axes] == [4, 6]
    assert "shared: shared data, files" in figure.alt_text
    assert "own: shared nothing" in figure.alt_text
