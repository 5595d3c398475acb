"""The figures of lecture 11 show their numbers, with labelled axes and a description."""

from types import SimpleNamespace

import pytest
import torch

from course_utils import plots

MEASURED = {"dense": (2e6, 1e-3), "depthwise": (1e6, 4e-3)}
NETWORKS = {
    "large": {"A": (8e9, 0.8, 25e6)},
    "mobile": {"B": (6e8, 0.7, 3e6), "C": (8e8, 0.75, 5e6)},
}
WEIGHTS = {"early": {"Bag": torch.tensor([0.25, 0.5]), "Boot": torch.tensor([0.25, 0.75])}}


def drawn():
    tables = {"full": torch.ones(8, 8).bool(), "depthwise": torch.eye(8).bool()}
    yield plots.channel_connections(tables), "depthwise: 8 of 64 pairs are connected"
    yield plots.channel_weights(WEIGHTS), "from 0.25 to 0.75, classes differ by 0.12 on average"
    yield plots.networks_by_cost(NETWORKS, "title"), "C 75.0% with 0.8 billion FLOPs"
    yield plots.time_against_flops(MEASURED), "depthwise 1 million FLOPs in 4 ms"
    boxes = torch.tensor([[2, 3, 10, 12], [0, 0, 4, 4]])
    shown = torch.rand(2, 3, 16, 16), torch.rand(2, 4, 4), boxes, boxes + 1
    yield plots.located(*shown, ["Bag", "Coat\nfound"]), "2 images with the box of an object"


FIGURES = [SimpleNamespace(figure=figure, text=text) for figure, text in drawn()]


@pytest.mark.parametrize("case", FIGURES)
def test_the_description_says_what_is_drawn(case):
    assert case.text in case.figure.alt_text
    assert case.figure.png()


@pytest.mark.parametrize("case", FIGURES[:-1])
def test_axes_are_labelled(case):
    assert all(axes.get_xlabel() for axes in case.figure.axes)
    assert case.figure.axes[0].get_ylabel()


def test_boxes_lie_around_their_pixels():
    places = FIGURES[-1].figure.axes
    solid, dashed = places[0].patches[0], places[2].patches[1]
    assert (solid.get_x(), solid.get_y()) == (1.5, 2.5)
    assert (solid.get_width(), solid.get_height()) == (8, 9)
    assert (dashed.get_x(), dashed.get_y()) == (2.5, 3.5)
    assert len(places[0].patches) == 1
    assert solid.get_linestyle() != dashed.get_linestyle()


def test_time_shows_milliseconds_and_speed():
    axes = FIGURES[3].figure.axes[0]
    assert list(axes.lines[1].get_xdata()) == [1.0]
    assert list(axes.lines[1].get_ydata()) == [4.0]
    assert axes.lines[1].get_label() == "depthwise: 0.25 GFLOP/s"
