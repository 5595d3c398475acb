"""How many threads torch computes with.

Threads wait for each other after each step of a computation. Where another program wants one of
their cores, one of them is always late: two threads on two cores are then half as fast as one
alone. Another way to wait helps one network there, harms another, and costs time on a quiet
machine; benchmarks/threads.py measures it. So a notebook leaves those cores alone that other
programs keep busy.
"""

from __future__ import annotations

import os
import time

import psutil

SHORTEST = 0.3  # seconds to watch the machine before anything is said about it


class Load:
    """How many cores other programs keep busy, from the moment on when this is made."""

    def __init__(self) -> None:
        self.began = _seconds()

    def of_others(self) -> float:
        """Return how many cores they have kept busy on average."""
        time.sleep(max(0.0, self.began[0] + SHORTEST - time.monotonic()))
        clock, busy, own = (now - then for now, then in zip(_seconds(), self.began, strict=True))
        return max(0.0, busy - own) / clock


def _seconds() -> tuple[float, float, float]:
    """Return the time, and how long all cores and this process have worked, in seconds."""
    times = psutil.cpu_times()
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")  # no system has all of them
    return time.monotonic(), sum(getattr(times, k, 0.0) for k in kinds), time.process_time()


LOAD = Load()


def threads_beside(others: float, threads: int) -> int:
    """Return how many of ``threads`` to use where other programs keep so many cores busy.

    Example:
        >>> threads_beside(0.2, threads=2) == min(2, os.cpu_count())
        True
    """
    return min(threads, max(1, (os.cpu_count() or 1) - round(others)))


def leave_busy_cores() -> str:
    """Let torch use only free cores, unless ``OMP_NUM_THREADS`` is set.

    Returns:
        What is to be said about it; empty where all cores are free.
    """
    import torch

    if os.environ.get("OMP_NUM_THREADS"):
        return ""
    others, threads = LOAD.of_others(), torch.get_num_threads()
    fewer = threads_beside(others, threads)
    if fewer == threads:
        return ""
    torch.set_num_threads(fewer)
    return f"; other programs keep {others:.1f} of {os.cpu_count()} cores busy"


def kernel_threads(workers: int = 1) -> int:
    """Return the threads of a kernel that runs beside ``workers`` - 1 others.

    Two kernels that each take all cores slow each other down. ``OMP_NUM_THREADS`` decides if it
    is set.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdigit() else max(1, (os.cpu_count() or 1) // workers)
