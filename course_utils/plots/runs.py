"""Figures that show one run, the reader's own, in front of many stored ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from statistics import mean, stdev
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..runtime import Runs
from .style import COLORS, Figure, new_figure, series

THIN: dict[str, Any] = dict(lw=0.9, zorder=1.5)
YOURS: dict[str, Any] = dict(marker="D", color=COLORS[1], ms=9, zorder=3)
STORED: dict[str, Any] = dict(marker="o", color=COLORS[0], ms=4)
SPREAD: dict[str, Any] = dict(color=COLORS[0], alpha=0.25)


def as_percent(share: float, _: int | None = None) -> str:
    """Write a share as a label of an axis: 62.5 %."""
    return f"{100 * share:g} %"


def compared_arms(
    live: Mapping[str, float], runs: Runs, *, value: str, title: str, percent: bool = True
) -> Figure:
    """Draw one number of each arm: the reader's run as a large mark, stored runs as dots.

    One panel for each budget of the stored runs; the reader's run has the budget 1. The bar
    behind the dots reaches one standard deviation to both sides of their mean.

    Lectures 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14 and 15.

    Args:
        live: the number of each arm in this run. Empty if the runs are too long to be made live.
        runs: the stored ones; none if there are none yet.
        value: what the number is, with its unit: the label of the axis.
        title: what is compared, with its budget: "Slim VGG-11, 4 epochs".
        percent: whether the numbers are shares, to be shown as percentages.

    Example:
        >>> figure = compared_arms({"A": 0.8}, Runs(), value="accuracy", title="A, 4 epochs")
        >>> print(figure.alt_text)
        A, 4 epochs. accuracy. A: yours 80.0%.
    """
    arms = list(dict.fromkeys([*live, *runs.arms]))
    budgets = runs.budgets or [1.0]
    height = 1.3 + 0.42 * len(arms)
    figure, panels = new_figure(
        1, len(budgets), width=8, height=height, sharey=True, sharex=True, squeeze=False
    )
    spoken = []
    for axes, budget in zip(panels[0], budgets, strict=True):
        here = runs.at(budget)
        for row, arm in enumerate(arms):
            is_live = budget == 1 and arm in live
            _draw_runs(axes, row, here.values(arm), is_live)
            if is_live:
                axes.plot(live[arm], row, **YOURS)
            spoken.append(_spoken(arm, budget, here.values(arm), live.get(arm), percent))
        times = "" if len(budgets) == 1 else trained(budget)
        axes.set(xlabel=value, title=times, ylim=(len(arms) - 0.5, -0.5))
        axes.set_yticks(range(len(arms)), arms)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if percent:
            axes.xaxis.set_major_formatter(FuncFormatter(as_percent))
        axes.grid(axis="x", color="0.9")
    _legend(figure, bool(live), runs.counts)
    figure.suptitle(title, fontsize=11)
    return figure.described(f"{title}. {value}. " + " ".join(filter(None, spoken)))


def _draw_runs(axes: Axes, row: int, values: list[float], beside: bool) -> None:
    """Dots of stored runs, a little lower where the reader's own mark stands on the line."""
    if not values:
        return
    place = row + 0.22 * beside
    axes.use_sticky_edges = False  # a bar does not touch the frame
    if len(values) > 1:
        half, middle = stdev(values), mean(values)
        axes.barh(place, 2 * half, left=middle - half, height=0.34, **SPREAD)
    axes.plot(values, [place] * len(values), ls="", **STORED)


def _legend(figure: Figure, live: bool, stored: str) -> None:
    handles: list[Artist] = [Line2D([], [], label="yours", ls="", **YOURS)] if live else []
    if stored:
        handles += [
            Line2D([], [], label=f"each of {stored} stored runs", ls="", **STORED),
            Patch(label="their mean ± one standard deviation", **SPREAD),
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)


def trained(budget: float) -> str:
    """Say how long stored runs were trained, beside the reader's."""
    return "as here" if budget == 1 else f"trained {budget:g} times as long"


def _spoken(arm: str, budget: float, values: list[float], live: float | None, percent: bool) -> str:
    number = "{:.1%}" if percent else "{:.3g}"
    parts = [f"yours {number.format(live)}"] if live is not None and budget == 1 else []
    if values:
        parts.append(f"mean of {len(values)} stored runs {number.format(mean(values))}")
    longer = "" if budget == 1 else f", {trained(budget)}"
    return f"{arm}{longer}: {', '.join(parts)}." if parts else ""


def draw_stored(axes: Axes, runs: Runs, arm: str, color: str) -> dict[Any, float]:
    """Draw each stored run of an arm as a thin line; return the arm's means, by place.

    A line for each run, not a band around all: bands of several arms cover one another, and hide
    that of five runs two failed and three did not.
    """
    places = sorted(runs.xs(arm), key=float)
    lines: dict[tuple[float, int], dict[Any, float]] = defaultdict(dict)
    for place in places:
        for run, value in runs.by_run(arm, place).items():
            lines[run][place] = value
    for line in lines.values():
        alone = "_" if len(line) == 1 else ""  # a line of one place has no length
        axes.plot([*line], [*line.values()], color=pale(color), marker=alone, **THIN)
    return {place: runs.mean(arm, place) for place in places}


