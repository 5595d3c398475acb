"""The figures of lecture 15 show each panel and line, and the stored runs behind them."""

import pytest
import torch
from figures import points

from course_utils import plots
from course_utils.runtime import Runs
from course_utils.runtime.trials import Measured

LIVE = {
    "noise": {"LeNet-5": {0: 0.8, 0.2: 0.4}, "5-NN": {0: 0.5, 0.2: 0.5}},
    "blur": {"LeNet-5": {0: 0.8, 2: 0.3}, "5-NN": {0: 0.5, 2: 0.4}},
}
UNITS = {"noise": "σ", "blur": "σ (pixels)"}


def test_corruption_curves_without_stored_runs():
    figure = plots.corruption_curves(LIVE, {}, title="300 steps", unit=UNITS)
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["noise", "blur"]
    assert [line.get_label() for line in second.lines] == ["LeNet-5", "5-NN"]
    assert second.get_xlabel() == "σ (pixels)"
    assert "blur: LeNet-5 from 80% to 30%, 5-NN from 50% to 40%." in figure.alt_text


def test_corruption_curves_with_stored_runs():
    rows = [
        Measured("15 noise", "LeNet-5", x, value + seed / 10, seed, 1.0)
        for seed in (0, 1)
        for x, value in LIVE["noise"]["LeNet-5"].items()
    ]
    figure = plots.corruption_curves(
        LIVE, {"noise": Runs(tuple(rows))}, title="300 steps", unit=UNITS
    )
    assert [len(axes.lines) for axes in figure.axes] == [2 + 2, 2]
    assert "thin: each of 2 stored runs" in figure.get_suptitle()


def test_a_classifier_of_the_stored_runs_alone_gets_its_mean():
    rows = [
        Measured("15 noise", "ViT", x, value, seed, 1.0)
        for seed, values in enumerate([(0.5, 0.3), (0.7, 0.1)])
        for x, value in zip((0, 0.2), values, strict=True)
    ]
    figure = plots.corruption_curves(
        LIVE, {"noise": Runs(tuple(rows))}, title="300 steps", unit=UNITS
    )
    found = points(figure.axes[0])
    assert list(found) == ["LeNet-5", "5-NN", "ViT (mean)"]
    assert found["ViT (mean)"] == [(0, pytest.approx(0.6)), (0.2, pytest.approx(0.2))]
    assert "ViT from 60% to 20%" in figure.alt_text


def test_roc_curves_name_their_areas():
    inside, outside = torch.tensor([0.9, 0.8, 0.3]), torch.tensor([0.1, 0.5])
    figure = plots.roc_curves({"one": (inside, outside), "other": (outside, inside)}, "digits")
    assert figure.alt_text == "ROC curves: digits. one: area 0.83; other: area 0.17."
    guessing, one, other = figure.axes[0].lines
    assert list(one.get_xdata())[-1] == list(one.get_ydata())[-1] == 1
    assert (other.get_ydata() <= one.get_ydata()[-1]).all()
