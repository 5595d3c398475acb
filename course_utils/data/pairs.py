"""A task with a hundred classes from one with ten: two garments in each image."""

from __future__ import annotations

import torch
from torch import Tensor

from ..runtime import run_seed
from .types import ImageData, Parts, Split, make_image_data


def side_by_side(left: Tensor, right: Tensor) -> Tensor:
    """Return images (N, C, H, W) that show ``left`` and ``right``, each at half its width.

    Args:
        left: uint8 (N, C, H, W), W even.
        right: as many of the same size.

    Example:
        >>> white, black = (torch.full((1, 1, 2, 4), value).byte() for value in (255, 0))
        >>> side_by_side(white, black)[0, 0, 0].tolist()
        [255, 255, 0, 0]
    """
    halves = [(x[..., ::2].int() + x[..., 1::2].int()) // 2 for x in (left, right)]
    return torch.cat(halves, dim=3).byte()


def pairs_of(data: ImageData, count: int) -> ImageData:
    """Return a task with K · K classes from one with K: which is left, and which is right?

    Each image of a split stands about equally often on either side, with random partners. Training
    pairs hold training images only, and likewise for the others. Lecture 10.

    Args:
        data: the task with K classes.
        count: training pairs; there are as many validation and test pairs as images.

    Example:
        >>> from course_utils.data import load_data
        >>> pairs = pairs_of(load_data("fashion_photos", profile="quick"), count=3000)
        >>> pairs.num_classes, len(pairs.train), pairs.class_names[1]
        (100, 3000, 'T-shirt/top + Trouser')
    """
    names = tuple(f"{left} + {right}" for left in data.class_names for right in data.class_names)
    generator = torch.Generator().manual_seed(run_seed(0))
    train, validation, test = (
        _paired(split, size, data.num_classes, generator)
        for split, size in (
            (data.train, count),
            (data.validation, len(data.validation)),
            (data.test, len(data.test)),
        )
    )
    title, provenance = f"Pairs of {data.title}", f"{data.provenance}, two in each image"
    parts = Parts(title, provenance, names, train, test, validation)
    return make_image_data(f"{data.name}_pairs", parts)


def _paired(split: Split, count: int, classes: int, generator: torch.Generator) -> Split:
    rounds = range(-(-count // len(split)))
    left, right = (
        torch.cat([torch.randperm(len(split), generator=generator) for _ in rounds])[:count]
        for _ in range(2)
    )
    images = side_by_side(split.images[left], split.images[right])
    return Split(images, classes * split.labels[left] + split.labels[right])
