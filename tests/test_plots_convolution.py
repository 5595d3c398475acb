"""The figures of lecture 02: labelled, described with numbers, not blank; the explorer works."""

import io

import pytest
import torch
from PIL import Image
from torch import nn

from course_utils import plots
from course_utils.arithmetic import read_counts, trace
from course_utils.plots.explorer import SLIDERS

EDGE = torch.tensor([[-1.0, 0, 1]] * 3)
THREE = dict(kernel_size=3)
SMALL = [
    *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Dropout(), nn.Linear(6 * 14 * 14, 10)),
]


def counts(size):
    line = torch.tensor(read_counts(size, 3, stride=3))
    return torch.outer(line, line)


FIGURES = {  # a figure, and what its description must say
    "kernel_responses": (
        lambda: plots.kernel_responses(
            torch.rand(1, 20, 30),
            {"edges": EDGE, "blur": torch.ones(3, 3) / 9},
            {"edges": torch.randn(18, 28), "blur": torch.rand(18, 28)},
        ),
        ["−1 0 1 /", "1/9"],
    ),
    "channel_responses": (
        lambda: plots.channel_responses(
            torch.rand(3, 20, 30),
            {"red − green": (1, -1, 0), "grey": (0.3, 0.6, 0.1)},
            {"red − green": torch.randn(20, 30), "grey": torch.rand(20, 30)},
        ),
        ["red − green: 1, −1, 0"],
    ),
    "sliding_step": (
        lambda: plots.sliding_step(torch.eye(5), EDGE, torch.full((3, 3), 0.25), 0, 1),
        ["5×5", "row 0, column 1", "add up to 1/4"],
    ),
    "number_grids": (
        lambda: plots.number_grids({"in": torch.eye(4) / 3, "out": torch.eye(2)}, window=2),
        ["1/3", "out: 1 0 / 0 1"],
    ),
    "read_counts": (lambda: plots.read_counts({"size 8": counts(8)}), ["28 never read"]),
    "window_rows": (
        lambda: plots.window_rows({"a": dict(size=8, kernel_size=3, stride=3, padding=0)}),
        ["2 windows over 8 pixels, 2 unread"],
    ),
    "adaptive_pooling": (lambda: plots.adaptive_pooling(8, 3), ["0 to 2, 2 to 5, 5 to 7"]),
    "weight_matrices": (
        lambda: plots.weight_matrices(
            {"full": torch.randn(6, 8), "shared": torch.eye(6, 8)}, {"full": 48, "shared": 1}
        ),
        ["6×8", "full with 48"],
    ),
    "local_and_deep": (plots.local_and_deep, ["75 numbers", "28×28"]),
    "shape_trace": (
        lambda: plots.shape_trace(trace(SMALL, (3, 32, 32)), "Small"),
        ["Small", "max pool 2×2 /2 6×14×14", "linear 10", "12,226 parameters"],
    ),
    "cost_by_layer": (
        lambda: plots.cost_by_layer(trace(SMALL, (3, 32, 32)), "Small"),
        ["parameters: most in linear, 96 %"],
    ),
    "receptive_cones": (
        lambda: plots.receptive_cones(
            {"two": [THREE] * 2, "strided": [dict(kernel_size=3, stride=2), THREE]}
        ),
        ["two: 5 pixels", "strided: 7 pixels"],
    ),
    "effective_fields": (
        lambda: plots.effective_fields(
            {"a": torch.eye(9) + 0.1, "b": torch.ones(9, 9)}, {"a": 5, "b": 9}
        ),
        ["a: field 5 pixels wide, above half strength in 1"],
    ),
    "convolution_picture": (
        lambda: plots.convolution_picture(9, 3, 2, 1),
        ["gives 5×5", "0 rows are never read", "168 parameters"],
    ),
    "convolution_picture, one window": (
        lambda: plots.convolution_picture(8, 3, 4, 0, 3),
        ["gives 1×1", "5 rows are never read"],
    ),
    "convolution_picture, impossible": (
        lambda: plots.convolution_picture(3, 7),
        ["Impossible", "kernel_size 7", "does not fit"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_described_shown_and_fits_the_screen(name):
    make, words = FIGURES[name]
    figure = make()
    for word in words:
        assert word in figure.alt_text
    assert len(figure.alt_text) >= 40
    width, height = figure.get_size_inches()
    assert width <= 9.5
    assert height <= 6.5
    picture = Image.open(io.BytesIO(figure.png())).convert("L")
    assert len(picture.getcolors(256)) > 8


def labels(figure):
    """All texts of a figure: axis labels, titles, ticks and free texts."""
    texts = [figure.get_suptitle()]
    for axes in figure.axes:
        texts += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()]
        texts += [text.get_text() for text in axes.texts]
        texts += [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return " | ".join(texts)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("read_counts", ["row", "column", "windows that read the pixel", "×"]),
        ("window_rows", ["pixel of the input", "output number", "a: 2 windows"]),
        ("adaptive_pooling", ["pixel of the input", "output number", "4 pixels"]),
        ("weight_matrices", ["input pixel", "output number", "48 weights"]),
        ("local_and_deep", ["red", "3×32×32", "6×28×28"]),
        ("shape_trace", ["3×32×32", "6×14×14", "max pool 2×2 /2", "linear"]),
        ("cost_by_layer", ["parameters (%)", "FLOPs (%)", "memory of the output (%)", "11.8 k"]),
        ("receptive_cones", ["image", "layer 2", "two: sees 5 pixels"]),
        ("effective_fields", ["column of the image", "relative", "field 5×5"]),
        ("sliding_step", ["image, 5×5", "output, 3×3", "multiply 9 pairs, add up: 1/4"]),
        ("convolution_picture", ["padded 11×11", "output 5×5", "rounded down: 5"]),
        ("convolution_picture, one window", ["rows and columns are never read"]),
    ],
)
def test_figure_is_labelled(name, wanted):
    found = labels(FIGURES[name][0]())
    for text in wanted:
        assert text in found


def test_explorer_follows_its_sliders_and_says_what_is_impossible(capfd):
    explorer = plots.convolution_explorer()
    *sliders, picture = explorer.children
    assert [slider.value for slider in sliders] == [start for _, _, start in SLIDERS.values()]
    assert "gives 5×5" in picture.value
    sliders[0].value = 24
    assert "on a 24×24 image" in picture.value
    sliders[0].value, sliders[1].value, sliders[3].value = 1, 9, 0
    assert "Impossible" in picture.value
    sliders[3].value = 4
    assert "gives 1×1" in picture.value
    assert not capfd.readouterr().err


@pytest.mark.parametrize("end", [0, 1], ids=["least", "most"])
def test_every_slider_end_gives_a_picture(end):
    values = {name: limits[end] for name, limits in SLIDERS.items()}
    assert plots.convolution_picture(**values).alt_text
