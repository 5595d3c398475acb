"""Does a network that is 80 % sure turn out right in 80 % of the cases?

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..withheld import asked_for

TEMPERATURES = (0.01, 100.0)
HALVINGS = 60


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions in B bins of equal width by their confidence; bin b is (edge b, edge b+1].

    Attributes:
        edges: float64 (B + 1,), from 0 to 1.
        counts: int64 (B,), predictions in each bin.
        confidence: float64 (B,), the mean in each bin; NaN where a bin is empty.
        accuracy: float64 (B,), likewise.
    """

    edges: Tensor
    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error: mean gap of the bins, weighted by their counts."""
        gaps = (self.confidence - self.accuracy).abs().nan_to_num(0.0)
        return (gaps * self.counts).sum().item() / self.counts.sum().item()


@asked_for("09.4")
def reliability(confidence: Tensor, correct: Tensor, bins: int = 10) -> Reliability:
    """Sort predictions into bins by their confidence.

    Args:
        confidence: float (N,), from 0 to 1: the probability of the predicted class.
        correct: bool (N,), whether the prediction is right.
        bins: how many there are.

    Raises:
        ValueError: the shapes differ, there is no prediction, or a number is out of range.

    Example:
        >>> sure, hit = torch.tensor([0.6, 0.8, 0.9]), torch.tensor([True, False, True])
        >>> reliability(sure, hit, bins=2).counts.tolist()
        [0, 3]
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or len(confidence) == 0:
        raise ValueError(
            "reliability needs confidence and correct, both (N,) with N > 0, "
            f"got {tuple(confidence.shape)} and {tuple(correct.shape)}"
        )
    if bins < 1:
        raise ValueError(f"there must be at least 1 bin, not {bins}")
    confidence, right = confidence.cpu().double(), correct.cpu().double()
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("every confidence must lie between 0 and 1")
    edges = torch.arange(bins + 1, dtype=torch.float64) / bins
    place = torch.bucketize(confidence, edges[1:-1])  # on an edge: the lower bin
    counts = torch.bincount(place, minlength=bins)
    sums = (torch.bincount(place, weights, minlength=bins) for weights in (confidence, right))
    return Reliability(edges, counts, *(total / counts for total in sums))


@asked_for("09.4")
def expected_calibration_error(confidence: Tensor, correct: Tensor, bins: int = 10) -> float:
    """Return the mean gap between confidence and accuracy; see `reliability` for the arguments.

    Example:
        >>> sure, hit = torch.tensor([0.75, 0.75]), torch.tensor([True, False])
        >>> expected_calibration_error(sure, hit)
        0.25
    """
    return reliability(confidence, correct, bins).error


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature T for which softmax(logits / T) has the lowest cross-entropy.

    One number for all classes: the order of the classes, and so every prediction, stays. The loss
    is convex in 1 / T, so its slope has one zero, which is found by halving an interval. T lies
    between 0.01 and 100; one of the two is returned where the loss falls up to there, for example
    when every prediction is right.

    Args:
        logits: float (N, K), of images that the network was not trained on.
        labels: int64 (N,).

    Raises:
        ValueError: shapes do not fit, there is no image, or a logit is not finite.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
        >>> round(fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 3)  # 4 / log(3)
        3.641
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(
            "fit_temperature needs logits (N, K) and labels (N,) with N > 0, "
            f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    logits, labels = logits.detach().cpu().double(), labels.cpu()
    if not logits.isfinite().all():
        raise ValueError("the logits must be finite")
    own = logits.gather(1, labels[:, None]).mean()
    low, high = (math.log(temperature) for temperature in TEMPERATURES)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        probabilities = (logits / math.exp(middle)).softmax(1)
        slope = (probabilities * logits).sum(1).mean() - own  # of the loss, by 1 / T
        low, high = (low, middle) if slope <= 0 else (middle, high)
    return math.exp((low + high) / 2)
