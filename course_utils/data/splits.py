"""Which images go where: class-balanced choices that are the same on every machine."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from ..withheld import asked_for


def stratified_indices(labels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Choose `count` positions at random, each class keeping its share as nearly as possible.

    The shares are rounded by largest remainder; ties are broken at random, so that a choice smaller
    than the number of classes does not always take the first ones.

    Args:
        labels: integers (N,).
        count: how many to choose.
        seed: which ones.

    Returns:
        int64 positions (count,) in random order, without repetition.

    Raises:
        ValueError: count is negative or larger than N.

    Example:
        >>> stratified_indices(np.array([7, 7, 7, 7, 9, 9]), 3).tolist()
        [2, 4, 0]
    """
    labels = np.asarray(labels)
    if not 0 <= count <= len(labels):
        raise ValueError(f"cannot choose {count} of {len(labels)} images")
    # RandomState's stream is frozen by numpy's policy (NEP 19); default_rng's may change between
    # releases, and then every student would have another split.
    random = np.random.RandomState(seed)
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * count / max(len(labels), 1)
    wanted = np.floor(exact).astype(np.int64)
    order = random.permutation(len(classes))
    by_remainder = order[np.argsort(-(exact - wanted)[order], kind="stable")]
    wanted[by_remainder[: count - wanted.sum()]] += 1
    by_class = [
        random.permutation(np.flatnonzero(labels == label))[:n]
        for label, n in zip(classes, wanted, strict=True)
    ]
    chosen = np.concatenate([*by_class, np.empty(0, np.int64)])
    return random.permutation(chosen).astype(np.int64)


@asked_for("07.3")
def draw_per_class(labels: Tensor, per_class: int, seed: int) -> Tensor:
    """Choose `per_class` positions of each class at random.

    Used in lectures 07 and 13.

    Args:
        labels: integers (N,).
        per_class: how many of each class.
        seed: which ones.

    Returns:
        int64 positions (classes * per_class,), without repetition.

    Raises:
        ValueError: a class has fewer.

    Example:
        >>> labels = torch.tensor([7, 7, 7, 9, 9])
        >>> labels[draw_per_class(labels, per_class=2, seed=0)].sort().values
        tensor([7, 7, 9, 9])
    """
    sizes = labels.unique(return_counts=True)[1]
    if per_class > sizes.min():
        raise ValueError(f"the smallest class has {sizes.min()} images, not {per_class}")
    keys = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = [(labels == name).nonzero().flatten() for name in labels.unique()]
    return torch.cat([places[keys[places].topk(per_class).indices] for places in by_class])


@asked_for("07.5")
def split_with_transforms(
    dataset: Dataset, count: int, train: Callable, validation: Callable, seed: int
) -> tuple[Subset, Subset]:
    """Cut `count` random items off for validation; each part has a transform of its own.

    Used in lecture 07.

    Args:
        dataset: with an attribute `transform`, as torchvision's have it; it stays as it is.
        count: the size of the validation part.
        train: the transform of the other items.
        validation: that of the `count` items.
        seed: which items.

    Raises:
        ValueError: there are not so many items.

    Example:
        >>> from torchvision.datasets import FakeData
        >>> data = FakeData(10, (3, 8, 8))
        >>> [len(part) for part in split_with_transforms(data, 4, list, tuple, seed=0)]
        [6, 4]
    """
    size = len(dataset)  # type: ignore[arg-type]
    if not 0 <= count <= size:
        raise ValueError(f"cannot cut {count} items off {size}")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()
    own: Any = [copy.copy(dataset), copy.copy(dataset)]
    own[0].transform, own[1].transform = train, validation
    return Subset(own[0], order[count:]), Subset(own[1], order[:count])
