"""Drawings of layers as blocks: how large, how deep, and where the costs are."""

from __future__ import annotations

from math import log2, prod

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from ..arithmetic import Row, Trace, conv_output_size, scaled
from .parts import Point, draw_arrow
from .style import COLORS, Figure, new_figure

SLANT = (0.42, 0.3)  # of boxes: how far one unit of depth goes to the right and up
SKEW = (0.45, 0.22)  # of sheets: how far one unit of width goes to the right and up
KINDS = {  # of the drawing: colour and hatch
    "input": ("white", ""),
    "conv": (COLORS[5], ""),
    "pool": (COLORS[4], "///"),
    "linear": ("#DDDDDD", "..."),
}


def local_and_deep(
    in_channels: int = 3, size: int = 32, kernel_size: int = 5, filters: int = 6
) -> Figure:
    """A window, local in space and full in depth, and the one number each filter makes of it.

    Lecture 02.

    Args:
        in_channels: channels of the image; three are red, green and blue.
        size: pixels of its sides.
        kernel_size: pixels of the window's sides.
        filters: output channels.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.local_and_deep(in_channels=1, size=8, kernel_size=3, filters=2)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        A window of 3×3 pixels goes through all 1 channels of a 8×8 image: 9 numbers. Each of 2
        filters turns them into one number, at the same place of its own 6×6 output channel.
    """
    after = conv_output_size(size, kernel_size)
    figure, axes = new_figure(width=9, height=3.9)
    place, gap = size // 3, 9  # where the window is; how far apart the sheets stand
    names = ["red", "green", "blue"] if in_channels == 3 else range(in_channels)
    for channel, name in enumerate(names):
        _sheet(axes, channel * gap, 0, size, "white")
        _sheet(axes, channel * gap, place, kernel_size, COLORS[0])
        axes.text(channel * gap, -1.2, str(name), fontsize=9, ha="center", va="top")
    left = gap * in_channels + 26
    for filter_ in range(filters):
        _sheet(axes, left + filter_ * gap, 0, after, "white")
        _sheet(axes, left + filter_ * gap, place, 1.5, COLORS[1])
    target = _on_sheet(left, place + 0.7)
    for channel in range(in_channels):
        start = _on_sheet(channel * gap, place + kernel_size, place + kernel_size / 2)
        draw_arrow(axes, start, target, color=COLORS[1], linewidth=1.2)
    weights = in_channels * kernel_size**2
    captions = {
        0: f"image: {in_channels}×{size}×{size}\n"
        f"window in all channels: {in_channels}×{kernel_size}×{kernel_size} = {weights} numbers",
        left: f"output: {filters}×{after}×{after}, one channel for each filter\n"
        f"each filter: {weights} weights and a bias → one number",
    }
    for x, caption in captions.items():
        axes.text(x - 2, -5, caption, va="top", fontsize=10)
    end = left + (filters - 1) * gap
    axes.set(xlim=(-3, end + SKEW[0] * after + 1), ylim=(-12, size * (1 + SKEW[1]) + 1))
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure.described(
        f"A window of {kernel_size}×{kernel_size} pixels goes through all {in_channels} channels "
        f"of a {size}×{size} image: {weights} numbers. Each of {filters} filters turns them into "
        f"one number, at the same place of its own {after}×{after} output channel."
    )


def shape_trace(trace: Trace, title: str = "") -> Figure:
    """A traced network as a row of blocks: taller is larger in space, wider has more channels.

    Lecture 02.

    Args:
        trace: what `course_utils.arithmetic.trace` found, from an image (C, H, W) on.
        title: above the blocks.

    Example:
        >>> from torch import nn
        >>> from course_utils import arithmetic
        >>> from course_utils import plots
        >>> trace = arithmetic.trace(
        ...     [nn.Conv2d(3, 6, 5), nn.Flatten(), nn.Linear(4704, 10)], (3, 32, 32)
        ... )
        >>> print(plots.shape_trace(trace, "Small").alt_text)
        Small as blocks, 47,506 parameters: input 3×32×32, conv 5×5 6×28×28, linear 10.
    """
    rows = [Row("input", "input", trace.input_shape), *_changing(trace)]
    figure, axes = new_figure(width=9.4, height=3.9)
    largest = max(row.output_shape[1] for row in rows if len(row.output_shape) == 3)
    x, ticks = 0.0, []
    for row in rows:
        is_flat = len(row.output_shape) == 1
        side = 0.06 if is_flat else (row.output_shape[1] / largest) ** 0.5
        width = 0.1 if is_flat else 0.05 + 0.035 * log2(row.output_shape[0])
        height = 0.09 * log2(row.output_shape[0]) if is_flat else side
        _box(axes, x, width, height, side * 0.5, *KINDS[_kind_of(row)])
        top = height / 2 + side * 0.5 * SLANT[1] + 0.04
        text = "×".join(map(str, row.output_shape))
        axes.text(
            x + (width + side * 0.5 * SLANT[0]) / 2,
            top,
            text,
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=9,
        )
        ticks.append((x + width / 2, row.kind))
        x += width + side * 0.5 * SLANT[0] + 0.14
    positions, kinds = zip(*ticks, strict=True)
    axes.set_xticks(positions, kinds, rotation=90, fontsize=9)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.1, x), ylim=(-0.62, 1.35), yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title(title)
    shapes = [f"{row.kind} {'×'.join(map(str, row.output_shape))}" for row in rows]
    return figure.described(
        f"{title or 'A network'} as blocks, {trace.parameters:,} parameters: {', '.join(shapes)}."
    )


