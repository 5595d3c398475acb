"""Measure what grading on a cluster costs, and reckon a class of 10,000 on 64 workers from it.

    python benchmarks/cluster.py [--submissions 8]

Measured: submissions of lecture 02 with all exercises solved, on one worker; what the command does
for each result, with workers that answer at once; and the class page of growing classes. The last
rows are arithmetic on these figures. The table goes to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import nbformat
import torch

try:
    from distributed import Client, LocalCluster
except ImportError:
    sys.exit("cluster.py needs Dask: pip install -e '.[cluster]'")
from grading import lecture, run

from course_utils.instructor.grading.cluster import Distribution, Station
from course_utils.instructor.grading.reporter import REST, Reporter, begin
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.reports.results import SubmissionResult, read_result, read_results
from course_utils.instructor.reports.writing import write_class
from course_utils.lectures import store_part
from course_utils.runtime import machine

CLASS, WORKERS, LECTURES = 10_000, 64, 12
AT_ONCE = 300  # submissions of the second measurement
SIZES = (CLASS // LECTURES, 2 * CLASS // LECTURES)  # classes of the third


def hand_in(folder: Path, count: int) -> Path:
    """Write ``count`` solved notebooks and return their folder."""
    folder.mkdir()
    notebook = lecture()
    for number in range(count):
        nbformat.write(notebook, folder / f"student{number}_02_convolution.ipynb")
    return folder


def on_one_worker(folder: Path, count: int) -> tuple[list[SubmissionResult], float]:
    """Return the results of one worker in order, and its median seconds between two of them."""
    handed_in, out = hand_in(folder / "class", count), folder / "out"
    command = [sys.executable, "-m", "course_utils", "grade", str(handed_in), f"--out={out}"]
    run([*command, "--cluster", "--workers=1"], folder)
    paths = sorted((out / "results").glob("*.json"), key=lambda path: path.stat().st_mtime)
    results, ends = [read_result(path) for path in paths], [p.stat().st_mtime for p in paths]
    between = [
        end - before - result.seconds
        for before, end, result in zip(ends, ends[1:], results[1:], strict=False)
    ]
    return results, max(0.0, statistics.median(between))


def of_the_command(folder: Path, pattern: SubmissionResult) -> float:
    """Return the seconds that the command spends on a result, with workers that have it ready."""
    handed_in = hand_in(folder / "class at once", AT_ONCE)
    reporter = begin([handed_in], folder / "at once", Settings(), Reporter)
    grading = reporter.run
    ready = {
        file: replace(
            varied(pattern, number),  # equal answers would be coloured once only
            student=submission.student,
            person=submission.person,
            file=file,
            fingerprint=grading.fingerprint(submission),
        )
        for number, (file, submission) in enumerate(reporter.waiting.items())
    }

    def answer(station: Station, text: str) -> SubmissionResult:
        return ready[json.loads(text)["file"]]

    with (
        mock.patch.object(Station, "grade", answer),
        LocalCluster(4, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        start = time.perf_counter()
        Distribution(client, reporter).distribute()
        seconds = time.perf_counter() - start
    reporter.close()
    assert len(read_results(grading.results)) == AT_ONCE
    return seconds / AT_ONCE


def varied(pattern: SubmissionResult, number: int) -> SubmissionResult:
    """Return a result of another student, whose answers have some statements of their own."""
    rng = random.Random(number)

    def own(source: str) -> str:
        lines = [f"    step = {rng.choice('+-~')}{rng.randrange(300)}" for _ in range(6)]
        head, _, rest = source.partition("\n")
        return "\n".join([head, *lines, rest])

    exercises = tuple(replace(e, source=own(e.source)) for e in pattern.exercises)
    name = f"student{number}"
    return replace(pattern, student=name, person=name, file=f"{name}.ipynb", exercises=exercises)


def peak() -> float:
    """Return the most memory that this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def of_the_class_page(folder: Path, pattern: SubmissionResult) -> dict[int, tuple[float, float]]:
    """Return seconds and GB of the class page, by the size of the class."""
    solutions = {exercise.id: exercise.source for exercise in pattern.exercises}
    found = {}
    for size in SIZES:
        results = [varied(pattern, number) for number in range(size, 2 * size)]
        start, before = time.perf_counter(), peak()
        write_class(folder / "pages", results, solutions)
        found[size] = (time.perf_counter() - start, peak() - before)
    return found


def extrapolated(pages: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """Return seconds and GB for the whole class: answers are read, then compared two by two."""
    (small, (seconds, _)), (large, (most, memory)) = sorted(pages.items())
    squared = max(0.0, (most / large - seconds / small) / (large - small))
    linear = most / large - squared * large
    return linear * CLASS + squared * CLASS**2, memory * (CLASS / large) ** 2


def table(results: list[SubmissionResult], between: float, own: float, pages: dict) -> list[str]:
    """Return the rows, measured and reckoned."""
    warm = statistics.median(result.seconds for result in results[1:])
    cold = max(0.0, results[0].seconds - warm)
    whole, memory = extrapolated(pages)
    graded = CLASS * max((warm + between) / WORKERS, own) + cold
    share = 1 + 1 / REST  # while the pages are written nothing is handed out
    by_lectures = graded * share + LECTURES * pages[SIZES[0]][0]
    measured = [
        f"| class page, {size:,} of a lecture | {seconds:.0f} s, {gb:.1f} GB | measured |"
        for size, (seconds, gb) in sorted(pages.items())
    ]
    return [
        "| what | | how |",
        "|---|---|---|",
        f"| a submission in a warm worker | {warm:.1f} s | measured, {len(results) - 1} of them |",
        f"| the first one of a worker takes longer by | {cold:.1f} s | measured once |",
        f"| between two of a worker | {between:.2f} s | measured |",
        f"| the command's own work for a result | {own:.3f} s | measured, {AT_ONCE} results |",
        f"| so it keeps up with | {(warm + between) / own:.0f} workers | reckoned |",
        *measured,
        f"| class page, {CLASS:,} of one lecture | {whole / 60:.0f} min, {memory:.0f} GB "
        "| extrapolated: a part grows with the class, a part with its square |",
        f"| {CLASS:,} submissions on one worker | {CLASS * (warm + between) / 3600:.1f} h | "
        "reckoned, without pages |",
        f"| on {WORKERS} workers | {graded / 60:.0f} min | reckoned, without pages |",
        f"| with all pages, {LECTURES} lectures | {by_lectures / 60:.0f} min | reckoned |",
        f"| with all pages, one lecture | {(graded * share + whole) / 60:.0f} min | reckoned |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results, between = on_one_worker(folder, options.submissions)
        own = of_the_command(folder, results[-1])
        pages = of_the_class_page(folder, results[-1])
    lines = table(results, between, own, pages)
    lines += [
        "",
        f"Submissions of lecture 02. Nothing was run on {WORKERS} workers: the rows that are "
        "reckoned assume that each worker has a core of its own, as fast as the one measured, and "
        "a network that is no bottleneck.",
        f"Measured with `python benchmarks/cluster.py` on {machine(torch.device('cpu'))}.",
    ]
    print(*lines, sep="\n")
    store_part("benchmarks/RESULTS.md", "cluster", lines)


if __name__ == "__main__":
    main()
