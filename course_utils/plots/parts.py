"""Parts that figures of several modules share."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from ..inspection import wilson_interval

Point = tuple[float, float]


def draw_box(
    axes: Axes,
    middle: Point,
    text: str,
    *,
    width: float,
    height: float,
    pad: float = 0.04,
    fontsize: float = 9,
    **style: Any,
) -> None:
    """Draw a box with round corners, ``pad`` larger on each side, and a text in it."""
    x, y = middle
    style = {"boxstyle": f"round,pad={pad}", "edgecolor": "black", **style}
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, **style))
    axes.text(x, y, text, ha="center", va="center", fontsize=fontsize)


def draw_arrow(axes: Axes, start: Point, end: Point, **style: Any) -> None:
    """Draw an arrow from one place to another, without a gap at its ends."""
    plain = dict(arrowstyle="-|>", color="black", shrinkA=0, shrinkB=0)
    axes.annotate("", end, start, arrowprops={**plain, **style})


def cells(grid: Tensor) -> list[tuple[tuple[int, int], float]]:
    """Return ((row, column), value) of each cell of a tensor (H, W), row by row."""
    rows = grid.detach().cpu().tolist()
    return [((r, c), value) for r, row in enumerate(rows) for c, value in enumerate(row)]


def interval_ends(correct: int, total: int) -> list[list[float]]:
    """Return how far the 95 % interval reaches below and above the share, for ``errorbar``."""
    low, high = wilson_interval(correct, total)
    share = correct / total
    return [[share - low], [high - share]]
