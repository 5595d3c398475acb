"""Pictures of convolution and pooling: kernels, windows, and which pixels they read."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from ..arithmetic import adaptive_windows, conv_output_size, pad_widths, unread
from .images import draw_image
from .parts import cells
from .style import COLORS, Figure, new_figure

ORANGE, PADDING = COLORS[1], "#D9D9D9"
CELL = 0.46  # inches, for a number in a grid
SIGNED = "RdBu_r"  # red above zero, blue below: told apart with any common colour blindness


def kernel_responses(
    image: Tensor, kernels: dict[str, Tensor], responses: dict[str, Tensor]
) -> Figure:
    """A grey image, and each kernel under its response.

    Responses of kernels whose weights sum to zero are signed: red above zero, blue below.

    Lecture 02.

    Args:
        image: float in [0, 1], (1, H, W).
        kernels: name -> float (F, F).
        responses: name -> float (H', W').

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> edges = torch.tensor([[-1.0, 1.0]] * 2)
        >>> figure = plots.kernel_responses(
        ...     torch.rand(1, 9, 9), {"edges": edges}, {"edges": torch.rand(8, 8)}
        ... )
        >>> print(figure.alt_text)
        A photograph and its responses to kernels: edges −1 1 / −1 1.
    """
    figure, axes = new_figure(
        2, len(kernels) + 1, width=9.4, height=3.1, gridspec_kw={"height_ratios": [1.25, 1]}
    )
    draw_image(axes[0, 0], image, "the photograph")
    axes[1, 0].set_axis_off()
    for column, (name, kernel) in enumerate(kernels.items(), start=1):
        _draw_response(axes[0, column], responses[name], signed=abs(kernel.sum().item()) < 1e-6)
        axes[0, column].set_title(name, fontsize=10)
        draw_numbers(axes[1, column], kernel)
    texts = [f"{name} {_spoken(kernel)}" for name, kernel in kernels.items()]
    return figure.described(f"A photograph and its responses to kernels: {'; '.join(texts)}.")


def channel_responses(
    image: Tensor, weights: dict[str, tuple[float, ...]], responses: dict[str, Tensor]
) -> Figure:
    """A colour image and its response to each 1×1 kernel.

    Responses to weights that sum to zero are signed: red above zero, blue below.

    Lecture 02.

    Args:
        image: float in [0, 1], (3, H, W).
        weights: name -> the weights of red, green and blue.
        responses: name -> float (H, W).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> image = torch.rand(3, 9, 9)
        >>> figure = plots.channel_responses(
        ...     image, {"redness": (1, -1, 0)}, {"redness": image[0] - image[1]}
        ... )
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        A colour photograph and what 1×1 convolutions make of it, with the weights for red, green
        and blue. redness: 1, −1, 0.
    """
    figure, axes = new_figure(1, len(weights) + 1, width=9.4, height=2.7)
    draw_image(axes[0], image, "the photograph", fontsize=10)
    for place, (name, numbers) in zip(axes[1:], weights.items(), strict=True):
        _draw_response(place, responses[name], signed=abs(sum(numbers)) < 1e-6)
        place.set_title(name, fontsize=10)
        place.set_xlabel("weights " + ", ".join(_short(number) for number in numbers))
    texts = [f"{name}: {', '.join(map(_short, numbers))}" for name, numbers in weights.items()]
    return figure.described(
        f"A colour photograph and what 1×1 convolutions make of it, with the weights for red, "
        f"green and blue. {'; '.join(texts)}."
    )


def sliding_step(image: Tensor, kernel: Tensor, output: Tensor, row: int, column: int) -> Figure:
    """One step of a convolution, as numbers: the window and the number it gives are outlined.

    Lecture 02.

    Args:
        image: float (H, W).
        kernel: float (F, F).
        output: float (H', W').
        row: the window's first row; the number's row.
        column: the window's first column; the number's column.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.sliding_step(
        ...     torch.eye(3), torch.ones(2, 2), torch.ones(2, 2), row=0, column=1
        ... )
        >>> figure.axes[1].get_xlabel()
        'multiply 4 pairs, add up: 1'
    """
    panels = {"image": image, "kernel": kernel, "output": output}
    figure, axes = _grids(list(panels.values()))
    for place, (name, numbers) in zip(axes, panels.items(), strict=True):
        draw_numbers(place, numbers, f"{name}, {numbers.shape[0]}×{numbers.shape[1]}")
    size = len(kernel)
    _outline(axes[0], column, row, size)
    _outline(axes[2], column, row, 1)
    value = _short(output[row, column].item())
    axes[1].set_xlabel(f"multiply {kernel.numel()} pairs, add up: {value}")
    return figure.described(
        f"An image of {image.shape[0]}×{image.shape[1]} numbers, a kernel of {size}×{size} and the "
        f"output of {output.shape[0]}×{output.shape[1]}. The window at row {row}, column {column} "
        f"is outlined; its products with the kernel add up to {value}."
    )


def number_grids(grids: dict[str, Tensor], window: int = 0, decimals: int | None = None) -> Figure:
    """Small tensors side by side as numbers.

    Lecture 02.

    Args:
        grids: name -> float (H, W).
        window: rule the first grid into windows of this size; 0: not at all.
        decimals: of each number; None writes whole numbers and simple fractions as such.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.number_grids({"pixels": torch.eye(2), "mean": torch.tensor([[0.5]])})
        >>> print(figure.alt_text)
        Grids of numbers. pixels: 1 0 / 0 1; mean: 1/2.
    """
    figure, axes = _grids(list(grids.values()))
    for place, (name, grid) in zip(axes, grids.items(), strict=True):
        draw_numbers(place, grid, name, decimals)
    first = next(iter(grids.values()))
    if window:
        for row in range(0, first.shape[0] - window + 1, window):
            for column in range(0, first.shape[1] - window + 1, window):
                _outline(axes[0], column, row, window)
    texts = [f"{name}: {_spoken(grid, decimals)}" for name, grid in grids.items()]
    return figure.described("Grids of numbers. " + "; ".join(texts) + ".")


def read_counts(counts: dict[str, Tensor]) -> Figure:
    """How many windows read each pixel: heat maps on one scale.

    A cross marks a pixel that is never read.

    Lectures 02 and 04.

    Args:
        counts: title -> whole numbers (H, W).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> print(plots.read_counts({"size 3": torch.tensor([[1, 1, 0]] * 3)}).alt_text)
        How many windows read each pixel. size 3: corner 1, middle 1, 3 never read.
    """
    highest = max(int(grid.max()) for grid in counts.values())
    figure, axes = new_figure(1, len(counts), width=9.4, height=3.2, squeeze=False)
    for place, (name, grid) in zip(axes[0], counts.items(), strict=True):
        shown = place.imshow(grid.cpu().numpy(), cmap="cividis", vmin=0, vmax=highest)
        place.set_title(name)
        place.set(xticks=[], yticks=[], xlabel="column")
        place.spines[:].set_visible(False)
        for (row, column), count in cells(grid):
            color = "white" if count < 0.6 * highest else "black"
            text = f"{count:.0f}" if count else "×"
            place.text(column, row, text, ha="center", va="center", color=color)
    axes[0, 0].set_ylabel("row")
    figure.colorbar(shown, ax=axes, label="windows that read the pixel", shrink=0.8)
    texts = [
        f"{name}: corner {int(grid[0, 0])}, middle {int(grid[len(grid) // 2, len(grid) // 2])}, "
        f"{int((grid == 0).sum())} never read"
        for name, grid in counts.items()
    ]
    return figure.described(f"How many windows read each pixel. {'; '.join(texts)}.")


def window_rows(settings: dict[str, dict[str, int]]) -> Figure:
    """Windows along one row of pixels, a panel for each setting.

    Each line is one window, its dots the pixels it reads. Grey squares are padding, crossed ones
    are never read.

    Lecture 02.

    Args:
        settings: title -> the arguments of `course_utils.arithmetic.conv_output_size`.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.window_rows({"stride 3": dict(size=8, kernel_size=3, stride=3)})
        >>> print(figure.alt_text)
        Windows along one row of pixels. stride 3: 2 windows over 8 pixels, 2 unread.
    """
    counts = {name: conv_output_size(**setting) for name, setting in settings.items()}
    most = max(counts.values())
    figure, axes = new_figure(
        1, len(settings), width=9.4, height=1.4 + 0.19 * most, squeeze=False, sharex=True
    )
    texts = []
    for place, (name, setting) in zip(axes[0], settings.items(), strict=True):
        count, lost = counts[name], unread(**setting)
        _draw_windows(place, lost=lost, **setting)
        place.set_title(f"{name}: {count} windows")
        place.set(xlabel="pixel of the input", ylim=(most - 0.4, -1.7), yticks=range(count))
        texts.append(f"{name}: {count} windows over {setting['size']} pixels, {len(lost)} unread")
    axes[0, 0].set_ylabel("output number")
    return figure.described(f"Windows along one row of pixels. {'; '.join(texts)}.")


def adaptive_pooling(size: int, output_size: int) -> Figure:
    """The windows of adaptive pooling along one row of pixels.

    Lectures 02 and 05.

    Args:
        size: pixels of the row.
        output_size: windows.

    Example:
        >>> from course_utils import plots
        >>> print(plots.adaptive_pooling(8, 3).alt_text)
        Adaptive pooling of 8 pixels to 3: the windows are pixels 0 to 2, 2 to 5, 5 to 7.
    """
    windows = adaptive_windows(size, output_size)
    figure, axes = new_figure(width=6, height=0.9 + 0.28 * output_size)
    _draw_pixels(axes, range(size), size, [])
    for number, (start, stop) in enumerate(windows):
        color = COLORS[number % 2]
        axes.plot([start, stop - 1], [number, number], "o-", color=color, markevery=1, linewidth=3)
        axes.text(stop - 0.4, number, f"{stop - start} pixels", va="center", fontsize=9)
    axes.set(yticks=range(output_size), xlabel="pixel of the input", ylabel="output number")
    axes.set(xlim=(-0.7, size + 1), ylim=(output_size - 0.5, -1.7))
    texts = [f"{start} to {stop - 1}" for start, stop in windows]
    return figure.described(
        f"Adaptive pooling of {size} pixels to {output_size}: the windows are pixels "
        f"{', '.join(texts)}."
    )


def weight_matrices(matrices: dict[str, Tensor], free: dict[str, int]) -> Figure:
    """Layers as matrices, on one scale of colours.

    Lecture 02.

    Args:
        matrices: name -> float (outputs, inputs), the same shape for all; two at least.
        free: name -> how many different weights the layer has.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> matrices = {"full": torch.ones(2, 3), "shared": torch.eye(2, 3)}
        >>> figure = plots.weight_matrices(matrices, {"full": 6, "shared": 1})
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Layers as 2×3 matrices: full with 6 different weights, shared with 1 different weights. The
        matrix of a convolution repeats the same few weights along its diagonals.
    """
    figure, axes = new_figure(1, len(matrices), width=9.4, height=2.9)
    limit = max(matrix.abs().max().item() for matrix in matrices.values())
    for place, (name, matrix) in zip(axes, matrices.items(), strict=True):
        shown = place.imshow(matrix.cpu().numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
        place.set_title(f"{name}: {free[name]} weights")
        place.set_xlabel("input pixel")
        _rule(place, *matrix.shape)
    axes[0].set_ylabel("output number")
    figure.colorbar(shown, ax=axes, label="weight (white: zero)", shrink=0.8)
    texts = [f"{name} with {free[name]} different weights" for name in matrices]
    return figure.described(
        f"Layers as {matrix.shape[0]}×{matrix.shape[1]} matrices: {', '.join(texts)}. The matrix "
        "of a convolution repeats the same few weights along its diagonals."
    )


# -- parts of figures ---------------------------------------------------------------------------


def _grids(grids: list[Tensor]) -> tuple[Figure, np.ndarray]:
    """A row of axes for grids of numbers, with cells of the same size in all of them."""
    rows, columns = max(len(grid) for grid in grids), [grid.shape[1] for grid in grids]
    figure, axes = new_figure(
        1,
        len(grids),
        width=CELL * (sum(columns) + len(columns)),
        height=CELL * rows + 0.8,
        gap=CELL / 4,
        gridspec_kw={"width_ratios": columns},
    )
    return figure, axes


def draw_numbers(axes: Axes, numbers: Tensor, title: str = "", decimals: int | None = None) -> None:
    """Draw an (H, W) tensor as a grid of numbers on a signed background."""
    limit = max(numbers.abs().max().item(), 1e-9) * 2.5  # pale, so that black text stands out
    axes.imshow(numbers.cpu().numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
    for (row, column), number in cells(numbers):
        axes.text(column, row, _short(number, decimals), ha="center", va="center")
    _rule(axes, *numbers.shape)
    axes.set_title(title)


def _draw_response(axes: Axes, response: Tensor, *, signed: bool) -> None:
    response = response.detach().cpu()
    limit = response.abs().quantile(0.995).item() if signed else 1.0
    low, cmap = (-limit, SIGNED) if signed else (0.0, "gray")
    axes.imshow(response.numpy(), cmap=cmap, vmin=low, vmax=limit)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_windows(
    axes: Axes,
    size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    lost: Sequence[int] = (),
) -> None:
    count = conv_output_size(size, kernel_size, stride, padding, dilation)
    before, after = pad_widths(kernel_size, padding, dilation)
    _draw_pixels(axes, range(-before, size + after), size, lost)
    for window in range(count):
        first = window * stride - before
        taps = [first + tap * dilation for tap in range(kernel_size)]
        axes.plot(taps, [window] * kernel_size, "o-", color=COLORS[window % 2], linewidth=2)


def _draw_pixels(axes: Axes, pixels: range, size: int, lost: Sequence[int]) -> None:
    """A row of squares at height −1: white for pixels, grey for padding, crossed if never read."""
    for pixel in pixels:
        inside = 0 <= pixel < size
        face = "white" if inside else PADDING
        place = (pixel - 0.5, -1.5)
        axes.add_patch(Rectangle(place, 1, 1, facecolor=face, edgecolor="black", linewidth=0.8))
        text = "×" if pixel in lost else str(pixel) if inside else ""
        color = ORANGE if pixel in lost else "black"
        axes.text(pixel, -1, text, ha="center", va="center", fontsize=9, color=color)
    for pixel in lost:
        axes.axvspan(pixel - 0.5, pixel + 0.5, color=ORANGE, alpha=0.15, linewidth=0)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)


def _outline(axes: Axes, column: float, row: float, size: float) -> None:
    place = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(place, size, size, fill=False, ec=ORANGE, linewidth=3, zorder=3))


def _rule(axes: Axes, rows: int, columns: int) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for row in range(rows + 1):
        axes.axhline(row - 0.5, color="0.6", linewidth=0.6)
    for column in range(columns + 1):
        axes.axvline(column - 0.5, color="0.6", linewidth=0.6)


def _short(number: float, decimals: int | None = None) -> str:
    """A number for a cell: whole, a simple fraction such as 1/9, or two digits."""
    if decimals is not None:
        return f"{round(number, decimals) + 0.0:.{decimals}f}".replace("-", "−")  # no −0.0
    fraction = Fraction(number).limit_denominator(16)
    if abs(float(fraction) - number) < 1e-6:
        return str(fraction).replace("-", "−")
    return f"{number:.2g}".replace("-", "−")


def _spoken(grid: Tensor, decimals: int | None = None) -> str:
    rows = (" ".join(_short(number, decimals) for number in row) for row in grid.tolist())
    return " / ".join(rows)
