"""Stored figures take fewer bytes and look the same."""

import base64
import io

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from course_utils.data import photograph
from course_utils.lectures.figures import shrink_figures, small_png
from course_utils.plots.style import new_figure


def chart() -> bytes:
    """A figure of lines and words, as notebooks show them."""
    figure, axes = new_figure()
    for slope in range(5):
        axes.plot([0, 1, 2], [0, slope, 1], label=f"line {slope}")
    axes.legend()
    return figure.png()


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


def flower() -> Image.Image:
    return Image.fromarray(photograph("flower").permute(1, 2, 0).numpy()).crop((0, 0, 200, 200))


def confetti() -> Image.Image:
    """As few colours as a chart may have, but too far apart for a palette."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))


def test_a_chart_takes_less_than_half_the_bytes_and_looks_the_same():
    png = chart()
    small = small_png(png)
    assert len(small) < len(png) / 2
    changed = np.abs(pixels(small) - pixels(png)).max(axis=2)
    assert np.quantile(changed, 0.999) <= 16
    assert changed.mean() < 0.5


@pytest.mark.parametrize("image", [flower(), confetti()], ids=["photograph", "confetti"])
def test_a_picture_of_many_colours_takes_a_fifth_less_and_no_shade_changes_by_more_than_one(image):
    png = as_png(image.convert("RGBA"))
    small = small_png(png)
    assert len(small) < 0.8 * len(png)
    assert np.abs(pixels(small) - pixels(png)).max() == 1
    ends = (pixels(png) == 0) | (pixels(png) == 255)
    assert np.array_equal(pixels(small)[ends], pixels(png)[ends])


def test_what_is_small_already_stays_byte_for_byte():
    for png in (chart(), as_png(flower())):
        small = small_png(png)
        assert small_png(small) == small


def test_transparent_pixels_stay():
    seen_through = flower().convert("RGBA")
    seen_through.putalpha(120)
    assert small_png(as_png(seen_through)) == as_png(seen_through)


def test_all_figures_of_a_notebook_and_nothing_else():
    png = chart()
    figure = new_output(
        "display_data",
        {"image/png": base64.b64encode(png).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": "Five lines."}},
    )
    text = new_output("stream", text="42\n")
    notebook = new_notebook(cells=[new_code_cell("plot()", outputs=[text, figure])])
    shrunk = shrink_figures(notebook).cells[0].outputs
    assert base64.b64decode(shrunk[1].data["image/png"]) == small_png(png)
    assert shrunk[0] == text
    assert shrunk[1].data["text/plain"] == "<Figure>"
    assert shrunk[1].metadata["image/png"]["alt"] == "Five lines."
