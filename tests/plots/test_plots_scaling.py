"""The figures of lecture 12 show their numbers, with labelled axes and a description."""

import pytest
import torch
from figures import assert_good_figure

from course_utils import plots

NETWORKS = {
    "large": {"A": (8e9, 0.8, 25e6)},
    "mobile": {"B": (6e8, 0.7, 3e6), "C": (8e8, 0.75, 5e6)},
}
WEIGHTS = {
    "early": torch.tensor([[0.5, 0.25], [0.75, 0.25]]),
    "late": torch.tensor([[0.0, 0.5], [1.0, 0.75]]),
}
TABLES = {"full": torch.ones(4, 8).bool(), "depthwise": torch.eye(8).bool()}
BOXES = torch.tensor([[2, 3, 10, 12], [0, 0, 4, 4]])


def located():
    shown = torch.rand(2, 3, 16, 16), torch.rand(2, 4, 4), BOXES, BOXES + 1
    return plots.located(*shown, ["Bag", "Coat\nfound"])


FIGURES = {  # a figure, what must be written in it, and what its description must say
    "channel_connections": (
        lambda: plots.channel_connections(TABLES),
        ["input channel", "output channel", "full\n32 kernels", "depthwise\n8 kernels", "4"],
        ["full: 32 of 32 pairs", "depthwise: 8 of 64 pairs are connected"],
    ),
    "channel_weights": (
        lambda: plots.channel_weights(WEIGHTS, ["Bag", "Boot"]),
        [
            *("channel, sorted by mean weight", "mean weight of the channel"),
            *("early", "late", "Bag", "Boot"),
        ],
        [
            "2 classes",
            "early: 2 channels, from 0.25 to 0.75, median 0.25",
            "late: 2 channels, from 0.00 to 1.00, median 0.50",
        ],
    ),
    "networks_by_cost": (
        lambda: plots.networks_by_cost(NETWORKS, "Title"),
        [
            *("billion FLOPs of one image (log scale)", "accuracy", "Title", *"ABC"),
            *("large", "mobile", "1", "5", "75%"),
        ],
        ["A 80.0% with 8 billion FLOPs", "C 75.0% with 0.8 billion FLOPs"],
    ),
    "located": (
        located,
        ["Bag", "Coat\nfound"],
        ["2 images with the box of an object", "Bag, Coat found."],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def axes_of(name):
    return FIGURES[name][0]().axes


def test_connected_channels_are_dark():
    full, depthwise = axes_of("channel_connections")
    assert full.images[0].get_array().tolist() == [[0.25] * 8] * 4
    assert depthwise.images[0].get_array()[0].tolist() == [0.25, *[1] * 7]
    assert depthwise.images[0].get_clim() == (0, 1)
    assert full.images[0].get_cmap().name == "gray"


def test_each_class_is_a_row_and_channels_are_sorted():
    early, late = axes_of("channel_weights")[:2]
    assert early.images[0].get_array().tolist() == [[0.25, 0.5], [0.25, 0.75]]
    assert late.images[0].get_array().tolist() == [[0, 0.5], [1, 0.75]]
    assert early.images[0].get_clim() == late.images[0].get_clim() == (0, 1)


def test_marks_of_networks_stand_at_their_cost_and_grow_with_the_parameters():
    (axes,) = axes_of("networks_by_cost")
    marks = [mark for mark in axes.collections if len(mark.get_offsets())]
    places = [tuple(mark.get_offsets()[0]) for mark in marks]
    assert places == [(8, 0.8), (0.6, 0.7), (0.8, 0.75)]
    assert [mark.get_sizes()[0] for mark in marks] == [170, 38, 50]
    assert [(text.get_text(), text.xy) for text in axes.texts] == list(
        zip("ABC", places, strict=True)
    )
    assert axes.get_xscale() == "log"


def test_the_name_of_a_crowded_network_stands_below():
    (axes,) = plots.networks_by_cost(
        {"a": {"low": (1e9, 0.7, 1e6), "high": (1.2e9, 0.71, 1e6)}}
    ).axes
    low, high = axes.texts
    assert low.xyann[1] < 0 < high.xyann[1]


def test_boxes_lie_around_their_pixels():
    places = located().axes
    solid, dashed = places[0].patches[0], places[2].patches[1]
    assert (solid.get_x(), solid.get_y()) == (1.5, 2.5)
    assert (solid.get_width(), solid.get_height()) == (8, 9)
    assert (dashed.get_x(), dashed.get_y()) == (2.5, 3.5)
    assert [len(axes.patches) for axes in places] == [1, 1, 2, 2]
    assert solid.get_linestyle() != dashed.get_linestyle()


def test_heat_lies_over_the_whole_image():
    top, _, bottom, _ = located().axes
    assert len(top.images) == 1
    image, heat = bottom.images
    assert list(heat.get_extent()) == list(image.get_extent()) == [-0.5, 15.5, 15.5, -0.5]
    assert heat.get_array().max() == 1