def cost_by_layer(trace: Trace, title: str = "") -> Figure:
    """For each layer with weights: its share of the parameters, the FLOPs and the output memory.

    Lectures 02, 03, 04 and 05.

    Args:
        trace: what `course_utils.arithmetic.trace` found.
        title: above the bars.

    Example:
        >>> from torch import nn
        >>> from course_utils import arithmetic
        >>> from course_utils import plots
        >>> trace = arithmetic.trace(
        ...     [nn.Conv2d(3, 6, 5), nn.Flatten(), nn.Linear(4704, 10)], (3, 32, 32)
        ... )
        >>> figure = plots.cost_by_layer(trace, "Small")
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Small, share of each of 2 layers. parameters: most in linear, 99 %; FLOPs: most in conv 5×5,
        88 %; memory of these outputs: most in conv 5×5, 100 %.
    """
    rows = [row for row in trace if row.parameters]
    columns = {"parameters": "", "flops": "", "bytes": "B"}
    labels = {"parameters": "parameters", "flops": "FLOPs", "bytes": "memory of these outputs"}
    figure, axes = new_figure(1, 3, width=9.4, height=0.9 + 0.3 * len(rows), sharey=True)
    texts = []
    for number, (place, (name, unit)) in enumerate(zip(axes, columns.items(), strict=True)):
        values = [getattr(row, name) for row in rows]
        shares = [100 * value / sum(values) for value in values]
        bars = place.barh(range(len(rows)), shares, color=COLORS[number])
        place.bar_label(bars, [scaled(value, unit) for value in values], padding=3, fontsize=9)
        place.set(xlim=(0, max(shares) * 1.4), xlabel=f"{labels[name]} (%)")
        most = shares.index(max(shares))
        texts.append(f"{labels[name]}: most in {rows[most].kind}, {shares[most]:.0f} %")
    axes[0].set_yticks(range(len(rows)), [_short_kind(row) for row in rows])
    axes[0].set_ylabel("layer")
    axes[0].invert_yaxis()
    figure.suptitle(title, fontsize=11)
    return figure.described(
        f"{title or 'A network'}, share of each of {len(rows)} layers. {'; '.join(texts)}."
    )


def _changing(trace: Trace) -> list[Row]:
    """The layers worth a block: those that have weights or change the shape."""
    shapes = [trace.input_shape, *(row.output_shape for row in trace)]
    rows = zip(trace, shapes, strict=False)
    return [row for row, before in rows if row.parameters or prod(row.output_shape) != prod(before)]


def _kind_of(row: Row) -> str:
    return next((kind for kind in KINDS if kind in row.kind), "conv")


def _short_kind(row: Row) -> str:
    return f"{row.kind.split(' pad')[0]} → {row.output_shape[0]}"


def _sheet(axes: Axes, x: float, start: float, size: float, color: str) -> None:
    """A square on a sheet that stands at x and is seen from the side."""
    corners = [(0, 0), (size, 0), (size, size), (0, size)]
    points = [_on_sheet(x, start + right, start + up) for right, up in corners]
    axes.add_patch(Polygon(points, facecolor=color, edgecolor="black", linewidth=0.8))


def _on_sheet(x: float, right: float, up: float | None = None) -> Point:
    return x + SKEW[0] * right, (right if up is None else up) + SKEW[1] * right


def _box(
    axes: Axes, x: float, width: float, height: float, depth: float, color: str, hatch: str
) -> None:
    """A box seen from the front left: `width` to the right, `height` up, `depth` slanting back."""
    right, up = depth * SLANT[0], depth * SLANT[1]
    low, high = -height / 2, height / 2
    front = [(x, low), (x + width, low), (x + width, high), (x, high)]
    top = [(x, high), (x + width, high), (x + width + right, high + up), (x + right, high + up)]
    side = [
        (x + width, low),
        (x + width + right, low + up),
        (x + width + right, high + up),
        (x + width, high),
    ]
    for face in (front, top, side):
        axes.add_patch(
            Polygon(face, facecolor=color, edgecolor="black", linewidth=0.7, hatch=hatch)
        )
