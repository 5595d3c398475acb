import matplotlib
import numpy as np
import pytest
import torch

from course_utils import plots
from course_utils.data import Split
from course_utils.inspection import Predictions
from course_utils.training import EpochRow, History


def history(epochs=3, best=0.8, stopped="", description=""):
    rows = [
        EpochRow(e, 2.0 / e, 0.3 * e / epochs, 1.5 / e, best * e / epochs, 1e-3, 1.0)
        for e in range(1, epochs + 1)
    ]
    return History(rows, description, stopped)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def assert_good(figure, *numbers):
    """The figure is drawn, labelled, described with its numbers, and fits on a page."""
    picture = pixels(figure)
    assert picture.std() > 5
    width, height = figure.get_size_inches()
    assert width <= 9.6
    assert height <= 6.5
    assert figure.alt_text.endswith(".")
    for number in numbers:
        assert str(number) in figure.alt_text
    for text in figure.findobj(matplotlib.text.Text):
        assert not text.get_text().strip() or text.get_fontsize() >= 9
    # Nothing is cut off: the outermost pixels are background, but for the tip of a letter.
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edge == 255).mean() > 0.97


def labels(axes):
    return axes.get_xlabel(), axes.get_ylabel()


def test_learning_curves_of_one_run():
    figure = history(description="LeNet-5").plot()
    assert_good(figure, "LeNet-5", "3 epochs", "from 2.00 to 0.67", "80.0%", "in epoch 3")
    left, right = figure.axes
    assert labels(left) == ("epoch", "cross-entropy loss (nats)")
    assert labels(right) == ("epoch", "accuracy")
    assert figure.get_suptitle() == "LeNet-5"
    np.testing.assert_allclose(left.lines[0].get_ydata(), [1.5, 0.75, 0.5])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [2, 1, 2 / 3])
    assert left.lines[2].get_xdata() == [3]


def test_learning_curves_of_several_runs():
    runs = {"small": history(best=0.5), "large": history(0, stopped="the loss was not finite")}
    figure = plots.learning_curves(runs, "Fashion-MNIST")
    assert_good(figure, "Fashion-MNIST", "small: 3 epochs", "50.0%", "large: no epoch")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    kinds = ["validation", "training", "best epoch"]
    assert names == ["small", "large (the loss was not finite)", *kinds]
    with pytest.raises(ValueError, match="at least one History"):
        plots.learning_curves({})


def test_learning_rates():
    runs = {1e-4: history(best=0.4), 1e-2: history(), 10.0: history(0, stopped="not finite")}
    figure = plots.learning_rates(runs, "LeNet-5")
    assert_good(figure, "Rate 0.0001", "40.0%", "80.0%", "Rate 10: no epoch", "not finite")
    left, right = figure.axes
    assert labels(left) == ("epoch", "training loss (nats, log scale)")
    assert labels(right) == ("learning rate (log scale)", "best validation accuracy")
    assert [line.get_ydata()[0] for line in right.lines] == pytest.approx([0.4, 0.8, 0])
    assert "10: loss not finite" in [text.get_text() for text in left.get_legend().get_texts()]
    with pytest.raises(ValueError, match="at least one History"):
        plots.learning_rates({})


def test_confusion_matrix():
    matrix = torch.tensor([[50, 3, 0], [7, 40, 1], [0, 0, 0]])
    figure = plots.confusion_matrix(matrix, ["coat", "shirt", "bag"], "5-NN")
    assert_good(figure, "5-NN", "90 of 101", "shirt as coat (7), coat as shirt (3)")
    axes = figure.axes[0]
    assert labels(axes) == ("predicted class", "true class")
    assert [text.get_text() for text in axes.texts] == [str(n) for n in matrix.flatten().tolist()]
    assert figure.axes[1].get_ylabel() == "share of the true class"
    with pytest.raises(ValueError, match="2 class names do not fit"):
        plots.confusion_matrix(matrix, ["coat", "shirt"])


