"""Lectures run again with other seeds and longer training; what each run found goes into files."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from typing import Any

import nbformat

from ..runtime import get_device, progress, write_whole
from ..runtime.claims import Bound, verdict
from ..runtime.threads import kernel_threads
from ..runtime.trials import claims_file, read_rows, runs_file
from .code_marks import code_of, words_of
from .evidence import CLAIM_COLUMNS, FRESH, RUN_COLUMNS, as_csv
from .files import Lecture
from .running import execute


@dataclass(frozen=True)
class Trial:
    """One run of one lecture that is to be made. code, words: the lecture's marks now.

    words_only: an ordinary run, for the words and bounds of the claims.
    same: a run that is to repeat the stored one number by number, so that all stored ones are kept.
    """

    lecture: Lecture
    seed: int
    budget: float
    code: str
    words: str
    words_only: bool = False
    same: bool = False

    def __str__(self) -> str:
        if self.words_only:
            return f"lecture {self.lecture.id}, for its words"
        return f"lecture {self.lecture.id}, seed {self.seed}, budget {self.budget:g}"


def missing_trials(
    lectures: Sequence[Lecture], seeds: int, budgets: Sequence[float], fresh: int = 0
) -> list[Trial]:
    """Return the runs that are not stored yet, or were made with code that has changed.

    fresh: how many runs with a fresh seed, of the usual length.

    Where only sentences or bounds of claims have changed, one ordinary run is enough: `store`
    judges the stored numbers anew.
    """
    found = []
    for lecture in lectures:
        code, words = code_of(lecture.path), words_of(lecture.path)
        rows = [row for row in read_rows(claims_file(lecture.id)) if row["code"] == code]
        stored = {(int(row["seed"]), float(row["budget"])) for row in rows}
        wanted = [(seed, budget) for budget in dict.fromkeys(budgets) for seed in range(seeds)]
        wanted += [(FRESH + number, 1.0) for number in range(fresh)]
        # The longest last: a fault shows in the first minutes.
        wanted.sort(key=lambda one: one[1])
        missing = [one for one in wanted if one not in stored]
        found += [Trial(lecture, seed, budget, code, words) for seed, budget in missing]
        if not missing and {row["words"] for row in rows} != {words}:
            found.append(Trial(lecture, 0, 1, code, words, words_only=True))
    return found


def repeating_trials(lectures: Sequence[Lecture]) -> list[Trial]:
    """Return one run of each lecture whose code has changed since its runs were stored."""
    found = []
    for lecture in lectures:
        code, words = code_of(lecture.path), words_of(lecture.path)
        if {row["code"] for row in read_rows(claims_file(lecture.id))} not in (set(), {code}):
            found.append(Trial(lecture, 0, 1, code, words, same=True))
    return found


def expected_seconds(trials: Sequence[Trial], jobs: int) -> float | None:
    """Return about how long runs will take, from the stored ones; None if that is not known.

    A budget that was never tried is taken to need its share more than one that was: training is
    most of a run, so this is too long rather than too short.
    """
    total = 0.0
    rows = {trial.lecture.id: read_rows(claims_file(trial.lecture.id)) for trial in trials}
    for trial in trials:
        needed: dict[float, dict[str, float]] = {}  # seconds by budget and seed
        for row in rows[trial.lecture.id]:
            needed.setdefault(float(row["budget"]), {})[row["seed"]] = float(row["seconds"])
        if not needed:
            return None
        nearest = min(needed, key=lambda one: abs(one - trial.budget))
        total += median(needed[nearest].values()) * max(1, trial.budget / nearest)
    return total / jobs


def run_all(trials: Sequence[Trial], jobs: int) -> list[str]:
    """Make runs, ``jobs`` at a time, and store each as soon as it is finished.

    Each has a process of its own, which ends with its run, or when this one is interrupted.

    Returns:
        What failed, each with the name of the run. Those are made again by the next call.
    """
    failures, waiting = [], list(trials)
    running: dict[Connection, tuple[Trial, SpawnProcess]] = {}
    with progress(total=len(trials), description="evidence", unit="run") as bar:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    trial = waiting.pop(0)
                    running |= _started(trial, jobs)
                ready = set(wait(running))
                for end in [end for end in running if end in ready]:
                    trial, _ = running.pop(end)
                    failures += _stored(trial, end)
                    bar.update()
        finally:
            for _, process in running.values():
                process.kill()  # its kernel notices that it is alone, and ends too
    return failures


def _started(trial: Trial, jobs: int) -> dict[Connection, tuple[Trial, SpawnProcess]]:
    """Start a run. Return where its rows will come from, and its process."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe(duplex=False)
    process = context.Process(target=_send_rows, args=(its, trial, jobs), daemon=True)
    process.start()
    its.close()
    return {ours: (trial, process)}


def _send_rows(connection: Connection, trial: Trial, jobs: int) -> None:
    if os.name == "posix":
        os.setsid()  # Ctrl+C reaches only the process that started this one, which ends it
    try:
        connection.send(_run(trial, jobs))
    except RuntimeError as error:
        connection.send(str(error))


def _stored(trial: Trial, end: Connection) -> list[str]:
    """Store what a run has sent. Return what failed."""
    try:
        sent = end.recv()
    except EOFError:
        sent = "its process died"
    if isinstance(sent, str):
        return [f"{trial}: {sent}"]
    try:
        store(trial, sent)
    except RuntimeError as error:
        return [f"{trial}: {error}"]
    return []


