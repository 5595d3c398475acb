"""How figures show themselves, and the grid of images."""

import io

import pytest
import torch
from figures import assert_good_figure, values
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from course_utils.plots import image_grid, new_figure, to_picture


def test_a_figure_shows_itself_once_with_its_description():
    figure, axes = new_figure(width=4, height=2)
    axes.plot([1, 2])
    data, metadata = DisplayFormatter().format(figure.described("A line\n  from 1 to 2."))
    assert data["text/plain"] == "<Figure size 400x200 with 1 Axes>"
    assert metadata["image/png"] == {"alt": "A line from 1 to 2.", "width": 384, "height": 192}
    assert Image.open(io.BytesIO(data["image/png"])).size == (480, 240)


def test_a_figure_without_description_is_noticed():
    figure, _ = new_figure()
    with pytest.warns(UserWarning, match="no description"):
        figure._repr_mimebundle_()


def test_to_picture():
    grey = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    assert to_picture(grey).tolist() == [[0.0, 1.0]]
    colour = torch.tensor([2.0, 0.5, -1.0]).reshape(3, 1, 1)
    assert to_picture(colour).tolist() == [[[1.0, 0.5, 0.0]]]
    with pytest.raises(ValueError, match="uint8 or float"):
        to_picture(torch.zeros(1, 2, 2, dtype=torch.int64))


def test_image_grid():
    images = torch.arange(5 * 3 * 16).reshape(5, 3, 4, 4).to(torch.uint8)
    alt = "Five squares that go from black to grey."
    figure = image_grid(images, ["a", "b", "c", "d", "e"], columns=3, alt=alt)
    assert_good_figure(figure, *"abcde", alt=[alt])
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "d", "e", ""]
    for axes, image in zip(figure.axes[:5], images, strict=True):
        assert values(axes) == pytest.approx(to_picture(image))
    assert not figure.axes[5].images
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        image_grid(images[0], alt="no grid")
