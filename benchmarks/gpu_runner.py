"""Checks of `gpu_check.py` as processes: each has its own limit of time, and fails by itself."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from gpu_rows import FAILED, STOPPED, Finding, Row

LOOK = 0.1  # seconds between two looks at what runs
LEAST = 10  # seconds: with less time left nothing is begun
LOG = 3000  # characters of a failed check's output that are kept


@dataclass(frozen=True)
class Check:
    """One check: a function of a module, imported in the check's own process alone.

    seconds: its limit. beside: others may run at the same time.
    """

    name: str
    seconds: float
    module: str
    function: str
    arguments: tuple[str, ...] = ()
    beside: bool = False


Command = Callable[[Check, Path], list[str]]  # that makes a check and writes its finding to a file


class Running:
    """A check that is being made, in a process of its own with a folder of its own."""

    def __init__(self, check: Check, command: Command, seconds: float, threads: int) -> None:
        self.check, self.seconds = check, seconds
        self.folder = tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True)
        self.finding, self.log = (Path(self.folder.name, name) for name in ("finding", "log"))
        variables = os.environ | {"TMPDIR": self.folder.name, "OMP_NUM_THREADS": str(threads)}
        self.start = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command(check, self.finding),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def row(self) -> Row | None:
        """Return its row; None while it goes on."""
        spent = time.monotonic() - self.start
        if self.process.poll() is None:
            if spent < self.seconds:
                return None
            row = Row(self.check.name, STOPPED, f"after {spent:.0f} s", spent, log=self._said())
        else:
            row = self._ended(spent)
        self.end()
        return row

    def end(self) -> None:
        """End its process, and all that this has started, and remove its folder."""
        with suppress(psutil.Error):
            family = psutil.Process(self.process.pid).children(recursive=True)
            for process in family:
                with suppress(psutil.Error):
                    process.kill()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def _ended(self, spent: float) -> Row:
        said = self._said()
        if self.finding.is_file():
            found = Finding(**json.loads(self.finding.read_text("utf-8")))
            log = said if found.outcome == FAILED else ""
            return Row(self.check.name, found.outcome, found.found, spent, found.peak, log)
        last = said.strip().splitlines()[-1:] or [f"it ended with code {self.process.returncode}"]
        return Row(self.check.name, FAILED, last[0][:200], spent, log=said)

    def _said(self) -> str:
        return self.log.read_text("utf-8", errors="replace")[-LOG:]


def run_all(
    checks: Sequence[Check],
    command: Command,
    keep: Callable[[Row], None],
    *,
    seconds: float,
    width: int,
) -> list[Check]:
    """Make checks in this order, and give each row away as soon as it is there.

    Args:
        checks: what to make. One that is not ``beside`` others runs alone, on all cores.
        command: starts one of them.
        keep: gets the rows.
        seconds: for all of them. What is not done by then is stopped.
        width: how many run at the same time.

    Returns:
        Those that were not begun.
    """
    cores, end = os.cpu_count() or 1, time.monotonic() + seconds
    waiting, running = list(checks), []

    def next_is_due() -> bool:
        is_time = time.monotonic() < end - min(LEAST, seconds / 2)
        return bool(waiting) and is_time and may_start(waiting[0], running, width)

    try:
        while running or next_is_due():
            while next_is_due():
                check = waiting.pop(0)
                left = min(check.seconds, end - time.monotonic())
                threads = max(1, cores // width) if check.beside else cores
                running.append(Running(check, command, left, threads))
            for one in list(running):
                if row := one.row():
                    running.remove(one)
                    keep(row)
            time.sleep(LOOK)
    finally:
        for one in running:
            one.end()
    return waiting


def may_start(check: Check, running: Sequence[Running], width: int) -> bool:
    """Return whether a check may start beside those that run."""
    alone = not (check.beside and all(one.check.beside for one in running))
    return not running if alone else len(running) < width
