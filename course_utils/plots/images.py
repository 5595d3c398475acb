"""Pictures of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes

from .style import Figure, new_figure

NAME_GAP = 0.1  # inches beside each panel: room for the names of rows


def to_picture(image: torch.Tensor) -> np.ndarray:
    """Return an image as the array that ``imshow`` draws.

    Args:
        image: uint8 or float in [0, 1], (C, H, W). Floats a little outside are clipped.

    Returns:
        float32 in [0, 1], (H, W) or (H, W, 3).

    Raises:
        ValueError: the type is neither uint8 nor a float.
    """
    image = image.detach().cpu()
    if image.is_floating_point():
        image = image.float().clamp(0, 1)
    elif image.dtype != torch.uint8:
        raise ValueError(f"an image is uint8 or float in [0, 1], not {image.dtype}")
    else:
        image = image.float() / 255
    return image[0].numpy() if image.shape[0] == 1 else image.permute(1, 2, 0).numpy()


def draw_image(axes: Axes, image: torch.Tensor, title: str = "", fontsize: float = 9) -> None:
    """Draw one (C, H, W) image without ticks. The same value has the same grey in every image."""
    axes.imshow(to_picture(image), cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=fontsize)


def name_row(axes: Axes, name: str) -> None:
    """Write a row's name to the left of its first image. The figure needs the gap `NAME_GAP`."""
    axes.text(-0.08, 0.5, name, ha="right", va="center", fontsize=9, transform=axes.transAxes)


def draw_heat(axes: Axes, heat: torch.Tensor, height: int, width: int) -> None:
    """Stretch a map (h, w) over an image of this size, from 0 (dark) to its largest (bright)."""
    heat = heat.detach().float().cpu()
    share = (heat / heat.max().clamp(min=1e-12)).clamp(0, 1)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(share.numpy(), cmap="inferno", vmin=0, vmax=1, extent=extent, alpha=0.65)


def image_grid(
    images: torch.Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    alt: str,
    size: float = 1.1,
) -> Figure:
    """A grid of images, row by row.

    Lectures 01, 03, 05, 06, 10, 11, 13, 14 and 15.

    Args:
        images: uint8 or float in [0, 1], (N, C, H, W), N > 0.
        titles: one for each image, or none at all.
        columns: images in a row.
        alt: the description of the figure.
        size: inches of an image's sides.

    Raises:
        ValueError: there is no image, or the shape is another.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> plots.image_grid(torch.rand(6, 3, 8, 8), columns=3, alt="Six images of noise.")
        <Figure size 330x226 with 6 Axes>
    """
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"image_grid needs images (N, C, H, W), got shape {tuple(images.shape)}")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    lines = max((title.count("\n") + 1 for title in titles or () if title), default=0)
    figure, axes = new_figure(
        rows,
        columns,
        width=columns * size,
        height=rows * (size + 0.19 * lines) + 0.06,
        squeeze=False,
    )
    for place in axes.flat:
        place.set_axis_off()
    for index, (place, image) in enumerate(zip(axes.flat, images, strict=False)):
        draw_image(place, image, titles[index] if titles else "")
    return figure.described(alt)
