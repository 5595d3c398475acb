"""Mixed precision and memory format, chosen by what this device does fast.

A name does not tell whether a processor computes in bfloat16 or only imitates it, ten times slower.
So a few training steps of a small convolutional network are timed, once a process. The thresholds
lie far from what devices do: with bfloat16 in hardware a step is 1.5 times as fast or more, without
it many times slower. Noise therefore does not change the choice, and seeded runs repeat.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime import synchronize

GAIN = 1.2  # half precision changes results a little, so it must be clearly faster
MOST_TURNS = 12  # of the choices, each with a short step
ENOUGH = 2  # seconds of measuring: longer steps need fewer repetitions
LOSS = 1.5  # channels_last changes nothing but speed, so it only must not be clearly slower

Placed = TypeVar("Placed", Tensor, nn.Module)


@dataclass
class Precision:
    """How to compute: the number type for the forward pass and the memory format of images.

    float32 needs nothing. bfloat16 has float32's range, so autocast is enough. float16 has not:
    small gradients would become 0, so the loss is scaled up first and the gradients down again
    (Micikevicius et al., "Mixed precision training", 2018).

    Attributes:
        device: where to compute.
        dtype: float32, bfloat16 or float16.
        channels_last: whether the channels of a pixel lie side by side in memory.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    def __post_init__(self) -> None:
        # A start of 2^12 instead of 2^16 keeps the first steps of usual networks from overflowing,
        # which would skip them.
        self.scaler = torch.amp.GradScaler(
            self.device.type, init_scale=2.0**12, enabled=self.dtype == torch.float16
        )

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        return f"{name}, {'channels_last' if self.channels_last else 'contiguous'}"

    def autocast(self) -> AbstractContextManager:
        """Return the context for the forward pass and the loss."""
        mixed = self.dtype != torch.float32
        return torch.autocast(
            self.device.type, dtype=self.dtype if mixed else torch.bfloat16, enabled=mixed
        )

    def place(self, thing: Placed) -> Placed:
        """Move images (N, C, H, W) or a network to the device, in the memory format."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return thing.to(memory_format=layout).to(self.device)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss."""
        self.scaler.scale(loss).backward()

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the optimizer change the weights."""
        self.scaler.step(optimizer)
        self.scaler.update()


def choose_precision(device: torch.device | str, fast: bool = True) -> Precision:
    """Return the fastest way to train on this device; plain float32 when ``fast`` is False.

    It suits the networks of the course. `fit` tries it out, as not every network works with it.

    Example:
        >>> print(choose_precision("cpu", fast=False))
        float32, contiguous
    """
    device = torch.device(device)
    if not fast:
        return Precision(device)
    dtype, channels_last = _measured_choice(device)
    return Precision(device, dtype, channels_last)


@cache
def _measured_choice(device: torch.device) -> tuple[torch.dtype, bool]:
    contiguous, channels_last = Precision(device), Precision(device, channels_last=True)
    half = [Precision(device, torch.bfloat16, channels_last=True)]
    if device.type == "cuda":  # without bfloat16 in hardware, it may still have float16
        half.append(Precision(device, torch.float16, channels_last=True))
    seconds = _seconds_per_step([contiguous, channels_last, *half])
    for precision, needed in zip(half, seconds[2:], strict=True):
        if needed * GAIN < min(seconds[:2]):
            return precision.dtype, True
    return torch.float32, seconds[1] < seconds[0] * LOSS


def _seconds_per_step(choices: list[Precision]) -> list[float]:
    """Return the seconds of one training step for each; infinity where the device cannot do it.

    Other programs must not disturb the measurement. So the choices take turns, on one thread (which
    need not wait for another), and the fastest of many short steps counts.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng([]):
            steps = [_training_step(precision) for precision in choices]
        for step in steps:
            _seconds(step, choices[0].device)  # the first step also sets things up
        seconds, start = [math.inf for _ in choices], time.perf_counter()
        for turn in range(MOST_TURNS):
            if turn >= 3 and time.perf_counter() - start > ENOUGH:
                break
            for index, step in enumerate(steps):
                # Imitated numbers are many times slower: after three turns there is no doubt.
                if turn < 3 or seconds[index] < 3 * seconds[0]:
                    seconds[index] = min(seconds[index], _seconds(step, choices[0].device))
    finally:
        torch.set_num_threads(threads)
    return seconds


def _training_step(precision: Precision) -> Callable[[], None]:
    """Return a function that does one step of training a small network."""
    # An accelerator needs a large batch to be busy. A CPU is busy with a small one, but with a very
    # small one what surrounds the convolutions hides their gain.
    batch = 16 if precision.device.type == "cpu" else 256
    layers = [nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()]
    model = precision.place(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    images = precision.place(torch.rand(batch, 32, 16, 16))
    labels = torch.zeros(batch, dtype=torch.int64, device=precision.device)

    def step() -> None:
        with precision.autocast():
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        precision.backward(loss)
        precision.step(optimizer)

    return step


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    # A CPU's own time does not run while another program has the processor.
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # torch warns, and computes in float32, if unsupported
            synchronize(device)
            start = clock()
            step()
            synchronize(device)
            return clock() - start
    except (RuntimeError, TypeError, UserWarning):
        return math.inf
