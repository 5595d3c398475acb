"""The figures of lecture 10 show their numbers, with labelled axes and a description."""

from types import SimpleNamespace

import pytest
import torch

from course_utils import plots
from course_utils.models.googlenet import MODULES


def drawn():
    module = plots.inception_module(192, MODULES["3a"], large=5)
    yield module, "branch 3: 1×1, 16 then 5×5 pad 2, 32", "joined to 256 channels"
    bars = plots.bars_by_module(["3a", "3b"], {"reduced": [1, 2], "direct": [3, 4]}, "weights")
    yield bars, "reduced from 1 in 3a to 2", "direct from 3 in 3a to 4"
    panels = {"old": {"main": [1e-9, 1e-3], "aux": [1e-6, 0.0]}}
    norms = plots.gradient_by_module(["3a", "3b"], panels)
    yield norms, "old, main: 1.0e-09 at 3a", "old, aux: 1.0e-06 at 3a"
    block = plots.dense_connections(3, 6, 4)
    yield block, "3 layers with growth rate 4: 10 connections", "18 after the last"
    reuse = torch.tensor([[0.1, 0.2], [torch.nan, 0.4]])
    heat = plots.feature_reuse({"block 1": reuse}, ["1", "end"], "mean weight")
    yield heat, "block 1: largest from 1 to end", "mean weight"
    memory = plots.memory_by_layers([2, 4], {"dense": [1e6, 4e6], "residual": [5e5, 1e6]})
    yield memory, "dense from 1.00 to 4.00 MB", "residual from 0.50 to 1.00 MB"


NAMES = ["module", "bars", "norms", "block", "reuse", "memory"]
FIGURES = {
    name: SimpleNamespace(figure=figure, texts=texts)
    for name, (figure, *texts) in zip(NAMES, drawn(), strict=True)
}


@pytest.mark.parametrize("name", NAMES)
def test_the_description_says_what_is_drawn(name):
    case = FIGURES[name]
    assert all(text in case.figure.alt_text for text in case.texts)
    assert case.figure.png()


@pytest.mark.parametrize("name", ["bars", "norms", "reuse", "memory"])
def test_axes_are_labelled(name):
    axes = FIGURES[name].figure.axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_parts_of_the_joined_bar_are_as_wide_as_their_channels():
    bars = [patch for patch in FIGURES["module"].figure.axes[0].patches if patch.get_hatch()]
    plain = [p for p in FIGURES["module"].figure.axes[0].patches if type(p).__name__ == "Rectangle"]
    assert len(bars) == 3  # the first part has no hatch
    widths = [patch.get_width() for patch in plain]
    assert [round(width / sum(widths), 3) for width in widths] == [0.25, 0.5, 0.125, 0.125]


def test_a_source_behind_the_module_is_left_out():
    main, auxiliary = FIGURES["norms"].figure.axes[0].lines
    assert list(main.get_ydata()) == [1e-9, 1e-3]
    assert list(auxiliary.get_ydata()) == [1e-6]


def test_each_dense_layer_reads_all_before_it():
    top, bottom = FIGURES["block"].figure.axes
    assert len(top.patches) == 10
    assert [text.get_text() for text in bottom.texts] == ["6", "10", "14", "18"]


def test_heat_map_leaves_out_what_is_not_read():
    shown = FIGURES["reuse"].figure.axes[0].images[0].get_array()
    assert shown.mask.tolist() == [[False, False], [True, False]]


def test_memory_is_in_megabytes():
    lines = FIGURES["memory"].figure.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[1, 4], [0.5, 1]]
