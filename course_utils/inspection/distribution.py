"""Does a picture belong to what a network was trained on, and what does its accuracy rest on?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..runtime import run_seed
from ..withheld import asked_for


@asked_for("15.1")
def gaps_by_attribute(
    attributes: Tensor, usual: Tensor, labels: Tensor, predicted: Tensor
) -> Tensor:
    """Return by how much a network is better where an attribute is as usual for the class.

    A large gap says that the network may use the attribute as a shortcut (Geirhos et al., "Shortcut
    learning in deep neural networks", 2020). Used in lecture 15.

    Args:
        attributes: int64 (N, A), for each image the value of A attributes.
        usual: int64 (A, K), for each attribute the value that is usual for class k in training.
        labels: int64 (N,).
        predicted: int64 (N,).

    Returns:
        float32 (A,), accuracy where the value is the usual one of the image's class, minus accuracy
        elsewhere; 0 where one of the two parts has no images.

    Example:
        >>> values, labels = torch.tensor([[0], [1], [0]]), torch.tensor([0, 0, 0])
        >>> gaps_by_attribute(values, torch.tensor([[0]]), labels, torch.tensor([0, 1, 0]))
        tensor([1.])
    """
    is_usual = attributes == usual.T[labels]  # (N, A)
    right = (predicted == labels).float()[:, None]
    inside, outside = is_usual.sum(0), (~is_usual).sum(0)
    gap = (right * is_usual).sum(0) / inside - (right * ~is_usual).sum(0) / outside
    return torch.where((inside == 0) | (outside == 0), 0.0, gap)


@asked_for("15.3")
def energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the energy of each row of logits (N, K): float (N,), low where a logit is large.

    E = -T log(sum of exp(logit / T)). Liu, Wang, Owens and Li, "Energy-based out-of-distribution
    detection", NeurIPS 2020. Used in lecture 15.

    Example:
        >>> energy(torch.tensor([[1000.0, 0.0]]))
        tensor([-1000.])
    """
    return -temperature * (logits / temperature).logsumexp(dim=1)


def area_under_roc(inside: Tensor, outside: Tensor) -> float:
    """Return how often a picture from inside has the higher score: the area under the ROC curve.

    Ties count half. 0.5 is guessing.

    Args:
        inside: float (N,), scores of pictures from the distribution of training.
        outside: float (M,), scores of others.

    Raises:
        ValueError: one of the two has no score, or a score is not a finite number.

    Example:
        >>> area_under_roc(torch.tensor([0.9, 0.4]), torch.tensor([0.1, 0.4]))
        0.875
    """
    if not len(inside) or not len(outside):
        raise ValueError("an area needs scores from inside and from outside")
    from sklearn.metrics import roc_auc_score  # takes a second; only this and `roc_curve` need it

    return float(roc_auc_score(*_truth_and_scores(inside, outside)))


def roc_curve(inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the points of a ROC curve, one for each threshold from the highest score down.

    A picture is taken for one from inside if its score is at least the threshold.

    Args:
        inside: float (N,), scores of pictures from the distribution of training.
        outside: float (M,), scores of others.

    Returns:
        The shares of pictures from outside and from inside that are taken, float64 (T + 1,) each;
        both begin with 0 and end with 1.

    Example:
        >>> [share.tolist() for share in roc_curve(torch.tensor([0.9]), torch.tensor([0.1]))]
        [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    from sklearn import metrics

    curve = metrics.roc_curve(*_truth_and_scores(inside, outside), drop_intermediate=False)
    return torch.from_numpy(curve[0]), torch.from_numpy(curve[1])


def _truth_and_scores(inside: Tensor, outside: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return which scores are from inside, and all scores, as scikit-learn takes them."""
    scores = torch.cat([inside, outside]).detach().cpu().double()
    return np.arange(len(scores)) < len(inside), scores.numpy()


def bootstrap_interval(
    statistic: Callable[..., float], *samples: Tensor, times: int = 500
) -> tuple[float, float]:
    """Return a 95 % interval (low, high) for a statistic, computed again on samples drawn anew.

    Each sample is drawn with replacement from itself, as often as it is long (Efron, 1979); the
    interval holds the middle 95 % of the results.

    Args:
        statistic: takes as many tensors as there are samples.
        samples: tensors (N, ...) each, of any lengths.
        times: how often samples are drawn.

    Example:
        >>> ones = torch.ones(10)
        >>> bootstrap_interval(lambda x: x.mean().item(), ones)
        (1.0, 1.0)
    """
    generator = torch.Generator().manual_seed(run_seed(0))
    found = []
    for _ in range(times):
        places = [torch.randint(len(s), (len(s),), generator=generator) for s in samples]
        found.append(statistic(*(s[p] for s, p in zip(samples, places, strict=True))))
    low, high = torch.tensor(found).quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high
