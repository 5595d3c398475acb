"""What a kernel uses: processor time, memory, and time in which it only sleeps."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

GLANCE = 0.2  # seconds between two looks
QUEUE = 425_984  # bytes that wait in one socket at most: they are in no process's memory
SLEEPING = (psutil.STATUS_SLEEPING, psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
WAITING = "SITtZX"  # states of threads that want no processor: not R (running) and not D (disk)


@dataclass(frozen=True)
class Reading:
    """What the processes of a kernel have used so far.

    cpu: seconds of the processor. memory: bytes. sleeps: whether all of them wait for something
    else than the processor or a disk.
    """

    cpu: float = 0.0
    memory: int = 0
    sleeps: bool = True


class Usage:
    """Reads what a process and its descendants use.

    Args:
        pid: of the first process.
        apart: processes whose memory counts, but not their time.
        enough: bytes above which memory is counted exactly, which takes long: pages that forked
            processes share count once.
    """

    def __init__(self, pid: int, enough: int, apart: Collection[psutil.Process] = ()) -> None:
        self.pid, self.enough, self.apart = pid, enough, apart
        self.own: dict[psutil.Process, float] = {}  # also of those that have ended

    def read(self) -> Reading:
        """Return what is used now."""
        everything = family(self.pid)
        memory = sum(map(_memory, everything))
        if memory > self.enough:
            memory = sum(_memory(process, exactly=True) for process in everything)
        processes = [process for process in everything if process not in self.apart]
        with_ended = 0.0
        for process in processes:
            with suppress(psutil.Error):  # it has just ended
                times = process.cpu_times()
                self.own[process] = times.user + times.system
                with_ended += sum(times[:4])  # those of children for which it has waited, too
        # A process can have its children forgotten: then what was seen of them counts.
        cpu = max(with_ended, sum(self.own.values()))
        return Reading(cpu, memory, all(map(_sleeps, processes)))


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process, exactly: bool = False) -> int:
    total = 0
    with suppress(psutil.Error):  # it has just ended
        total = process.memory_info().rss
        if exactly:
            full = process.memory_full_info()
            total = getattr(full, "pss", full.uss)
        if sys.platform != "win32":
            total += QUEUE * process.num_fds()
    return total + _page_tables(process.pid)


def _page_tables(pid: int) -> int:
    """Return the bytes of a process's page tables: empty pages far apart need as much of them."""
    with suppress(OSError):  # it has just ended, or this is no Linux
        status = Path(f"/proc/{pid}/status").read_text("latin-1")
        if size := re.search(r"^VmPTE:\s*(\d+) kB$", status, re.MULTILINE):
            return int(size[1]) * 1024
    return 0


def _sleeps(process: psutil.Process) -> bool:
    threads = list(Path(f"/proc/{process.pid}/task").glob("*/stat"))
    with suppress(OSError, psutil.Error):
        if not threads:
            return process.status() in SLEEPING
        return all(path.read_text("latin-1").rpartition(")")[2][1] in WAITING for path in threads)
    return True  # it has just ended


class Meter:
    """Counts the seconds of a kernel: its processor time, or those in which it does nothing.

    Time in which it waits for a busy processor is not its own.
    """

    def __init__(
        self, read: Callable[[], Reading], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.read, self.clock = read, clock
        self.seconds = 0.0
        self.looked, self.cpu = clock(), read().cpu

    def begin(self) -> float:
        """Return the seconds so far; the time until now was not for a request."""
        self.looked = self.clock()
        return self.seconds

    def glance(self, has_answered: bool = False) -> Reading:
        """Count what was used since the last glance; a kernel that has answered may rest."""
        reading, now = self.read(), self.clock()
        # The grader, too, waits for a busy processor: then it looks late.
        idle = min(now - self.looked, 2 * GLANCE) if reading.sleeps and not has_answered else 0.0
        self.seconds += max(idle, reading.cpu - self.cpu)
        self.looked, self.cpu = now, max(self.cpu, reading.cpu)
        return reading
