"""A network away from its data: accuracy on worse pictures, and telling strange ones apart."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.ticker import FuncFormatter
from torch import Tensor

from ..inspection.distribution import area_under_roc, roc_curve
from ..runtime import Runs
from .runs import as_percent, draw_arm, thick_and_thin
from .style import Figure, new_figure, series

Curves = Mapping[str, Mapping[float, float]]  # name -> {severity: accuracy}


def corruption_curves(
    live: Mapping[str, Curves], runs: Mapping[str, Runs], *, title: str, unit: Mapping[str, str]
) -> Figure:
    """Accuracy against severity, a panel for each corruption, a line for each classifier.

    A thick line is this run's, a thin one a stored run's. A classifier that only the stored runs
    have gets a thick line for their mean, and its name says so.

    Lecture 15.

    Args:
        live: corruption -> classifier -> {severity: accuracy from 0 to 1} in this run.
        runs: corruption -> the stored runs, with the classifiers as arms and the severity as x.
        title: what was trained, with its budget.
        unit: corruption -> what its severity is, the label of the axis.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.corruption_curves(
        ...     {"noise": {"LeNet": {0: 0.8, 0.2: 0.4}}}, {}, title="300 steps", unit={"noise": "σ"}
        ... )
        >>> print(figure.alt_text)
        300 steps. noise: LeNet from 80% to 40%.
    """
    figure, panels = new_figure(1, len(live), width=9.4, height=3.4, sharey=True, squeeze=False)
    said = []
    for axes, (corruption, curves) in zip(panels[0], live.items(), strict=True):
        stored = runs.get(corruption, Runs())
        ends = []
        for index, name in enumerate(dict.fromkeys([*curves, *stored.arms])):
            ends.append(f"{name} {_ends(draw_arm(axes, curves, stored, name, index))}")
        axes.set(title=corruption, xlabel=unit[corruption])
        axes.grid(color="0.9")
        said.append(f"{corruption}: {', '.join(ends)}.")
    panels[0, 0].set_ylabel("accuracy")
    panels[0, 0].yaxis.set_major_formatter(FuncFormatter(as_percent))
    counts = [len(one) for one in runs.values()]
    behind = thick_and_thin("yours", counts[0] if any(counts) else 0)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(f"{title} ({behind})" if behind else title, fontsize=11)
    return figure.described(f"{title}. {' '.join(said)}")


def _ends(curve: Mapping[float, float]) -> str:
    values = list(curve.values())
    return f"from {values[0]:.0%} to {values[-1]:.0%}"


def roc_curves(scores: Mapping[str, tuple[Tensor, Tensor]], title: str = "") -> Figure:
    """Pictures from inside that are taken, against those from outside, for every threshold.

    Lecture 15.

    Args:
        scores: name -> scores of pictures from inside (N,) and from outside (M,).
        title: what is told apart.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.roc_curves({"energy": (torch.tensor([0.9, 0.4]), torch.tensor([0.1]))})
        >>> print(figure.alt_text)
        ROC curves. energy: area 1.00.
    """
    figure, axes = new_figure(width=5.6, height=4.2)
    said = []
    axes.plot([0, 1], [0, 1], lw=1, color="0.6", label="guessing: area 0.50")
    for index, (name, (inside, outside)) in enumerate(scores.items()):
        area = f"area {area_under_roc(inside, outside):.2f}"
        look = series(index) | {"marker": ""}
        axes.plot(*roc_curve(inside, outside), label=f"{name}: {area}", **look)
        said.append(f"{name}: {area}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(as_percent))
    axes.set(xlabel="strange pictures that are taken", ylabel="own pictures that are taken")
    axes.set_title(title)
    axes.grid(color="0.9")
    axes.legend(loc="lower right")
    named = f"ROC curves{': ' + title if title else ''}"
    return figure.described(f"{named}. {'; '.join(said)}.")