def draw_arm(
    axes: Axes, live: Mapping[str, Mapping[float, float]], runs: Runs, arm: str, index: int
) -> Mapping[Any, float]:
    """Draw an arm's stored runs and a thick line before them; return the thick one, by place.

    It is the reader's run, or else the mean of the stored ones, and its name says so where the
    other arms' lines are the reader's.
    """
    look = series(index)
    means = draw_stored(axes, runs, arm, look["color"])
    line: Mapping[Any, float] = live.get(arm) or means
    label = arm if arm in live or not live else f"{arm} (mean)"
    axes.plot(list(line), list(line.values()), label=label, ms=5, **look)
    return line


def pale(color: str) -> tuple[float, ...]:
    """Mix a colour with as much white: transparent lines would mix with each other, too."""
    return tuple((1 + part) / 2 for part in to_rgb(color))


def compared_curves(
    live: Mapping[str, Mapping[float, float]],
    runs: Runs,
    *,
    x: str,
    value: str,
    title: str,
    log_x: bool = False,
    percent: bool = True,
) -> Figure:
    """Draw a curve of each arm: the reader's run as a thick line, each stored run as a thin one.

    An arm that only the stored runs have gets a thick line for their mean, and its name says so.

    Lectures 01, 03, 04, 05, 07, 08, 09, 10 and 14.

    Args:
        live: the numbers of each arm in this run, by place. Empty if they are too long to make.
        runs: the stored ones, of one budget; none if there are none yet.
        x: the label of the horizontal axis, with its unit.
        value: that of the vertical one.
        title: what is compared, with its budget.
        log_x: whether the horizontal axis is logarithmic.
        percent: whether the numbers are shares, to be shown as percentages.

    Raises:
        ValueError: the runs have several budgets, which do not belong into one figure.

    Example:
        >>> figure = compared_curves(
        ...     {"LeNet-5": {0: 0.86, 4: 0.19}}, Runs(), x="shift (pixels)", value="accuracy",
        ...     title="LeNet-5, 8 epochs")
        >>> print(figure.alt_text)
        LeNet-5, 8 epochs. LeNet-5: from 86.0% at 0 to 19.0% at 4.
    """
    if len(runs.budgets) > 1:
        raise ValueError("These runs have several budgets: choose those of one with .at(1).")
    figure, axes = new_figure(width=8, height=3.8)
    number = "{:.1%}" if percent else "{:.3g}"
    spoken = []
    for index, arm in enumerate(dict.fromkeys([*live, *runs.arms])):
        line = draw_arm(axes, live, runs, arm, index)
        (first, start), (last, end) = list(line.items())[0], list(line.items())[-1]
        ends = f"from {number.format(start)} at {first:g} to {number.format(end)} at {last:g}"
        spoken.append(f"{arm}: {ends}.")
    axes.set(xlabel=x, ylabel=value, title=title)
    ticks = sorted(map(float, {*chain(*live.values()), *chain(*map(runs.xs, runs.arms))}))
    if log_x:
        axes.set_xscale("log")
        axes.set_xticks(ticks, labels_with_room(ticks))
        axes.set_xticks([], minor=True)
    elif have_room(ticks):
        axes.set_xticks(ticks)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if percent:
        axes.yaxis.set_major_formatter(FuncFormatter(as_percent))
    axes.grid(color="0.9")
    behind = thick_and_thin("yours" if live else "means", len(runs))
    axes.legend(title=behind, title_fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure.described(f"{title}. " + " ".join(spoken))


def thick_and_thin(thick: str, stored: int | str) -> str | None:
    """Say what the two kinds of lines are; nothing where there are no stored runs.

    Example:
        >>> thick_and_thin("yours", 5)
        'thick lines: yours; thin: each of 5 stored runs'
    """
    return f"thick lines: {thick}; thin: each of {stored} stored runs" if stored else None


def have_room(ticks: Sequence[float]) -> bool:
    """Whether labels at these places of a linear axis stand apart: a tenth of it each.

    Example:
        >>> have_room([10, 20, 30, 60]), have_room([1, 2, 4, 8, 16, 32])
        (True, False)
    """
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    return not gaps or 10 * min(gaps) >= ticks[-1] - ticks[0]


def labels_with_room(ticks: Sequence[float]) -> list[str]:
    r"""Return a label for each place on a logarithmic axis, in a second row where two would touch.

    Example:
        >>> labels_with_room([0.001, 0.0015, 0.1])
        ['0.001', '\n0.0015', '0.1']
    """
    room = (ticks[-1] / ticks[0]) ** 0.1  # a label takes up to a tenth of the axis
    labels, last = [], 0.0
    for tick in ticks:
        fits = tick >= last * room
        labels.append(f"{tick:g}" if fits else f"\n{tick:g}")
        last = tick if fits else last
    return labels
