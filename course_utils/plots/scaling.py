"""Groups of channels, channel weights, networks by cost, objects located."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LogLocator, MultipleLocator, NullFormatter, PercentFormatter
from torch import Tensor

from .images import draw_heat, draw_image
from .style import COLORS, MARKERS, Figure, new_figure


def channel_connections(tables: Mapping[str, Tensor]) -> Figure:
    """Which input channel each output channel reads.

    Lecture 12.

    Args:
        tables: title -> bool (outputs, inputs).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> print(plots.channel_connections({"depthwise": torch.eye(8).bool()}).alt_text)
        Which input channels an output channel reads. depthwise: 8 of 64 pairs are connected.
    """
    figure, panels = new_figure(1, len(tables), width=9, height=3.1, squeeze=False)
    said = []
    for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
        table = table.cpu()
        axes.imshow((1 - 0.75 * table.float()).numpy(), cmap="gray", vmin=0, vmax=1, aspect="equal")
        for axis, count in ((axes.xaxis, table.shape[1]), (axes.yaxis, table.shape[0])):
            axis.set_ticks(range(0, count, 4))
            axis.set_ticks([place - 0.5 for place in range(1, count)], minor=True)
        axes.grid(which="minor", color="white", linewidth=0.6)
        axes.tick_params(which="minor", length=0)
        used = int(table.sum())
        axes.set(title=f"{title}\n{used} kernels", xlabel="input channel")
        said.append(f"{title}: {used} of {table.numel()} pairs are connected")
    panels[0, 0].set_ylabel("output channel")
    return figure.described(f"Which input channels an output channel reads. {'; '.join(said)}.")


def channel_weights(panels: Mapping[str, Tensor], names: Sequence[str]) -> Figure:
    """Weights of squeeze and excitation: a row for each class, a column for each channel.

    The channels of a panel are sorted by their mean weight.

    Lecture 12.

    Args:
        panels: title -> float (classes, C), from 0 to 1.
        names: of the classes.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> weights = torch.tensor([[0.25, 0.5], [0.25, 0.75]])
        >>> print(plots.channel_weights({"early": weights}, ["bag", "boot"]).alt_text)
        Weights of channels for 2 classes. early: 2 channels, from 0.25 to 0.75, median 0.25.
    """
    figure, places = new_figure(1, len(panels), width=9.4, height=3.4, sharey=True, squeeze=False)
    said = []
    for axes, (title, weights) in zip(places[0], panels.items(), strict=True):
        weights = weights.cpu().float()
        order = weights.mean(dim=0).argsort()
        shown = axes.imshow(
            weights[:, order].numpy(), vmin=0, vmax=1, aspect="auto", interpolation="nearest"
        )
        axes.set(title=title, xlabel="channel, sorted by mean weight")
        said.append(
            f"{title}: {weights.shape[1]} channels, from {weights.min():.2f} to "
            f"{weights.max():.2f}, median {weights.median():.2f}"
        )
    places[0, 0].set_yticks(range(len(names)), names)
    figure.colorbar(shown, ax=places[0], label="mean weight of the channel")
    return figure.described(f"Weights of channels for {len(names)} classes. {'; '.join(said)}.")


def networks_by_cost(
    groups: Mapping[str, Mapping[str, tuple[float, float, float]]], title: str = ""
) -> Figure:
    """Accuracy against FLOPs (log scale).

    The area of a mark grows with the parameters.

    Lecture 12.

    Args:
        groups: group -> {network: (FLOPs, accuracy, parameters)}.
        title: above the marks.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.networks_by_cost({"ResNet": {"ResNet-18": (3.6e9, 0.698, 11.7e6)}})
        >>> print(figure.alt_text)
        Accuracy against FLOPs. ResNet-18 69.8% with 3.6 billion FLOPs.
    """
    figure, axes = new_figure(width=8.6, height=4.4)
    places = [place[:2] for networks in groups.values() for place in networks.values()]
    said = []
    for index, (group, networks) in enumerate(groups.items()):
        style = dict(color=COLORS[index], marker=MARKERS[index], alpha=0.65)
        for name, (flops, accuracy, parameters) in networks.items():
            area = 20 + 6 * parameters / 1e6
            axes.scatter(flops / 1e9, accuracy, s=area, **style)
            below = any(1 < f / flops < 1.5 and 0 < a - accuracy < 0.03 for f, a in places)
            away = 4 + area**0.5 / 2
            text = dict(textcoords="offset points", ha="center", va="top" if below else "bottom")
            point = (flops / 1e9, accuracy)
            axes.annotate(name, point, (0, -away if below else away), fontsize=8, **text)
            said.append(f"{name} {accuracy:.1%} with {flops / 1e9:.2g} billion FLOPs")
        axes.scatter([], [], label=group, s=60, **style)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.16)
    axes.set(xlabel="billion FLOPs of one image (log scale)", ylabel="accuracy", title=title)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MultipleLocator(0.05))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure.described(f"Accuracy against FLOPs. {'; '.join(said)}.")


def located(
    images: Tensor, maps: Tensor, boxes: Tensor, found: Tensor, titles: Sequence[str]
) -> Figure:
    """Images with the true box, and below with their heat map and the box found from it.

    True: solid; found: dashed. Each map is stretched over its image.

    Lecture 12.

    Args:
        images: uint8 or float in [0, 1], (N, C, H, W).
        maps: float (N, h, w).
        boxes: the true ones, (N, 4): left, top, right and bottom edge in pixels.
        found: (N, 4), likewise.
        titles: N titles.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> boxes = torch.tensor([[2, 3, 6, 7]])
        >>> figure = plots.located(
        ...     torch.rand(1, 3, 8, 8), torch.rand(1, 2, 2), boxes, boxes + 1, ["bag"]
        ... )
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        1 images with the box of an object, and below the heat map of a class with the box found
        from it: bag.
    """
    count, (height, width) = len(images), images.shape[2:]
    figure, axes = new_figure(2, count, width=1.45 * count + 0.6, height=3.5, squeeze=False)
    for column, title in enumerate(titles):
        for row in axes[:, column]:
            draw_image(row, images[column], title if row is axes[0, column] else "")
            _box(row, boxes[column], "white", "-")
        draw_heat(axes[1, column], maps[column], height, width)
        _box(axes[1, column], found[column], "#56B4E9", "--")
    names = ", ".join(title.replace("\n", " ") for title in titles)
    return figure.described(
        f"{count} images with the box of an object, and below the heat map of a class with the box "
        f"found from it: {names}."
    )


def _box(axes: Axes, box: Tensor, color: str, line: str) -> None:
    left, top, right, bottom = box.tolist()
    place = (left - 0.5, top - 0.5)  # a pixel's middle is at a whole number
    width, height = right - left, bottom - top
    look: dict[str, Any] = dict(fill=False, edgecolor=color, linewidth=2, linestyle=line)
    dark = [Stroke(linewidth=3.5, foreground="black"), Normal()]  # seen on a white image, too
    axes.add_patch(Rectangle(place, width, height, path_effects=dark, **look))
