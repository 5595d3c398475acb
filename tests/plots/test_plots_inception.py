"""The figures of lecture 11 show their numbers, with labelled axes and a description."""

import pytest
import torch
from figures import assert_good_figure, points, ticks, written

from course_utils import plots
from course_utils.models.googlenet import MODULES

REUSE = torch.tensor([[0.1, 0.2], [torch.nan, 0.4]])
FIGURES = {  # a figure, what must be written in it, and what its description must say
    "inception_module": (
        lambda: plots.inception_module(192, MODULES["3a"], large=5, title="Module 3a"),
        [
            *("input: 192 channels", "1×1, 64", "1×1, 96", "3×3 pad 1, 128", "1×1, 16"),
            *("5×5 pad 2, 32", "max pool 3×3 /1 pad 1", "1×1, 32", "64", "128", "32"),
            *("joined along the channels: 64 + 128 + 32 + 32 = 256", "Module 3a"),
        ],
        ["branch 3: 1×1, 16 then 5×5 pad 2, 32", "joined to 256 channels"],
    ),
    "gradient_by_module": (
        lambda: plots.gradient_by_module(
            ["3a", "3b"],
            {
                "old": {"main": [1e-9, 1e-3], "aux": [1e-6, 0.0]},
                "new": {"all": [1e-2, 1e-1]},
            },
        ),
        [
            *("module, from the image to the output", "norm of the gradient (log scale)"),
            *("old", "new", "main", "aux", "all", "3a", "3b"),
        ],
        ["old, main: 1.0e-09 at 3a", "old, aux: 1.0e-06 at 3a", "new, all: 1.0e-02 at 3a"],
    ),
    "dense_connections": (
        lambda: plots.dense_connections(3, 6, 4),
        [
            *("who reads what", "channels read", "input", "layer 1", "layer 3", "after"),
            *("6", "10", "14", "18"),
        ],
        ["3 layers with growth rate 4: 10 connections", "18 after the last"],
    ),
    "feature_reuse": (
        lambda: plots.feature_reuse({"block 1": REUSE}, ["1", "end"], "mean weight"),
        ["block 1", "is read by", "source", "mean weight", "input", "1", "end"],
        ["block 1: largest from 1 to end", "mean weight"],
    ),
    "memory_by_layers": (
        lambda: plots.memory_by_layers([2, 4], {"dense": [1e6, 4e6], "residual": [5e5, 1e6]}),
        [
            *("layers (blocks) in each stage (log scale)", "MB an image (log scale)"),
            *("2", "4", "1", "dense", "residual"),
        ],
        ["dense from 1.00 to 4.00 MB", "residual from 0.50 to 1.00 MB"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def axes_of(name):
    return FIGURES[name][0]().axes


def test_parts_of_the_joined_bar_are_as_wide_as_their_channels():
    (axes,) = axes_of("inception_module")
    bars = [patch for patch in axes.patches if type(patch).__name__ == "Rectangle"]
    assert [bool(bar.get_hatch()) for bar in bars] == [False, True, True, True]
    widths = [bar.get_width() for bar in bars]
    assert [round(width / sum(widths), 3) for width in widths] == [0.25, 0.5, 0.125, 0.125]


def test_the_third_branch_may_have_another_kernel():
    (axes,) = plots.inception_module(192, MODULES["3a"], large=3).axes
    assert "3×3 pad 1, 32" in written(axes)


def test_a_source_behind_the_module_is_left_out():
    old, new = axes_of("gradient_by_module")
    assert points(old) == {"main": [(0, 1e-9), (1, 1e-3)], "aux": [(0, 1e-6)]}
    assert points(new) == {"all": [(0, 1e-2), (1, 1e-1)]}
    assert ticks(old.xaxis) == ticks(new.xaxis) == {0: "3a", 1: "3b"}
    assert old.get_yscale() == "log"
    assert old.get_ylim() == new.get_ylim()


def test_each_dense_layer_reads_all_before_it():
    top, bottom = axes_of("dense_connections")
    assert len(top.patches) == 10
    assert written(bottom) == ["6", "10", "14", "18"]
    heights = [bar.get_height() for bar in bottom.patches]
    assert heights == [6, 6, 4, 6, 4, 4, 6, 4, 4, 4]
    floors = [bar.get_y() for bar in bottom.patches]
    assert floors == [0, 0, 6, 0, 6, 10, 0, 6, 10, 14]
    assert [bar.get_x() + 0.3 for bar in bottom.patches] == pytest.approx(
        [1] + [2] * 2 + [3] * 3 + [4] * 4
    )
    assert list(ticks(bottom.xaxis).values()) == ["input", "layer 1", "layer 2", "layer 3", "after"]
    assert len({bar.get_hatch() for bar in bottom.patches[-4:]}) == 4


def test_heat_map_leaves_out_what_is_not_read():
    axes, _ = axes_of("feature_reuse")
    shown = axes.images[0].get_array()
    assert shown.mask.tolist() == [[False, False], [True, False]]
    assert axes.images[0].get_clim() == pytest.approx((0.1, 0.4))
    assert ticks(axes.xaxis) == {0: "1", 1: "end"}
    assert ticks(axes.yaxis) == {0: "input", 1: "1"}


def test_panels_of_reuse_share_one_scale():
    panels = {"a": REUSE, "b": 2 * REUSE}
    a, b, _ = plots.feature_reuse(panels, ["1", "end"], "mean weight").axes
    assert a.images[0].get_clim() == b.images[0].get_clim() == pytest.approx((0.1, 0.8))


def test_memory_is_in_megabytes():
    (axes,) = axes_of("memory_by_layers")
    assert points(axes) == {"dense": [(2, 1), (4, 4)], "residual": [(2, 0.5), (4, 1)]}
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert ticks(axes.xaxis) == {2: "2", 4: "4"}
