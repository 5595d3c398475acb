"""The figures of lecture 01: labelled, described with their numbers, and not blank."""

import io
import re

import pytest
import torch
from PIL import Image

from course_utils import plots

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (12, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8)
FIGURES = {
    "image_as_vector": (lambda: plots.image_as_vector(IMAGES[0], row=3), "8×8"),
    "image_differences": (
        lambda: plots.image_differences(IMAGES[0], {"a bag": IMAGES[1]}, ["L1 48,568"]),
        "a bag: L1 48,568",
    ),
    "neighbor_rows": (
        lambda: plots.neighbor_rows(
            IMAGES[:2],
            ["coat", "bag"],
            IMAGES[:6].reshape(2, 3, 1, 8, 8),
            [["coat", "shirt", "coat"], ["bag", "bag", "bag"]],
            ["coat", "bag"],
        ),
        r"coat \(coat, shirt, coat\)",
    ),
    "accuracy_by_k": (
        lambda: plots.accuracy_by_k({"validation": {1: 0.5, 5: 0.75}}, best=5),
        "50.0% at k = 1, 75.0% at k = 5; chosen k = 5",
    ),
    "seconds_by_size": (
        lambda: plots.seconds_by_size({1000: 0.1, 8000: 0.9}, queries=200),
        "0.9 s with 8,000",
    ),
    "weight_images": (
        lambda: plots.weight_images(torch.linspace(-2, 1, 128).reshape(2, 1, 8, 8), ["a", "b"]),
        "between -2 and 2",
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_described_and_not_blank(name):
    make, words = FIGURES[name]
    figure = make()
    assert re.search(words, figure.alt_text), figure.alt_text
    picture = Image.open(io.BytesIO(figure.png())).convert("L")
    assert len(picture.getcolors(256)) > 10


@pytest.mark.parametrize("name", ["accuracy_by_k", "seconds_by_size"])
def test_curves_have_labelled_axes(name):
    (axes,) = FIGURES[name][0]().axes
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_the_own_class_is_marked_without_colour():
    figure = FIGURES["neighbor_rows"][0]()
    own, other = (figure.axes[i].spines["left"].get_linewidth() for i in (1, 2))
    assert own > other
