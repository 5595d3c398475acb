import pytest
import torch
from figures import assert_good_figure

from course_utils import plots

MATRIX = torch.tensor([[1.0, -0.75], [-0.75, 1.0]])


def test_correlations_say_the_largest_between_two_numbers():
    figure = plots.correlations({"before": MATRIX, "after": torch.eye(2)}, title="Pixels")
    largest = "between two different numbers at most"
    described = ["Pixels", f"before: {largest} 0.75", f"after: {largest} 0.00"]
    texts = ["before", "after", *["index"] * 4, "correlation", "Pixels"]
    assert_good_figure(figure, *texts, alt=described)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["before", "after"]


@pytest.mark.parametrize("panel", [0, 1])
def test_matrices_are_drawn_on_one_scale(panel):
    figure = plots.correlations({"before": MATRIX, "after": torch.eye(2)})
    (image,) = figure.axes[panel].images
    assert image.get_array().tolist() == [MATRIX, torch.eye(2)][panel].tolist()
    assert image.get_clim() == (-1, 1)


def test_one_matrix_is_enough():
    assert_good_figure(plots.correlations({"alone": torch.eye(3)}), "alone", "index")
