"""Where a network looks: heat maps over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from torch import Tensor

from .images import NAME_GAP, draw_heat, draw_image, name_row
from .style import Figure, new_figure


def heat_maps(images: Tensor, maps: Mapping[str, Tensor], titles: Sequence[str]) -> Figure:
    """Images in the first row; below, one row for each kind of heat map.

    Each map is stretched over its image in grey and has its own scale: from 0 (dark; all below
    counts as 0) to its largest value (bright).

    Lectures 09, 12 and 14.

    Args:
        images: uint8 or float in [0, 1], (N, C, H, W).
        maps: name of the row -> float (N, h, w).
        titles: one for each image.

    Raises:
        ValueError: the numbers of images, maps and titles differ.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.heat_maps(
        ...     torch.rand(1, 3, 8, 8), {"Grad-CAM": torch.rand(1, 2, 2)}, ["cat"]
        ... )
        >>> print(figure.alt_text)
        Heat maps (Grad-CAM) of 1 images: cat.
    """
    count = len(images)
    if len(titles) != count or any(len(stack) != count for stack in maps.values()):
        sizes = [len(stack) for stack in maps.values()]
        raise ValueError(f"{count} images need as many titles and maps: {len(titles)}, {sizes}")
    height, width = images.shape[2:]
    figure, axes = new_figure(
        len(maps) + 1,
        count,
        width=1.2 * count + 2.9,
        height=1.24 * (len(maps) + 1) + 0.5,
        gap=NAME_GAP,
        squeeze=False,
    )
    for place, image, title in zip(axes[0], images, titles, strict=True):
        draw_image(place, image, title)
    name_row(axes[0, 0], "image")
    for row, (name, stack) in zip(axes[1:], maps.items(), strict=True):
        name_row(row[0], f"{name}\n{'×'.join(map(str, stack.shape[1:]))}")
        for place, image, heat in zip(row, images, stack, strict=True):
            draw_image(place, image.float().mean(0, keepdim=True) / _largest(image))
            draw_heat(place, heat, height, width)
    scale = ScalarMappable(Normalize(0, 1), cmap="inferno")
    figure.colorbar(scale, ax=axes, label="share of the map's largest value", aspect=30)
    shown = ", ".join(title.replace("\n", " ") for title in titles)
    return figure.described(f"Heat maps ({', '.join(maps)}) of {count} images: {shown}.")


def _largest(image: Tensor) -> float:
    """The value of white in this type."""
    return 1.0 if image.is_floating_point() else 255.0
