import numpy as np
import pytest
import torch
from figures import assert_good_figure, points, ticks, values, written

from course_utils import plots
from course_utils.data import Split
from course_utils.inspection import Predictions, wilson_interval
from course_utils.training import EpochRow, History

MATRIX = torch.tensor([[50, 3, 0], [7, 40, 1], [0, 0, 0]])


def history(epochs=3, best=0.8, stopped="", description=""):
    rows = [
        EpochRow(e, 2.0 / e, 0.3 * e / epochs, 1.5 / e, best * e / epochs, 1e-3, 1.0)
        for e in range(1, epochs + 1)
    ]
    return History(rows, description, stopped)


def test_learning_curves_of_one_run():
    figure = plots.learning_curves(history(description="LeNet-5"))
    assert_good_figure(
        figure,
        *("epoch", "cross-entropy loss (nats)", "accuracy", "LeNet-5"),
        *("validation", "training", "best epoch", "80%"),
        alt=["LeNet-5", "3 epochs", "from 2.00 to 0.67", "80.0%", "in epoch 3"],
    )
    left, right = figure.axes
    assert left.lines[0].get_ydata() == pytest.approx([1.5, 0.75, 0.5])
    assert left.lines[1].get_ydata() == pytest.approx([2, 1, 2 / 3])
    assert right.lines[0].get_ydata() == pytest.approx([0.8 / 3, 1.6 / 3, 0.8])
    assert right.lines[1].get_ydata() == pytest.approx([0.1, 0.2, 0.3])
    assert left.lines[2].get_xydata()[0] == pytest.approx([3, 0.5])
    assert right.lines[2].get_xydata()[0] == pytest.approx([3, 0.8])
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"], "as in the legend"


def test_learning_curves_of_several_runs():
    stopped = history(0, stopped="the loss was not finite")
    runs = {"small": history(best=0.5), "medium": history(), "large": stopped}
    figure = plots.learning_curves(runs, "Fashion-MNIST")
    names = ["small", "medium", "large (the loss was not finite)"]
    kinds = ["validation", "training", "best epoch"]
    described = ["Fashion-MNIST", "small: 3 epochs", "50.0%", "large: no epoch"]
    assert_good_figure(figure, "Fashion-MNIST", *names, *kinds, alt=described)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names + kinds
    assert "It stopped early: the loss was not finite." in figure.alt_text


def test_learning_curves_need_a_run():
    with pytest.raises(ValueError, match="at least one History"):
        plots.learning_curves({})


def test_confusion_matrix():
    figure = plots.confusion_matrix(MATRIX, ["coat", "shirt", "bag"], "5-NN")
    assert_good_figure(
        figure,
        *("predicted class", "true class", "share of the true class", "5-NN", "40%"),
        *("coat", "shirt", "bag", "50", "40", "7"),
        alt=["5-NN", "90 of 101", "shirt as coat (7), coat as shirt (3)"],
    )
    axes = figure.axes[0]
    at = {text.get_position(): text.get_text() for text in axes.texts}
    assert at[0, 1] == "7", "the row is the true class"
    assert written(axes) == [str(n) for n in MATRIX.flatten().tolist()]
    assert ticks(axes.xaxis) == ticks(axes.yaxis) == {0: "coat", 1: "shirt", 2: "bag"}
    shares = values(axes)
    assert shares[1].tolist() == pytest.approx([7 / 48, 40 / 48, 1 / 48])
    assert shares[2].tolist() == [0, 0, 0]
    assert axes.images[0].get_clim() == (0, 1)


def test_confusion_matrix_refuses_names_that_do_not_fit():
    with pytest.raises(ValueError, match="2 class names do not fit"):
        plots.confusion_matrix(MATRIX, ["coat", "shirt"])


def test_a_perfect_or_large_confusion_matrix():
    perfect = plots.confusion_matrix(torch.eye(10).long() * 5, list("abcdefghij"))
    assert_good_figure(perfect, alt=["50 of 50", "none"])
    large = plots.confusion_matrix(torch.ones(100, 100).long(), [f"class {i}" for i in range(100)])
    assert_good_figure(large, "predicted class", alt=["100 of 10,000"])
    assert not large.axes[0].texts


@pytest.mark.parametrize(("count", "channels"), [(6, 1), (6, 3), (16, 1), (1, 3)])
def test_filters(count, channels):
    weights = torch.linspace(-0.5, 0.25, count * channels * 25).reshape(count, channels, 5, 5)
    figure = plots.filters(weights, "LeNet-5")
    kind = "grey" if channels == 1 else "colour"
    described = ["LeNet-5", f"{count} {kind}", "5 by 5", "-0.50 to 0.50"]
    names = [f"filter {index}" for index in range(count)]
    bar = ["weight"] if channels == 1 else []
    assert_good_figure(figure, "LeNet-5", *names, *bar, alt=described)
    last = figure.axes[count - 1]
    if channels == 1:
        assert values(last) == pytest.approx(weights[-1, 0].numpy())
        assert last.images[0].get_clim() == (-0.5, 0.5)
    else:
        assert values(last) == pytest.approx(weights[-1].permute(1, 2, 0).numpy() + 0.5)


