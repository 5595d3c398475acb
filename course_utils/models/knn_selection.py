"""The steps of K-NN for themselves: the vote over a table, k by cross-validation, the top classes.

They give what `KNearestNeighbors` gives, with its rules for ties. The lecture goes on with them
where an exercise is unsolved. Used in lecture 01.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..withheld import asked_for
from .knn import KNearestNeighbors, _smallest, vote


@asked_for("01.2")
def vote_of_nearest(distances: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return the labels (M,) that the k nearest of N training images vote for. Used in lecture 01.

    Of equal distances the lower index is nearer; of equal votes the smaller label wins.

    Args:
        distances: (M, N).
        labels: (N,), int64.
        k: how many vote.

    Example:
        >>> vote_of_nearest(torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([3, 1, 0]), k=2)
        tensor([1])
    """
    return vote(labels[_smallest(distances, k)[1]])


@asked_for("01.3")
def cross_validate(
    images: Tensor, labels: Tensor, ks: Sequence[int], folds: int, metric: str = "l2"
) -> Tensor:
    """Return for each k and each image whether K-NN is right: bool (number of ks, N).

    Used in lecture 01.

    Image i is in fold i % folds, and gets its label from the images of the other folds.

    Example:
        >>> images = torch.tensor([[10], [20], [200], [210]], dtype=torch.uint8)
        >>> cross_validate(images, torch.tensor([0, 0, 1, 1]), ks=[1], folds=4).tolist()
        [[True, True, True, True]]
    """
    fold_of = torch.arange(len(labels)) % folds
    right = torch.zeros(len(ks), len(labels), dtype=torch.bool)
    for fold in range(folds):
        asked = fold_of == fold
        known = labels[~asked]
        knn = KNearestNeighbors(max(ks), metric).fit(images[~asked], known)
        found = known[knn.neighbors(images[asked])[1].cpu()]
        for row, k in enumerate(ks):
            right[row, asked] = vote(found[:, :k]) == labels[asked]
    return right


@asked_for("01.3")
def choose_by_cross_validation(
    images: Tensor, labels: Tensor, ks: Sequence[int], folds: int
) -> tuple[int, list[float]]:
    """Return the k with the highest cross-validated accuracy, the smallest of several, and all.

    Used in lecture 01.

    Example:
        >>> images = torch.tensor([[10], [20], [200], [210]], dtype=torch.uint8)
        >>> choose_by_cross_validation(images, torch.tensor([0, 0, 1, 1]), ks=[1, 3], folds=4)
        (1, [1.0, 0.0])
    """
    right = cross_validate(images, labels, ks, folds)
    accuracies = (right.sum(dim=1).double() / len(labels)).tolist()
    best = max(accuracies)
    return min(k for k, a in zip(ks, accuracies, strict=True) if a == best), accuracies


@asked_for("01.4")
def share_among_best(scores: Tensor, labels: Tensor, k: int) -> float:
    """Return the share of images whose label is among the k classes with the highest scores.

    Used in lecture 01.

    Of equal scores the lower class comes first.

    Example:
        >>> share_among_best(torch.tensor([[0, 3, 2], [1, 1, 3]]), torch.tensor([2, 1]), k=2)
        0.5
    """
    own = scores.gather(1, labels[:, None])
    lower = torch.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & lower)  # classes that come before the label's own
    return int((ahead.sum(dim=1) < k).sum()) / len(labels)
