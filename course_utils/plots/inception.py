"""GoogLeNet: the four branches of a module, and the gradient module by module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .parts import Point, draw_arrow, draw_box
from .style import COLORS, HATCHES, Figure, new_figure, series

SPACING = 2.5  # between the middles of two branches


def inception_module(
    in_channels: int, module: Sequence[int], *, large: int = 5, title: str = ""
) -> Figure:
    """The four branches of a module, side by side, and how their channels are joined.

    Lecture 11.

    Args:
        in_channels: channels of the input.
        module: channels as in ``models.googlenet.MODULES``: 1×1; reduction, 3×3; reduction, 5×5;
            after the pool.
        large: kernel size of the third branch.
        title: above the drawing.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.inception_module(192, (64, 96, 128, 16, 32, 32))
        >>> figure.alt_text[-38:]
        'he outputs are joined to 256 channels.'
    """
    ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj = module
    branches = [
        [f"1×1, {ch1x1}"],
        [f"1×1, {ch3x3red}", f"3×3 pad 1, {ch3x3}"],
        [f"1×1, {ch5x5red}", f"{large}×{large} pad {large // 2}, {ch5x5}"],
        ["max pool 3×3 /1 pad 1", f"1×1, {pool_proj}"],
    ]
    widths = [ch1x1, ch3x3, ch5x5, pool_proj]
    figure, axes = new_figure(width=9.2, height=4.2)
    middle = 1.5 * SPACING
    _box(axes, middle, 0, f"input: {in_channels} channels", "white")
    for place, texts in enumerate(branches):
        x = place * SPACING
        rows = [1.3, 2.3][: len(texts)]
        _line(axes, (middle, 0.25), (x, rows[0] - 0.25))
        for row, text in zip(rows, texts, strict=True):
            is_small = text.startswith("1×1")
            _box(axes, x, row, text, "#DCEBF5" if is_small else "#F6D9B8")
        if len(rows) == 2:
            _line(axes, (x, rows[0] + 0.25), (x, rows[1] - 0.25))
    _joined(axes, widths, [1.55, 2.55, 2.55, 2.55])
    axes.set(xlim=(-1.25, 3 * SPACING + 1.25), ylim=(5.0, -0.4), title=title)
    axes.set_axis_off()
    said = [f"branch {n}: {' then '.join(texts)}" for n, texts in enumerate(branches, 1)]
    return figure.described(
        f"{title or 'An inception module'}. Input of {in_channels} channels; {'; '.join(said)}. "
        f"The outputs are joined to {sum(widths)} channels."
    )


def _joined(axes: Axes, widths: Sequence[int], bottoms: Sequence[float]) -> None:
    """The output as a bar, divided as the channels are, and a line from each branch to its part."""
    total, left = sum(widths), -1.0
    length = 3 * SPACING + 2
    for place, (width, bottom) in enumerate(zip(widths, bottoms, strict=True)):
        share = length * width / total
        color, hatch = COLORS[place], HATCHES[place]
        axes.add_patch(
            Rectangle((left, 3.5), share, 0.42, facecolor=color, hatch=hatch, edgecolor="white")
        )
        _line(axes, (place * SPACING, bottom), (left + share / 2, 3.47))
        axes.text(left + share / 2, 4.12, str(width), ha="center", va="center", fontsize=9)
        left += share
    text = f"joined along the channels: {' + '.join(map(str, widths))} = {total}"
    axes.text(1.5 * SPACING, 4.55, text, ha="center", va="center")


def _box(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    draw_box(axes, (x, y), text, width=2.16, height=0.4, facecolor=color)


def _line(axes: Axes, start: Point, end: Point) -> None:
    draw_arrow(axes, start, end, linewidth=0.9)


def gradient_by_module(
    names: Sequence[str], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> Figure:
    """Norm of the gradient at each module, several curves in each panel, on one log scale.

    A value of 0 (the loss comes from a place before the module) is left out.

    Lecture 11.

    Args:
        names: the modules.
        panels: title -> {name of a curve: one value for each module}.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.gradient_by_module(["3a", "3b"], {"2014": {"main": [1e-9, 1e-3]}})
        >>> print(figure.alt_text)
        Norm of the gradient by module. 2014, main: 1.0e-09 at 3a.
    """
    figure, places = new_figure(1, len(panels), width=9.4, height=3.8, sharey=True, squeeze=False)
    said = []
    for axes, (title, curves) in zip(places[0], panels.items(), strict=True):
        for index, (source, values) in enumerate(curves.items()):
            points = [(place, value) for place, value in enumerate(values) if value > 0]
            axes.plot(*zip(*points, strict=True), label=source, **series(index))
            said.append(f"{title}, {source}: {values[0]:.1e} at {names[0]}")
        axes.set_yscale("log")
        axes.set_xticks(range(len(names)), names)
        axes.set(title=title, xlabel="module, from the image to the output")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    places[0, 0].set_ylabel("norm of the gradient (log scale)")
    return figure.described(f"Norm of the gradient by module. {'; '.join(said)}.")
