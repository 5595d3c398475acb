"""The figures of lecture 02: labelled, described with numbers, not blank; the explorer works."""

import pytest
import torch
from figures import arrows, assert_good_figure, ticks, written
from matplotlib.colors import to_hex
from torch import nn

from course_utils import plots
from course_utils.arithmetic import read_counts, trace
from course_utils.plots.convolution import PADDING
from course_utils.plots.explorer import FIRST, LOST, SLIDERS

EDGE = torch.tensor([[-1.0, 0, 1]] * 3)
THREE = dict(kernel_size=3)
SMALL = [
    *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Dropout(), nn.Linear(6 * 14 * 14, 10)),
]
ROW = dict(size=8, kernel_size=3, stride=3, padding=1)


def counts(size):
    line = torch.tensor(read_counts(size, 3, stride=3))
    return torch.outer(line, line)


FIGURES = {  # a figure, what must be written in it, and what its description must say
    "kernel_responses": (
        lambda: plots.kernel_responses(
            torch.rand(1, 20, 30),
            {"edges": EDGE, "blur": torch.ones(3, 3) / 9},
            {"edges": torch.randn(18, 28), "blur": torch.rand(18, 28)},
        ),
        ["the photograph", "edges", "blur", "−1", "0", "1", "1/9"],
        ["edges −1 0 1 /", "blur 1/9"],
    ),
    "channel_responses": (
        lambda: plots.channel_responses(
            torch.rand(3, 20, 30),
            {"red − green": (1, -1, 0), "grey": (0.3, 0.6, 0.1)},
            {"red − green": torch.randn(20, 30), "grey": torch.rand(20, 30)},
        ),
        ["the photograph", "red − green", "grey", "weights 1, −1, 0", "weights 3/10, 3/5, 1/10"],
        ["red − green: 1, −1, 0"],
    ),
    "sliding_step": (
        lambda: plots.sliding_step(torch.eye(5), EDGE, torch.full((3, 3), 0.25), 0, 1),
        ["image, 5×5", "kernel, 3×3", "output, 3×3", "multiply 9 pairs, add up: 1/4"],
        ["5×5", "row 0, column 1", "add up to 1/4"],
    ),
    "number_grids": (
        lambda: plots.number_grids({"in": torch.eye(4) / 3, "out": torch.eye(2)}, window=2),
        ["in", "out", "1/3", "0", "1"],
        ["1/3", "out: 1 0 / 0 1"],
    ),
    "read_counts": (
        lambda: plots.read_counts({"size 8": counts(8)}),
        ["size 8", "row", "column", "windows that read the pixel", "×", "1"],
        ["size 8: corner 1, middle 1, 28 never read"],
    ),
    "window_rows": (
        lambda: plots.window_rows({"a": dict(size=8, kernel_size=3, stride=3, padding=0)}),
        ["pixel of the input", "output number", "a: 2 windows", "0", "1", "5", "×"],
        ["2 windows over 8 pixels, 2 unread"],
    ),
    "adaptive_pooling": (
        lambda: plots.adaptive_pooling(8, 3),
        ["pixel of the input", "output number", "4 pixels", "3 pixels", "2", "7"],
        ["8 pixels to 3", "0 to 2, 2 to 5, 5 to 7"],
    ),
    "weight_matrices": (
        lambda: plots.weight_matrices(
            {"full": torch.randn(6, 8), "shared": torch.eye(6, 8)}, {"full": 48, "shared": 1}
        ),
        [
            *("input pixel", "output number", "weight (white: zero)"),
            *("full: 48 weights", "shared: 1 weights"),
        ],
        ["6×8", "full with 48", "shared with 1 "],
    ),
    "local_and_deep": (
        plots.local_and_deep,
        [
            *("red", "green", "blue"),
            "image: 3×32×32\nwindow in all channels: 3×5×5 = 75 numbers",
            "output: 6×28×28, one channel for each filter\n"
            "each filter: 75 weights and a bias → one number",
        ],
        ["5×5 pixels", "3 channels", "32×32", "75 numbers", "6 filters", "28×28"],
    ),
    "shape_trace": (
        lambda: plots.shape_trace(trace(SMALL, (3, 32, 32)), "Small"),
        [
            *("Small", "input", "conv 5×5", "max pool 2×2 /2", "linear"),
            *("3×32×32", "6×28×28", "6×14×14", "10"),
        ],
        ["Small", "max pool 2×2 /2 6×14×14", "linear 10", "12,226 parameters"],
    ),
    "cost_by_layer": (
        lambda: plots.cost_by_layer(trace(SMALL, (3, 32, 32)), "Small"),
        [
            *("Small", "layer", "conv 5×5 → 6", "linear → 10"),
            *("parameters (%)", "FLOPs (%)", "memory of these outputs (%)"),
            *("456", "11.8 k", "706 k", "23.5 k", "18.8 kB", "40 B"),
        ],
        ["parameters: most in linear, 96 %", "FLOPs: most in conv 5×5, 97 %"],
    ),
    "receptive_cones": (
        lambda: plots.receptive_cones(
            {"two": [THREE] * 2, "strided": [dict(kernel_size=3, stride=2), THREE]}
        ),
        ["image", "layer 1", "layer 2", "two: sees 5 pixels", "strided: sees 7 pixels"],
        ["two: 5 pixels", "strided: 7 pixels"],
    ),
    "effective_fields": (
        lambda: plots.effective_fields(
            {"a": torch.eye(9) + 0.1, "b": torch.ones(9, 9)}, {"a": 5, "b": 9}
        ),
        [
            *("row of the image", "column of the image", "relative\nstrength"),
            *("a, field 5×5", "b, field 9×9"),
        ],
        ["a: field 5 pixels wide, above half strength in 1", "b: field 9 pixels wide"],
    ),
    "convolution_picture": (
        lambda: plots.convolution_picture(9, 3, 2, 1),
        [
            "(9 + 2·1 − 3) / 2 + 1 = 5, rounded down: 5",
            "image 9×9, padded 11×11\nall pixels are read",
            *("output 5×5", "with 3 channels and 6 filters:\n168 parameters, 8.1 k FLOPs"),
            "blue: first window; outlined: the next one\ngrey: padding",
        ],
        ["gives 5×5", "0 rows are never read", "168 parameters"],
    ),
    "convolution_picture, one window": (
        lambda: plots.convolution_picture(8, 3, 4, 0, 3),
        ["image 8×8\n5 rows and columns are never read (×)", "output 1×1", "×"],
        ["gives 1×1", "5 rows are never read", "dilation 3"],
    ),
    "convolution_picture, impossible": (
        lambda: plots.convolution_picture(3, 7),
        ["This combination is impossible"],
        ["Impossible: size 3, kernel_size 7, stride 1", "does not fit"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def limits(axes):
    """The value of the lowest and the highest colour."""
    return axes.images[0].get_clim()


def test_responses_stand_over_their_kernels_and_are_signed_where_the_weights_sum_to_zero():
    responses = {"edges": torch.full((2, 2), -3.0), "blur": torch.rand(2, 2)}
    kernels = {"edges": EDGE, "blur": torch.ones(3, 3) / 9}
    figure = plots.kernel_responses(torch.rand(1, 4, 4), kernels, responses)
    _, edges, blur, _, edge_kernel, blur_kernel = figure.axes
    assert edges.images[0].get_array().tolist() == responses["edges"].tolist()
    assert limits(edges) == (-3, 3)
    assert limits(blur) == (0, 1)
    assert written(edge_kernel) == ["−1", "0", "1"] * 3
    assert written(blur_kernel) == ["1/9"] * 9


def test_mixed_channels_are_signed_where_the_weights_sum_to_zero():
    mixed = {"difference": torch.full((2, 2), 2.0), "grey": torch.rand(2, 2)}
    weights = {"difference": (1, -1, 0), "grey": (0.3, 0.6, 0.1)}
    _, difference, grey = plots.channel_responses(torch.rand(3, 2, 2), weights, mixed).axes
    assert limits(difference) == (-2, 2)
    assert limits(grey) == (0, 1)
    assert grey.images[0].get_array().tolist() == mixed["grey"].tolist()


def outlines(axes):
    """Left, top and side of the outlined squares, in cells."""
    boxes = [patch for patch in axes.patches if not patch.get_fill()]
    return [(box.get_x() + 0.5, box.get_y() + 0.5, box.get_width()) for box in boxes]


def test_a_step_outlines_its_window_and_its_result():
    image, kernel, output = FIGURES["sliding_step"][0]().axes
    assert outlines(image) == [(1, 0, 3)]
    assert outlines(kernel) == []
    assert outlines(output) == [(1, 0, 1)]
    assert written(image)[:7] == ["1", "0", "0", "0", "0", "0", "1"]
    assert written(output) == ["1/4"] * 9


def test_only_the_first_grid_is_ruled_into_windows():
    first, second = FIGURES["number_grids"][0]().axes
    assert outlines(first) == [(0, 0, 2), (2, 0, 2), (0, 2, 2), (2, 2, 2)]
    assert outlines(second) == []


def test_numbers_have_the_decimals_that_are_asked_for():
    figure = plots.number_grids({"a": torch.eye(1), "b": torch.tensor([[0.75, -0.04]])}, decimals=1)
    assert [written(axes) for axes in figure.axes] == [["1.0"], ["0.8", "0.0"]]
    assert "b: 0.8 0.0" in figure.alt_text


def test_each_pixel_says_how_often_it_is_read():
    figure = plots.read_counts({"a": torch.tensor([[0, 1], [2, 10]]), "b": torch.ones(2, 2)})
    a, b, _ = figure.axes
    assert {text.get_position(): text.get_text() for text in a.texts} == {
        (0, 0): "×",
        (1, 0): "1",
        (0, 1): "2",
        (1, 1): "10",
    }
    assert limits(a) == limits(b) == (0, 10), "one scale"


def test_dots_of_a_window_are_the_pixels_it_reads():
    settings = {"padded": ROW, "dilated": dict(size=8, kernel_size=3, dilation=2)}
    padded, dilated = plots.window_rows(settings).axes
    assert [list(line.get_xdata()) for line in padded.lines] == [
        *([-1, 0, 1], [2, 3, 4], [5, 6, 7]),
    ]
    assert [list(line.get_ydata()) for line in padded.lines] == [[0] * 3, [1] * 3, [2] * 3]
    assert list(dilated.lines[1].get_xdata()) == [1, 3, 5]


def test_pixels_are_numbered_padding_is_grey_and_what_is_unread_is_crossed():
    lost = dict(size=8, kernel_size=3, stride=3)
    padded, unpadded = plots.window_rows({"padded": ROW, "unpadded": lost}).axes
    greys = [to_hex(patch.get_facecolor()) == PADDING.lower() for patch in padded.patches]
    assert greys == [True, *[False] * 8, True]
    assert written(padded) == [*"01234567"]
    assert written(unpadded) == [*"012345", "×", "×"]


def test_windows_of_adaptive_pooling_overlap_where_they_must():
    (axes,) = plots.adaptive_pooling(8, 3).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 2], [2, 5], [5, 7]]
    assert [list(line.get_ydata()) for line in axes.lines] == [[0, 0], [1, 1], [2, 2]]


def test_weight_matrices_share_one_scale():
    full, shared, _ = plots.weight_matrices(
        {"full": torch.full((2, 3), -4.0), "shared": torch.eye(2, 3)}, {"full": 6, "shared": 1}
    ).axes
    assert limits(full) == limits(shared) == (-4, 4)
    assert shared.images[0].get_array().tolist() == torch.eye(2, 3).tolist()


def test_each_channel_sends_one_arrow_to_the_first_output():
    (axes,) = plots.local_and_deep(in_channels=2, size=8, kernel_size=3, filters=4).axes
    assert len(arrows(axes)) == 2
    assert len(axes.patches) == 2 * (2 + 4)
    assert written(axes)[:2] == ["0", "1"]


def test_bars_of_costs_are_shares():
    panels = FIGURES["cost_by_layer"][0]().axes
    for axes in panels:
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(100)
    parameters = [bar.get_width() for bar in panels[0].patches]
    assert parameters == pytest.approx([100 * 456 / 12_226, 100 * 11_770 / 12_226])
    assert ticks(panels[0].yaxis) == {0: "conv 5×5 → 6", 1: "linear → 10"}


def test_flat_layers_are_narrow_and_maps_as_large_as_they_are():
    (axes,) = FIGURES["shape_trace"][0]().axes
    fronts = [patch.get_xy() for patch in axes.patches[::3]]
    heights = [float(front[2, 1] - front[1, 1]) for front in fronts]
    assert heights[:3] == pytest.approx([1, (28 / 32) ** 0.5, (14 / 32) ** 0.5])
    widths = [float(front[1, 0] - front[0, 0]) for front in fronts]
    assert widths[1] == pytest.approx(widths[2])
    assert widths[1] > widths[0] > widths[-1]


def test_a_line_of_a_cone_is_one_weight():
    two, strided = FIGURES["receptive_cones"][0]().axes
    assert len(two.lines) == len(strided.lines) == 3 + 9
    assert list(ticks(two.yaxis).values()) == ["image", "layer 1", "layer 2"]
    bottoms = {line.get_xdata()[0] for line in strided.lines if line.get_ydata()[0] == 0}
    assert bottoms == set(range(7))


def test_the_field_is_outlined_and_the_middle_row_is_drawn():
    gradient = torch.zeros(9, 9)
    gradient[4, 4], gradient[4, 5] = -2, 1
    figure = plots.effective_fields({"a": gradient, "b": gradient}, {"a": 5, "b": 3})
    picture, _, curve, _ = figure.axes
    (box,) = picture.patches
    assert (box.get_x(), box.get_y(), box.get_width()) == (1.5, 1.5, 5)
    assert list(curve.lines[0].get_ydata()) == [0, 0, 0, 0, 1, 0.5, 0, 0, 0]
    assert [line.get_xdata()[0] for line in curve.lines[1:]] == [1.5, 6.5]


def test_explorer_follows_its_sliders_and_says_what_is_impossible(capfd):
    explorer = plots.convolution_explorer()
    *sliders, picture = explorer.children
    assert [slider.value for slider in sliders] == [start for _, _, start in SLIDERS.values()]
    assert [slider.description for slider in sliders] == [
        *("size", "kernel", "stride", "padding", "dilation"),
    ]
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
    assert_good_figure(plots.convolution_picture(**values))


def test_unread_rows_and_columns_are_marked():
    image, output = plots.convolution_picture(4, 3, 2).axes
    lost = [patch for patch in image.patches if to_hex(patch.get_facecolor()) == LOST.lower()]
    assert {(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in lost} == {
        *((3, row) for row in range(4)),
        *((column, 3) for column in range(4)),
    }
    assert written(image) == ["×"] * 7
    assert len(output.patches) == 2


def test_the_next_window_is_one_stride_further():
    image, output = plots.convolution_picture(9, 3, 2, 1).axes
    filled = [patch for patch in image.patches if patch.get_fill()]
    first = [patch for patch in filled if to_hex(patch.get_facecolor()) == FIRST.lower()]
    assert {patch.get_x() + 0.5 for patch in first} == {-1, 0, 1}
    assert {to_hex(patch.get_edgecolor()) for patch in first} == {"#ffffff"}, (
        "pixels are told apart"
    )
    assert {corner[0] for corner in outlines(image)} == {1, 2, 3}
    assert outlines(output) == [(1, 0, 1)]
