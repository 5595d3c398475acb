"""The command ``python -m course_utils grade``.

It is pytest's grading with a progress bar, and results that are kept; or a cluster's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..reports.results import (
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    UNREADABLE,
    SubmissionResult,
    read_results,
)
from .settings import Settings, add_settings, add_where

DONE, FAILED, WRONG_USAGE = 0, 1, 2  # exit codes


class Quiet:
    """Keeps pytest from printing: the progress bar and the reports show what it would."""

    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Return nothing to print for any test."""
        return "", "", ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("submissions", nargs="+", type=Path, help="notebooks, folders with notebooks, or zips")
    add("--out", required=True, type=Path, metavar="DIR", help="folder of results and reports")
    add_where(add)
    add_settings(add)


def grade(options: argparse.Namespace) -> int:
    """Grade, and print where the reports are. Return 1 if something could not be graded."""
    settings = Settings.from_options(options)
    out, paths = options.out.resolve(), [path.resolve() for path in options.submissions]
    out.mkdir(parents=True, exist_ok=True)
    with _elsewhere():
        grading = _grade_on_cluster if settings.cluster else _grade_with_pytest
        return grading(paths, out, settings)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in an empty folder: the processes that grade look for modules where they start."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="grading-") as empty:
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(here)


def _grade_on_cluster(paths: Sequence[Path], out: Path, settings: Settings) -> int:
    try:
        from .cluster import ClusterProblem, grade_on_cluster
    except ModuleNotFoundError as problem:
        print(f"{problem.name} is missing: python -m pip install distributed", file=sys.stderr)
        return WRONG_USAGE
    try:
        grade_on_cluster(paths, out, settings)
    except KeyboardInterrupt:
        return _conclude(out, has_ended=False)
    except ClusterProblem as problem:
        print(problem, file=sys.stderr)
        return FAILED
    except (OSError, ValueError) as mistake:
        print(mistake, file=sys.stderr)
        return WRONG_USAGE
    return _conclude(out, has_ended=True)


def _grade_with_pytest(paths: Sequence[Path], out: Path, settings: Settings) -> int:
    import pytest

    from .pytest_items import Collection
    from .reporter import PytestReporter, begin

    try:
        reporter = begin(paths, out, settings, PytestReporter)
    except (OSError, ValueError) as mistake:
        print(mistake, file=sys.stderr)
        return WRONG_USAGE
    run, workers = reporter.run, settings.workers or os.cpu_count() or 1
    arguments = [str(run.submissions), f"--rootdir={run.folder}", "-c", os.devnull, "--noconftest"]
    arguments += ["--nbval", "-n", str(workers) if workers > 1 else "0", "--dist=loadfile"]
    arguments += ["-p", "no:cacheprovider", "-qq", "--tb=no", "--no-header", "--no-summary"]
    arguments += [f"--junitxml={out / 'junit.xml'}"]
    status = pytest.main(arguments, plugins=[Quiet(), reporter, Collection(run)])
    return _conclude(out, status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))


def _conclude(out: Path, has_ended: bool) -> int:
    """Print what came of a grading, and return the exit code."""
    results = read_results(out / "results")
    print("\n".join(summary(results, out)))
    if not has_ended:
        print("It was interrupted. The same command goes on.", file=sys.stderr)
    failed = any(result.state == INFRASTRUCTURE for result in results)
    return FAILED if failed or not has_ended else DONE


def summary(results: list[SubmissionResult], out: Path) -> list[str]:
    """Return what to print in the end: how many of each state, and where to look."""
    count = Counter(result.state for result in results)
    graded = sum(result.is_graded for result in results)
    lines = [f"{graded} of {len(results)} submissions graded, {count[NEEDS_A_LOOK]} need a look"]
    for state in (UNREADABLE, INFRASTRUCTURE):
        for result in results:
            if result.state == state:
                lines.append(f"  {state}: {result.file}: {result.reason}")
    return [*lines, f"Start with {out / 'class.html'}; the points are in {out / 'grades.csv'}"]
