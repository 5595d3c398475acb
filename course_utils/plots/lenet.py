"""Figures of one network and of its training, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .style import COLORS, Figure, new_figure, series

MAX_SHEETS = 16  # a stage with more feature maps than this is drawn with as many


def network_stages(stages: Sequence[tuple[str, str, tuple[int, ...]]]) -> Figure:
    """The stages of a network from left to right, to scale.

    A stage (C, H, W) is a stack of C sheets of H × W; a stage (N,) is a column of N cells.

    Lecture 03.

    Args:
        stages: (name, what makes it, shape) of each, for example ("C1", "conv 5×5", (6, 28, 28)).

    Raises:
        ValueError: there is no stage, or a shape is neither (C, H, W) nor (N,).

    Example:
        >>> from course_utils import plots
        >>> stages = [("input", "", (1, 32, 32)), ("C1", "conv 5×5", (6, 28, 28))]
        >>> print(plots.network_stages(stages).alt_text)
        Drawing of a network, from left to right. Shapes: input 1×32×32, C1 6×28×28.
    """
    if not stages or any(len(shape) not in (1, 3) for _, _, shape in stages):
        raise ValueError("network_stages needs stages with shapes (C, H, W) or (N,)")
    figure, axes = new_figure(width=9.4, height=2.6)
    x, tallest = 0.0, max((shape[-1] for *_, shape in stages if len(shape) == 3), default=32)
    for index, (name, made_by, shape) in enumerate(stages):
        width = _draw_stage(axes, x, tallest, shape, COLORS[0] if index else "0.4")
        size = "×".join(map(str, shape))
        lines = (name, "bold", "black"), (size, "normal", "black"), (made_by, "normal", "0.3")
        for line, (text, weight, color) in enumerate(lines):
            axes.annotate(
                text,
                (x + width / 2, -0.7 * tallest),
                xytext=(0, -14 * line),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=10,
                weight=weight,
                color=color,
            )
        x += width + 0.55 * tallest
    axes.set_xlim(-0.2 * tallest, x - 0.35 * tallest)
    axes.set_ylim(-1.25 * tallest, 0.75 * tallest)
    axes.set_aspect("equal")
    axes.set_axis_off()
    shapes = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, _, shape in stages)
    return figure.described(f"Drawing of a network, from left to right. Shapes: {shapes}.")


def _draw_stage(axes: Axes, x: float, tallest: int, shape: tuple[int, ...], color: str) -> float:
    """Draw one stage, centred on height 0, and return its width."""
    if len(shape) == 1:
        height = min(shape[0] / 100, 1.2) * tallest
        axes.add_patch(Rectangle((x, -height / 2), 3, height, facecolor=color, edgecolor="white"))
        return 3.0
    channels, height, width = shape
    sheets, step = min(channels, MAX_SHEETS), 0.05 * tallest
    back = (sheets - 1) * step
    for sheet in reversed(range(sheets)):
        corner = (x + sheet * step, -height / 2 - back / 2 + sheet * step)
        axes.add_patch(
            Rectangle(corner, width, height, facecolor=color, edgecolor="white", linewidth=0.8)
        )
    return width + back


def connection_table(table: Tensor) -> Figure:
    """Which input maps each output map reads, in the layer C3 of LeNet-5.

    Lecture 03.

    Args:
        table: bool (outputs, inputs).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> print(plots.connection_table(torch.eye(3).bool()).alt_text)
        Table of connections: 3 output maps by 3 input maps, 3 of 9 connections are there.
    """
    outputs, inputs = table.shape
    figure, axes = new_figure(width=6.4, height=2.6)
    axes.imshow(table.T.cpu().float().numpy(), cmap="Blues", vmin=0, vmax=1.4)
    for output, source in table.cpu().nonzero().tolist():
        axes.text(output, source, "×", ha="center", va="center", color="white", weight="bold")
    axes.set(xlabel="map of C3", ylabel="map of S2", xticks=range(outputs), yticks=range(inputs))
    axes.set_xticks([edge - 0.5 for edge in range(outputs + 1)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(inputs + 1)], minor=True)
    axes.grid(which="minor", color="0.85")
    axes.tick_params(which="both", length=0)
    return figure.described(
        f"Table of connections: {outputs} output maps by {inputs} input maps, "
        f"{int(table.sum())} of {table.numel()} connections are there."
    )


def curves_by_step(
    curves: Mapping[str, Sequence[float]],
    *,
    ylabel: str = "loss of the batch (nats)",
    xlabel: str = "training step (batch)",
    levels: Mapping[str, float] | None = None,
    log: bool = False,
    title: str = "",
) -> Figure:
    """A value against the training step, or what xlabel says, a line for each named curve.

    Lectures 03, 06, 08 and 14.

    Args:
        curves: name -> one value a step; a value that is not finite leaves a gap.
        ylabel: what the values are, with their unit.
        xlabel: what is counted.
        levels: name -> height of a horizontal line, for comparison.
        log: whether the vertical axis is logarithmic.
        title: above the lines.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.curves_by_step({"SGD": [2.3, 1.0, 0.5]}, levels={"ln 10": 2.303})
        >>> print(figure.alt_text)
        loss of the batch (nats) against the training step: SGD from 2.3 to 0.5; ln 10 is marked.
    """
    figure, axes = new_figure(width=8, height=3.2)
    said = []
    for index, (name, values) in enumerate(curves.items()):
        numbers = torch.as_tensor(values).cpu().double()
        finite = numbers.where(numbers.isfinite(), torch.nan)
        look = series(index) | {"marker": ""}
        axes.plot(range(1, len(values) + 1), finite, label=name, **look)
        said.append(f"{name} from {values[0]:.3g} to {values[-1]:.3g}")
    for name, level in (levels or {}).items():
        axes.axhline(level, color="0.5", linewidth=1, zorder=0)
        axes.annotate(
            name,
            (1, level),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color="0.3",
        )
        said.append(f"{name} is marked")
    if log:
        axes.set_yscale("log")
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    opening = f"{title}. " if title else ""
    return figure.described(
        f"{opening}{ylabel} against the {xlabel.removesuffix(' (batch)')}: {'; '.join(said)}."
    )
