"""How the threads of torch wait for each other, and how many there are.

OpenMP reads these variables when torch is loaded, so this module needs no torch, and
``import course_utils`` sets them. By default a thread that waits keeps its core busy for a while.
That costs much where another program wants the core: benchmarks/threads.py measures it.
"""

from __future__ import annotations

import os

THREAD_VARIABLES = {"OMP_WAIT_POLICY": "passive"}


def thread_variables() -> dict[str, str]:
    """Return the variables for a process that computes; what the user has set stays."""
    return {name: os.environ.get(name, value) for name, value in THREAD_VARIABLES.items()}


def kernel_threads(workers: int = 1) -> int:
    """Return the threads of a kernel that runs beside ``workers`` - 1 others.

    Two kernels that each take all cores slow each other down. ``OMP_NUM_THREADS`` decides if it
    is set.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdigit() else max(1, (os.cpu_count() or 1) // workers)
