"""How long a kernel may work on a cell, counted in seconds of its own processor time.

Beside other programs a cell takes many times as long by the clock, and does no more work. The
clock only tells that a kernel does nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

LOOK = 0.5  # seconds between two looks: each reads the list of all processes
IDLE = 3  # a kernel that does nothing is stopped after this many times its seconds, by the clock
WORK = 0.01  # a smaller part of its seconds than this is no work: Python itself needs a little


class Budget:
    """Seconds of processor time, and who has used them up.

    Args:
        seconds: the limit.
        used: returns the processor time so far, in seconds.
        clock: returns a time in seconds, for a test.
    """

    def __init__(
        self,
        seconds: float,
        used: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds, self.used, self.clock = seconds, used, clock
        self.first = self.worked = used()
        self.worked_at = self.looked_at = clock()
        self.excess = ""

    def is_over(self) -> bool:
        """Return whether it is used up; ``excess`` then says how."""
        now = self.clock()
        if self.excess or now < self.looked_at + LOOK:
            return bool(self.excess)
        self.looked_at, used = now, self.used()
        if used > self.worked + WORK * self.seconds:
            self.worked, self.worked_at = used, now
        if used > self.first + self.seconds:
            self.excess = f"it used more than {self.seconds:g} seconds of processor time"
        elif now > self.worked_at + IDLE * self.seconds:
            self.excess = f"it did nothing for {IDLE * self.seconds:g} seconds"
        return bool(self.excess)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of all that it started, in seconds.

    What a process has ended counts too, where the system tells. It is 0 when there is no such
    process.
    """
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):  # it has just ended
                total += sum(member.cpu_times()[:4])  # user, system, and both of ended children
    return total
