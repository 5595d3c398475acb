"""One run of a lecture among many: its seed and budget from outside, and what it measures.

A lecture runs with seed 0 and the budget 1. ``python -m course_utils evidence`` runs it again with
other seeds and longer training, and keeps what each run measured in ``data/evidence``. Three
environment variables carry that into the kernel: ``COURSE_RUN`` (the number of the run, 0, 1, ...),
``COURSE_BUDGET`` (a factor) and ``COURSE_RECORD`` (the file that the run writes its results to).
An ordinary run writes its claims alone into the file that ``COURSE_CLAIMS`` names, if it does.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from .folders import project_root

SEEDS_APART = 1000  # the seeds that a lecture itself uses are smaller
EXPERIMENT = re.compile(r"\d\d \S.*")
_measured: list[Measured] = []  # by this run, if it is recorded


@dataclass(frozen=True)
class Measured:
    """One number of one run. x: where on a curve it stands, for example an epoch; "" if nowhere."""

    experiment: str
    arm: str
    x: float | str
    value: float
    seed: int
    budget: float


@dataclass(frozen=True)
class Runs:
    """What stored runs measured in one experiment.

    Example:
        >>> rows = [Measured("99 a", arm, "", v, 0, 1.0) for arm, v in (("new", 0.8), ("old", 0.7))]
        >>> [round(gain, 2) for gain in Runs(tuple(rows)).differences("new", "old")]
        [0.1]
    """

    rows: tuple[Measured, ...] = ()

    def __len__(self) -> int:
        """Return the number of runs: of seeds, each at each budget."""
        return len({(row.seed, row.budget) for row in self.rows})

    @property
    def arms(self) -> list[str]:
        """The arms, in the order in which they were measured."""
        return list(dict.fromkeys(row.arm for row in self.rows))

    @property
    def budgets(self) -> list[float]:
        """The budgets, the smallest first."""
        return sorted({row.budget for row in self.rows})

    def at(self, budget: float) -> Runs:
        """Return the runs of one budget."""
        return Runs(tuple(row for row in self.rows if row.budget == budget))

    @property
    def counts(self) -> str:
        """How many runs each budget has: "5", or "5 and 2", the smallest budget first."""
        found = [len(self.at(budget)) for budget in self.budgets]
        return str(found[0]) if len(set(found)) == 1 else " and ".join(map(str, found))

    def xs(self, arm: str) -> list[float | str]:
        """Return the places at which an arm was measured, in order."""
        return list(dict.fromkeys(row.x for row in self.rows if row.arm == arm))

    def by_run(self, arm: str, x: float | str = "") -> dict[tuple[float, int], float]:
        """Return an arm's number in each run, by (budget, seed)."""
        found = [row for row in self.rows if row.arm == arm and row.x == x]
        return {(row.budget, row.seed): row.value for row in found}

    def values(self, arm: str, x: float | str = "") -> list[float]:
        """Return an arm's number in each run."""
        return list(self.by_run(arm, x).values())

    def mean(self, arm: str, x: float | str = "") -> float:
        """Return the mean of an arm's number over the runs; NaN without any."""
        return _mean(self.values(arm, x))

    def differences(self, arm: str, other: str, x: float | str = "") -> list[float]:
        """Return, for each run that has both, the number of an arm minus that of another.

        A run in which both have the very numbers of the same seed at a smaller budget counts once:
        more training changed neither.
        """
        first, second = self.by_run(arm, x), self.by_run(other, x)
        both = sorted(run for run in first if run in second)
        pairs = dict.fromkeys(
            (seed, first[budget, seed], second[budget, seed]) for budget, seed in both
        )
        return [value - less for _, value, less in pairs]

    def lead(self, arm: str, other: str, x: float | str = "") -> float:
        """Return the mean of the `differences` of two arms; NaN without any."""
        return _mean(self.differences(arm, other, x))


def _mean(values: list[float]) -> float:
    return fmean(values) if values else math.nan


