"""What `fit` trains with: optimizers, learning-rate schedules, and each epoch's random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..runtime import seed_everything

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("one_cycle", None)


@dataclass(frozen=True)
class Recipe:
    """What `fit` was asked for, in plain numbers and words; see there for what they mean.

    What is in use may differ: where memory is too small, a run goes on with smaller batches.

    Raises:
        ValueError: a setting is unknown or out of range.
    """

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    schedule: str | None
    weight_decay: float
    fast: bool
    seed: int

    def __post_init__(self) -> None:
        for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is unknown: choose one of {choices}"
                )
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")


def make_optimizer(
    name: str, model: nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return Adam (Kingma and Ba, 2015) or SGD with Nesterov momentum 0.9, for what is not frozen.

    Adam's weight decay is decoupled (AdamW: Loshchilov and Hutter, 2019); without weight decay the
    two are the same.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    settings: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    kind: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
    if name == "sgd":
        kind, settings = torch.optim.SGD, settings | {"momentum": 0.9, "nesterov": True}
    try:
        # One pass over the weights does all of a step.
        return kind(parameters, fused=True, **settings)
    except RuntimeError:  # this device has no such step
        return kind(parameters, **settings)


def make_schedule(
    name: str | None, optimizer: torch.optim.Optimizer, epochs: int, batches_per_epoch: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """Return a schedule to step after every batch, or None for a constant rate.

    ``"one_cycle"``: from 1/25 of the rate up to the rate in the first 30 % of the steps, then down
    to almost 0 (Smith and Topin, "Super-convergence", 2018).
    """
    if name is None:
        return None
    peak = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=epochs * batches_per_epoch
    )


@contextmanager
def epoch_randomness(device: torch.device, seed: int, epoch: int) -> Iterator[None]:
    """Give an epoch random numbers of its own; put the caller's generators back afterwards.

    Dropout and augmentation then depend on ``seed`` and ``epoch`` alone: a resumed run draws what
    an uninterrupted one would have drawn, and training does not change what is drawn after it.
    """
    accelerator = None if device.type == "cpu" else torch.get_device_module(device)
    place = () if device.type == "mps" else (device,)  # there is one MPS device, without a number
    device_state = accelerator and accelerator.get_rng_state(*place)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    exact = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True  # some of cuDNN's algorithms do not repeat exactly
    seed_everything(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = exact
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
        if accelerator:
            accelerator.set_rng_state(device_state, *place)
