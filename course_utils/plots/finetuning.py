"""Figures of lecture 07: fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from .parts import cells, draw_arrow, draw_box
from .style import COLORS, Figure, new_figure, series


def shares_of_guesses(
    shares: Tensor, row_names: Sequence[str], column_names: Sequence[str], title: str = ""
) -> Figure:
    """What a network says to classes it does not know, as shares of each row.

    Lecture 07.

    Args:
        shares: float (rows, columns) in [0, 1].
        row_names: the true classes.
        column_names: the classes that the network knows.
        title: above the table.

    Raises:
        ValueError: the names do not fit the shares.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> shares = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
        >>> print(plots.shares_of_guesses(shares, ["coat", "bag"], ["shirt", "boot"]).alt_text)
        Most frequent answer for each class. coat: shirt 90%; bag: boot 80%.
    """
    shares = shares.cpu()
    if shares.shape != (len(row_names), len(column_names)):
        raise ValueError(f"{len(row_names)} x {len(column_names)} names do not fit {shares.shape}")
    figure, axes = new_figure(width=7.2, height=1.2 + 0.45 * len(row_names))
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in cells(shares):
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(column_names)), column_names)
    axes.set_yticks(range(len(row_names)), row_names)
    axes.set(xlabel="what the network says", ylabel="what it is", title=title)
    most = [
        f"{name}: {column_names[row.argmax()]} {row.max():.0%}"
        for name, row in zip(row_names, shares, strict=True)
    ]
    return figure.described(f"Most frequent answer for each class. {'; '.join(most)}.")


def accuracy_by_labels(
    results: Mapping[str, Mapping[int, Sequence[float]]], title: str = ""
) -> Figure:
    """Accuracy against the labels per class.

    The line is the mean over the seeds; the band goes from the worst to the best.

    Lecture 07.

    Args:
        results: name -> {labels per class: accuracies of the seeds}.
        title: above the lines.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.accuracy_by_labels({"frozen": {10: [0.3, 0.3], 50: [0.5, 0.7]}})
        >>> print(figure.alt_text)
        Accuracy against labels per class. frozen: 30% at 10, 60% at 50.
    """
    figure, axes = new_figure(width=7.6, height=3.8)
    said = []
    for index, (name, by_count) in enumerate(results.items()):
        counts = sorted(by_count)
        runs = [torch.tensor(by_count[count]) for count in counts]
        means = [run.mean().item() for run in runs]
        axes.plot(counts, means, label=name, **series(index))
        low, high = [run.min() for run in runs], [run.max() for run in runs]
        axes.fill_between(counts, low, high, color=COLORS[index % 8], alpha=0.15, linewidth=0)
        points = ", ".join(f"{m:.0%} at {c}" for c, m in zip(counts, means, strict=True))
        said.append(f"{name}: {points}")
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="labelled images per class (log scale)", ylabel="test accuracy", title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure.described(f"Accuracy against labels per class. {'; '.join(said)}.")


def shared_objects(ways: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> Figure:
    """Who shares what: the objects behind the training and the validation part.

    Equal names are one object, drawn once.

    Lecture 07.

    Args:
        ways: title -> the chains of the two parts, each as the names of (part, data set, files).

    Example:
        >>> from course_utils import plots
        >>> chains = (("train", "data", "files"), ("validation", "data", "files"))
        >>> print(plots.shared_objects({"Subset": chains}).alt_text)
        Objects behind the two parts. Subset: shared data, files.
    """
    figure, panels = new_figure(1, len(ways), width=10.2, height=3.6, squeeze=False)
    said = []
    for axes, (title, (train, validation)) in zip(panels[0], ways.items(), strict=True):
        for level, (left, right) in enumerate(zip(train, validation, strict=True)):
            _draw_level(axes, level, left, right)
            if level:
                above = train[level - 1] == validation[level - 1]
                for x in (0.5, 1.5):
                    start = 1.0 if above else x
                    end = 1.0 if left == right else x
                    ends = (start, level - 0.73), (end, level - 0.29)
                    draw_arrow(axes, *ends, color="0.3", shrinkA=2, shrinkB=2)
        axes.set(xlim=(-0.15, 2.15), ylim=(2.45, -0.45), title=title)
        axes.set_axis_off()
        shared = [a for a, b in zip(train, validation, strict=True) if a == b]
        said.append(
            f"{title}: shared {', '.join(' '.join(s.split()) for s in shared) or 'nothing'}"
        )
    return figure.described(f"Objects behind the two parts. {'; '.join(said)}.")


def _draw_level(axes: Axes, level: int, left: str, right: str) -> None:
    """Two boxes, or one in the middle where both parts hold the same object."""
    places = {0.5: left, 1.5: right} if left != right else {1.0: left}
    for middle, text in places.items():
        color, thickness = (COLORS[1], 2.2) if len(places) == 1 else (COLORS[0], 1.2)
        draw_box(
            axes,
            (middle, level),
            text,
            width=0.84,
            height=0.5,
            pad=0.02,
            fontsize=8,
            facecolor="white",
            edgecolor=color,
            linewidth=thickness,
        )
