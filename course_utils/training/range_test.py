"""The learning-rate range test: which rates can a network be trained with?

Smith, "Cyclical learning rates for training neural networks", WACV 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime import progress
from ..runtime.networks import copy_of
from .recipe import OPTIMIZERS, epoch_randomness, make_optimizer

MEMORY = 0.9  # of the smoothed loss: it averages about ten batches
DIVERGED = 2.0  # the test stops when the smoothed loss is so many times its lowest value


@dataclass(frozen=True)
class RangeTest:
    """One row a step: the learning rate, the loss of its batch, and the smoothed loss.

    Attributes:
        learning_rates: they grow by the same factor each step.
        losses: in nats.
        smoothed: running means of the losses.
        diverged: whether the loss grew out of bounds before the largest rate was reached.
    """

    learning_rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool

    def __len__(self) -> int:
        return len(self.learning_rates)

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss was lowest: already too large for a whole run."""
        return self.learning_rates[self.smoothed.index(min(self.smoothed))]

    @property
    def suggestion(self) -> float:
        """A third of `lowest`: a rate with some room above it, where the loss still fell."""
        return self.lowest / 3

    def __str__(self) -> str:
        end = "then the loss grew out of bounds" if self.diverged else "the largest rate"
        return (
            f"{len(self)} steps, learning rates {self.learning_rates[0]:.2g} to "
            f"{self.learning_rates[-1]:.2g} ({end}); lowest loss at {self.lowest:.2g}, "
            f"suggestion {self.suggestion:.2g}"
        )


def learning_rate_range_test(
    model: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    *,
    optimizer: str = "sgd",
    smallest: float = 1e-4,
    largest: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Train for a few steps while the learning rate grows by the same factor each step.

    Works on a copy: the model is not changed. It starts from the model's weights, on the model's
    device.

    Args:
        model: takes float32 images (B, C, H, W), and returns logits (B, K).
        loader: yields images (B, C, H, W) float and labels (B,) int64, again and again if ``steps``
            need it.
        optimizer: "adam" or "sgd", as `fit` makes them.
        smallest: the learning rate of the first step.
        largest: that of the last step.
        steps: how many there are, if the loss stays in bounds.

    Raises:
        ValueError: the loader is empty, or a setting is unknown or out of range.

    Example:
        >>> batch = torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1])
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> result = learning_rate_range_test(net, [batch], steps=3, largest=0.01)
        >>> [round(rate, 6) for rate in result.learning_rates]
        [0.0001, 0.001, 0.01]
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer {optimizer!r} is unknown: choose one of {OPTIMIZERS}")
    if not 0 < smallest < largest or steps < 2:
        raise ValueError(
            f"the test goes from a smaller rate up to a larger one in at least 2 steps, "
            f"got {smallest} to {largest} in {steps}"
        )
    model = copy_of(model).train()
    device = next(model.parameters()).device
    descent = make_optimizer(optimizer, model, smallest, weight_decay=0.0)
    growth = (largest / smallest) ** (1 / (steps - 1))
    rates: list[float] = []
    losses: list[float] = []
    batches = islice(_again_and_again(loader), steps)
    with epoch_randomness(device, seed=0, epoch=0):
        for step, batch in enumerate(progress(batches, total=steps, description="range test")):
            rate = smallest * growth**step
            loss = _train_on(model, descent, batch, rate, device)
            diverged = not math.isfinite(loss)
            if not diverged:
                rates.append(rate)
                losses.append(loss)
                smoothed = smooth(losses)
                diverged = smoothed[-1] > DIVERGED * min(smoothed)
            if diverged:
                break
    if not losses:
        raise ValueError(
            "there is no finite loss: the loader is empty, or the network or the images hold "
            "something that is not a number"
        )
    return RangeTest(rates, losses, smoothed, diverged)


def _train_on(
    model: nn.Module,
    descent: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    rate: float,
    device: torch.device,
) -> float:
    """Do one step with this learning rate; return the loss of the batch before it."""
    images, labels = batch
    descent.param_groups[0]["lr"] = rate
    loss = F.cross_entropy(model(images.to(device)), labels.to(device))
    descent.zero_grad()
    loss.backward()
    descent.step()
    return loss.item()


def _again_and_again(
    loader: Iterable[tuple[Tensor, Tensor]],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the loader without an end, unless it is empty."""
    found = True
    while found:
        found = False
        for batch in loader:
            found = True
            yield batch


def smooth(values: list[float]) -> list[float]:
    """Return running means that forget: each older value counts ``MEMORY`` times as much.

    The weights of each mean add up to 1 from the first value on.
    """
    smoothed, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = MEMORY * total + value, MEMORY * weight + 1
        smoothed.append(total / weight)
    return smoothed
