"""`fit`: many epochs, with everything around them that a long run needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import ImageData, batches
from ..runtime import get_device
from .history import History
from .loop import TrainingDiverged
from .precision import choose_precision
from .recipe import OPTIMIZERS, SCHEDULES
from .run import Run


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted. ``history`` holds the epochs that were completed."""

    def __init__(self, history: History) -> None:
        self.history = history
        super().__init__(history.stopped)


def fit(
    model: nn.Module,
    data: ImageData,
    *,
    epochs: int,
    batch_size: int = 128,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    schedule: str | None = "one_cycle",
    weight_decay: float = 0.0,
    augment: Callable[..., Tensor] | None = None,
    device: torch.device | str | None = None,
    fast: bool = True,
    checkpoint: str | os.PathLike | None = None,
    seed: int = 0,
    description: str = "",
) -> History:
    """Train a classifier with cross-entropy and return its History.

    After every epoch the model is evaluated on the validation images. At the end it holds the
    weights of the best epoch (``history.best``), on ``device``, in evaluation mode. The test
    images are never looked at.

    optimizer: "adam" (AdamW), or "sgd" (momentum 0.9, Nesterov).
    schedule: "one_cycle" (up to learning_rate, then down to 0), "step" (a tenth after each
        third of the epochs), or None (constant).
    augment: changes a batch of training images, for example ``standard_augmentation()``.
    device: the course's device if None.
    fast: use mixed precision and the channels_last memory format where a measurement shows that
        this device gains from them; False computes in plain float32.
    checkpoint: a file that keeps the run. It is written after every epoch, and the same call goes
        on from it with exactly the result of a run that was never interrupted. A call on a
        complete run only loads the result.
    seed: of the order of the images, of augmentation and of dropout. The same seed gives the same
        History and weights on one machine. The initial weights are the model's own.

    Raises:
        TrainingDiverged: the loss is not finite. ``error.history`` holds the epochs before.
        TrainingInterrupted: a KeyboardInterrupt, with ``.history`` likewise. In both cases the
            model holds its best epoch, or its initial weights if there is none.
        CheckpointError: the checkpoint is damaged or belongs to a run with other settings.
        ValueError: a setting is unknown or out of range.
    """
    settings = {
        "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} weights",
        "data": f"{data.title}, {len(data.train)} + {len(data.validation)} images",
        "epochs": int(epochs),  # plain numbers: NumPy's cannot be read from a checkpoint
        "batch_size": int(batch_size),
        "optimizer": optimizer,
        "learning_rate": float(learning_rate),
        "schedule": schedule,
        "weight_decay": float(weight_decay),
        "augment": augment and getattr(augment, "__qualname__", type(augment).__qualname__),
        "fast": fast,
        "seed": int(seed),
    }
    _check(settings, data)
    device = torch.device(device or get_device())
    train = batches(data, batch_size=batch_size, device=device, augment=augment, seed=seed)
    validation = batches(data, "validation", batch_size=256, device=device)
    history = History(description=description)
    run = Run(model, train, validation, choose_precision(device, fast), settings, history)
    path = None if checkpoint is None else Path(checkpoint)
    try:
        if path is not None:
            run.resume(path)
        run.train(path)
    except KeyboardInterrupt:
        _report_interrupt(run, path)
        raise TrainingInterrupted(history) from None
    except TrainingDiverged as error:
        history.stopped = f"the loss was not finite in epoch {run.next_epoch}"
        raise TrainingDiverged(error.batch, run.next_epoch, history) from None
    finally:
        run.finish()
    return history


def _check(settings: dict[str, Any], data: ImageData) -> None:
    for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        if settings[name] not in choices:
            raise ValueError(f"{name} {settings[name]!r} is unknown: choose one of {choices}")
    for name in ("epochs", "batch_size", "learning_rate"):
        if not settings[name] > 0:
            raise ValueError(f"{name} must be greater than 0, got {settings[name]}")
    if len(data.train) == 0 or len(data.validation) == 0:
        raise ValueError(
            f"{data.title} has {len(data.train)} training and {len(data.validation)} validation "
            "images, and fit needs both: load the data with validation=0.1"
        )


def _report_interrupt(run: Run, checkpoint: Path | None) -> None:
    history = run.history
    epoch = min(run.next_epoch, run.epochs)
    history.stopped = f"interrupted in epoch {epoch}"
    weights = f"of epoch {history.best.epoch}, its best" if history.rows else "it started with"
    print(f"Interrupted in epoch {epoch} of {run.epochs}.", end=" ")
    print(f"The model holds the weights {weights}.", end=" " if checkpoint else "\n")
    if checkpoint:
        print(f"{checkpoint.name} holds {len(history)} epochs: the same call goes on from there.")
