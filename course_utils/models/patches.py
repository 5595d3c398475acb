"""Patches of images, and where they stand.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021. Used in lecture 14.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..withheld import asked_for


@asked_for("14.1")
def split_patches(images: Tensor, size: int) -> Tensor:
    """Cut images (N, C, H, W) into squares: (N, patches, C * size * size), row by row.

    The numbers of a patch stand in the order channel, row, column. Used in lecture 14.

    Example:
        >>> split_patches(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1].tolist()
        [2.0, 3.0, 6.0, 7.0]
    """
    return F.unfold(images, kernel_size=size, stride=size).mT


@asked_for("14.4")
def resize_positions(positions: Tensor, size: int) -> Tensor:
    """Return position embeddings (1, 1 + h * h, D) for a grid of ``size`` x ``size`` patches.

    The grid is interpolated (bicubic); the class token's embedding, the first, stays as it is.
    Used in lecture 14.

    Example:
        >>> resize_positions(torch.zeros(1, 65, 8), 12).shape
        torch.Size([1, 145, 8])
    """
    token, patches = positions.split([1, positions.shape[1] - 1], dim=1)
    side = round(patches.shape[1] ** 0.5)
    grid = patches.mT.unflatten(2, (side, side))
    wider = F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=False)
    return torch.cat((token, wider.flatten(2).mT), dim=1)
