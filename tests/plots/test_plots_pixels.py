"""The figures of lecture 01: labelled, described with their numbers, and not blank."""

import pytest
import torch
from figures import assert_good_figure, points, ticks

from course_utils import plots

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (12, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8)
WEIGHTS = torch.linspace(-2, 1, 128).reshape(2, 1, 8, 8)
FIGURES = {  # a figure, what must be written in it, and what its description must say
    "image_as_vector": (
        lambda: plots.image_as_vector(IMAGES[0], row=3),
        [
            *("8×8 pixels", "row 3: 8 numbers", "all rows: 64 numbers", "column (pixels)"),
            *("grey value (0 to 255)", "place in the vector"),
        ],
        ["8×8 pixels", "row 3", f"up to {IMAGES[0, 0, 3].max()}", "64 values"],
    ),
    "image_differences": (
        lambda: plots.image_differences(IMAGES[0], {"a bag": IMAGES[1]}, ["L1 48,568"]),
        ["the image", "a bag", "L1 48,568"],
        ["a bag: L1 48,568"],
    ),
    "neighbor_rows": (
        lambda: plots.neighbor_rows(
            IMAGES[:2],
            ["coat", "bag"],
            IMAGES[:6].reshape(2, 3, 1, 8, 8),
            [["coat", "shirt", "coat"], ["bag", "bag", "bag"]],
            ["shirt", "bag"],
        ),
        ["coat\npredicted: shirt", "bag\npredicted: bag", "coat", "shirt", "bag"],
        ["2 images with their 3 nearest", "coat (coat, shirt, coat)", "bag (bag, bag, bag)"],
    ),
    "accuracy_by_k": (
        lambda: plots.accuracy_by_k(
            {"validation": {5: 0.75, 1: 0.5}, "training": {1: 1.0, 5: 0.9}}, best=5
        ),
        [
            *("k (number of neighbours, logarithmic)", "accuracy", "validation", "training"),
            *("chosen: k = 5", "1", "5", "50%"),
        ],
        ["50.0% at k = 1, 75.0% at k = 5", "training: 100.0% at k = 1, 90.0%", "; chosen k = 5"],
    ),
    "cross_validation": (
        lambda: plots.cross_validation(
            {5: [0.8, 0.9, 0.85], 1: [0.7, 0.8, 0.75], 50: [0.6, 0.6, 0.66]},
            {1: (-0.1, 0.04), 50: (-0.23, 0.05), 5: (0.0, 0.0)},
            best=5,
            bars="two standard errors",
            title="3 folds",
        ),
        [
            *(
                "3 folds",
                "accuracy",
                "difference in accuracy (points)",
                "each fold, mean ± standard deviation",
            ),
            *("behind k = 5, ± two standard errors", *["k (number of neighbours)"] * 2),
            *["1", "5", "50"] * 2,
        ],
        ["k = 1: 75.0% ± 5.0%; k = 5: 85.0% ± 5.0%", "k = 1: -10.0 ± 4.0; k = 50: -23.0 ± 5.0"],
    ),
    "seconds_by_size": (
        lambda: plots.seconds_by_size({1000: 0.1, 8000: 0.9}, queries=2000),
        ["training images", "seconds for 2,000 predictions"],
        ["2,000 K-NN predictions: 0.1 s with 1,000", "0.9 s with 8,000"],
    ),
    "weight_images": (
        lambda: plots.weight_images(WEIGHTS, ["boot", "coat"]),
        ["boot", "coat", "weight"],
        ["as 2 images", "(boot, coat)", "between -2 and 2"],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def axes_of(name):
    return FIGURES[name][0]().axes


def test_the_same_numbers_are_drawn_three_times():
    left, middle, right = axes_of("image_as_vector")
    grey = IMAGES[0, 0]
    assert (left.images[0].get_array() * 255).round().tolist() == grey.tolist()
    assert middle.lines[0].get_ydata().tolist() == grey[3].tolist()
    assert right.lines[0].get_ydata().tolist() == grey.flatten().tolist()
    (row,), (part,) = left.patches, right.patches
    assert (row.get_y(), row.get_height()) == (2.5, 1)
    assert (part.get_x(), part.get_width()) == (24, 8)


def test_differences_stand_below_the_other_images():
    _, other, left, difference = axes_of("image_differences")
    assert (other.images[0].get_array() * 255).round().tolist() == IMAGES[1, 0].tolist()
    wanted = (IMAGES[0, 0].int() - IMAGES[1, 0].int()).abs()
    assert (difference.images[0].get_array() * 255).round().tolist() == wanted.tolist()
    assert not left.images


def test_neighbors_stand_in_their_rows():
    shown = [axes.images[0].get_array() * 255 for axes in axes_of("neighbor_rows")]
    wanted = [*IMAGES[[0]], *IMAGES[:3], *IMAGES[[1]], *IMAGES[3:6]]
    assert [one.round().tolist() for one in shown] == [image[0].tolist() for image in wanted]


def test_the_own_class_is_marked_without_colour():
    own, other = (axes_of("neighbor_rows")[i].spines["left"] for i in (1, 2))
    assert own.get_linewidth() > other.get_linewidth()
    assert own.get_linestyle() != other.get_linestyle()


def test_accuracies_stand_over_their_k():
    (axes,) = axes_of("accuracy_by_k")
    lines = points(axes)
    assert lines["validation"] == [(1, 0.5), (5, 0.75)]
    assert lines["training"] == [(1, 1.0), (5, 0.9)]
    assert [x for x, _ in lines["chosen: k = 5"]] == [5, 5]
    assert ticks(axes.xaxis) == {1: "1", 5: "5"}
    assert axes.get_xscale() == "log"


def test_folds_are_dots_and_the_best_k_stands_at_zero():
    left, right = axes_of("cross_validation")
    folds = [line.get_ydata().tolist() for line in left.lines if line.get_marker() == "o"]
    assert folds == [[0.7, 0.8, 0.75], [0.8, 0.9, 0.85], [0.6, 0.6, 0.66]]
    (best,) = [line for line in right.lines if line.get_marker() == "D"]
    assert best.get_xydata().tolist() == [[1, 0]]
    (others,) = [line for line in right.lines if line.get_marker() == "s"]
    assert others.get_xydata().round(9).tolist() == [[0, -10], [2, -23]]


def test_without_a_chosen_k_none_is_marked():
    (axes,) = plots.accuracy_by_k({"validation": {1: 0.5, 5: 0.75}}).axes
    assert len(axes.lines) == 1


def test_seconds_start_at_zero():
    (axes,) = axes_of("seconds_by_size")
    assert axes.lines[0].get_xydata().tolist() == [[1000, 0.1], [8000, 0.9]]
    assert axes.get_xlim()[0] == axes.get_ylim()[0] == 0


def test_weights_of_all_classes_share_a_scale_with_white_in_the_middle():
    boot, coat, *empty, _ = axes_of("weight_images")
    assert boot.images[0].get_clim() == coat.images[0].get_clim() == (-2, 2)
    assert coat.images[0].get_array().tolist() == WEIGHTS[1, 0].tolist()
    assert not any(axes.axison for axes in empty)
