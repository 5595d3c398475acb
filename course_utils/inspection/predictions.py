"""What a classifier predicts, how sure it is, and how far its accuracy can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor, nn

from ..data import ImageData, Split
from ..data.augment import shift
from ..runtime.evaluation import evaluation_mode
from ..withheld import asked_for


@dataclass(frozen=True)
class Predictions:
    """Class probabilities, float32 (N, K), and the true labels, int64 (N,), both on the CPU.

    Example:
        >>> Predictions(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1]))
        Predictions(1 of 2 right, 50.0%)
    """

    probabilities: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each image, int64 (N,)."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """The probability of that class, float32 (N,)."""
        return self.probabilities.amax(1)

    @property
    def correct(self) -> Tensor:
        """Whether each prediction is right, bool (N,)."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> float:
        """The share of right predictions, from 0 to 1."""
        return self.correct.sum().item() / len(self)

    def __repr__(self) -> str:
        return f"Predictions({self.correct.sum():,} of {len(self):,} right, {self.accuracy:.1%})"


def predict(
    model: nn.Module,
    data: ImageData,
    split: str | Split = "test",
    *,
    device: torch.device | str | None = None,
    batch_size: int = 512,
) -> Predictions:
    """Return what a network predicts. The model is not changed, and neither is its mode.

    Args:
        model: takes float32 images (N, C, H, W), and returns logits (N, K).
        data: normalises the images.
        split: the name of a part of ``data``, or any Split of the same kind.
        device: the model's own if None.
        batch_size: images that go through the network at once.

    Raises:
        ValueError: the split is empty.

    Example:
        >>> from course_utils.data import load_data
        >>> data = load_data("fashion_mnist", profile="quick")
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
        >>> predict(net, data, data.test.take(100)).probabilities.shape
        torch.Size([100, 10])
    """
    part = data.split(split) if isinstance(split, str) else split
    if len(part) == 0:
        raise ValueError("the split is empty: there is nothing to predict")
    device = device or next(model.parameters()).device
    probabilities = []
    with evaluation_mode(model):
        for images in part.images.split(batch_size):
            logits = model(data.normalize(images.to(device)))
            probabilities.append(logits.float().softmax(1).cpu())
    return Predictions(torch.cat(probabilities), part.labels)


def label_predictor(
    model: nn.Module, data: ImageData, *, device: torch.device | str | None = None
) -> Callable[[Tensor], Tensor]:
    """Return a function from uint8 images (N, C, H, W) to predicted classes, int64 (N,).

    Args:
        model: takes float32 images (N, C, H, W), and returns logits (N, K).
        data: normalises the images.
        device: the model's own if None.

    Example:
        >>> from course_utils.data import load_data
        >>> data = load_data("fashion_mnist", profile="quick")
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
        >>> label_predictor(net, data)(data.test.images[:5]).shape
        torch.Size([5])
    """

    def predict_labels(images: Tensor) -> Tensor:
        unknown = torch.zeros(len(images), dtype=torch.int64)
        return predict(model, data, Split(images, unknown), device=device).predicted

    return predict_labels


def accuracy_by_shift(
    predict_labels: Callable[[Tensor], Tensor], split: Split, shifts: Iterable[int] = range(5)
) -> dict[int, float]:
    """Return the accuracy on a split whose images are moved by 0, 1, 2, ... pixels in x and in y.

    They move towards the four corners in turn, a quarter of them towards each, so that no direction
    counts more than another. What comes in from outside is black.

    Args:
        predict_labels: takes uint8 images (N, C, H, W), returns class numbers (N,), as the
            functions of `label_predictor` do, and ``KNearestNeighbors.predict``.
        split: uint8 images (N, C, H, W) and labels (N,).
        shifts: how far the images are moved, in pixels.

    Example:
        >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> images[:, :, 0] = 255
        >>> lit_at_the_top = lambda images: (images[:, 0, 0].amax(1) > 0).long()
        >>> accuracy_by_shift(lit_at_the_top, Split(images, torch.ones(4).long()), [0, 1])
        {0: 1.0, 1: 0.0}
    """
    corners = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    accuracies = {}
    for distance in shifts:
        moved = split.images.clone()
        for start, (dx, dy) in enumerate(corners):
            moved[start::4] = shift(split.images[start::4], dx * distance, dy * distance)
        predicted = torch.as_tensor(predict_labels(moved)).cpu()
        accuracies[distance] = (predicted == split.labels).sum().item() / len(split)
    return accuracies


def confusion_matrix(labels: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Return how often each class (row) was predicted as each class (column), int64 (K, K).

    Args:
        labels: int64 (N,), the true classes.
        predicted: int64 (N,).
        num_classes: K.

    Raises:
        ValueError: the shapes differ, or a number is not in 0..num_classes-1.

    Example:
        >>> confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    labels, predicted = labels.cpu(), predicted.cpu()
    if labels.ndim != 1 or labels.shape != predicted.shape:
        raise ValueError(
            "labels and predictions must both be (N,), "
            f"got {tuple(labels.shape)} and {tuple(predicted.shape)}"
        )
    both = torch.cat([labels, predicted])
    if len(both) and (both.min() < 0 or both.max() >= num_classes):
        raise ValueError(f"every label and prediction must lie in 0..{num_classes - 1}")
    cells = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


@asked_for("09.3")
def most_confident_mistakes(predictions: Predictions, n: int = 16) -> Tensor:
    """Return the positions of the n wrong predictions with the highest confidence, int64 (<= n,).

    The surest comes first; of equally sure ones, the one that stands first in the split.

    Example:
        >>> said = Predictions(torch.tensor([[0.6, 0.4], [0.9, 0.1]]), torch.tensor([1, 1]))
        >>> most_confident_mistakes(said).tolist()
        [1, 0]
    """
    wrong = (~predictions.correct).nonzero().flatten()
    order = predictions.confidence[wrong].argsort(descending=True, stable=True)
    return wrong[order[:n]]


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval (low, high) for the true accuracy after ``correct`` of ``total``.

    Wilson's score interval (1927): unlike accuracy +- 2 standard errors, it never leaves [0, 1] and
    is right for few images and for accuracies near 0 and 1.

    Args:
        correct: how many predictions are right.
        total: how many there are.
        confidence: the share of such intervals that hold the true accuracy.

    Raises:
        ValueError: not 0 <= correct <= total, total is 0, or confidence is not in (0, 1).

    Example:
        >>> print("{:.3f} to {:.3f}".format(*wilson_interval(850, 1000)))
        0.827 to 0.871
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} correct of {total} is impossible")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, for example 0.95; got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / total
    middle = share + z**2 / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return max(0.0, min(low, share)), min(1.0, max(high, share))  # exact where rounding is not
