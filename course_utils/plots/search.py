"""Figures of lecture 10: a search for good settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .parts import cells
from .style import COLORS, Figure, new_figure, series


def best_by_trial(curves: Mapping[str, Sequence[float]], title: str = "") -> Figure:
    """The best value up to each trial, a line for each search.

    Lecture 10.

    Args:
        curves: name -> the best accuracy after each trial.
        title: above the lines.

    Example:
        >>> from course_utils import plots
        >>> print(plots.best_by_trial({"random": [0.3, 0.3, 0.35]}).alt_text)
        Best accuracy so far. random: 35.0% after 3 trials.
    """
    figure, axes = new_figure(width=7.6, height=3.2)
    said = []
    for index, (name, values) in enumerate(curves.items()):
        trials = range(1, len(values) + 1)
        axes.plot(trials, values, label=name, drawstyle="steps-post", **series(index))
        said.append(f"{name}: {values[-1]:.1%} after {len(values)} trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="trials with a result", ylabel="best validation accuracy", title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure.described(f"Best accuracy so far. {'; '.join(said)}.")


def importances(shares: Mapping[str, float], title: str = "") -> Figure:
    """How much each setting matters, the most important one on top.

    Lecture 10.

    Args:
        shares: name -> share of the importance; they add up to 1.
        title: above the bars.

    Example:
        >>> from course_utils import plots
        >>> print(plots.importances({"batch size": 0.2, "learning rate": 0.8}).alt_text)
        Importance of the settings: learning rate 80%, batch size 20%.
    """
    figure, axes = new_figure(width=7.0, height=1.0 + 0.4 * len(shares))
    names = sorted(shares, key=lambda name: shares[name])
    bars = axes.barh(names, [shares[name] for name in names], color=COLORS[0])
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=4)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="share of the importance", xlim=(0, 1.1), title=title)
    said = ", ".join(f"{name} {shares[name]:.0%}" for name in reversed(names))
    return figure.described(f"Importance of the settings: {said}.")


def setting_grid(
    values: Mapping[tuple[int, int], float], row_name: str, column_name: str, title: str = ""
) -> Figure:
    """The contour of a search over two settings with few values.

    A cell without a value was not tried.

    Lecture 10.

    Args:
        values: (row, column) -> the best accuracy with these two settings.
        row_name: the setting of the rows.
        column_name: the setting of the columns.
        title: above the grid.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.setting_grid({(8, 2): 0.3, (16, 4): 0.5}, "channels", "stride")
        >>> print(figure.alt_text)
        Best accuracy by channels and stride; 2 of 4 tried. Best: 50.0% at channels 16, stride 4.
    """
    rows, columns = (sorted({key[axis] for key in values}) for axis in (0, 1))
    grid = torch.full((len(rows), len(columns)), torch.nan)
    for (row, column), value in values.items():
        grid[rows.index(row), columns.index(column)] = value
    figure, axes = new_figure(width=5.6, height=1.4 + 0.55 * len(rows))
    shown = axes.imshow(grid.numpy(), cmap="Blues", aspect="auto")
    figure.colorbar(shown, ax=axes, format=PercentFormatter(1, decimals=0), label="accuracy")
    middle = (min(values.values()) + max(values.values())) / 2
    for (row, column), value in cells(grid):
        text = "not tried" if math.isnan(value) else f"{value:.1%}"
        color = "white" if value > middle else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=column_name, ylabel=row_name, title=title)
    best = max(values, key=lambda key: values[key])
    return figure.described(
        f"Best accuracy by {row_name} and {column_name}; {len(values)} of {grid.numel()} tried. "
        f"Best: {values[best]:.1%} at {row_name} {best[0]}, {column_name} {best[1]}."
    )
