"""What kernels of submissions may see and use, and what became of one that used too much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GB = 10**9
MAX_DISK = 500_000_000
TIMEOUT = "timeout"  # it took too long
DIED = "died"  # it ended the kernel: memory, exit, crash


@dataclass(frozen=True)
class Limits:
    """Seconds of one cell (or one exercise's cases), and of a submission in all.

    They are the kernel's own: time in which it waits for a busy processor does not count.
    lecture: of the lecture's own cells, which are known to end.
    """

    cell: float = 60
    total: float = 600
    lecture: float = 180


@dataclass(frozen=True)
class Fence:
    """What kernels see and may use.

    course: the folder with the course's stripped copy, which has a place for ``data``. memory:
    bytes that all processes of a kernel may use, with what they write to files. threads: of torch.
    sandbox: False runs them as the grader's own user, unfenced. gpu: pass accelerators through.
    """

    course: Path
    data: Path
    memory: int = 4 * GB
    threads: int = 1
    sandbox: bool = True
    gpu: bool = False

    @property
    def disk(self) -> int:
        """Return the bytes of all files that a kernel writes: they are kept in memory."""
        return min(MAX_DISK, self.memory // 8) if self.sandbox else 0

    @property
    def processes_memory(self) -> int:
        """Return the bytes that are left for its processes."""
        return self.memory - self.disk
