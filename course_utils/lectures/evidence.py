"""What stored runs say of the claims of a lecture: how often each was tried, and how often it held.

``data/evidence/NN.csv`` has a row for each claim and run, ``NN_runs.csv`` one for each number that
a run measured with ``record``. ``evidence_runs`` makes them. Runs with fresh seeds only judge the
claims: the bounds were set with the other runs in view, and lectures show the numbers of those. A
bound that a fresh run breaks is widened; then only seeds that come later can say how good it is.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from ..runtime.trials import claims_file, read_rows
from .code_marks import code_of, words_of
from .files import Lecture

FRESH = 11  # from this seed on, runs come after the bounds were set, and judge them
FAR = 4  # standard deviations: a bound farther away could hardly have been missed
CLAIM_COLUMNS = (
    "number",
    "sentence",
    "value",
    "bound",
    "holds",
    "margin",
    "share",
    "wide",
    "seed",
    "budget",
    "profile",
    "device",
    "threads",
    "torch",
    "seconds",
    "code",
    "words",
)
RUN_COLUMNS = ("experiment", "arm", "x", "value", "seed", "budget", "code")


def as_csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as a CSV text. Numbers have ten digits: they may be judged by another bound."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.10g}" if type(v) is float else v for k, v in row.items()})
    return text.getvalue()


@dataclass(frozen=True)
class Tried:
    """One claim of a lecture and what became of it in the stored runs.

    margins: by budget, how far inside its bound each run lay; empty for a fact without a number.
    share: in what part of the runs it promises to hold. wide: why its bound is wide, if it is.
    seeds: how many of them; fresh: in how many more runs the seed was a fresh one. Those have the
    usual length.
    """

    sentence: str
    bound: str
    tried: int
    held: int
    seeds: int
    budgets: tuple[float, ...]
    values: tuple[float, ...]
    margins: tuple[tuple[float, ...], ...]
    share: float
    wide: str
    fresh: int = 0

    @property
    def holds(self) -> bool:
        """Return whether it held as often as it promises."""
        return self.held >= self.share * self.tried

    @property
    def least_margin(self) -> float:
        """Return how far inside its bound the worst run lay; NaN for a fact without a number."""
        return min((m for margins in self.margins for m in margins), default=math.nan)

    @property
    def deviations(self) -> float:
        """Return the mean's distance from the bound, in standard deviations.

        The smallest of those of the budgets. NaN where all runs gave the same number: then there is
        nothing that could have come out otherwise.
        """
        spread = [(mean(m), stdev(m)) for m in self.margins if len(m) > 1]
        return min((middle / s for middle, s in spread if s > 1e-9), default=math.nan)


def tried(rows: Iterable[dict[str, str]]) -> list[Tried]:
    """Return what became of each claim, in the order of the lecture."""
    by_claim: dict[tuple[int, str], list[dict[str, str]]] = {}
    for row in rows:
        by_claim.setdefault((int(row["number"]), row["sentence"]), []).append(row)
    return [_tried(found) for _, found in sorted(by_claim.items())]


def _tried(rows: list[dict[str, str]]) -> Tried:
    budgets = sorted({float(row["budget"]) for row in rows})
    margins = tuple(
        tuple(float(r["margin"]) for r in rows if r["margin"] and float(r["budget"]) == budget)
        for budget in budgets
    )
    return Tried(
        rows[0]["sentence"],
        rows[0]["bound"],
        len(rows),
        sum(row["holds"] == "True" for row in rows),
        len({row["seed"] for row in rows if int(row["seed"]) < FRESH}),
        tuple(budgets),
        tuple(float(row["value"]) for row in rows),
        margins,
        min(float(row["share"] or 1) for row in rows),
        rows[0]["wide"],
        sum(int(row["seed"]) >= FRESH for row in rows),
    )


def evidence_of(lecture: str) -> list[Tried]:
    """Return what became of each claim of a lecture in its stored runs; empty if there are none."""
    return tried(read_rows(claims_file(lecture)))


def is_stale(lecture: Lecture) -> bool:
    """Return whether the stored runs of a lecture were made with other code, or there are none."""
    made_with = {(row["code"], row["words"]) for row in read_rows(claims_file(lecture.id))}
    return made_with != {(code_of(lecture.path), words_of(lecture.path))}


def claims_table(found: Sequence[Tried]) -> list[str]:
    """Return the lines of a Markdown table of a lecture's claims."""
    lines = [
        "| claim | bound | tried | held | mean | least margin | deviations |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        sentence = one.sentence.replace("|", "\\|")
        lines.append(
            f"| {sentence} | {one.bound or 'a fact'} | {one.tried} | {one.held} "
            f"| {mean(one.values):.3g} | {_number(one.least_margin)} | {_number(one.deviations)} |"
        )
    return lines


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2g}"


def _runs(found: Sequence[Tried]) -> str:
    """Say how many seeds were tried with each budget."""
    most = max(found, key=lambda one: sum(map(len, one.margins)))
    each = list(zip(most.margins, most.budgets, strict=True))
    seeds = [len(margins) - most.fresh * (budget == 1) for margins, budget in each]
    fresh = f", {most.fresh} fresh" if most.fresh else ""
    if len(set(seeds)) == 1:
        budgets = ", ".join(f"{budget:g}" for budget in most.budgets)
        return f"{seeds[0]} seeds × budgets {budgets}{fresh}"
    counts = zip(seeds, most.budgets, strict=True)
    return ", ".join(f"{count} seeds × budget {budget:g}" for count, budget in counts) + fresh


def overview(lectures: Iterable[Lecture]) -> list[str]:
    """Return the lines of a Markdown table: for each lecture, its claims tried and held."""
    lines = [
        "| lecture | claims | runs each | tried | held | least deviations | code |",
        "|---|--:|---|--:|--:|--:|---|",
    ]
    for lecture in lectures:
        found = evidence_of(lecture.id)
        if not found:
            continue
        distances = [one.deviations for one in found if not math.isnan(one.deviations)]
        lines.append(
            f"| {lecture.id} {lecture.title} | {len(found)} "
            f"| {_runs(found)} "
            f"| {sum(one.tried for one in found)} | {sum(one.held for one in found)} "
            f"| {min(distances, default=math.nan):.2g} "
            f"| {'changed since' if is_stale(lecture) else 'as now'} |"
        )
    return lines
