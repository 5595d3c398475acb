"""The training and the test of the lab sheet, each a function with one loop. Lecture 10."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..withheld import asked_for
from .loop import evaluate

Batches = Iterable[tuple[Tensor, Tensor]]


@asked_for("10.1")
def train_with_steps(
    epoch: int, model: nn.Module, images: Batches, optimizer: torch.optim.Optimizer, start: float
) -> float:
    """Train for one epoch and return the mean loss of all images.

    The learning rate is ``start``, divided by 3 after every 20 epochs. Unlike `train_one_epoch`, it
    goes on when the loss is no number: a search shall count such a trial as a bad one. Used in
    lecture 10.

    Args:
        epoch: its number, from 0.
        model: gives logits (N, K).
        images: batches (x, y) on the model's device.
        optimizer: of the model's parameters.
        start: the rate of the first epochs.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = torch.optim.SGD(model.parameters())
        >>> batch = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
        >>> loss = train_with_steps(20, model, [batch], optimizer, start=0.3)
        >>> round(optimizer.param_groups[0]["lr"], 3)
        0.1
    """
    rate, sums, sizes = start / 3 ** (epoch // 20), [], []
    for group in optimizer.param_groups:
        group.update(lr=rate)
    model.train()
    for x, labels in images:
        optimizer.zero_grad()
        sizes.append(len(labels))
        mean = F.cross_entropy(model(x), labels)
        sums.append(mean.item() * len(labels))
        mean.backward()
        optimizer.step()
    return sum(sums) / sum(sizes)


@asked_for("10.2")
def test_model(model: nn.Module, images: Batches) -> tuple[float, float]:
    """Return mean loss and accuracy, the share of right answers. Used in lecture 10.

    Args:
        model: gives logits (N, K).
        images: batches (x, y) on the model's device.

    Example:
        >>> batch = torch.tensor([[2.0, 1.0], [3.0, 4.0]]), torch.tensor([0, 0])
        >>> test_model(nn.Identity(), [batch])[1]
        0.5
    """
    result = evaluate(model, images)
    return result.loss, result.accuracy
