"""The figures of lecture 05: labelled, described with numbers, not blank."""

import io

import pytest
import torch
from PIL import Image

from course_utils import plots

TWO = {"small": [4, "M", 8, "M"], "large": [4, 4, "M", 8, 8, 8, "M"]}
FIGURES = {  # a figure, what its description must say, and what must be written in it
    "weights_for_view": (
        lambda: plots.weights_for_view([3, 5], {"one": [9, 25], "stack": [9, 18]}),
        ["one from 9 to 25", "stack from 9 to 18"],
        ["pixels seen", "weights", "5×5"],
    ),
    "configurations": (
        lambda: plots.configurations(TWO, classifier=(16, 10)),
        ["small: 1-1 convolutions", "large: 2-3 convolutions", "linear layers of 16, 10"],
        ["small", "conv 3×3, 8", "max pool 2×2", "linear, 10", "5 + 2 = 7"],
    ),
    "parameter_budget": (
        lambda: plots.parameter_budget(
            {"A": {"features": 10**7, "linear": 3 * 10**7}, "B": {"features": 1, "linear": 1}},
            "Budget",
        ),
        ["A 40,000,000: features 25%, linear 75%", "B 2"],
        ["parameters (millions)", "Budget", "40.0 M", "75%"],
    ),
    "signal_by_depth": (
        lambda: plots.signal_by_depth(
            {"plain": {"0.01": [1, 0.1, 0.01]}, "normed": {"0.01": [1, 1, 0.5]}}, boundary=2
        ),
        ["plain, 0.01: from 1 to 0.01", "normed, 0.01: from 1 to 0.5"],
        ["layer with weights", "root mean square", "plain", "normed", "linear"],
    ),
    "channel_distributions": (
        lambda: plots.channel_distributions(
            {"before": 3 + torch.arange(64.0).view(4, 1, 4, 4)}, [0]
        ),
        ["before, channel 0: mean 34.50, standard deviation 18.62"],
        ["value", "share of the values", "before"],
    ),
    "stage_maps": (
        lambda: plots.stage_maps(
            torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8),
            {"pool 1": torch.rand(12, 4, 4), "pool 2": torch.rand(3, 2, 2)},
        ),
        ["8 strongest", "pool 1 12×4×4", "pool 2 3×2×2"],
        ["image, as small", "pool 1: 12×4×4"],
    ),
    "accuracy_against_cost": (
        lambda: plots.accuracy_against_cost(
            {"K-NN": (84, 200, 5e7), "LeNet": (140, 200, 1e6)}, cost="FLOPs", title="Data"
        ),
        ["K-NN 42.0% at 50,000,000", "LeNet 70.0% at 1,000,000"],
        ["FLOPs (log scale)", "accuracy", "Data", "K-NN"],
    ),
}


def texts(figure):
    """All texts of a figure: labels, titles, ticks and free texts."""
    found = []
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel()]
        found += [axes.get_title(loc=place) for place in ("left", "center")]
        found += [text.get_text() for text in axes.texts]
        found += [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return " | ".join(found)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_described_labelled_and_fits_the_screen(name):
    make, described, written = FIGURES[name]
    figure = make()
    for text in described:
        assert text in figure.alt_text
    found = texts(figure)
    for text in written:
        assert text in found
    width, height = figure.get_size_inches()
    assert width <= 9.5
    assert height <= 6.5
    picture = Image.open(io.BytesIO(figure.png())).convert("L")
    assert len(picture.getcolors(256)) > 8
