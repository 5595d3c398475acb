"""Figures of AlexNet's parts: the contest, the towers, and each idea of 2012 by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ..arithmetic import conv_output_size
from .parts import draw_arrow, draw_box
from .style import COLORS, Figure, new_figure, series

PADDING, UNREAD = "#CFCFCF", COLORS[1]


def contest_errors(errors: Mapping[str, float], networks: Sequence[str]) -> Figure:
    """The error of the entries of a contest; convolutional networks are set apart.

    Lecture 04.

    Args:
        errors: name -> top-5 error (%).
        networks: the names of the entries that are convolutional networks.

    Example:
        >>> from course_utils import plots
        >>> print(plots.contest_errors({"SIFT": 25.8, "AlexNet": 15.3}, ["AlexNet"]).alt_text)
        Top-5 error of entries to the ImageNet contest: SIFT 25.8 %; AlexNet 15.3 %.
    """
    figure, axes = new_figure(width=8, height=3.2)
    for index, (name, error) in enumerate(errors.items()):
        is_network = name in networks
        axes.bar(
            index,
            error,
            width=0.65,
            facecolor=COLORS[0] if is_network else "white",
            edgecolor=COLORS[0] if is_network else "black",
            hatch="" if is_network else "///",
            label={True: "convolutional network", False: "features made by hand"}[is_network],
        )
        axes.text(index, error + 0.5, f"{error:.1f}", ha="center")
    axes.set_xticks(range(len(errors)), errors)
    axes.set(ylabel="top-5 error (%)", ylim=(0, 1.15 * max(errors.values())))
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys())
    said = "; ".join(f"{' '.join(name.split())} {error:.1f} %" for name, error in errors.items())
    return figure.described(f"Top-5 error of entries to the ImageNet contest: {said}.")


def last_windows(
    settings: Mapping[str, tuple[int, int | tuple[int, int]]],
    kernel_size: int = 11,
    stride: int = 4,
) -> Figure:
    """Where the last windows of a layer end: one row of pixels a panel, its right end only.

    Grey: padding; orange and crossed: left over.

    Lecture 04.

    Args:
        settings: name of the panel -> (size, padding), in pixels; two panels at least. The padding
            is that of both sides, or that before the row and that behind it.
        kernel_size: pixels in a row of the window.
        stride: pixels from one window to the next.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.last_windows({"224": (224, 0), "227": (227, 0)})
        >>> [axes.get_title() for axes in figure.axes]
        ['224: 54 windows, left over: 1', '227: 55 windows, left over: 0']
    """
    reach = kernel_size + 2 * stride + 6  # pixels shown: the last three windows and a little
    height = 1.4 * len(settings)
    figure, places = new_figure(len(settings), 1, width=9, height=height, sharex=True)
    said = []
    rows = [
        (size, *(padding if isinstance(padding, tuple) else (padding, padding)))
        for size, padding in settings.values()
    ]
    ends = [size + behind for size, _, behind in rows]
    first = min(ends) - reach
    for axes, name, (size, before, behind) in zip(places, settings, rows, strict=True):
        windows = conv_output_size(size + before + behind, kernel_size, stride)
        end = (windows - 1) * stride + kernel_size - before  # the first pixel no window reads
        last = size + behind
        for pixel in range(first, last):
            _draw_pixel(axes, pixel, is_padding=pixel >= size, is_read=pixel < end)
        for back in range(3):
            start = end - kernel_size - back * stride
            axes.plot([start, start + kernel_size], [1.5 + back] * 2, "|-", color="black", ms=7)
            axes.text(start - 0.4, 1.5 + back, f"window {windows - back}", ha="right", va="center")
        left = last - end
        axes.set_title(f"{name}: {windows} windows, left over: {left}", fontsize=10)
        axes.set(xlim=(first - 2, max(ends) + 1), ylim=(-0.1, 4.1), yticks=[])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.spines["left"].set_visible(False)
        where = "in the padding" if left and end >= size else "of the image"
        said.append(f"{name}: {windows} windows, {left} left over {where if left else ''}".strip())
    places[-1].set_xlabel("pixel of the row (counted from 0)")
    return figure.described(
        f"The right end of a row of pixels, with the last three windows of {kernel_size} pixels "
        f"and stride {stride}. {'; '.join(said)}."
    )


def _draw_pixel(axes: Axes, pixel: int, *, is_padding: bool, is_read: bool) -> None:
    color = PADDING if is_padding else COLORS[5]
    axes.add_patch(
        Rectangle(
            (pixel, 0),
            1,
            1,
            facecolor=color if is_read or is_padding else UNREAD,
            edgecolor="white",
            linewidth=0.8,
        )
    )
    if not is_read:
        axes.plot([pixel + 0.15, pixel + 0.85], [0.15, 0.85], color="black", linewidth=1)
        axes.plot([pixel + 0.15, pixel + 0.85], [0.85, 0.15], color="black", linewidth=1)


def two_towers(layers: Sequence[tuple[str, str, bool]]) -> Figure:
    """The network of 2012 as two rows of boxes, one for each tower.

    The first and the last layer stand between the towers.

    Lecture 04.

    Args:
        layers: (name, what a tower holds, whether it reads both towers) of each layer.

    Example:
        >>> from course_utils import plots
        >>> layers = [("image", "3", False), ("conv 1", "48", False), ("output", "10", True)]
        >>> figure = plots.two_towers(layers)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        The network as two towers of 1 layers each, between the image and the output. A layer reads
        its own tower only, except in output, which read both. A tower holds: conv 1 48.
    """
    figure, axes = new_figure(width=9.4, height=3.3)
    last = len(layers) - 1
    for index, (name, text, meets) in enumerate(layers):
        heights = [0.5] if index in (0, last) else [1.0, 0.0]
        for tower, height in enumerate(heights):
            color = ("white", COLORS[5], "#F3D9A0")[0 if len(heights) == 1 else 1 + tower]
            size = dict(width=0.6, height=0.28, pad=0.03)
            draw_box(axes, (index, height), text, **size, facecolor=color)
        axes.text(index, 1.42, name, ha="center", fontsize=9, weight="bold")
        if index:
            _draw_arrows(axes, index, meets, first=index == 1, end=index == last)
    axes.text(-0.55, 1.0, "GPU 1", rotation=90, va="center", ha="center", fontsize=9)
    axes.text(-0.55, 0.0, "GPU 2", rotation=90, va="center", ha="center", fontsize=9)
    axes.set(xlim=(-0.7, last + 0.45), ylim=(-0.35, 1.6))
    axes.set_axis_off()
    meeting = [name for name, _, meets in layers[2:] if meets]
    return figure.described(
        f"The network as two towers of {len(layers) - 2} layers each, between the image and the "
        f"output. A layer reads its own tower only, except in {', '.join(meeting)}, which read "
        f"both. A tower holds: {', '.join(f'{name} {text}' for name, text, _ in layers[1:-1])}."
    )


def _draw_arrows(axes: Axes, index: int, meets: bool, *, first: bool, end: bool) -> None:
    sources = [0.5] if first else [1.0, 0.0]
    targets = [0.5] if end else [1.0, 0.0]
    for source in sources:
        for target in targets:
            # The output stands between the towers, and reads both: half of what it reads crosses.
            crosses = abs(source - target) == 1 or (end and meets)
            if crosses and not meets:
                continue
            style = dict(color=COLORS[1], linestyle="--") if crosses else {}
            draw_arrow(axes, (index - 0.66, source), (index - 0.34, target), **style)


def activation_curves(x: Tensor, curves: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Activation functions (left) and their slopes (right).

    Lecture 06.

    Args:
        x: inputs, float (N,), ascending.
        curves: name -> (values, slopes) at ``x``, each float (N,).

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> x = torch.tensor([-1.0, 1.0])
        >>> print(plots.activation_curves(x, {"ReLU": (x.relu(), (x > 0).float())}).alt_text)
        Activation functions and their slopes: ReLU has slope 0.000 at -1 and 1.000 at 1.
    """
    figure, places = new_figure(1, 2, width=9, height=2.9)
    said = []
    for index, (name, pair) in enumerate(curves.items()):
        for axes, values in zip(places, pair, strict=True):
            axes.plot(x.tolist(), values.tolist(), label=name, **series(index) | {"marker": ""})
        ends = " and ".join(f"{pair[1][end]:.3f} at {x[end]:g}" for end in (0, -1))
        said.append(f"{name} has slope {ends}")
    for axes, label in zip(places, ("output", "slope of the output"), strict=True):
        axes.set(xlabel="input", ylabel=label)
        axes.grid(alpha=0.3)
    places[0].legend()
    return figure.described(f"Activation functions and their slopes: {'; '.join(said)}.")


