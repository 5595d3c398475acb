"""The device that tensors live on, and what depends on it: seeds, waiting and timing.

torch and NumPy are imported inside the functions, so that ``python -m course_utils doctor`` can
still explain what is wrong on a machine where one is missing or broken.
"""

from __future__ import annotations

import os
import platform
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .trials import recording, run_seed

if TYPE_CHECKING:
    import torch


def get_device() -> torch.device:
    """Return the device to compute on.

    The environment variable ``COURSE_DEVICE`` (``cpu``, ``cuda``, ``mps``, ...) decides if it
    is set. Otherwise it is the accelerator that torch reports (``torch.accelerator``), or the CPU
    if there is none.

    Raises:
        ValueError: the device cannot compute. A GPU may be there that this torch is too new or too
            old for; that is better said here than by the first layer of a network.
    """
    import torch

    wanted = os.environ.get("COURSE_DEVICE")
    found = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
    try:
        device = torch.device(wanted or found or "cpu")
        torch.ones(1, device=device) + 1
    except Exception as error:  # torch raises RuntimeError, AssertionError or others here
        what, remedy = f"The accelerator {str(found)!r}", "Set COURSE_DEVICE=cpu to do without it."
        if wanted:
            what = f"COURSE_DEVICE={wanted!r}"
            remedy = "Set it to 'cpu', or remove it to let the course choose."
        reason = str(error).splitlines()[0]
        raise ValueError(f"{what} cannot be used here: {reason} {remedy}") from None
    return device


def release_memory() -> None:
    """Give back what deleted models and tensors held: Python's garbage, then torch's own cache.

    torch keeps freed memory of an accelerator for its next tensor. Call this between two large
    models, after ``del``.
    """
    import gc

    import torch

    gc.collect()
    if torch.accelerator.is_available():
        module = torch.get_device_module(torch.accelerator.current_accelerator())
        module.empty_cache()


def synchronize(device: torch.device | str) -> None:
    """Wait until all work queued on ``device`` is done. The CPU has no queue."""
    import torch

    if torch.device(device).type != "cpu" and torch.accelerator.is_available():
        torch.accelerator.synchronize()


def cpu_threads() -> str:
    """Return how many threads torch computes with, in words: "1 thread", "2 threads"."""
    import torch

    count = torch.get_num_threads()
    return f"{count} thread{'s' * (count > 1)}"


def machine(device: torch.device) -> str:
    """Return what computes, in words: the accelerator, or the processor and its threads."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    description = Path("/proc/cpuinfo")
    text = description.read_text() if description.is_file() else ""
    found = re.search(r"model name\s*: (.*)", text)
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{cpu_threads()} of {name}"


class Timer:
    """Measure the wall-clock seconds of a ``with`` block, including work queued on ``device``.

    A run of the evidence on one thread of the CPU shares the processor with others: there it
    measures processor time, so that equal times stay equal on a busy machine.

    Args:
        device: that computes inside the block.

    Example:
        >>> with Timer("cpu") as timer:
        ...     total = sum(range(1000))
        >>> timer.seconds > 0
        True
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device
        self.seconds = 0.0

    def __enter__(self) -> Timer:
        synchronize(self.device)
        self._clock = _clock(self.device)
        self._start = self._clock()
        return self

    def __exit__(self, *exception: object) -> None:
        synchronize(self.device)
        self.seconds = self._clock() - self._start


def _clock(device: torch.device | str) -> Callable[[], float]:
    import torch

    shared = recording() and torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if shared else time.perf_counter


def seed_everything(seed: int = 0) -> None:
    """Seed Python, NumPy and torch (on every device), so that a run repeats on one machine.

    A run of the evidence seeds them with numbers of its own: see `run_seed`.
    """
    import numpy as np
    import torch

    seed = run_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries and students use the global generator
    torch.random.manual_seed(seed)


def shift_seeds() -> None:
    """In a run of the evidence, let ``torch.manual_seed`` seed with numbers of that run's own.

    Lectures call it as students will elsewhere, and need no change to be run with other seeds.
    """
    import torch

    if run_seed():
        torch.manual_seed = _shifted_seed


def _shifted_seed(seed: int) -> torch.Generator:
    import torch

    return torch.random.manual_seed(run_seed(int(seed)))
