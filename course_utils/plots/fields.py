"""Pictures of receptive fields: which pixels one output number sees, and how strongly."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from ..arithmetic import ReceptiveField, receptive_field
from .style import COLORS, Figure, new_figure

SEEN, UNSEEN = COLORS[0], "#D9D9D9"


def receptive_cones(stacks: dict[str, list[dict[str, int]]]) -> Figure:
    """The pixels behind one output number, layer by layer.

    The image is the bottom row of dots; each line is one weight.

    Lecture 02.

    Args:
        stacks: name -> layers, as `course_utils.arithmetic.receptive_field` takes them.

    Example:
        >>> from course_utils import plots
        >>> print(plots.receptive_cones({"two 3": [dict(kernel_size=3)] * 2}).alt_text)
        How many pixels in a row one output number sees, layer by layer. two 3: 5 pixels.
    """
    depth = max(map(len, stacks.values()))
    widest = max(receptive_field(layers).size for layers in stacks.values())
    figure, axes = new_figure(
        1, len(stacks), width=9.4, height=1.0 + 0.62 * depth, squeeze=False, sharey=True
    )
    between = " " if len(stacks) < 4 else "\n"
    texts = []
    for place, (name, layers) in zip(axes[0], stacks.items(), strict=True):
        size = receptive_field(layers).size
        _draw_cone(place, layers, widest)
        place.set(ylim=(-0.4, depth + 0.4))
        place.set_title(f"{name}:{between}sees {size} pixels")
        texts.append(f"{name}: {size} pixels")
    axes[0, 0].set_yticks(range(depth + 1), ["image", *(f"layer {n + 1}" for n in range(depth))])
    return figure.described(
        f"How many pixels in a row one output number sees, layer by layer. {'; '.join(texts)}."
    )


def effective_fields(gradients: dict[str, Tensor], fields: dict[str, int]) -> Figure:
    """How strongly the middle output depends on each pixel; below, the middle row of pixels.

    The outline is the theoretical field.

    Lecture 02.

    Args:
        gradients: name -> gradient of the output, float (H, W); its size counts.
        fields: name -> pixels of the theoretical field's sides.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> gradients = {"one 3": torch.eye(5), "one 1": torch.eye(5)}
        >>> figure = plots.effective_fields(gradients, {"one 3": 3, "one 1": 1})
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        How strongly one output number depends on each pixel. one 3: field 3 pixels wide, above half
        strength in 1; one 1: field 1 pixels wide, above half strength in 1.
    """
    figure, axes = new_figure(
        2, len(gradients), width=9.4, height=4.4, gridspec_kw={"height_ratios": [2, 1]}
    )
    texts = []
    for (picture, curve), (name, gradient) in zip(axes.T, gradients.items(), strict=True):
        strength = (gradient.abs() / gradient.abs().max()).cpu()
        middle, size = strength.shape[0] // 2, fields[name]
        picture.imshow(strength.numpy(), cmap="magma", vmin=0, vmax=1)
        low = middle - size // 2 - 0.5
        _outline(picture, low, size)
        picture.set(xticks=[], yticks=[], title=f"{name}, field {size}×{size}")
        curve.plot(strength[middle].numpy(), color=COLORS[0])
        for edge in (low, low + size):
            curve.axvline(edge, color="black", linestyle="--", linewidth=1)
        curve.set(xlim=(-0.5, len(strength) - 0.5), ylim=(0, 1.05), xlabel="column of the image")
        wide = int((strength[middle] > 0.5).sum())
        texts.append(f"{name}: field {size} pixels wide, above half strength in {wide}")
    axes[0, 0].set_ylabel("row of the image")
    axes[1, 0].set_ylabel("relative\nstrength")
    return figure.described(
        f"How strongly one output number depends on each pixel. {'; '.join(texts)}."
    )


def _outline(axes: Axes, low: float, size: int) -> None:
    axes.add_patch(
        Rectangle(
            (low, low), size, size, fill=False, edgecolor="white", linestyle="--", linewidth=1.5
        )
    )


def _draw_cone(axes: Axes, layers: list[dict[str, int]], width: int) -> None:
    """Dots for the units of each level, in image coordinates; lines for the weights in use."""
    fields = [receptive_field(layers[:level]) for level in range(len(layers) + 1)]
    low = (fields[-1].size - 1) / 2 - width / 2 - 1  # the cone stands in the middle
    axes.set(xticks=[], xlim=(low, low + width + 2))
    used = {0}  # units of the level above, counted from the first one inside the cone
    for level in reversed(range(len(layers))):
        stride, dilation = layers[level].get("stride", 1), layers[level].get("dilation", 1)
        taps = range(0, dilation * layers[level]["kernel_size"], dilation)
        links = [(unit, unit * stride + tap) for unit in used for tap in taps]
        for above, below in links:
            ends = [_place(fields[level], below), _place(fields[level + 1], above)]
            axes.plot(ends, [level, level + 1], color="0.55", linewidth=0.8, zorder=1)
        _draw_units(axes, fields[level + 1], level + 1, used)
        used = {below for _, below in links}
    _draw_units(axes, fields[0], 0, used)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _place(field: ReceptiveField, unit: int) -> float:
    """The middle of what a unit sees, in pixels."""
    return unit * field.jump + (field.size - 1) / 2


def _draw_units(axes: Axes, field: ReceptiveField, level: int, used: set[int]) -> None:
    low, high = axes.get_xlim()
    first, last = (round((edge - _place(field, 0)) / field.jump) for edge in (low, high))
    for unit in range(first, last + 1):
        size, color = (60, SEEN) if unit in used else (25, UNSEEN)
        axes.scatter([_place(field, unit)], [level], s=size, color=color, zorder=2)
