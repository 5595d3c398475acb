"""A kernel that is replaced when it ends: what was finished before is run again.

A kernel that dies or hangs costs those whose code it ran, nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..sandbox.kernel import Incomplete, Kernel, Lost, Reply
from ..sandbox.kernels import Kernels
from ..sandbox.settings import DIED, Limits

What = Callable[[Kernel, float], Reply]
LECTURES, NOBODYS = "the lecture", ""  # accounts beside those of the exercises
NEW_KERNEL = 1.0  # seconds that are paid for one, at least: nobody can end kernels for ever


class Infrastructure(RuntimeError):
    """The grader failed, not the student: the submission is not graded and can be run again."""


class UsedUp(Lost):
    """There are no seconds left in the account."""


class SteadyKernel:
    """Does work in a kernel, and pays for it from accounts of seconds.

    The seconds of a submission are shared out: each exercise has an account, and so has what no
    exercise needs. Nobody uses up another's. The lecture's own code has all of them once more.
    """

    def __init__(self, kernels: Kernels, limits: Limits, exercises: Iterable[str]) -> None:
        self.kernels, self.limits = kernels, limits
        accounts = [NOBODYS, *exercises]
        self.share = limits.total / len(accounts)
        self.left = dict.fromkeys(accounts, self.share) | {LECTURES: limits.total}
        self.kernel: Kernel | None = None
        self.finished: list[tuple[What, str]] = []
        self.to_blame = LECTURES  # who ended the last kernel pays for what the next one repeats

    def close(self) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.kernel.stop()
            self.kernel = None

    def run(self, code: str, account: str) -> Reply:
        """Run code, in each later kernel again. Raises as ``work``."""

        def what(kernel: Kernel, seconds: float) -> Reply:
            return kernel.run(code, seconds)

        reply = self.work(what, account)
        self.finished.append((what, account))
        return reply

    def work(self, what: What, account: str) -> Reply:
        """Do something in a kernel in which all that was finished has run.

        Raises:
            Lost: the kernel is gone.
            UsedUp: there is no time left.
            Incomplete: its results did not come.
            Infrastructure: it was not the code that ended it.
        """
        kernel = self._ready_kernel(account)
        seconds = max(0.1, min(self._limit(account), self.left[account]))
        return self._do(kernel, what, seconds, account)

    def _limit(self, account: str) -> float:
        return self.limits.lecture if account == LECTURES else self.limits.cell

    def _do(self, kernel: Kernel, what: What, seconds: float, payer: str) -> Reply:
        try:
            reply = what(kernel, seconds)
        except (Lost, Incomplete) as end:
            self.left[payer] -= max(end.seconds, NEW_KERNEL)
            self.to_blame = payer
            self.close()
            if not self.kernels.is_alive():
                raise Infrastructure("the sandbox ended") from None
            raise
        self.left[payer] -= reply.seconds
        return reply

    def _ready_kernel(self, account: str) -> Kernel:
        """Return a kernel that has run all that was finished."""
        if self.left[account] <= 0:
            whole = self.limits.total if account == LECTURES else self.share
            what = account or "what no exercise needs"
            raise UsedUp(DIED, f"the {whole:.0f} seconds of {what} were used up")
        while self.kernel is None:
            try:
                self.kernel = self.kernels.start()
            except Exception as problem:
                raise Infrastructure(f"no kernel starts: {problem}") from None
            self._repeat(self.kernel)
        return self.kernel

    def _repeat(self, kernel: Kernel) -> None:
        """Run all that was finished. What ends the kernel now, although it worked, counts no more.

        What comes after goes on without it.
        """
        payer = self.to_blame
        for what, account in list(self.finished):
            try:
                self._do(kernel, what, self._limit(account), payer)
            except Lost:
                self.finished.remove((what, account))
                self.to_blame = account
                return
