"""How every figure of the course looks, and how it shows itself in a notebook.

Figures are made without ``pyplot``: nothing is kept in a global list, and a figure is shown once,
as the last expression of a cell, with a description for readers who cannot see it.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler

# Okabe and Ito's palette: told apart by readers with any common colour blindness. Black last.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
LINES = [
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1)),
    (0, (1, 1)),
    "-",
]
HATCHES = ["", "///", "...", "xx", "\\\\\\", "++", "oo", "--"]

CSS_PIXELS_PER_INCH = 96
PNG_PIXELS_PER_INCH = 120  # sharper than the page on high-resolution screens, small to store

matplotlib.rcParams.update(
    {
        "axes.grid": False,
        "axes.prop_cycle": cycler(color=COLORS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 11,
        "axes.labelsize": 10,
        "figure.facecolor": "white",
        "font.size": 10,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
        "legend.fontsize": 9,
        "legend.frameon": False,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
    }
)


def series(index: int) -> dict[str, Any]:
    """The look of a line among others, told apart not by its colour alone."""
    return dict(color=COLORS[index % 8], marker=MARKERS[index % 8], ls=LINES[index % 8])


def bar_style(index: int) -> dict[str, Any]:
    """The look of bars among others, told apart not by their colour alone."""
    return dict(color=COLORS[index % 8], hatch=HATCHES[index % 8], edgecolor="white")


class Figure(MatplotlibFigure):
    """A matplotlib figure that shows itself in a notebook, with its description as alt text."""

    alt_text = ""

    def described(self, alt_text: str) -> Figure:
        """Set the description that replaces the figure for those who cannot see it."""
        self.alt_text = " ".join(alt_text.split())
        return self

    def png(self) -> bytes:
        """Return the figure as PNG bytes."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=PNG_PIXELS_PER_INCH)
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict, dict]:
        if not self.alt_text:
            warnings.warn("This figure has no description: end with described().", stacklevel=2)
        width, height = self.get_size_inches() * CSS_PIXELS_PER_INCH
        shown = {"width": round(width), "height": round(height), "alt": self.alt_text}
        return {"image/png": self.png(), "text/plain": repr(self)}, {"image/png": shown}


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = 8,
    height: float = 3,
    gap: float | None = None,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """A figure that shows itself and its axes, as ``plt.subplots`` returns them.

    Args:
        rows: panels one below the other.
        columns: panels side by side.
        width: of the figure, in inches.
        height: of the figure, in inches.
        gap: on the left and right of a panel, in inches; matplotlib's if None.
        **subplots: keyword arguments of ``Figure.subplots``, for example ``sharey=True``.

    Returns:
        The figure, and an Axes or an array of Axes.
    """
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=gap))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **subplots)
