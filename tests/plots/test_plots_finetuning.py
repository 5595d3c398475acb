import pytest
import torch
from figures import arrows, assert_good_figure, points, ticks, written

from course_utils import plots

SHARES = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
RESULTS = {"frozen": {50: [0.5, 0.7], 10: [0.3, 0.3]}, "all": {50: [0.7, 0.9], 10: [0.2]}}
WAYS = {"shared": (("a", "data", "files"), ("b", "data", "files")), "own": ("abc", "xyz")}


def test_shares_of_guesses_says_the_most_frequent_answer():
    figure = plots.shares_of_guesses(SHARES, ["a", "b"], ["x", "y"], "Old head")
    wanted = ["what the network says", "what it is", "Old head", *"abxy", "90%", "10%", "20%"]
    assert_good_figure(figure, *wanted, alt=["a: x 90%; b: y 80%"])
    (axes,) = figure.axes
    at = {text.get_position(): text.get_text() for text in axes.texts}
    assert at == {(0, 0): "90%", (1, 0): "10%", (0, 1): "20%", (1, 1): "80%"}
    assert axes.images[0].get_array().tolist() == SHARES.tolist()
    assert ticks(axes.xaxis) == {0: "x", 1: "y"}
    assert ticks(axes.yaxis) == {0: "a", 1: "b"}
    assert axes.images[0].get_clim() == (0, 1)


def test_shares_of_guesses_refuses_names_that_do_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        plots.shares_of_guesses(torch.ones(2, 3), ["a", "b"], ["x", "y"])


def test_accuracy_by_labels_draws_means_and_bands_in_order():
    figure = plots.accuracy_by_labels(RESULTS, "Four kinds")
    labels = ["labelled images per class (log scale)", "test accuracy", "Four kinds", "10", "50"]
    described = ["frozen: 30% at 10, 60% at 50", "all: 20% at 10, 80% at 50"]
    assert_good_figure(figure, *labels, "frozen", "all", "80%", alt=described)
    (axes,) = figure.axes
    frozen, every = points(axes).values()
    assert [x for x, _ in frozen] == [10, 50]
    assert [y for _, y in frozen] == pytest.approx([0.3, 0.6])
    assert [y for _, y in every] == pytest.approx([0.2, 0.8])
    band = axes.collections[0].get_datalim(axes.transData)
    assert band.y0 == pytest.approx(0.3)
    assert band.y1 == pytest.approx(0.7)
    assert ticks(axes.xaxis) == {10: "10", 50: "50"}
    assert axes.get_xscale() == "log"


def test_shared_objects_are_drawn_once():
    figure = plots.shared_objects(WAYS)
    assert_good_figure(
        figure, "shared", "own", *"abcxyz", "data", "files", alt=["shared: shared data, files"]
    )
    assert "own: shared nothing" in figure.alt_text
    shared, own = figure.axes
    assert written(shared) == ["a", "b", "data", "files"]
    assert written(own) == ["a", "x", "b", "y", "c", "z"]
    places = [text.get_position() for text in shared.texts if text.get_text()]
    assert places == [(0.5, 0), (1.5, 0), (1, 1), (1, 2)]
    assert [len(axes.patches) for axes in (shared, own)] == [4, 6], "boxes"
    assert [len(arrows(axes)) for axes in (shared, own)] == [4, 4]
    thick = [box.get_linewidth() > 2 for box in shared.patches]
    assert thick == [False, False, True, True], "what is shared is marked"
