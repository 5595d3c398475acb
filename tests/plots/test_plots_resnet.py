"""The figures of lecture 08 show their numbers, with labelled axes and a description."""

import pytest
from figures import arrows, assert_good_figure, points, written

from course_utils import plots

TWO = ["3×3, 64", "batch norm"]
FIGURES = {  # a figure, what must be written in it, and what its description must say
    "values_by_layer": (
        lambda: plots.values_by_layer(
            {"ReLU": [1e-3, 0.25], "tanh": [1e-2, 0.5]}, "norm", title="Two stacks"
        ),
        ["Two stacks", "layer, from the image to the output", "norm (log scale)", "ReLU", "tanh"],
        ["Two stacks. norm by layer", "ReLU from 0.001 to 0.25", "tanh from 0.01 to 0.5"],
    ),
    "loss_on_line": (
        lambda: plots.loss_on_line(
            [-1, 0, 1], {"plain": [3, 0.5, 4], "residual": [2, 0.25, 1]}, title="One line"
        ),
        [
            "One line",
            "distance, in norms of the filters",
            "loss of the batch (nats)",
            "plain",
            "residual",
        ],
        ["plain: 0.50 at its lowest, 4.00 at the right", "residual: 0.25 at its lowest, 1.00"],
    ),
    "residual_blocks": (
        lambda: plots.residual_blocks({"plain": (TWO, ""), "basic": (TWO, "identity")}),
        ["plain", "basic", "3×3, 64", "batch norm", "x", "ReLU", "+", "identity"],
        [
            "plain: 3×3, 64 then batch norm; shortcut: none",
            "basic: 3×3, 64 then batch norm; shortcut: identity",
        ],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def test_only_a_block_with_a_shortcut_adds():
    plain, residual = FIGURES["residual_blocks"][0]().axes
    assert written(plain) == ["3×3, 64", "batch norm", "x", "ReLU"]
    assert "+" in written(residual)
    assert len(plain.patches) == len(residual.patches) == 2
    counts = [len(arrows(axes)) for axes in (plain, residual)]
    assert counts == [3, 5], "to each layer and out; to the sum and from the shortcut"


def test_a_block_may_end_without_relu():
    blocks = {"plain": (TWO, ""), "pre": (TWO, "identity")}
    plain, pre = plots.residual_blocks(blocks, without_relu=["pre"]).axes
    assert "ReLU" in written(plain)
    assert "ReLU" not in written(pre)


def test_values_are_counted_from_the_first_layer():
    (axes,) = FIGURES["values_by_layer"][0]().axes
    assert points(axes) == {"ReLU": [(1, 1e-3), (2, 0.25)], "tanh": [(1, 1e-2), (2, 0.5)]}
    assert axes.get_yscale() == "log"


def test_losses_stand_over_their_distances():
    (axes,) = FIGURES["loss_on_line"][0]().axes
    lines = points(axes)
    assert lines["plain"] == [(-1, 3), (0, 0.5), (1, 4)]
    assert lines["residual"] == [(-1, 2), (0, 0.25), (1, 1)]
    assert [line.get_xdata() for line in axes.lines][-1] == [0, 0], "the trained weights"