def test_filters_of_a_deeper_layer_are_refused():
    with pytest.raises(ValueError, match=r"\(16, 6, 5, 5\): only the filters of a first layer"):
        plots.filters(torch.rand(16, 6, 5, 5))


@pytest.mark.parametrize(("images", "channels"), [(1, 6), (3, 6), (2, 16)])
def test_feature_maps(images, channels):
    maps = torch.linspace(-1, 3, images * channels * 100).reshape(images, channels, 10, 10)
    shown = torch.rand(images, 3, 32, 32)
    figure = plots.feature_maps(maps, shown, "First layer")
    described = ["First layer", f"{images} images", f"{channels} feature maps", "-1.00 to 3"]
    titles = ["image", *map(str, range(channels))]
    assert_good_figure(figure, "First layer", "output", *titles, alt=described)
    *places, _ = figure.axes
    assert len(places) == images * (channels + 1)
    for row in range(images):
        first, *rest = places[row * (channels + 1) : (row + 1) * (channels + 1)]
        assert values(first) == pytest.approx(shown[row].permute(1, 2, 0).numpy())
        assert values(rest[-1]) == pytest.approx(maps[row, -1].numpy())
        assert {place.images[0].get_clim() for place in rest} == {(-1, 3)}


def test_feature_maps_need_an_image_each():
    with pytest.raises(ValueError, match="as many images"):
        plots.feature_maps(torch.rand(2, 6, 10, 10), torch.rand(3, 3, 32, 32))


def test_mistakes():
    images = torch.arange(4 * 64).reshape(4, 1, 8, 8).to(torch.uint8)
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.97, 0.03], [0.6, 0.4]])
    true = torch.tensor([1, 1, 1, 0])
    split, predictions = Split(images, true), Predictions(probabilities, true)
    names = ["T-shirt/top", "Ankle boot"]
    figure = plots.mistakes(split, predictions, torch.tensor([2, 0]), names)
    titles = [f"said: T-shirt/top\nsure: {sure}\ntrue: Ankle boot" for sure in ("97%", "90%")]
    described = ["2 images", "Ankle boot taken for T-shirt/top (97%)", "(90%)"]
    assert_good_figure(figure, *titles, alt=described)
    shown = [values(axes) * 255 for axes in figure.axes]
    assert [one.round().tolist() for one in shown] == images[[2, 0], 0].tolist()
    assert [axes.get_title() for axes in figure.axes] == titles
    with pytest.raises(ValueError, match="no mistake to show"):
        plots.mistakes(split, predictions, torch.tensor([], dtype=torch.int64), names)


@pytest.mark.parametrize(
    "results", [{"5-NN": (1616, 2000), "LeNet-5": (1700, 2000)}, {"a": (4, 5)}]
)
def test_accuracy_with_intervals(results):
    figure = plots.accuracy_with_intervals(results, title="Test images")
    shares = [f"{correct / total:.1%}" for correct, total in results.values()]
    written_beside = written(figure.axes[0])
    assert [text.split()[0] for text in written_beside] == shares
    assert_good_figure(
        figure,
        *("accuracy, with its 95% interval", "Test images", "80%", *results, *written_beside),
        alt=["Test images", *shares],
    )
    (axes,) = figure.axes
    assert ticks(axes.yaxis) == dict(enumerate(results))
    for row, (correct, total) in enumerate(results.values()):
        low, high = wilson_interval(correct, total)
        assert written_beside[row] == f"{correct / total:.1%} ({low:.1%} to {high:.1%})"
        (bar,) = axes.collections[row].get_segments()
        assert bar == pytest.approx(np.array([[low, row], [high, row]]))
        assert axes.texts[row].xy == (high, row)


def test_accuracy_with_intervals_needs_a_classifier():
    with pytest.raises(ValueError, match="at least one classifier"):
        plots.accuracy_with_intervals({})


def test_accuracy_against_shift():
    results = {"5-NN": {0: 0.81, 1: 0.7, 2: 0.5}, "LeNet-5": {2: 0.75, 0: 0.84, 1: 0.82}}
    figure = plots.accuracy_against_shift(results, num_classes=10, title="Fashion-MNIST")
    assert_good_figure(
        figure,
        *("shift of the images in x and in y (pixels)", "accuracy", "Fashion-MNIST"),
        *("5-NN", "LeNet-5", "guessing, 10%", "80%"),
        alt=["Fashion-MNIST", "5-NN goes from 81.0% at 0 px to 50.0% at 2 px", "75.0%"],
    )
    lines = points(figure.axes[0])
    assert lines["5-NN"] == [(0, 0.81), (1, 0.7), (2, 0.5)]
    assert lines["LeNet-5"] == [(0, 0.84), (1, 0.82), (2, 0.75)]
    assert {y for _, y in lines["guessing, 10%"]} == {0.1}
    assert figure.axes[0].get_ylim() == (0, 1)


def test_accuracy_against_shift_needs_a_classifier_and_may_leave_out_guessing():
    figure = plots.accuracy_against_shift({"a": {0: 0.5, 1: 0.4}})
    assert list(points(figure.axes[0])) == ["a"]
    with pytest.raises(ValueError, match="at least one classifier"):
        plots.accuracy_against_shift({})
