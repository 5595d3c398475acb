"""Figures of the VGG family: its columns, its parameters, and how numbers fare in deep networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from .images import draw_image
from .parts import interval_ends
from .style import COLORS, HATCHES, MARKERS, Figure, bar_style, new_figure, series

STAGE_SHADES = ["#DCEBF5", "#B9D7EB", "#96C3E1", "#73AFD7", "#509BCD"]  # light to dark blue
MAPS = 8  # of a stage: the strongest
LARGEST_BAR = 0.86  # of the axis: the rest is for the label


def weights_for_view(fields: Sequence[int], counts: Mapping[str, Sequence[int]]) -> Figure:
    """Weights of several ways to see the same field.

    Lecture 05.

    Args:
        fields: pixels of the field's sides.
        counts: name -> number of weights, one for each field.

    Example:
        >>> from course_utils import plots
        >>> print(plots.weights_for_view([3, 5], {"stack of 3×3": [9, 18]}).alt_text)
        Number of weights against the field that is seen, 3 to 5 pixels: stack of 3×3 from 9 to 18.
    """
    figure, axes = new_figure(width=7, height=3.2)
    said = []
    for index, (name, values) in enumerate(counts.items()):
        axes.plot(fields, values, label=name, **series(index))
        said.append(f"{name} from {values[0]:,} to {values[-1]:,}")
    axes.set(xlabel="pixels seen (a square with this side)", ylabel="weights", ylim=(0, None))
    axes.set_xticks(fields, [f"{field}×{field}" for field in fields])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure.described(
        f"Number of weights against the field that is seen, {fields[0]} to {fields[-1]} pixels: "
        f"{'; '.join(said)}."
    )


def configurations(
    networks: Mapping[str, Sequence[int | str]], classifier: Sequence[int] = (4096, 4096, 1000)
) -> Figure:
    """Networks as columns of layers, the image on top.

    The stages between two pools stand at the same height in every column.

    Lecture 05.

    Args:
        networks: name -> list of channels and "M" (max pool).
        classifier: outputs of the linear layers.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.configurations({"small": [4, "M", 8, "M"]}, classifier=(16, 10))
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Networks as columns of layers, image on top. small: 1-1 convolutions by stage. Each ends
        with linear layers of 16, 10 outputs.
    """
    figure, axes = new_figure(width=2.2 * len(networks) + 0.4, height=6.3)
    stages = {name: _stages(entries) for name, entries in networks.items()}
    depth = max(map(len, stages.values()))
    rooms = [max(len(s[i]) if i < len(s) else 0 for s in stages.values()) for i in range(depth)]
    said = []
    for column, (name, parts) in enumerate(stages.items()):
        y = 0.0
        for stage, room in enumerate(rooms):
            for row, channels in enumerate(parts[stage] if stage < len(parts) else ()):
                color = STAGE_SHADES[min(stage, len(STAGE_SHADES) - 1)]
                _block(axes, column, y + row, f"conv 3×3, {channels}", color)
            _block(axes, column, y + room, "max pool 2×2", COLORS[4], "///", 0.55)
            y += room + 0.8
        for number in classifier:
            _block(axes, column, y, f"linear, {number}", "#DDDDDD", "...")
            y += 1
        convolutions = sum(map(len, parts))
        layers = convolutions + len(classifier)
        axes.text(column, -0.35, name, ha="center", weight="bold", fontsize=11)
        axes.text(column, y + 0.5, f"{convolutions} + {len(classifier)} = {layers}", ha="center")
        said.append(f"{name}: {'-'.join(str(len(part)) for part in parts)} convolutions by stage")
    axes.set(xlim=(-0.6, len(networks) - 0.4), ylim=(y + 0.8, -1.1))
    axes.set_axis_off()
    return figure.described(
        f"Networks as columns of layers, image on top. {'; '.join(said)}. Each ends with linear "
        f"layers of {', '.join(map(str, classifier))} outputs."
    )


def _stages(entries: Sequence[int | str]) -> list[list[int]]:
    """The channels between the pools."""
    stages: list[list[int]] = [[]]
    for entry in entries:
        if entry == "M":
            stages.append([])
        else:
            stages[-1].append(int(entry))
    return stages if stages[-1] else stages[:-1]


def _block(
    axes: Axes,
    column: float,
    y: float,
    text: str,
    color: str,
    hatch: str = "",
    height: float = 0.86,
) -> None:
    axes.add_patch(
        Rectangle(
            (column - 0.44, y),
            0.88,
            height,
            facecolor=color,
            edgecolor="0.35",
            linewidth=0.7,
            hatch=hatch,
            alpha=0.9,
        )
    )
    box = dict(facecolor="white", edgecolor="none", pad=0.8, alpha=0.85) if hatch else None
    place = (column, y + height / 2)
    axes.text(*place, text, ha="center", va="center_baseline", fontsize=9, bbox=box)


def parameter_budget(budgets: Mapping[str, Mapping[str, int]], title: str = "") -> Figure:
    """One bar a network, divided into its parts.

    Lecture 05.

    Args:
        budgets: network -> {part: parameters}, the same parts for each; six at most.
        title: above the bars.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.parameter_budget({"A": {"features": 10**7, "linear": 3 * 10**7}})
        >>> print(figure.alt_text)
        Where the parameters are. A 40,000,000: features 25%, linear 75%.
    """
    figure, axes = new_figure(width=9.2, height=1.5 + 0.48 * len(budgets))
    totals = {name: sum(parts.values()) for name, parts in budgets.items()}
    parts = list(next(iter(budgets.values())))
    widest = max(totals.values())
    for row, (name, budget) in enumerate(budgets.items()):
        left = 0
        for index, part in enumerate(parts):
            axes.barh(row, budget[part], left=left, height=0.66, **bar_style(index))
            if budget[part] > 0.05 * widest:
                share = f"{budget[part] / totals[name]:.0%}"
                box = dict(facecolor="white", edgecolor="none", pad=1.2)
                axes.text(left + budget[part] / 2, row, share, ha="center", va="center", bbox=box)
            left += budget[part]
        axes.text(left + 0.01 * widest, row, f"{totals[name] / 1e6:.1f} M", va="center")
    axes.set_yticks(range(len(budgets)), budgets)
    axes.invert_yaxis()
    axes.set(xlim=(0, widest / LARGEST_BAR), xlabel="parameters (millions)", title=title)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:.0f}")
    handles = [
        Patch(facecolor=COLORS[i], hatch=HATCHES[i], edgecolor="white", label=part)
        for i, part in enumerate(parts)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(parts))
    said = [
        f"{name} {totals[name]:,}: "
        + ", ".join(f"{part} {count / totals[name]:.0%}" for part, count in budget.items())
        for name, budget in budgets.items()
    ]
    return figure.described(f"Where the parameters are. {'. '.join(said)}.")


def channel_distributions(panels: Mapping[str, Tensor], channels: Sequence[int]) -> Figure:
    """How the numbers of some channels are distributed.

    Lecture 06.

    Args:
        panels: title -> float (N, C, H, W).
        channels: which of the C channels.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.channel_distributions(
        ...     {"before": torch.arange(16.0).view(1, 1, 4, 4)}, [0]
        ... )
        >>> print(figure.alt_text)
        Distributions of values. before, channel 0: mean 7.50, standard deviation 4.76.
    """
    figure, places = new_figure(1, len(panels), width=9.2, height=3, squeeze=False)
    said = []
    for axes, (title, values) in zip(places[0], panels.items(), strict=True):
        values = values.detach().float().cpu()
        low, high = values[:, list(channels)].min().item(), values[:, list(channels)].max().item()
        edges = torch.linspace(low, high, 61)
        for index, channel in enumerate(channels):
            column = values[:, channel].flatten()
            counts = torch.histogram(column, edges).hist / len(column)
            look = series(index) | {"marker": "", "label": f"channel {channel}"}
            axes.plot((edges[1:] + edges[:-1]) / 2, counts, linewidth=1.8, **look)
            said.append(
                f"{title}, channel {channel}: mean {column.mean():.2f}, "
                f"standard deviation {column.std():.2f}"
            )
        axes.set(title=title, xlabel="value", ylim=(0, None))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(alpha=0.3)
    places[0, 0].set_ylabel("share of the values")
    places[0, 0].legend()
    return figure.described(f"Distributions of values. {'; '.join(said)}.")


def stage_maps(image: Tensor, stages: Mapping[str, Tensor]) -> Figure:
    """What one image becomes: for each stage its eight strongest maps.

    On the left the image is shown at the size of the maps. Each row has its own scale, from 0
    (dark) to its largest value (bright).

    Lecture 05.

    Args:
        image: uint8 or float in [0, 1], (C, H, W).
        stages: name -> float (C, H, W).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.stage_maps(torch.rand(3, 8, 8), {"pool 1": torch.rand(12, 4, 4)})
        >>> print(figure.alt_text)
        One image and the 8 strongest maps of each stage: pool 1 12×4×4.
    """
    image = image.detach().cpu()
    image = image.float() / 255 if image.dtype == torch.uint8 else image
    figure, axes = new_figure(
        len(stages), MAPS + 1, width=9.2, height=1.2 * len(stages), squeeze=False
    )
    for place in axes.flat:
        place.set_axis_off()
    said = []
    for row, (name, maps) in zip(axes, stages.items(), strict=True):
        maps = maps.detach().float().cpu()
        _, height, width = maps.shape
        size = "×".join(map(str, maps.shape))
        small = F.adaptive_avg_pool2d(image, (height, width))
        draw_image(row[0], small, f"image, {height}×{width}")
        strongest = maps.flatten(1).mean(1).argsort(descending=True)[:MAPS]
        top = maps[strongest].max().clamp(min=1e-12).item()
        for place, channel in zip(row[1:], strongest.tolist(), strict=False):
            place.imshow(maps[channel].numpy(), cmap="viridis", vmin=0, vmax=top)
        row[1].set_title(f"{name}: {size}", fontsize=10, loc="left")
        said.append(f"{name} {size}")
    return figure.described(
        f"One image and the {MAPS} strongest maps of each stage: {', '.join(said)}."
    )


def accuracy_against_cost(
    results: Mapping[str, tuple[int, int, float]], cost: str, title: str = ""
) -> Figure:
    """Accuracy with its 95 % interval against a cost (log scale).

    Lecture 05.

    Args:
        results: name -> (correct, total, cost).
        cost: what the cost is.
        title: above the marks.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.accuracy_against_cost({"LeNet": (140, 200, 1e6)}, cost="FLOPs")
        >>> print(figure.alt_text)
        Accuracy against FLOPs: LeNet 70.0% at 1,000,000.
    """
    figure, axes = new_figure(width=7.6, height=3.4)
    said = []
    for index, (name, (correct, total, price)) in enumerate(results.items()):
        share = correct / total
        style = dict(color=COLORS[index], marker=MARKERS[index], capsize=4, markersize=8)
        axes.errorbar(price, share, yerr=interval_ends(correct, total), **style)
        axes.annotate(
            f"{name}\n{share:.1%}", (price, share), xytext=(9, 0), textcoords="offset points"
        )
        said.append(f"{name} {share:.1%} at {price:,.0f}")
    axes.set_xscale("log")
    axes.margins(x=0.35, y=0.25)
    axes.set(xlabel=f"{cost} (log scale)", ylabel="accuracy", title=title)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
    return figure.described(f"Accuracy against {cost}: {'; '.join(said)}.")