def test_a_perfect_or_large_confusion_matrix():
    assert_good(
        plots.confusion_matrix(torch.eye(10).long() * 5, list("abcdefghij")), "50 of 50", "none"
    )
    large = plots.confusion_matrix(torch.ones(100, 100).long(), [f"class {i}" for i in range(100)])
    assert_good(large, "100 of 10,000")
    assert not large.axes[0].texts


@pytest.mark.parametrize(("count", "channels"), [(6, 1), (6, 3), (16, 1), (1, 3)])
def test_filters(count, channels):
    weights = torch.linspace(-0.5, 0.25, count * channels * 25).reshape(count, channels, 5, 5)
    figure = plots.filters(weights, "LeNet-5")
    assert_good(figure, "LeNet-5", f"{count} ", "5 by 5", "-0.50 to 0.50")
    assert figure.axes[0].get_title() == "filter 0"
    if channels == 1:
        assert figure.axes[-1].get_ylabel() == "weight"
    with pytest.raises(ValueError, match=r"\(16, 6, 5, 5\): only the filters of a first layer"):
        plots.filters(torch.rand(16, 6, 5, 5))


@pytest.mark.parametrize(("images", "channels"), [(1, 6), (3, 6), (2, 16)])
def test_feature_maps(images, channels):
    maps = torch.linspace(-1, 3, images * channels * 100).reshape(images, channels, 10, 10)
    figure = plots.feature_maps(maps, torch.rand(images, 3, 32, 32), "First layer")
    assert_good(figure, "First layer", f"{images} images", f"{channels} feature maps", "-1.00 to 3")
    assert len(figure.axes) == images * (channels + 1) + 1
    assert figure.axes[-1].get_ylabel() == "output"
    with pytest.raises(ValueError, match="as many images"):
        plots.feature_maps(maps, torch.rand(images + 1, 3, 32, 32))


def test_mistakes():
    images = torch.arange(4 * 64).reshape(4, 1, 8, 8).to(torch.uint8)
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.97, 0.03], [0.6, 0.4]])
    true = torch.tensor([1, 1, 1, 0])
    split, predictions = Split(images, true), Predictions(probabilities, true)
    names = ["T-shirt/top", "Ankle boot"]
    figure = plots.mistakes(split, predictions, torch.tensor([2, 0]), names)
    assert_good(figure, "2 images", "Ankle boot taken for T-shirt/top (97%)", "(90%)")
    assert figure.axes[0].get_title() == "said: T-shirt/top\nsure: 97%\ntrue: Ankle boot"
    with pytest.raises(ValueError, match="no mistake to show"):
        plots.mistakes(split, predictions, torch.tensor([], dtype=torch.int64), names)


@pytest.mark.parametrize(
    "results", [{"5-NN": (1616, 2000), "LeNet-5": (1700, 2000)}, {"a": (5, 5)}]
)
def test_accuracy_with_intervals(results):
    figure = plots.accuracy_with_intervals(results, title="Test images")
    assert_good(figure, "Test images", *(f"{c / n:.1%}" for c, n in results.values()))
    axes = figure.axes[0]
    assert axes.get_xlabel() == "accuracy, with its 95% interval"
    assert [text.get_text() for text in axes.get_yticklabels()] == list(results)
    with pytest.raises(ValueError, match="at least one classifier"):
        plots.accuracy_with_intervals({})


def test_accuracy_against_shift():
    results = {"5-NN": {0: 0.81, 1: 0.7, 2: 0.5}, "LeNet-5": {2: 0.75, 0: 0.84, 1: 0.82}}
    figure = plots.accuracy_against_shift(results, num_classes=10, title="Fashion-MNIST")
    assert_good(figure, "Fashion-MNIST", "5-NN goes from 81.0% at 0 px to 50.0% at 2 px", "75.0%")
    axes = figure.axes[0]
    assert labels(axes) == ("shift of the images in x and in y (pixels)", "accuracy")
    assert list(axes.lines[1].get_xdata()) == [0, 1, 2]
    assert [text.get_text() for text in axes.get_legend().get_texts()][2] == "guessing, 10%"
    with pytest.raises(ValueError, match="at least one classifier"):
        plots.accuracy_against_shift({})