def run_seed(seed: int = 0) -> int:
    """Return ``seed`` as this run uses it: another one in each run of the evidence.

    ``torch.manual_seed``, ``fit`` and ``batches`` do this themselves. Call it for a generator:
    ``torch.Generator().manual_seed(run_seed(0))``.

    Example:
        >>> run_seed(7)
        7
    """
    return seed + SEEDS_APART * int(os.environ.get("COURSE_RUN", "0"))


def length(count: int) -> int:
    """Return a number of epochs or of steps, times the budget of this run (1, unless it is said).

    Example:
        >>> length(4)
        4
    """
    return max(1, round(count * budget()))


def budget() -> float:
    """Return by how much training is longer in this run."""
    return float(os.environ.get("COURSE_BUDGET", "1"))


def recording() -> bool:
    """Return whether this run is one of the evidence: then there is time for long training.

    Example:
        >>> recording()
        False
    """
    return bool(os.environ.get("COURSE_RECORD"))


def record(experiment: str, arm: str, value: float, x: float | str = "") -> float:
    """Note what this run measured, if it is one of the evidence, and return it.

    Args:
        experiment: the lecture's two digits and a name: "05 depth".
        arm: which of the things compared.
        value: a number, for example an accuracy from 0 to 1.
        x: where on a curve it stands: an epoch, a shift in pixels, a learning rate.

    Raises:
        ValueError: the experiment is called otherwise.

    Example:
        >>> record("99 depth", "11 layers", 0.8)
        0.8
    """
    _lecture_of(experiment)
    value = float(value)
    if recording():
        x = x if isinstance(x, str) else float(x)
        _measured.append(
            Measured(experiment, arm, x, value, int(os.environ.get("COURSE_RUN", "0")), budget())
        )
        append(experiment=experiment, arm=arm, x=x, value=value)
    return value


def append(**row: Any) -> None:
    """Add one line to the file of this run, if there is one."""
    if name := os.environ.get("COURSE_RECORD") or os.environ.get("COURSE_CLAIMS"):
        with open(name, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def stored(experiment: str) -> Runs:
    """Return what the stored runs measured in an experiment, by `record`.

    Without stored runs it is empty. A run of the evidence sees its own numbers alone. Where a
    larger budget changes nothing, its runs are left out: they repeat the numbers of the others.

    Raises:
        ValueError: the experiment is not called like "05 depth".

    Example:
        >>> stored("99 depth").values("11 layers")
        []
    """
    lecture = _lecture_of(experiment)
    found = _measured if recording() else read_measured(runs_file(lecture))
    return _without_repeats(Runs(tuple(row for row in found if row.experiment == experiment)))


def _without_repeats(runs: Runs) -> Runs:
    kept: dict[float, set[Measured]] = {}
    for budget in runs.budgets:
        rows = {replace(row, budget=1) for row in runs.at(budget).rows}
        if not any(rows <= shorter for shorter in kept.values()):
            kept[budget] = rows
    return Runs(tuple(row for row in runs.rows if row.budget in kept))


def _lecture_of(experiment: str) -> str:
    """Return the two digits that an experiment's name begins with. Raises ValueError."""
    if not EXPERIMENT.fullmatch(experiment):
        raise ValueError(f"an experiment is called like '05 depth', not {experiment!r}")
    return experiment[:2]


def claims_file(lecture: str) -> Path:
    """Return the file of a lecture's claims in its stored runs."""
    return project_root() / "data" / "evidence" / f"{lecture}.csv"


def runs_file(lecture: str) -> Path:
    """Return the file of what a lecture's stored runs measured."""
    return claims_file(f"{lecture}_runs")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of evidence; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_measured(path: Path) -> list[Measured]:
    """Return the rows of a file of stored runs, by budget and seed; none if there is no file."""
    rows = [
        Measured(
            row["experiment"],
            row["arm"],
            _number_or_text(row["x"]),
            float(row["value"]),
            int(row["seed"]),
            float(row["budget"]),
        )
        for row in read_rows(path)
    ]
    return sorted(rows, key=lambda row: (row.budget, row.seed))


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
