"""Figures of lecture 06: how a deep network is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ..runtime import Runs
from .runs import as_percent, draw_stored, thick_and_thin, trained
from .style import Figure, new_figure, series


def accuracy_by_rate(
    live: Mapping[str, Mapping[float, float]], runs: Runs, arms: Sequence[str], title: str
) -> Figure:
    """Accuracy against the learning rate: means of stored runs as lines, the reader's run as marks.

    A panel for each budget of the stored runs; the reader's run has the budget 1. Each stored run
    is a thin line.

    Lecture 06.

    Args:
        live: arm -> {learning rate: accuracy from 0 to 1} of this run.
        runs: the stored ones, by arm, with the learning rate as x; none if there are none yet.
        arms: which of them are drawn, in order.
        title: what is compared, with its budget.

    Example:
        >>> figure = accuracy_by_rate({"ReLU": {0.1: 0.5}}, Runs(), ["ReLU"], "ReLU, 150 steps")
        >>> print(figure.alt_text)
        ReLU, 150 steps. Accuracy against the learning rate. ReLU: yours 50.0% at 0.1.
    """
    budgets = runs.budgets or [1.0]
    figure, panels = new_figure(
        1, len(budgets), width=9, height=3.7, sharey=True, sharex=True, squeeze=False
    )
    said = []
    for axes, budget in zip(panels[0], budgets, strict=True):
        here = runs.at(budget)
        for index, arm in enumerate(arms):
            best = _draw_by_rate(axes, here, arm, index)
            if best:
                said.append(f"{arm}, budget {budget:g}: best at {best[0]:g}, {best[1]:.1%}.")
            if budget == 1 and arm in live:
                look = series(index) | {"ls": "", "marker": "D", "label": None}
                rates, values = list(live[arm]), list(live[arm].values())
                axes.plot(rates, values, ms=9, markeredgecolor="black", **look)
                said += [f"{arm}: yours {live[arm][rate]:.1%} at {rate:g}." for rate in rates]
        axes.set_xscale("log")
        title_of_panel = trained(budget) if len(budgets) > 1 else ""
        axes.set(xlabel="learning rate (log scale)", title=title_of_panel)
        axes.yaxis.set_major_formatter(FuncFormatter(as_percent))
        axes.grid(color="0.9")
    places = [row.x for row in runs.rows] + [rate for arm in live.values() for rate in arm]
    rates = sorted(set(map(float, places)))
    panels[0][0].set_xticks(rates, [f"{rate:g}" for rate in rates])
    panels[0][0].set_xticks([], minor=True)
    panels[0][0].set_ylabel("validation accuracy")
    panels[0][0].plot([], [], "D", color="white", markeredgecolor="black", ms=9, label="yours")
    handles, labels = panels[0][0].get_legend_handles_labels()
    behind = thick_and_thin("means", runs.counts if len(runs) else 0)
    figure.legend(
        handles,
        labels,
        title=behind,
        title_fontsize=9,
        loc="outside lower center",
        ncols=len(labels),
    )
    figure.suptitle(title, fontsize=11)
    return figure.described(f"{title}. Accuracy against the learning rate. {' '.join(said)}")


def _draw_by_rate(axes: Axes, runs: Runs, arm: str, index: int) -> tuple[float, float] | None:
    """Draw one arm of one budget; return its best rate, and its mean accuracy there."""
    look = series(index)
    means = draw_stored(axes, runs, arm, look["color"])
    axes.plot(list(means), list(means.values()), ms=5, label=arm, **look)
    if not means:
        return None
    best = max(means, key=lambda rate: means[rate])
    return best, means[best]
