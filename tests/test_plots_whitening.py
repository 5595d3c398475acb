import torch

from course_utils import plots


def test_correlations_say_the_largest_between_two_numbers():
    matrix = torch.tensor([[1.0, -0.75], [-0.75, 1.0]])
    figure = plots.correlations({"before": matrix, "after": torch.eye(2)}, title="Pixels")
    assert "before: between two different numbers at most 0.75" in figure.alt_text
    assert "after: between two different numbers at most 0.00" in figure.alt_text
    assert [axes.get_title() for axes in figure.axes[:2]] == ["before", "after"]
    assert {image.get_clim() for axes in figure.axes[:2] for image in axes.images} == {(-1, 1)}


def test_one_matrix_is_enough():
    assert plots.correlations({"alone": torch.eye(3)}).png()
