"""How submissions are graded: the options of the command and of pytest, declared once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from ...runtime.options import at_least_one, positive_number
from ..reports.class_list import BEST, LATEST
from ..sandbox.settings import Limits

LOCAL = "local"  # in place of a cluster's address: one on this machine, for this grading only


@dataclass(frozen=True)
class Settings:
    """What is the same for all submissions of one grading.

    seed: of the cases; None until the grading has drawn it. seconds: of a submission; cell_seconds:
    of one cell, or of one exercise's cases. memory: GB. roster, names: see the options of the
    command; None for what earlier gradings in the same folder were told. counts, due: what is said
    of which lecture, "" for that of most files; what is not said stays as it was. workers, cluster:
    how many submissions are graded at a time, and where; None for as many as there are cores, and
    for this machine.
    """

    regrade: bool = False
    sandbox: bool = True
    gpu: bool = False
    seed: int | None = None
    cell_seconds: float = 60
    seconds: float = 600
    memory: float = 4
    roster: str | None = None
    names: str | None = None
    counts: Sequence[tuple[str, str]] = ()
    due: Sequence[tuple[str, str]] = ()
    workers: int | None = None
    cluster: str | None = None

    @property
    def limits(self) -> Limits:
        """Return the limits of time."""
        return Limits(self.cell_seconds, self.seconds)

    @classmethod
    def from_options(cls, options: Any) -> Settings:
        """Return the settings that a command line asks for; what it does not know is as always."""
        names = (field.name for field in fields(cls))
        given: dict[str, Any] = {
            name: getattr(options, f"grade_{name}")
            for name in names
            if hasattr(options, f"grade_{name}")
        }
        return cls(**given)


def add_settings(add: Callable[..., Any], prefix: str = "") -> None:
    """Add the options of `Settings` to a parser, through its method ``add``.

    prefix: of the names that would say too little beside pytest's own options.
    """
    declared: dict[str, dict[str, Any]] = {
        "--regrade": dict(
            action="store_true", help="also grade what is graded and has not changed"
        ),
        "--no-sandbox": dict(
            dest="grade_sandbox",
            action="store_false",
            help="run student code unfenced, as your own user",
        ),
        f"--{prefix}gpu": dict(
            action="store_true", help="let student code use this machine's GPUs"
        ),
        f"--{prefix}seed": dict(
            type=int, metavar="N", help="seed of the cases (default: drawn, kept with the results)"
        ),
        f"--{prefix}cell-seconds": dict(
            type=positive_number, default=60, metavar="S", help="limit of a cell (default 60)"
        ),
        f"--{prefix}seconds": dict(
            type=positive_number,
            default=600,
            metavar="S",
            help="of a submission, shared out among its exercises (default 600)",
        ),
        f"--{prefix}memory": dict(
            type=positive_number, default=4, metavar="GB", help="limit of a submission (default 4)"
        ),
        f"--{prefix}roster": dict(
            type=_file,
            metavar="CSV",
            help="the class: names, ids, logins, e-mails, as Moodle, Canvas or a spreadsheet gives "
            "them; it is kept with the results",
        ),
        f"--{prefix}names": dict(
            metavar="PATTERN",
            help="how your files are named, for example '(?P<id>\\d+)_(?P<name>.+)'",
        ),
        f"--{prefix}counts": dict(
            action="append",
            default=[],
            type=_of_lecture(_rule),
            metavar="RULE",
            help=f"which of several submissions counts: {BEST} (default) or {LATEST}, or "
            f"03={LATEST} for lecture 03; may be given several times",
        ),
        f"--{prefix}due": dict(
            action="append",
            default=[],
            type=_of_lecture(_moment),
            metavar="WHEN",
            help="what comes later is late: 2026-10-01T23:59; 2026-10-01 is the end of that day. "
            "It is for the lecture of most files; 03=2026-10-01 is for lecture 03; may be given "
            "several times",
        ),
    }
    for name, how in declared.items():
        field = name.removeprefix("--").removeprefix(prefix).replace("-", "_")
        add(name, **{"dest": f"grade_{field}"} | how)


def _file(text: str) -> str:
    """Return the whole path of a file: a grading works in another folder."""
    return str(Path(text).resolve())


def _of_lecture(read: Callable[[str], str]) -> Callable[[str], tuple[str, str]]:
    """Return what reads "03=WHEN", or WHEN alone: of no lecture that is named."""

    def read_both(text: str) -> tuple[str, str]:
        named = re.match(r"(\d{1,2})=", text, re.ASCII)
        lecture = f"{int(named[1]):02}" if named else ""
        return lecture, read(text[named.end() :] if named else text)

    return read_both


def _rule(text: str) -> str:
    """Return which of several submissions counts. Raises ArgumentTypeError if it is neither."""
    if text not in (BEST, LATEST):
        raise argparse.ArgumentTypeError(f"{text!r} is neither {BEST} nor {LATEST}")
    return text


def _moment(text: str) -> str:
    """Return a time as hand-ins have it, of a day alone its last minute.

    Raises:
        ArgumentTypeError: it is none, or one of a time zone.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 2026-10-01T23:59") from None
    if when.tzinfo:
        raise argparse.ArgumentTypeError(
            f"{text!r} has a time zone: write the time as it stands in the files' names, like "
            "2026-10-01T23:59"
        )
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text):
        when = when.replace(hour=23, minute=59)
    return when.isoformat(timespec="minutes")


def add_where(add: Callable[..., Any]) -> None:
    """Add what pytest has options of its own for: how many workers there are, and where."""
    add(
        "--workers",
        dest="grade_workers",
        type=at_least_one,
        metavar="N",
        help="submissions graded at a time (default: cores)",
    )
    add(
        "--cluster",
        dest="grade_cluster",
        nargs="?",
        const=LOCAL,
        type=cluster_address,
        metavar="ADDRESS",
        help="spread it over the Dask cluster whose scheduler is at ADDRESS, for example "
        f"tcp://HOST:8786; {LOCAL!r}, or no address, starts --workers on this machine",
    )


def cluster_address(text: str) -> str:
    """Return a cluster's address as it was typed. Raises ArgumentTypeError if it is none."""
    if text != LOCAL and not re.fullmatch(r"(\w+://)?[^/\s]+:\d+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the address of a scheduler, like tcp://HOST:8786, nor {LOCAL!r}"
        )
    return text
