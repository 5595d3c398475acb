"""Which images go where: class-balanced choices that are the same on every machine."""

from __future__ import annotations

import numpy as np


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
