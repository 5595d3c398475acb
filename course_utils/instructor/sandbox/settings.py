"""What kernels of submissions may see and use, and what became of one that used too much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GB = 10**9
TIMEOUT = "timeout"  # it took too long
DIED = "died"  # it ended the kernel: memory, exit, crash


@dataclass(frozen=True)
class Limits:
    """Seconds of one cell (or one exercise's cases), and of a submission in all.

    lecture: of the lecture's own cells. They are known to end, only a busy machine makes them slow.
    """

    cell: float = 60
    total: float = 600
    lecture: float = 180


@dataclass(frozen=True)
class Fence:
    """What kernels see and may use.

    course: the folder with the course's stripped copy, which has a place for ``data``. exchange: a
    folder in which the grader puts cases. memory: bytes that all processes of a kernel may use.
    threads: of torch. sandbox: False runs them as the grader's own user, unfenced. gpu: pass
    accelerators through.
    """

    course: Path
    data: Path
    exchange: Path
    memory: int = 4 * GB
    threads: int = 1
    sandbox: bool = True
    gpu: bool = False
