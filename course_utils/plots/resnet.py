"""ResNet: blocks and shortcuts, values by layer, the loss along a line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .parts import draw_arrow, draw_box
from .style import COLORS, Figure, new_figure, series


def residual_blocks(
    blocks: Mapping[str, tuple[Sequence[str], str]], without_relu: Collection[str] = ()
) -> Figure:
    """Blocks from top to bottom, with their shortcuts.

    Lecture 08.

    Args:
        blocks: title -> (texts of the layers, text of the shortcut, empty if there is none).
        without_relu: titles of blocks with no ReLU at their end.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.residual_blocks({"basic": (["3×3, 64", "batch norm"], "identity")})
        >>> print(figure.alt_text)
        Blocks. basic: 3×3, 64 then batch norm; shortcut: identity.
    """
    figure, panels = new_figure(1, len(blocks), width=9.2, height=4.2, squeeze=False)
    for axes, (title, (layers, shortcut)) in zip(panels[0], blocks.items(), strict=True):
        bottom = len(layers)
        for row, text in enumerate(layers):
            _layer(axes, row, text)
            _arrow(axes, row - 1, row)
        axes.text(0.1, -0.95, "x", ha="left", va="center", style="italic")
        if shortcut:
            _arrow(axes, bottom - 1, bottom)
            _draw_shortcut(axes, bottom, shortcut)
        if title not in without_relu:
            axes.text(0.1, bottom + 0.5, "ReLU", ha="left", va="center", fontsize=9)
        _arrow(axes, bottom + 0.35 if shortcut else bottom - 0.72, bottom + 1.0, gap=0)
        axes.set(xlim=(-1.3, 2.3), ylim=(bottom + 1.1, -1.2), title=title)
        axes.set_axis_off()
    texts = [
        f"{title}: {' then '.join(layers)}; shortcut: {shortcut or 'none'}"
        for title, (layers, shortcut) in blocks.items()
    ]
    return figure.described(f"Blocks. {'. '.join(texts)}.")


def _layer(axes: Axes, row: float, text: str) -> None:
    draw_box(axes, (0, row), text, width=2.0, height=0.44, facecolor="#CFE6F5")


def _arrow(axes: Axes, start: float, end: float, gap: float = 0.28) -> None:
    draw_arrow(axes, (0, start + gap), (0, end - gap))


def _draw_shortcut(axes: Axes, bottom: int, text: str) -> None:
    """A path past the layers that meets the branch in a plus sign."""
    axes.plot([0, 1.5, 1.5], [-0.62, -0.62, bottom], color=COLORS[1], lw=2)
    draw_arrow(axes, (1.5, bottom), (0.2, bottom), color=COLORS[1], lw=2)
    axes.text(1.6, bottom / 2 - 0.3, text, va="center", fontsize=9, color=COLORS[1])
    axes.plot([0], [bottom], "o", markersize=16, color="white", markeredgecolor="black")
    axes.text(0, bottom, "+", ha="center", va="center", fontsize=12)


def values_by_layer(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    *,
    title: str,
    xlabel: str = "layer, from the image to the output",
) -> Figure:
    """One value a layer, a line for each name; on the log scale values of 0 leave a gap.

    Lecture 08.

    Args:
        curves: name -> one value a layer.
        ylabel: what the values are.
        title: what was measured.
        xlabel: what is counted.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.values_by_layer({"ReLU": [1e-3, 0.25]}, "norm", title="Gradients")
        >>> print(figure.alt_text)
        Gradients. norm by layer: ReLU from 0.001 to 0.25.
    """
    figure, axes = new_figure(width=8, height=3.4)
    said = []
    for index, (name, values) in enumerate(curves.items()):
        axes.plot(range(1, len(values) + 1), values, label=name, markersize=4, **series(index))
        said.append(f"{name} from {values[0]:.2g} to {values[-1]:.2g}")
    axes.set(yscale="log", xlabel=xlabel, ylabel=f"{ylabel} (log scale)", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure.described(f"{title}. {ylabel} by layer: {'; '.join(said)}.")


def loss_on_line(
    distances: Sequence[float], losses: Mapping[str, Sequence[float]], *, title: str
) -> Figure:
    """The loss at points of a line through the trained weights (distance 0).

    Lecture 08.

    Args:
        distances: places on the line, in norms of the filters.
        losses: name -> one loss (nats) a place.
        title: whose loss it is, and on what.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.loss_on_line([-1, 0, 1], {"plain": [3.0, 0.5, 4.0]}, title="38 layers")
        >>> print(figure.alt_text)
        38 layers. plain: 0.50 at its lowest, 4.00 at the right end.
    """
    figure, axes = new_figure(width=7.6, height=3.3)
    said = []
    for index, (name, values) in enumerate(losses.items()):
        axes.plot(distances, values, label=name, markersize=4, **series(index))
        said.append(f"{name}: {min(values):.2f} at its lowest, {values[-1]:.2f} at the right end")
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set(
        xlabel="distance, in norms of the filters", ylabel="loss of the batch (nats)", title=title
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure.described(f"{title}. {'; '.join(said)}.")
