"""`fit`: many epochs, with everything around them that a long run needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import ImageData, batches
from ..runtime import get_device, release_memory
from ..runtime.networks import build_lazy_layers
from .checkpoint import Checkpoint, CheckpointError
from .facts import facts
from .history import History
from .identity import identity
from .last_batch import without_single_image
from .loop import TrainingDiverged
from .precision import choose_precision
from .recipe import Recipe
from .rehearsal import Rehearsal, rehearse
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

    Before training, lazy layers (`nn.LazyLinear`) get their sizes from an image, and a copy of the
    model tries out what it can do. Where the last batch has one image and the model cannot train
    on one, as batch norm cannot, that image joins the batch before it.

    Args:
        model: takes float32 images (N, C, H, W), and returns logits (N, K), one for each class.
        data: the images; the training part may not be empty, and nor may the validation part.
        epochs: how often to go through the training images.
        batch_size: images in a step.
        optimizer: "adam" (AdamW), or "sgd" (momentum 0.9, Nesterov).
        learning_rate: the largest rate of the run.
        schedule: "one_cycle" (up to learning_rate, then down to 0), or None (constant).
        weight_decay: share of each weight that a step takes away, times the learning rate.
        augment: changes a batch of training images, for example ``standard_augmentation()``.
        device: the course's device if None.
        fast: use mixed precision and the channels_last memory format where a measurement shows
            that this device gains from them, and a trial that this model works with them; False
            computes in plain float32.
        halve_batch: where the device's memory is too small for a batch, say so and start again
            with batches of half the size, as often as needed; a completed epoch is never thrown
            away.
        checkpoint: a file that keeps the run. It is written after every epoch, and the same call
            goes on from it with exactly the result of a run that was never interrupted, with the
            batches that were in use. A call on a complete run only loads the result. The same call
            has the same settings, images, labels, augmentation and network: its layers, and the
            code that joins them. The weights that it starts with are not compared.
        seed: of the order of the images, of augmentation and of dropout. The same seed gives the
            same History and weights on one machine. The initial weights are the model's own.
        description: a name for the progress bar and the History.

    Raises:
        TrainingDiverged: the loss is not finite. ``error.history`` holds the epochs before.
        TrainingInterrupted: a KeyboardInterrupt, with ``.history`` likewise. In both cases the
            model holds its best epoch, or its initial weights if there is none.
        OutOfMemory: the device's memory is too small for a batch (and ``halve_batch`` is off).
        CheckpointError: the checkpoint is damaged or belongs to another run.
        ValueError: a setting is unknown or out of range, or the model does not fit the data.

    Example:
        >>> from torch import nn
        >>> from course_utils.data import load_data
        >>> data = load_data("fashion_mnist", profile="quick").only(["Bag", "Sandal"])
        >>> model = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
        >>> fit(model, data, epochs=1, fast=False).best.validation_accuracy > 0.8
        True
    """
    recipe = Recipe(
        epochs=int(epochs),  # plain numbers: NumPy's cannot be read from a checkpoint
        batch_size=int(batch_size),
        optimizer=optimizer,
        learning_rate=float(learning_rate),
        schedule=schedule,
        weight_decay=float(weight_decay),
        fast=fast,
        seed=int(seed),
    )
    _check(data)
    device = torch.device(device or get_device())
    build_lazy_layers(model, data.normalize(data.train.images[:2]))
    known = facts("model", model) if checkpoint is not None else {}
    rehearsal = rehearse(model, data, choose_precision(device, fast))
    file, state, in_use = None, None, recipe
    if checkpoint is not None:
        file = Checkpoint(Path(checkpoint), identity(recipe, known, rehearsal.used, data, augment))
        state = file.load()
        in_use = _in_use(recipe, file, state, halve_batch)
    rehearsal = replace(rehearsal, used=None)  # it takes as much memory as the model
    history = History(description=description)
    while True:
        try:
            _train(_new_run(model, data, augment, rehearsal, in_use, history), file, state)
            return history
        except OutOfMemory as error:
            size = error.batch_size // 2
            if not halve_batch or history.rows or size < rehearsal.smallest_batch:
                raise
            in_use, history.stopped = replace(in_use, batch_size=size), ""
        # Outside of the handler, which would keep the failed batch alive.
        release_memory()
        print(f"{device} is out of memory: going on with batch_size={in_use.batch_size}.")


def _in_use(
    recipe: Recipe, file: Checkpoint, state: dict[str, Any] | None, halve_batch: bool
) -> Recipe:
    """Return the recipe that a run goes on with: its batches may be smaller than asked for."""
    size = recipe.batch_size if state is None else state["batch_size"]
    if size != recipe.batch_size and not halve_batch:
        raise CheckpointError(
            file.path,
            f"belongs to a run that went on with batches of {size} images instead of "
            f"{recipe.batch_size}, as memory was too small: with halve_batch=True it is used",
        )
    return replace(recipe, batch_size=size)


def _new_run(
    model: nn.Module,
    data: ImageData,
    augment: Callable[..., Tensor] | None,
    rehearsal: Rehearsal,
    recipe: Recipe,
    history: History,
) -> Run:
    size, device = recipe.batch_size, rehearsal.amp.device
    loader = batches(data, batch_size=size, device=device, augment=augment, seed=recipe.seed)
    train = loader if rehearsal.smallest_batch == 1 else without_single_image(loader)
    # Without gradients an image needs about a quarter of the memory.
    validation = batches(data, "validation", batch_size=min(256, 4 * size), device=device)
    return Run(model, train, validation, replace(rehearsal.amp), recipe, history)


def _train(run: Run, file: Checkpoint | None, state: dict[str, Any] | None) -> None:
    """Train once; whatever happens, leave the model with its best epoch."""
    history = run.history
    try:
        if file is not None and state is not None:
            run.resume(file, state)
        run.train(file)
    except KeyboardInterrupt:
        _report_interrupt(run, file)
        raise TrainingInterrupted(history) from None
    except TrainingDiverged as error:
        history.stopped = f"the loss was not finite in epoch {run.next_epoch}"
        raise TrainingDiverged(error.batch, run.next_epoch, history) from None
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        run.model.zero_grad()
        size = run.recipe.batch_size
        history.stopped = f"no memory for batches of {size} in epoch {run.next_epoch}"
        raise OutOfMemory(run.amp.device, size) from None
    finally:
        run.finish()


def _is_out_of_memory(error: RuntimeError) -> bool:
    # CUDA has a class of its own; MPS and the CPU say it in words only.
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return "out of memory" in str(error) or "can't allocate memory" in str(error)


def _check(data: ImageData) -> None:
    if len(data.train) == 0 or len(data.validation) == 0:
        raise ValueError(
            f"{data.title} has {len(data.train)} training and {len(data.validation)} validation "
            "images, and fit needs both: load the data with validation=0.1"
        )


def _report_interrupt(run: Run, checkpoint: Checkpoint | None) -> None:
    history = run.history
    epochs = run.recipe.epochs
    epoch = min(run.next_epoch, epochs)
    history.stopped = f"interrupted in epoch {epoch}"
    weights = f"of epoch {history.best.epoch}, its best" if history.rows else "it started with"
    print(f"Interrupted in epoch {epoch} of {epochs}.", end=" ")
    print(f"The model holds the weights {weights}.", end=" " if checkpoint else "\n")
    if checkpoint:
        print(
            f"{checkpoint.path.name} holds {len(history)} epochs: the same call goes on from there."
        )
