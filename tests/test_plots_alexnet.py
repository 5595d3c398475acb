import matplotlib
import numpy as np
import pytest
import torch

from course_utils import plots
from course_utils.training import RangeTest

BEFORE, AFTER = torch.tensor([1.0, 8.0, 1.0]), torch.tensor([0.5, 2.5, 0.5])
TOWERS = [
    ("image", "3", False),
    ("conv 1", "48", False),
    ("conv 2", "128", False),
    ("conv 3", "192", True),
    ("output", "10", True),
]
RESULT = RangeTest([1e-3, 1e-2, 1e-1], [2.3, 1.0, 5.0], [2.3, 1.6, 2.8], True)
FIGURES = {
    "contest_errors": (
        lambda: plots.contest_errors({"2011\nby hand": 25.8, "2012\nnet": 15.3}, ["2012\nnet"]),
        ["top-5 error (%)", "convolutional network", "features made by hand", "15.3"],
        ["2011 by hand 25.8 %", "2012 net 15.3 %"],
    ),
    "last_windows": (
        lambda: plots.last_windows({"224": (224, 0), "227": (227, 0), "padded": (224, 2)}),
        ["pixel of the row (counted from 0)", "224: 54 windows, left over: 1", "window 54"],
        ["224: 54 windows, 1 left over of the image", "227: 55 windows, 0", "1 left over in the p"],
    ),
    "two_towers": (
        lambda: plots.two_towers(TOWERS),
        ["GPU 1", "GPU 2", "conv 3", "192"],
        ["two towers of 3 layers", "except in conv 3, output", "conv 2 128"],
    ),
    "activation_curves": (
        lambda: plots.activation_curves(
            torch.tensor([-1.0, 1.0]), {"ReLU": (torch.tensor([0.0, 1.0]),) * 2}
        ),
        ["input", "output", "slope of the output", "ReLU"],
        ["ReLU has slope 0.000 at -1 and 1.000 at 1"],
    ),
    "loss_by_rate": (
        lambda: plots.loss_by_rate({"ReLU": {0.01: 1.2, 0.1: 1.5}, "tanh": {0.01: 1.8, 0.1: 0.9}}),
        ["learning rate (log scale)", "training loss (nats)", "0.01", "tanh"],
        ["ReLU is lowest at the rate 0.01: 1.20", "tanh is lowest at the rate 0.1: 0.90"],
    ),
    "lateral_inhibition": (
        lambda: plots.lateral_inhibition({"alone": (BEFORE, AFTER), "flat": (AFTER, AFTER)}, 5),
        ["channel", "activation", "alone", "before", "after"],
        ["3 channels", "over 5 channels", "alone: the largest, 8.0, becomes 2.50"],
    ),
    "dropout_masks": (
        lambda: plots.dropout_masks(
            torch.tensor([True, False, True, True]).reshape(1, 2, 2), torch.tensor([1.0, 3.0]), 2.0
        ),
        ["step 1: 3 kept", "what the unit adds up", "of 2 masks", "evaluation: 2.00"],
        [
            "1 dropout masks of a layer of 4 units",
            "mean 2.00, from 1.00 to 3.00",
            "evaluation 2.00",
        ],
    ),
    "signal_by_layer": (
        lambda: plots.signal_by_layer({"small": [0.1, 1e-4], "good": [1, 1]}, ["conv 1", "full 2"]),
        ["layer", "conv 1", "full 2", "small"],
        ["small from 0.1 to 0.0001", "good from 1 to 1"],
    ),
    "range_test": (
        lambda: plots.range_test(RESULT, chosen=0.003),
        ["learning rate (log scale)", "loss (nats)", "chosen: 0.003", "lowest: 0.01"],
        ["3 steps", "starts at 2.30", "1.60", "at the rate 0.01", "chosen is 0.003"],
    ),
    "accuracy_on_versions": (
        lambda: plots.accuracy_on_versions(
            {"plain": {"as is": 0.7, "mirrored": 0.5}, "other": {"as is": 0.6, "mirrored": 0.62}},
            "Test images",
        ),
        ["accuracy", "as is", "mirrored", "plain", "50%", "Test images"],
        ["Test images", "plain: as is 70.0%, mirrored 50.0%", "other: as is 60.0%"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_drawn_labelled_and_described(name):
    make, wanted, spoken = FIGURES[name]
    figure = make()
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert picture.std() > 5
    width, height = figure.get_size_inches()
    assert width <= 9.5
    assert height <= 6.5
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 9
    found = " ".join(text.get_text() for text in texts)
    assert not [text for text in wanted if text not in found]
    assert not [text for text in spoken if text not in figure.alt_text]
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edge == 255).mean() > 0.97, "something is cut off"


def test_only_layers_that_read_both_towers_have_crossing_arrows():
    (axes,) = plots.two_towers(TOWERS).axes
    arrows = [a.arrow_patch for a in axes.texts if getattr(a, "arrow_patch", None)]
    dashed = [arrow for arrow in arrows if arrow.get_linestyle() != "-"]
    # image to both, conv 1 to conv 2 twice, all four ways to conv 3, both to the output
    assert len(arrows) == 2 + 2 + 4 + 2
    assert len(dashed) == 2


def test_the_suggested_rate_is_marked_unless_another_is_chosen():
    (axes,) = plots.range_test(RESULT).axes
    assert f"chosen: {RESULT.suggestion:.2g}" in [t.get_text() for t in axes.get_legend().texts]


def test_pixels_that_no_window_reads_are_crossed():
    top, middle, bottom = plots.last_windows({"a": (224, 0), "b": (227, 0), "c": (224, 2)}).axes
    crosses = [sum(line.get_marker() == "None" for line in axes.lines) for axes in (top, middle)]
    assert crosses == [2, 0]  # two strokes for one pixel; windows have end marks
    assert len(bottom.patches) == len(top.patches)