def lateral_inhibition(cases: Mapping[str, tuple[Tensor, Tensor]], size: int) -> Figure:
    """Activations of the channels at one pixel, before and after normalisation.

    Lecture 04.

    Args:
        cases: title -> (before, after), each float (C,); a panel each.
        size: channels in a window of the normalisation.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> case = torch.tensor([1.0, 8.0]), torch.tensor([0.5, 2.5])
        >>> figure = plots.lateral_inhibition({"alone": case}, size=5)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Activations of 2 channels at one pixel, before and after local response normalisation over 5
        channels. alone: the largest, 8.0, becomes 2.50.
    """
    figure, places = new_figure(1, len(cases), width=9.4, height=3.1, sharey=True, squeeze=False)
    said = []
    for axes, (name, (before, after)) in zip(places[0], cases.items(), strict=True):
        channels = range(len(before))
        outline = dict(color="white", edgecolor="black", hatch="//")
        axes.bar(channels, before.tolist(), 0.8, label="before", **outline)
        axes.bar(channels, after.tolist(), 0.45, color=COLORS[0], label="after")
        axes.set(title=name, xlabel="channel")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        peak = int(before.argmax())
        said.append(f"{name}: the largest, {before[peak]:.1f}, becomes {after[peak]:.2f}")
    places[0, 0].set_ylabel("activation")
    places[0, -1].legend()
    return figure.described(
        f"Activations of {len(before)} channels at one pixel, before and after local response "
        f"normalisation over {size} channels. {'; '.join(said)}."
    )


