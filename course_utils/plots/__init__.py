"""Every figure of the course. A function takes numbers and returns a Figure that shows itself."""

from .images import draw_image, image_grid, to_picture
from .style import COLORS, LINES, MARKERS, Figure, new_figure

__all__ = [
    "COLORS",
    "LINES",
    "MARKERS",
    "Figure",
    "draw_image",
    "image_grid",
    "new_figure",
    "to_picture",
]
