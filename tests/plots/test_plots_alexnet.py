import pytest
import torch
from figures import arrows, assert_good_figure, points, ticks, written
from matplotlib.colors import to_hex

from course_utils import plots
from course_utils.plots.alexnet import PADDING, UNREAD

BEFORE, AFTER = torch.tensor([1.0, 8.0, 1.0]), torch.tensor([0.5, 2.5, 0.5])
TOWERS = [
    ("image", "3", False),
    ("conv 1", "48", False),
    ("conv 2", "128", False),
    ("conv 3", "192", True),
    ("output", "10", True),
]
FIGURES = {  # a figure, what must be written in it, and what its description must say
    "contest_errors": (
        lambda: plots.contest_errors({"2011\nby hand": 25.8, "2012\nnet": 15.3}, ["2012\nnet"]),
        ["top-5 error (%)", "convolutional network", "features made by hand", "15.3", "25.8"],
        ["2011 by hand 25.8 %", "2012 net 15.3 %"],
    ),
    "last_windows": (
        lambda: plots.last_windows({"224": (224, 0), "up": (224, (0, 3)), "padded": (224, 2)}),
        [
            "pixel of the row (counted from 0)",
            *("224: 54 windows, left over: 1", "up: 55 windows, left over: 0"),
            *("window 52", "window 53", "window 54", "window 55"),
        ],
        ["224: 54 windows, 1 left over of the image", "up: 55 windows, 0", "1 left over in the p"],
    ),
    "two_towers": (
        lambda: plots.two_towers(TOWERS),
        ["GPU 1", "GPU 2", "image", "conv 1", "conv 2", "conv 3", "output", "3", "192", "10"],
        ["two towers of 3 layers", "except in conv 3, output", "conv 2 128"],
    ),
    "activation_curves": (
        lambda: plots.activation_curves(
            torch.tensor([-1.0, 1.0]),
            {
                "ReLU": (torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])),
                "tanh": (torch.tensor([-0.76, 0.76]), torch.tensor([0.42, 0.42])),
            },
        ),
        ["input", "output", "slope of the output", "ReLU", "tanh"],
        ["ReLU has slope 0.000 at -1 and 1.000 at 1", "tanh has slope 0.420 at -1 and 0.420 at 1"],
    ),
    "lateral_inhibition": (
        lambda: plots.lateral_inhibition({"alone": (BEFORE, AFTER), "flat": (AFTER, AFTER)}, 5),
        ["channel", "activation", "alone", "flat", "before", "after"],
        ["3 channels", "over 5 channels", "alone: the largest, 8.0, becomes 2.50"],
    ),
    "dropout_masks": (
        lambda: plots.dropout_masks(
            torch.tensor([True, False, True, True]).reshape(1, 2, 2), torch.tensor([1.0, 3.0]), 2.5
        ),
        [
            *("step 1: 3 kept", "what the unit adds up", "how many of 2 masks", "×"),
            *("evaluation: 2.50", "mean of training: 2.00"),
        ],
        [
            "1 dropout masks of a layer of 4 units",
            "mean 2.00, from 1.00 to 3.00",
            "evaluation 2.50",
        ],
    ),
    "signal_by_layer": (
        lambda: plots.signal_by_layer({"small": [0.1, 1e-4], "good": [1, 1]}, ["conv 1", "full 2"]),
        [
            *("layer", "root mean square of the\noutput (log scale)"),
            *("conv 1", "full 2", "small", "good"),
        ],
        ["small from 0.1 to 0.0001", "good from 1 to 1"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def test_networks_of_a_contest_are_filled_and_features_made_by_hand_are_not():
    (axes,) = FIGURES["contest_errors"][0]().axes
    by_hand, network = axes.patches
    assert [bar.get_height() for bar in axes.patches] == [25.8, 15.3]
    assert by_hand.get_hatch()
    assert not network.get_hatch()
    assert [text.get_position()[0] for text in axes.texts] == [0, 1]
    assert ticks(axes.xaxis) == {0: "2011\nby hand", 1: "2012\nnet"}


def test_only_layers_that_read_both_towers_have_crossing_arrows():
    drawn = arrows(*plots.two_towers(TOWERS).axes)
    dashed = [arrow for arrow in drawn if arrow.get_linestyle() == "--"]
    # image to both, conv 1 to conv 2 twice, all four ways to conv 3, both to the output
    assert len(drawn) == 2 + 2 + 4 + 2
    assert len(dashed) == 2 + 2


def test_boxes_stand_in_two_towers_but_for_the_ends():
    (axes,) = plots.two_towers(TOWERS).axes
    counts = [text for text in written(axes) if text.isdigit()]
    assert counts == ["3", "48", "48", "128", "128", "192", "192", "10"]
    assert len(axes.patches) == 8
    heights = [text.get_position()[1] for text in axes.texts if text.get_text().isdigit()]
    assert heights == [0.5, *[1, 0] * 3, 0.5]


def test_outputs_are_left_and_slopes_right():
    outputs, slopes = FIGURES["activation_curves"][0]().axes
    assert points(outputs)["ReLU"] == [(-1, 0), (1, 1)]
    assert [y for _, y in points(outputs)["tanh"]] == pytest.approx([-0.76, 0.76])
    assert [y for _, y in points(slopes)["tanh"]] == pytest.approx([0.42, 0.42])


def test_bars_before_and_after_normalisation():
    alone, flat = FIGURES["lateral_inhibition"][0]().axes
    assert [bar.get_height() for bar in alone.patches] == [1, 8, 1, 0.5, 2.5, 0.5]
    assert [bar.get_height() for bar in flat.patches] == [0.5, 2.5, 0.5] * 2
    hatched = [bool(bar.get_hatch()) for bar in alone.patches]
    assert hatched == [True] * 3 + [False] * 3


def test_dropped_units_are_crossed_and_sums_are_counted():
    mask, sums = FIGURES["dropout_masks"][0]().axes
    assert [text.get_position() for text in mask.texts] == [(1, 0)]
    assert mask.images[0].get_array().tolist() == [[1, 0], [1, 1]]
    assert sum(bar.get_height() for bar in sums.patches) == 2
    marks = {name: x for name, ((x, _), _) in points(sums).items()}
    assert marks == {"evaluation: 2.50": 2.5, "mean of training: 2.00": 2}


def test_spreads_stand_over_their_layers():
    (axes,) = FIGURES["signal_by_layer"][0]().axes
    assert points(axes) == {"small": [(0, 0.1), (1, 1e-4)], "good": [(0, 1), (1, 1)]}
    assert ticks(axes.xaxis) == {0: "conv 1", 1: "full 2"}
    assert axes.get_yscale() == "log"


def test_pixels_that_no_window_reads_are_crossed():
    top, middle, bottom = plots.last_windows({"a": (224, 0), "b": (227, 0), "c": (224, 2)}).axes
    crosses = [sum(line.get_marker() == "None" for line in axes.lines) for axes in (top, middle)]
    assert crosses == [2, 0]  # two strokes for one pixel; windows have end marks
    assert top.get_xlim() == middle.get_xlim() == bottom.get_xlim()  # a pixel stands over itself
    assert len(bottom.patches) == len(top.patches) + 2  # the padding
    assert _last_pixels(top)[-2:] == ["read", "unread"]
    assert _last_pixels(middle)[-1] == "read"
    assert _last_pixels(bottom)[-3:] == ["read", "padding", "padding"]


def test_a_window_over_the_edge_reads_padding():
    _, up = plots.last_windows({"a": (224, 0), "b": (224, (0, 3))}).axes
    assert _last_pixels(up)[-4:] == ["read", "padding", "padding", "padding"]


def _last_pixels(axes):
    kinds = {to_hex(PADDING): "padding", to_hex(UNREAD): "unread"}
    return [kinds.get(to_hex(patch.get_facecolor()), "read") for patch in axes.patches]


def test_the_last_window_ends_where_the_unread_pixels_begin():
    top, _ = plots.last_windows({"a": (224, 0), "b": (227, 0)}).axes
    ends = [line.get_xdata() for line in top.lines if line.get_marker() == "|"]
    assert [list(end) for end in ends] == [[212, 223], [208, 219], [204, 215]]
