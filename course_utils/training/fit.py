"""`fit`: many epochs, with everything around them that a long run needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import ImageData, batches
from ..runtime import get_device, release_memory
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


class OutOfMemory(RuntimeError):
    """The device has no memory for a batch of ``batch_size`` images."""

    def __init__(self, device: torch.device, batch_size: int) -> None:
        self.batch_size = batch_size
        super().__init__(
            f"{device} has too little memory for batches of {batch_size} images. Give fit "
            f"batch_size={max(1, batch_size // 2)}, or halve_batch=True, and it goes on by itself."
        )


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
    label_smoothing: float = 0.0,
    augment: Callable[..., Tensor] | None = None,
    device: torch.device | str | None = None,
    fast: bool = True,
    halve_batch: bool = False,
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
    label_smoothing: how much of the aimed-at probability goes to all classes evenly, from 0 to 1;
        see ``train_one_epoch``. The validation loss is without it.
    augment: changes a batch of training images, for example ``standard_augmentation()``.
    device: the course's device if None.
    fast: use mixed precision and the channels_last memory format where a measurement shows that
        this device gains from them; False computes in plain float32.
    halve_batch: where the device's memory is too small for a batch, say so and start again with
        batches of half the size, as often as needed; a completed epoch is never thrown away.
    checkpoint: a file that keeps the run. It is written after every epoch, and the same call goes
        on from it with exactly the result of a run that was never interrupted. A call on a
        complete run only loads the result.
    seed: of the order of the images, of augmentation and of dropout. The same seed gives the same
        History and weights on one machine. The initial weights are the model's own.

    Raises:
        TrainingDiverged: the loss is not finite. ``error.history`` holds the epochs before.
        TrainingInterrupted: a KeyboardInterrupt, with ``.history`` likewise. In both cases the
            model holds its best epoch, or its initial weights if there is none.
        OutOfMemory: the device's memory is too small for a batch (and ``halve_batch`` is off).
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
        "label_smoothing": float(label_smoothing),
        "augment": augment and getattr(augment, "__qualname__", type(augment).__qualname__),
        "fast": fast,
        "seed": int(seed),
    }
    _check(settings, data)
    device = torch.device(device or get_device())
    history = History(description=description)
    path = None if checkpoint is None else Path(checkpoint)
    while True:
        try:
            _train(model, data, augment, device, settings, history, path)
            return history
        except OutOfMemory as error:
            if not halve_batch or history.rows or error.batch_size == 1:
                raise
            settings["batch_size"], history.stopped = error.batch_size // 2, ""
        # Outside of the handler, which would keep the failed batch alive.
        release_memory()
        print(f"{device} is out of memory: going on with batch_size={settings['batch_size']}.")


def _train(
    model: nn.Module,
    data: ImageData,
    augment: Callable[..., Tensor] | None,
    device: torch.device,
    settings: dict[str, Any],
    history: History,
    path: Path | None,
) -> None:
    """Train once with these settings; whatever happens, leave the model with its best epoch."""
    size, seed = settings["batch_size"], settings["seed"]
    train = batches(data, batch_size=size, device=device, augment=augment, seed=seed)
    # Without gradients an image needs about a quarter of the memory.
    validation = batches(data, "validation", batch_size=min(256, 4 * size), device=device)
    amp = choose_precision(device, settings["fast"])
    run = Run(model, train, validation, amp, settings, history)
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
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        model.zero_grad()
        history.stopped = f"no memory for batches of {size} in epoch {run.next_epoch}"
        raise OutOfMemory(device, size) from None
    finally:
        run.finish()


def _is_out_of_memory(error: RuntimeError) -> bool:
    # CUDA has a class of its own; MPS and the CPU say it in words only.
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return "out of memory" in str(error) or "can't allocate memory" in str(error)


def _check(settings: dict[str, Any], data: ImageData) -> None:
    for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        if settings[name] not in choices:
            raise ValueError(f"{name} {settings[name]!r} is unknown: choose one of {choices}")
    for name in ("epochs", "batch_size", "learning_rate"):
        if not settings[name] > 0:
            raise ValueError(f"{name} must be greater than 0, got {settings[name]}")
    if not 0 <= settings["label_smoothing"] <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {settings['label_smoothing']}")
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
