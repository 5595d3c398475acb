"""The figures of lectures 05 and 06: labelled, described with numbers, not blank."""

import numpy as np
import pytest
import torch
from figures import assert_good_figure, points, ticks, written

from course_utils import plots
from course_utils.inspection import wilson_interval

TWO = {"small": [4, "M", 8, "M"], "large": [4, 4, "M", 8, 8, 8, "M"]}
BUDGETS = {
    "A": {"features": 10**7, "linear": 3 * 10**7},
    "B": {"features": 10**7, "linear": 10**7},
}
PIXELS = 3 + torch.arange(64.0).view(2, 2, 4, 4)
IMAGE = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
MAPS = {"pool 1": torch.rand(12, 4, 4), "pool 2": torch.rand(3, 2, 2)}
RESULTS = {"K-NN": (84, 200, 5e7), "LeNet": (140, 200, 1e6)}
FIGURES = {  # a figure, what must be written in it, and what its description must say
    "weights_for_view": (
        lambda: plots.weights_for_view([3, 5], {"one": [900, 2500], "stack": [900, 1800]}),
        [
            *("pixels seen (a square with this side)", "weights", "one", "stack"),
            *("3×3", "5×5", "2,500"),
        ],
        ["3 to 5 pixels", "one from 900 to 2,500", "stack from 900 to 1,800"],
    ),
    "configurations": (
        lambda: plots.configurations(TWO, classifier=(16, 10)),
        [
            *("small", "large", "conv 3×3, 4", "conv 3×3, 8", "max pool 2×2"),
            *("linear, 16", "linear, 10", "2 + 2 = 4", "5 + 2 = 7"),
        ],
        ["small: 1-1 convolutions", "large: 2-3 convolutions", "linear layers of 16, 10"],
    ),
    "parameter_budget": (
        lambda: plots.parameter_budget(BUDGETS, "Budget"),
        [
            *("parameters (millions)", "Budget", "A", "B", "features", "linear"),
            *("40.0 M", "20.0 M", "25%", "75%", "50%", "20"),
        ],
        ["A 40,000,000: features 25%, linear 75%", "B 20,000,000"],
    ),
    "channel_distributions": (
        lambda: plots.channel_distributions({"before": PIXELS, "after": PIXELS / 10}, [0, 1]),
        ["value", "share of the values", "before", "after", "channel 0", "channel 1"],
        [
            "before, channel 0: mean 26.50, standard deviation 16.92",
            "after, channel 1: mean 4.25, standard deviation 1.69",
        ],
    ),
    "stage_maps": (
        lambda: plots.stage_maps(IMAGE, MAPS),
        ["image, 4×4", "image, 2×2", "pool 1: 12×4×4", "pool 2: 3×2×2"],
        ["8 strongest", "pool 1 12×4×4", "pool 2 3×2×2"],
    ),
    "accuracy_against_cost": (
        lambda: plots.accuracy_against_cost(RESULTS, cost="FLOPs", title="Data"),
        ["FLOPs (log scale)", "accuracy", "Data", "K-NN\n42.0%", "LeNet\n70.0%", "50%"],
        ["K-NN 42.0% at 50,000,000", "LeNet 70.0% at 1,000,000"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def axes_of(name):
    return FIGURES[name][0]().axes


def test_weights_stand_over_their_fields():
    (axes,) = axes_of("weights_for_view")
    assert points(axes) == {"one": [(3, 900), (5, 2500)], "stack": [(3, 900), (5, 1800)]}
    assert ticks(axes.xaxis) == {3: "3×3", 5: "5×5"}
    assert axes.get_ylim()[0] == 0


def test_pools_stand_at_the_same_height_in_every_column():
    (axes,) = axes_of("configurations")
    heights = {0: [], 1: []}
    for text in axes.texts:
        if text.get_text() == "max pool 2×2":
            heights[text.get_position()[0]].append(text.get_position()[1])
    assert heights[0] == heights[1]
    assert written(axes).count("conv 3×3, 8") == 1 + 3
    assert len(axes.patches) == (2 + 2 + 2) + (5 + 2 + 2)


def test_parts_of_a_budget_stand_one_after_the_other():
    (axes,) = axes_of("parameter_budget")
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert bars == [(0, 1e7), (1e7, 3e7), (0, 1e7), (1e7, 1e7)]
    assert written(axes) == ["25%", "75%", "40.0 M", "50%", "50%", "20.0 M"]
    assert ticks(axes.yaxis) == {0: "A", 1: "B"}
    hatches = [bar.get_hatch() for bar in axes.patches]
    assert hatches[0] != hatches[1]


def test_a_part_too_small_for_its_share_has_none():
    (axes,) = plots.parameter_budget({"A": {"features": 10**5, "linear": 10**7}}).axes
    assert written(axes) == ["99%", "10.1 M"]


def test_shares_of_a_distribution_add_up_to_one():
    before, _ = axes_of("channel_distributions")
    for line in points(before).values():
        assert sum(share for _, share in line) == pytest.approx(1)
    values = [value for value, share in points(before)["channel 0"] if share]
    assert min(values) == pytest.approx(3, abs=1)
    assert max(values) == pytest.approx(50, abs=1)


def test_the_strongest_maps_come_first():
    maps = torch.stack([torch.full((2, 2), float(level)) for level in (1, 3, 2)])
    image, first, second, *_ = plots.stage_maps(IMAGE, {"pool": maps}).axes
    assert first.images[0].get_array().max() == 3
    assert second.images[0].get_array().max() == 2
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 3)
    small = IMAGE[:, :4, :4].float().mean((1, 2)) / 255
    assert image.images[0].get_array()[0, 0].tolist() == pytest.approx(small.tolist())


def test_accuracies_have_their_interval():
    (axes,) = axes_of("accuracy_against_cost")
    for bars, text, (correct, total, cost) in zip(
        axes.collections, axes.texts, RESULTS.values(), strict=True
    ):
        low, high = wilson_interval(correct, total)
        (bar,) = bars.get_segments()
        assert bar == pytest.approx(np.array([[cost, low], [cost, high]]))
        assert text.xy == (cost, correct / total)
    assert axes.get_xscale() == "log"
