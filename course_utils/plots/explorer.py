"""A convolution to play with: size, kernel, stride, padding and dilation as sliders."""

from __future__ import annotations

import base64
import html
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..arithmetic import conv_flops, conv_output_size, conv_parameters, read_counts, scaled
from .style import COLORS, Figure, new_figure

FIRST, NEXT, PADDING, LOST = COLORS[0], COLORS[1], "#D9D9D9", COLORS[6]
INSIDE = dict(facecolor=FIRST, edgecolor="white", linewidth=1.2)  # its pixels can be counted
SLIDERS = {  # name: least, most, at the start
    "size": (1, 24, 9),
    "kernel_size": (1, 9, 3),
    "stride": (1, 5, 2),
    "padding": (0, 4, 1),
    "dilation": (1, 4, 1),
}
CHANNELS, FILTERS = 3, 6


def convolution_picture(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Figure:
    """The first windows on a padded square image, the output they make, and the cost.

    A combination that does not fit gives a figure that says so.

    Lecture 02.

    Args:
        size: pixels of the image's sides.
        kernel_size: pixels of the window's sides.
        stride: pixels from one window to the next.
        padding: pixels on each side.
        dilation: pixels from one tap of the kernel to the next.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.convolution_picture(size=9, kernel_size=3, stride=2, padding=1)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        A 3×3 kernel, stride 2, padding 1, dilation 1, on a 9×9 image gives 5×5. 0 rows are never
        read. With 3 channels and 6 filters: 168 parameters, 8.1 k FLOPs.
    """
    window = dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    figure, (left, right) = new_figure(1, 2, width=7.6, height=4.2)
    try:
        after = conv_output_size(size, **window)
    except ValueError as error:
        return _impossible(figure, left, right, size, window, str(error))
    lost = [i for i, count in enumerate(read_counts(size, **window)) if count == 0]
    _draw_input(left, size, lost=lost, after=after, **window)
    _draw_output(right, after, size + 2 * padding)
    parameters = conv_parameters(CHANNELS, FILTERS, kernel_size)
    flops = conv_flops(CHANNELS, FILTERS, kernel_size, after)
    span = dilation * (kernel_size - 1) + 1
    figure.suptitle(
        f"({size} + 2·{padding} − {span}) / {stride} + 1 = "
        f"{(size + 2 * padding - span) / stride + 1:g}, rounded down: {after}"
    )
    cost = f"{parameters:,} parameters, {scaled(flops)} FLOPs"
    right.set_xlabel(f"with {CHANNELS} channels and {FILTERS} filters:\n{cost}")
    return figure.described(
        f"A {kernel_size}×{kernel_size} kernel, stride {stride}, padding {padding}, dilation "
        f"{dilation}, on a {size}×{size} image gives {after}×{after}. {len(lost)} rows are never "
        f"read. With {CHANNELS} channels and {FILTERS} filters: {cost}."
    )


def convolution_explorer() -> Any:
    """Sliders above `convolution_picture`, as one ipywidgets widget.

    Sliders move with the mouse and, once selected, with the arrow keys.

    Lecture 02.

    Example:
        >>> from course_utils import plots
        >>> *sliders, picture = plots.convolution_explorer().children
        >>> [slider.value for slider in sliders]
        [9, 3, 2, 1, 1]
    """
    from ipywidgets import HTML, IntSlider, Layout, VBox

    wide = Layout(width="420px")
    sliders = {
        name: IntSlider(
            min=least,
            max=most,
            value=start,
            description=name.replace("_size", ""),
            continuous_update=False,
            layout=wide,
        )
        for name, (least, most, start) in SLIDERS.items()
    }
    picture = HTML()

    def draw(_: Any = None) -> None:
        values = {name: slider.value for name, slider in sliders.items()}
        picture.value = as_html(convolution_picture(**values))

    for slider in sliders.values():
        slider.observe(draw, names="value")
    draw()

    class Explorer(VBox):
        def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
            shown = super()._repr_mimebundle_(**options)
            return shown | {"text/plain": "Sliders (they need a running notebook)"}

    return Explorer([*sliders.values(), picture])


def as_html(figure: Figure) -> str:
    """The figure as an <img> with its description."""
    data = base64.b64encode(figure.png()).decode()
    width = round(figure.get_size_inches()[0] * 96)
    alt = html.escape(figure.alt_text, quote=True)
    style = "max-width: 100%; height: auto"
    return f'<img width="{width}" style="{style}" alt="{alt}" src="data:image/png;base64,{data}">'


def _draw_input(
    axes: Axes,
    size: int,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    lost: list[int],
    after: int,
) -> None:
    for row in range(-padding, size + padding):
        for column in range(-padding, size + padding):
            inside = 0 <= row < size and 0 <= column < size
            unread = inside and (row in lost or column in lost)
            face = LOST if unread else "white" if inside else PADDING
            _square(axes, column, row, facecolor=face, edgecolor="0.6", linewidth=0.6)
            if unread:
                axes.text(column, row, "×", ha="center", va="center", fontsize=9)
    _draw_taps(axes, -padding, kernel_size, padding, dilation, **INSIDE)
    if after > 1:
        start = stride - padding
        _draw_taps(
            axes, start, kernel_size, padding, dilation, fill=False, edgecolor=NEXT, linewidth=2.5
        )
    text = f"image {size}×{size}"
    text += f", padded {size + 2 * padding}×{size + 2 * padding}" if padding else ""
    text += (
        f"\n{len(lost)} rows and columns are never read (×)" if lost else "\nall pixels are read"
    )
    _frame(axes, -padding, size + padding, text)
    axes.set_xlabel("blue: first window; outlined: the next one\ngrey: padding")


def _draw_taps(
    axes: Axes, column: int, kernel_size: int, padding: int, dilation: int, **style: Any
) -> None:
    for down in range(kernel_size):
        for right in range(kernel_size):
            _square(axes, column + right * dilation, down * dilation - padding, **style)


def _draw_output(axes: Axes, after: int, widest: int) -> None:
    for row in range(after):
        for column in range(after):
            _square(axes, column, row, facecolor="white", edgecolor="0.6", linewidth=0.6)
    _square(axes, 0, 0, **INSIDE)
    if after > 1:
        _square(axes, 1, 0, fill=False, edgecolor=NEXT, linewidth=2.5)
    margin = max(0, widest - after) / 2
    _frame(axes, -margin, after + margin, f"output {after}×{after}")


def _impossible(
    figure: Figure, left: Axes, right: Axes, size: int, window: dict[str, int], reason: str
) -> Figure:
    left.set_axis_off()
    right.set_axis_off()
    setting = ", ".join(f"{name} {value}" for name, value in {"size": size, **window}.items())
    figure.text(0.5, 0.6, "This combination is impossible", ha="center", fontsize=14)
    figure.text(0.5, 0.45, reason.replace(": ", ":\n"), ha="center", va="center")
    return figure.described(f"Impossible: {setting}. The reason: {reason}.")


def _square(axes: Axes, column: float, row: float, **style: Any) -> None:
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **style))


def _frame(axes: Axes, low: float, high: float, title: str) -> None:
    axes.set(xlim=(low - 0.6, high - 0.4), ylim=(high - 0.4, low - 0.6), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title(title, fontsize=10)
