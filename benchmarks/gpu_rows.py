"""The rows of `gpu_check.py`: what one check found, kept in a file as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

OK = "ok"
MISSED = "missed"  # it ran; what was hoped for did not come out
FAILED = "FAILED"
STOPPED = "stopped"  # its time was over
LEFT_OUT = "left out"
FINISHED = (OK, MISSED)  # what a rerun does not do again
HEADER = """\
| check | outcome | what was found | peak of the GPU (GB) | seconds |
|---|---|---|--:|--:|"""


class LeftOut(Exception):
    """A check cannot be made here; the message says what it needs."""


@dataclass(frozen=True)
class Finding:
    """What a check found. ``peak``: bytes of the device at most; None where it was not measured."""

    outcome: str
    found: str
    peak: int | None = None


@dataclass(frozen=True)
class Row:
    """A finding with its check's name and time. ``log``: the end of what was printed, if failed."""

    name: str
    outcome: str
    found: str
    seconds: float
    peak: int | None = None
    log: str = ""

    @property
    def is_finished(self) -> bool:
        """Return whether a rerun need not do it again."""
        return self.outcome in FINISHED

    def __str__(self) -> str:
        peak = "" if self.peak is None else f"{self.peak / 1e9:.2f}"
        found = self.found.replace("|", "/").replace("\n", " ")
        return f"| {self.name} | {self.outcome} | {found} | {peak} | {self.seconds:.0f} |"


class RowsFile:
    """All rows of one machine, in a file that each row is added to at once.

    Args:
        path: the file; it need not be there.
        machine: in words. None takes that of the file.

    Raises:
        ValueError: the file holds the rows of another machine, or none where ``machine`` is None.
    """

    def __init__(self, path: Path, machine: str | None) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        lines = list(_lines(path))
        self.machine = next((line["machine"] for line in lines if "machine" in line), machine or "")
        if not self.machine:
            raise ValueError(f"{path} holds no rows: run the check first")
        if machine is not None and machine != self.machine:
            raise ValueError(
                f"{path} holds the rows of {self.machine}, and this is {machine}: "
                "name another folder with --out"
            )
        for line in lines:
            if "name" in line:
                self.rows[line["name"]] = Row(**line)
        if path.is_file() and not path.read_bytes().endswith(b"\n"):
            self._write()  # the next row begins a line
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write({"machine": self.machine})

    def add(self, row: Row) -> None:
        """Keep a row; it takes the place of an earlier one of its name."""
        self.rows[row.name] = row
        self._write(asdict(row))

    def table(self, names: Iterable[str]) -> list[str]:
        """Return the lines of the table: the rows of these names, in this order."""
        rows = [self.rows[name] for name in names if name in self.rows]
        return [*HEADER.splitlines(), *map(str, rows)]

    def _write(self, line: dict | None = None) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" if line is None else json.dumps(line, ensure_ascii=False) + "\n")


def _lines(path: Path) -> Iterable[dict]:
    """Yield what each line of a file holds. A line that was cut off by an interrupt is no line."""
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
