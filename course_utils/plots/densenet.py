"""DenseNet: who reads what, how much of it, and what that costs in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import NullLocator
from torch import Tensor

from .style import COLORS, Figure, bar_style, new_figure, series


def dense_connections(layers: int, in_channels: int, growth_rate: int) -> Figure:
    """A dense block: every connection as an arc, and the channels that each layer reads.

    Lecture 11.

    Args:
        layers: layers of the block.
        in_channels: channels of its input.
        growth_rate: channels that each layer adds.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.dense_connections(layers=2, in_channels=6, growth_rate=4)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        A dense block of 2 layers with growth rate 4: 6 connections. Each layer reads the input and
        all layers before it: 6 channels in the first layer, 14 after the last.
    """
    figure, (top, bottom) = new_figure(
        2, 1, width=8.8, height=4.6, sharex=True, height_ratios=[3, 4]
    )
    names = ["input", *(f"layer {n}" for n in range(1, layers + 1)), "after"]
    widths = [in_channels] + [growth_rate] * layers
    for source in range(layers + 1):
        top.plot(source, 0, "o", markersize=17, color=COLORS[source % 8], zorder=3)
        for reader in range(source + 1, layers + 2):
            top.add_patch(_arc(source, reader))
    top.plot(layers + 1, 0, "s", markersize=15, color="0.75", zorder=3)
    top.set(ylim=(-0.12, 0.26 * (layers + 1)), title="who reads what")
    top.set_axis_off()
    for reader in range(1, layers + 2):
        below = 0
        for source in range(reader):
            bottom.bar(reader, widths[source], 0.6, bottom=below, **bar_style(source))
            below += widths[source]
        bottom.text(reader, below + 0.02 * sum(widths), str(below), ha="center", va="bottom")
    bottom.set_xticks(range(layers + 2), names)
    bottom.set(ylim=(0, 1.15 * sum(widths)), ylabel="channels read", xlim=(-0.5, layers + 1.5))
    connections = (layers + 1) * (layers + 2) // 2
    return figure.described(
        f"A dense block of {layers} layers with growth rate {growth_rate}: {connections} "
        f"connections. Each layer reads the input and all layers before it: {in_channels} channels "
        f"in the first layer, {in_channels + layers * growth_rate} after the last."
    )


def _arc(source: int, reader: int) -> FancyArrowPatch:
    """An arrow over the layers between the two."""
    bend = -0.42 if reader > source + 1 else 0
    return FancyArrowPatch(
        (source, 0),
        (reader, 0),
        arrowstyle="-|>",
        connectionstyle=f"arc3,rad={bend}",
        mutation_scale=9,
        shrinkA=9,
        shrinkB=9,
        color=COLORS[source % 8],
        lw=1.3,
    )


def feature_reuse(panels: Mapping[str, Tensor], readers: Sequence[str], label: str) -> Figure:
    """Heat maps of what each reader (column) takes from each source (row), on one scale.

    The sources are "input", then the readers but the last.

    Lecture 11.

    Args:
        panels: title -> float (sources, readers); NaN is left white.
        readers: the names of the columns.
        label: what the numbers are.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> reuse = torch.tensor([[0.1, 0.2], [torch.nan, 0.4]])
        >>> print(plots.feature_reuse({"block 1": reuse}, ["1", "end"], "mean weight").alt_text)
        What dense layers read, mean weight. block 1: largest from 1 to end.
    """
    figure, places = new_figure(
        1, len(panels), width=2.2 + 2.4 * len(panels), height=3.7, squeeze=False, sharey=True
    )
    high = max(values.nan_to_num().max().item() for values in panels.values())
    low = min(values.nan_to_num(high).min().item() for values in panels.values())
    sources, said = ["input", *readers[:-1]], []
    for axes, (title, values) in zip(places[0], panels.items(), strict=True):
        shown = axes.imshow(values.numpy(), cmap="viridis", vmin=low, vmax=high)
        axes.set_xticks(range(len(readers)), readers)
        axes.set_yticks(range(len(sources)), sources)
        axes.set(title=title, xlabel="is read by")
        flat = int(values.nan_to_num(-1).flatten().argmax())
        row, column = divmod(flat, len(readers))
        said.append(f"{title}: largest from {sources[row]} to {readers[column]}")
    places[0, 0].set_ylabel("source")
    figure.colorbar(shown, ax=places[0].tolist(), label=label, shrink=0.85)
    return figure.described(f"What dense layers read, {label}. {'; '.join(said)}.")


def memory_by_layers(layers: Sequence[int], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Memory held for the backward pass against the number of layers, both on log scales.

    Lecture 11.

    Args:
        layers: numbers of layers in each stage.
        curves: name -> bytes, one for each number of layers.

    Example:
        >>> from course_utils import plots
        >>> print(plots.memory_by_layers([2, 4], {"dense": [1e6, 4e6]}).alt_text)
        Memory held for the backward pass, 2 to 4 layers in each stage: dense from 1.00 to 4.00 MB.
    """
    figure, axes = new_figure(width=7.6, height=3.5)
    said = []
    for index, (name, values) in enumerate(curves.items()):
        axes.plot(layers, [value / 1e6 for value in values], label=name, **series(index))
        said.append(f"{name} from {values[0] / 1e6:.2f} to {values[-1] / 1e6:.2f} MB")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(layers, [str(number) for number in layers])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="layers (blocks) in each stage (log scale)", ylabel="MB an image (log scale)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure.described(
        f"Memory held for the backward pass, {layers[0]} to {layers[-1]} layers in each stage: "
        f"{'; '.join(said)}."
    )
