"""One epoch of training, and evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime.evaluation import evaluation_mode
from ..withheld import asked_for
from .history import History
from .precision import Precision

if TYPE_CHECKING:
    from tqdm import tqdm

CHECK_EVERY = 20  # batches: to read a loss, the program waits until the device has computed it


class TrainingDiverged(ArithmeticError):
    """The loss became infinite or not a number. ``history`` holds the epochs before it.

    Example:
        >>> raise TrainingDiverged(batch=3, epoch=1)
        Traceback (most recent call last):
            ...
        course_utils.training.loop.TrainingDiverged: The loss is not finite in batch 3 of epoch \
1: the steps are too large. Try a learning rate ten times smaller.
    """

    def __init__(
        self, batch: int, epoch: int | None = None, history: History | None = None
    ) -> None:
        self.batch, self.epoch = batch, epoch
        self.history = History() if history is None else history
        place = f"batch {batch}" + (f" of epoch {epoch}" if epoch else "")
        super().__init__(
            f"The loss is not finite in {place}: the steps are too large. "
            "Try a learning rate ten times smaller."
        )


@dataclass(frozen=True)
class Evaluation:
    """The result on ``total`` images: mean loss per image (nats) and accuracy in [0, 1]."""

    loss: float
    accuracy: float
    correct: int
    total: int

    def __str__(self) -> str:
        count = f"{self.correct:,} of {self.total:,}"
        return f"loss {self.loss:.4f}, accuracy {self.accuracy:.1%} ({count})"


@asked_for("03.2", "03.4", "10.1")
def train_one_epoch(
    model: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    *,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    device: torch.device | str | None = None,
    amp: Precision | None = None,
    label_smoothing: float = 0.0,
    bar: tqdm | None = None,
) -> tuple[float, float]:
    """Train on every batch of ``loader`` once; return the mean loss and the accuracy.

    Both are means over all images, collected while the weights change. The model is left in
    training mode.

    Args:
        model: takes float32 images (B, C, H, W), and returns logits (B, K).
        loader: yields images (B, C, H, W) float and labels (B,) int64.
        optimizer: moves the weights after every batch.
        scheduler: stepped after every batch.
        device: the model's own if None.
        amp: how to compute (plain float32 if None).
        label_smoothing: this share of the aimed-at probability goes to all classes evenly (Szegedy
            et al., 2016); the mean loss returned is the smoothed one.
        bar: a tqdm bar, moved on by one a batch.

    Raises:
        TrainingDiverged: the loss is not finite.
        ValueError: the loader is empty.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> still = torch.optim.SGD(net.parameters(), lr=0.0)
        >>> batch = torch.rand(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64)
        >>> train_one_epoch(net, [batch], still) == train_one_epoch(net, [batch], still)
        True
    """
    device = device or _device_of(model)
    amp = amp or Precision(torch.device(device))
    totals = _Totals(must_be_finite=True)
    model.train()
    for images, labels in loader:
        images, labels = amp.place(images), labels.to(device)
        with amp.autocast():
            logits = model(images)  # 1. predict
            # 2. how wrong is that?
            loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        optimizer.zero_grad()  # 3. forget the gradients of the last batch
        amp.backward(loss)  # 4. the gradient of the loss for every weight
        amp.step(optimizer)  # 5. move every weight a little downhill
        if scheduler is not None:
            scheduler.step()
        recent_loss = totals.add(loss, logits, labels)
        if bar is not None:
            bar.update()
            if recent_loss is not None:
                bar.set_postfix(loss=f"{recent_loss:.3f}", refresh=False)
    result = totals.result()
    return result.loss, result.accuracy


@asked_for("03.3", "10.2")
def evaluate(
    model: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    *,
    device: torch.device | str | None = None,
) -> Evaluation:
    """Return the loss and accuracy over every batch of ``loader``, in float32.

    Runs in evaluation mode and without gradients, and puts the mode of each part of the model back
    as it was.

    Args:
        model: takes float32 images (B, C, H, W), and returns logits (B, K).
        loader: yields images (B, C, H, W) float and labels (B,) int64.
        device: the model's own if None.

    Raises:
        ValueError: the loader is empty.

    Example:
        >>> net = nn.Flatten()  # the pixels are the logits
        >>> print(evaluate(net, [(torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1]))]))
        loss 0.3133, accuracy 100.0% (2 of 2)
    """
    device = device or _device_of(model)
    totals = _Totals(must_be_finite=False)
    with evaluation_mode(model):
        for images, labels in loader:
            logits = model(images.to(device))
            labels = labels.to(device)
            totals.add(F.cross_entropy(logits, labels), logits, labels)
    return totals.result()


@asked_for("01.4", "09.1")
def top_k_accuracy(logits: Tensor, labels: Tensor, k: int = 1) -> float:
    """Return the share of images whose label is among the k classes with the highest logits.

    Of classes with equal logits, the lower class number comes first, so that ``k=1`` equals the
    accuracy of ``logits.argmax(1)``, and never more than k classes count.

    Args:
        logits: float (N, K), or probabilities.
        labels: int64 (N,).
        k: how many classes count.

    Raises:
        ValueError: shapes do not fit, a label is not a class, k is not in 1..K, there is no image,
            or a logit is not a number.

    Example:
        >>> logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 4.0]])
        >>> top_k_accuracy(logits, torch.tensor([2, 1]), k=2)
        0.5
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(
            "top_k_accuracy needs logits (N, K) and labels (N,) with N > 0, "
            f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    classes = logits.shape[1]
    if not 1 <= k <= classes:
        raise ValueError(f"k must be between 1 and the {classes} classes, got {k}")
    if logits.isnan().any():
        raise ValueError("the logits hold NaN: such a network predicts nothing")
    labels = labels.to(logits.device)
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}")
    own = logits.gather(1, labels[:, None])
    lower = torch.arange(classes, device=logits.device) < labels[:, None]
    rank = ((logits > own) | ((logits == own) & lower)).sum(1)
    return (rank < k).sum().item() / len(labels)


class _Totals:
    """Sums over batches, kept on the device, so that the program need not wait for every batch."""

    def __init__(self, must_be_finite: bool) -> None:
        self.must_be_finite = must_be_finite
        self.losses: list[Tensor] = []
        self.sizes: list[int] = []
        self.correct: Tensor | int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> float | None:
        """Add a batch; after every 20th, return the mean loss of the last 20."""
        self.losses.append(loss.detach().float())
        self.sizes.append(len(labels))
        self.correct += (logits.detach().argmax(1) == labels).sum()
        if len(self.losses) % CHECK_EVERY:
            return None
        return self._checked(len(self.losses) - CHECK_EVERY).mean().item()

    def result(self) -> Evaluation:
        if not self.losses:
            raise ValueError("the loader is empty: give it a split with at least one image")
        losses, total = self._checked(0).double(), sum(self.sizes)
        loss = (losses @ torch.tensor(self.sizes, dtype=torch.float64)).item() / total
        correct = int(self.correct)
        return Evaluation(loss, correct / total, correct, total)

    def _checked(self, start: int) -> Tensor:
        """Return the losses of the batches from ``start`` on, on the CPU."""
        losses = torch.stack(self.losses[start:]).cpu()
        broken = (~losses.isfinite()).nonzero().flatten().tolist()
        if self.must_be_finite and broken:
            raise TrainingDiverged(batch=start + broken[0] + 1)
        return losses


def _device_of(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
