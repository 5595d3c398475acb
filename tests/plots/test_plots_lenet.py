"""The figures of one network: labelled, described with numbers of the data, not blank."""

import numpy as np
import pytest
import torch
from figures import assert_good_figure, points, written

from course_utils import plots

STAGES = [
    ("input", "", (1, 32, 32)),
    ("C1", "conv 5×5", (6, 28, 28)),
    ("S4", "max pool 2×2", (64, 5, 5)),
    ("C5", "linear", (120,)),
]
CURVES = {"good": [2.3, 1.0, 0.5], "bad": [2.3, 3.0, float("inf"), 300.0, 400.0]}


def test_network_stages_names_and_sizes_every_stage():
    words = [["×".join(map(str, shape)), name, made_by] for name, made_by, shape in STAGES]
    texts = [text for stage in words for text in stage if text]
    described = ["input 1×32×32, C1 6×28×28, S4 64×5×5, C5 120"]
    assert_good_figure(plots.network_stages(STAGES), *texts, alt=described)


def test_network_stages_draws_one_sheet_a_map_up_to_a_limit():
    counts = [len(plots.network_stages([stage]).axes[0].patches) for stage in STAGES]
    assert counts == [1, 6, 16, 1]


def test_network_stages_are_to_scale_and_stand_in_a_row():
    (axes,) = plots.network_stages(STAGES).axes
    sides = [patch.get_height() for patch in axes.patches]
    assert sides[:7] == [32] + [28] * 6
    assert sides[7:] == [5] * 16 + [1.2 * 32]
    starts = [axes.patches[i].get_x() for i in (0, 6, 22, 23)]
    assert starts == sorted(starts)


@pytest.mark.parametrize("stages", [[], [("a", "", (3, 4))]])
def test_network_stages_refuses_other_shapes(stages):
    with pytest.raises(ValueError, match=r"\(C, H, W\) or \(N,\)"):
        plots.network_stages(stages)


def test_connection_table_marks_every_connection():
    table = torch.tensor([[True, False, True], [False, True, False]])
    figure = plots.connection_table(table)
    assert_good_figure(
        figure, "map of C3", "map of S2", "×", "0", "1", "2", alt=["3 of 6 connections"]
    )
    (axes,) = figure.axes
    assert sorted(text.get_position() for text in axes.texts) == [(0, 0), (0, 2), (1, 1)]
    assert axes.images[0].get_array().tolist() == table.T.tolist()


def test_curves_by_step_draws_and_describes_every_curve_and_level():
    figure = plots.curves_by_step(CURVES, levels={"ln 10": 2.303}, log=True)
    labels = ["training step (batch)", "loss of the batch (nats)", "good", "bad", "ln 10"]
    described = ["good from 2.3 to 0.5", "bad from 2.3 to 400", "ln 10 is marked"]
    assert_good_figure(figure, *labels, alt=described)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["good", "bad"]
    good, bad, level = axes.lines
    assert list(good.get_xdata()) == [1, 2, 3]
    assert good.get_ydata().tolist() == pytest.approx([2.3, 1.0, 0.5])
    assert np.isfinite(bad.get_ydata()).tolist() == [True, True, False, True, True]
    assert list(level.get_ydata()) == [2.303] * 2


def test_curves_by_step_may_have_other_labels_and_a_plain_axis():
    figure = plots.curves_by_step({"a": [1, 2, 4]}, ylabel="learning rate", xlabel="epoch")
    assert_good_figure(figure, "learning rate", "epoch", "a", alt=["learning rate against the ep"])
    (axes,) = figure.axes
    assert axes.get_yscale() == "linear"
    assert points(axes) == {"a": [(1, 1), (2, 2), (3, 4)]}
    assert written(axes) == []


def test_curves_by_step_may_have_a_title():
    figure = plots.curves_by_step({"a": [1, 2, 4]}, title="SGD, 3 steps")
    assert_good_figure(figure, "SGD, 3 steps", alt=["SGD, 3 steps. loss of the batch"])


def test_curves_by_step_has_the_same_size_whatever_the_numbers():
    small, large = (plots.curves_by_step({"a": [1.0, x]}) for x in (2.0, 1e6))
    assert (small.get_size_inches() == large.get_size_inches()).all()