def _run(trial: Trial, jobs: int) -> list[dict[str, Any]]:
    """Run a lecture once. Return what its run noted."""
    notebook = nbformat.read(trial.lecture.path, as_version=4)
    threads = kernel_threads(jobs)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.jsonl"
        variables = {
            "COURSE_RUN": str(trial.seed),
            "COURSE_BUDGET": f"{trial.budget:g}",
            "COURSE_CLAIMS" if trial.words_only else "COURSE_RECORD": str(record),
            "COURSE_PROFILE": os.environ.get("COURSE_PROFILE", "quick"),
            "OMP_NUM_THREADS": str(threads),
        }
        execute(notebook, trial.lecture.path, variables)
        lines = record.read_text("utf-8").splitlines() if record.exists() else []
    facts = dict(
        seed=trial.seed,
        budget=trial.budget,
        code=trial.code,
        words=trial.words,
        profile=variables["COURSE_PROFILE"],
        device=get_device().type,
        threads=threads,
        torch=version("torch").partition("+")[0],
        seconds=round(time.perf_counter() - start),
    )
    return [json.loads(line) | facts for line in lines]


def store(trial: Trial, rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows of one run into the lecture's files, in place of what other code had left.

    Raises:
        RuntimeError: the lecture states nothing, or other things than its stored runs.
    """
    claims = [row for row in rows if "sentence" in row]
    if not claims:
        raise RuntimeError(f"{trial.lecture.path.name} states nothing")
    path = claims_file(trial.lecture.id)
    if trial.words_only:
        _store_words(path, trial, claims)
        return
    if trial.same:
        _keep_all(path, trial, rows)
        return
    path.parent.mkdir(exist_ok=True)
    kept = [_judged_anew(row, claims) for row in _others(path, trial)]
    write_whole(path, as_csv(_in_order(kept + claims), CLAIM_COLUMNS).encode())
    if trial.seed >= FRESH:
        return
    path = runs_file(trial.lecture.id)
    measured = _others(path, trial) + [row for row in rows if "experiment" in row]
    if measured:
        write_whole(path, as_csv(_in_order(measured), RUN_COLUMNS).encode())


def _store_words(path: Path, trial: Trial, claims: list[dict[str, Any]]) -> None:
    """Give the stored rows the words and bounds that their claims have now."""
    kept: list[dict[str, Any]] = [row for row in read_rows(path) if row["code"] == trial.code]
    if {int(row["number"]) for row in kept} - {int(claim["number"]) for claim in claims}:
        raise RuntimeError(f"{trial.lecture.path.name} states less than its stored runs did")
    judged = [_judged_anew(row, claims) | {"words": trial.words} for row in kept]
    write_whole(path, as_csv(judged, CLAIM_COLUMNS).encode())


def _keep_all(path: Path, trial: Trial, rows: Sequence[dict[str, Any]]) -> None:
    """Give all stored runs the mark of the code as it is now, if its run repeats theirs."""
    claims = [row for row in rows if "sentence" in row]
    stored = {path: read_rows(path) for path in (path, runs_file(trial.lecture.id))}
    before = _numbers([row for kept in stored.values() for row in kept], trial)
    now = _numbers(rows, trial)
    other = {name[0] for name in before.keys() | now if before.get(name) != now.get(name)}
    if other:
        raise RuntimeError(
            f"other numbers than the stored run: {'; '.join(sorted(other))}. Without --same its "
            "runs are made anew"
        )
    mark = {"code": trial.code}
    judged = [_judged_anew(row, claims) | mark for row in stored.pop(path)]
    write_whole(path, as_csv(judged, CLAIM_COLUMNS).encode())
    for file, kept in stored.items():
        write_whole(file, as_csv([row | mark for row in kept], RUN_COLUMNS).encode())


def _numbers(rows: Iterable[dict[str, Any]], trial: Trial) -> dict[tuple[str, ...], str]:
    """Return what a run has measured, as text, by experiment, arm and place, or by its claim.

    A claim that has a reason for a wide bound, such as a clock, need not repeat.
    """
    columns = ("experiment", "arm", "x", "number", "wide", "value", "seed", "budget")
    found: dict[tuple[str, ...], str] = {}
    for row in csv.DictReader(as_csv(rows, columns).splitlines()):
        is_its = (int(row["seed"]), float(row["budget"])) == (trial.seed, trial.budget)
        if is_its and not row["wide"]:
            name = row["experiment"] or f"claim {row['number']}"
            found[name, row["arm"], row["x"]] = row["value"]
    return found


def _others(path: Path, trial: Trial) -> list[dict[str, Any]]:
    """Return the stored rows of the same code's other runs."""
    return [
        row
        for row in read_rows(path)
        if row["code"] == trial.code
        and (int(row["seed"]), float(row["budget"])) != (trial.seed, trial.budget)
    ]


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (float(row["budget"]), int(row["seed"])))


def _judged_anew(row: dict[str, Any], claims: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a stored row with the words and the bound that its claim has now."""
    now = next((claim for claim in claims if int(claim["number"]) == int(row["number"])), None)
    if now is None or row["words"] == now["words"]:
        return row
    words = {name: now.get(name, "") for name in ("sentence", "bound", "share", "wide", "words")}
    value = float(row["value"])
    judged = verdict(Bound.read(now["bound"]), value) if now["bound"] else {}
    return row | words | judged
