"""The figures of one network: labelled, described with numbers of the data, not blank."""

import io

import pytest
import torch
from PIL import Image

from course_utils import plots

STAGES = [
    ("input", "", (1, 32, 32)),
    ("C1", "conv 5×5", (6, 28, 28)),
    ("S4", "max pool 2×2", (64, 5, 5)),
    ("C5", "linear", (120,)),
]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def is_drawn(figure):
    picture = Image.open(io.BytesIO(figure.png())).convert("L")
    return len(picture.getcolors(256)) > 3


def test_network_stages_names_and_sizes_every_stage():
    figure = plots.network_stages(STAGES)
    for name, made_by, shape in STAGES:
        assert {name, made_by, "×".join(map(str, shape))} <= set(texts(figure))
    assert "C1 6×28×28" in figure.alt_text
    assert is_drawn(figure)


def test_network_stages_draws_one_sheet_a_map_up_to_a_limit():
    counts = [len(plots.network_stages([stage]).axes[0].patches) for stage in STAGES]
    assert counts == [1, 6, 16, 1]


@pytest.mark.parametrize("stages", [[], [("a", "", (3, 4))]])
def test_network_stages_refuses_other_shapes(stages):
    with pytest.raises(ValueError, match=r"\(C, H, W\) or \(N,\)"):
        plots.network_stages(stages)


def test_connection_table_marks_every_connection():
    table = torch.tensor([[True, False, True], [False, True, False]])
    figure = plots.connection_table(table)
    axes = figure.axes[0]
    assert sorted(text.get_position() for text in axes.texts) == [(0, 0), (0, 2), (1, 1)]
    assert "3 of 6 connections" in figure.alt_text
    assert axes.get_xlabel() == "map of C3"
    assert axes.get_ylabel() == "map of S2"
    assert is_drawn(figure)


def test_curves_by_step_draws_and_describes_every_curve_and_level():
    curves = {"good": [2.3, 1.0, 0.5], "bad": [2.3, float("inf"), 400.0]}
    figure = plots.curves_by_step(curves, levels={"ln 10": 2.303}, log=True)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "training step (batch)"
    assert axes.get_ylabel() == "loss of the batch (nats)"
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["good", "bad"]
    assert len({line.get_linestyle() for line in axes.lines[:2]}) == 2, "told apart without colour"
    assert "good from 2.3 to 0.5" in figure.alt_text
    assert "bad from 2.3 to 400" in figure.alt_text
    assert "ln 10" in texts(figure)
    assert is_drawn(figure)


def test_curves_by_step_has_the_same_size_whatever_the_numbers():
    small, large = (plots.curves_by_step({"a": [1.0, x]}) for x in (2.0, 1e6))
    assert (small.get_size_inches() == large.get_size_inches()).all()