def dropout_masks(masks: Tensor, sums: Tensor, evaluation: float) -> Figure:
    """Masks of one layer, and what a unit above it gets to add up over many masks (right).

    Lecture 06.

    Args:
        masks: bool (N, H, W), True is kept.
        sums: float (M,), one for each mask.
        evaluation: the same sum without dropout.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> masks = torch.tensor([[[True, False], [True, True]]])
        >>> figure = plots.dropout_masks(masks, torch.tensor([1.0, 3.0]), evaluation=2.0)
        >>> figure.axes[0].get_title()
        'step 1: 3 kept'
    """
    count = len(masks)
    figure, places = new_figure(
        1, count + 1, width=9.4, height=2.6, gridspec_kw={"width_ratios": [1] * count + [2.2]}
    )
    for number, (axes, mask) in enumerate(zip(places, masks.cpu(), strict=False)):
        axes.imshow(mask.float().numpy(), cmap="gray", vmin=-0.6, vmax=1)
        for row, column in (~mask).nonzero().tolist():
            axes.text(column, row, "×", ha="center", va="center", color="white", fontsize=9)
        axes.set(xticks=[], yticks=[], title=f"step {number + 1}: {int(mask.sum())} kept")
    mean = sums.mean().item()
    places[-1].hist(sums.cpu().numpy(), bins=40, color=COLORS[5], edgecolor="white")
    places[-1].axvline(evaluation, ymax=0.7, color="black", label=f"evaluation: {evaluation:.2f}")
    places[-1].axvline(
        mean, ymax=0.7, color=COLORS[1], ls="--", label=f"mean of training: {mean:.2f}"
    )
    places[-1].set(xlabel="what the unit adds up", ylabel=f"how many of {len(sums):,} masks")
    places[-1].margins(y=0.5)
    places[-1].legend(loc="upper center", ncols=1)
    return figure.described(
        f"{count} dropout masks of a layer of {masks[0].numel()} units, and the sums that a unit "
        f"above gets with {len(sums):,} masks: mean {mean:.2f}, from {sums.min():.2f} to "
        f"{sums.max():.2f}; in evaluation {evaluation:.2f}."
    )


def signal_by_layer(signals: Mapping[str, Sequence[float]], layers: Sequence[str]) -> Figure:
    """The root mean square of each layer's output, one line for each initialisation.

    Lecture 06.

    Args:
        signals: name -> one value a layer.
        layers: the names of the layers.

    Example:
        >>> from course_utils import plots
        >>> print(plots.signal_by_layer({"small": [0.1, 1e-4]}, ["conv 1", "full 2"]).alt_text)
        Signal of each layer before training: small from 0.1 to 0.0001.
    """
    figure, axes = new_figure(width=8, height=3.2)
    said = []
    for index, (name, values) in enumerate(signals.items()):
        axes.plot(range(len(layers)), values, label=name, **series(index))
        said.append(f"{name} from {values[0]:.2g} to {values[-1]:.2g}")
    axes.set_xticks(range(len(layers)), layers)
    axes.set_yscale("log")
    axes.set(xlabel="layer", ylabel="root mean square of the\noutput (log scale)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure.described(f"Signal of each layer before training: {'; '.join(said)}.")
