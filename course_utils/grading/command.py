"""The instructors' commands: ``python -m course_utils release`` and ``... grade``.

``grade`` is pytest's grading with a progress bar, and results that are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..lectures import REPOSITORY
from .results import INFRASTRUCTURE, NEEDS_A_LOOK, UNREADABLE, SubmissionResult, read_results

DONE, FAILED, WRONG_USAGE = 0, 1, 2  # exit codes
LOCAL = "local"  # in place of a cluster's address: one on this machine, for this grading only


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
    add("--workers", type=int, metavar="N", help="submissions graded at a time (default: cores)")
    add(
        "--cluster",
        nargs="?",
        const=LOCAL,
        type=cluster_address,
        metavar="ADDRESS",
        help="spread it over the Dask cluster whose scheduler is at ADDRESS, for example "
        f"tcp://HOST:8786; {LOCAL!r}, or no address, starts --workers on this machine",
    )
    add("--regrade", action="store_true", help="also grade what is graded and has not changed")
    add("--no-sandbox", action="store_true", help="run student code unfenced, as your own user")
    add("--gpu", action="store_true", help="let student code use this machine's GPUs")
    add("--seed", type=int, help="seed of the cases (default: drawn, and kept with the results)")
    add("--cell-seconds", type=float, default=60, metavar="S", help="limit of a cell (default 60)")
    add("--seconds", type=float, default=600, metavar="S", help="of a submission (default 600)")
    add("--memory", type=float, default=4, metavar="GB", help="of a submission (default 4)")


def cluster_address(text: str) -> str:
    """Return a cluster's address as it was typed. Raises ArgumentTypeError if it is none."""
    if text != LOCAL and not re.fullmatch(r"(\w+://)?[^/\s]+:\d+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the address of a scheduler, like tcp://HOST:8786, nor {LOCAL!r}"
        )
    return text


def grade(options: argparse.Namespace) -> int:
    """Grade, and print where the reports are. Return 1 if something could not be graded."""
    options.out.mkdir(parents=True, exist_ok=True)
    options.out = options.out.resolve()
    options.submissions = [path.resolve() for path in options.submissions]
    with _elsewhere():
        return _grade_on_cluster(options) if options.cluster else _grade_with_pytest(options)


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


def _grade_on_cluster(options: argparse.Namespace) -> int:
    try:
        from .cluster import ClusterProblem, grade_on_cluster
    except ModuleNotFoundError as problem:
        print(f"{problem.name} is missing: python -m pip install distributed", file=sys.stderr)
        return WRONG_USAGE
    try:
        grade_on_cluster(options)
    except KeyboardInterrupt:
        return _conclude(options.out, has_ended=False)
    except ClusterProblem as problem:
        print(problem, file=sys.stderr)
        return FAILED
    except (OSError, ValueError) as mistake:
        print(mistake, file=sys.stderr)
        return WRONG_USAGE
    return _conclude(options.out, has_ended=True)


def _grade_with_pytest(options: argparse.Namespace) -> int:
    import pytest

    ended = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    workers = options.workers or os.cpu_count() or 1
    arguments = ["--nbval", f"--grade-out={options.out}"]
    arguments += ["-n", str(workers) if workers > 1 else "0", f"--rootdir={options.out}"]
    arguments += ["-c", os.devnull, "-p", "no:cacheprovider", "-qq", "--tb=no", "--no-header"]
    arguments += [f"--grade={path}" for path in options.submissions]
    arguments += ["--no-summary", f"--junitxml={options.out / 'junit.xml'}"]
    arguments += [f"--grade-cell-seconds={options.cell_seconds}"]
    arguments += [f"--grade-seconds={options.seconds}", f"--grade-memory={options.memory}"]
    arguments += [] if options.seed is None else [f"--grade-seed={options.seed}"]
    flags = {"--regrade": options.regrade, "--no-sandbox": options.no_sandbox}
    flags["--grade-gpu"] = options.gpu
    arguments += [flag for flag, is_set in flags.items() if is_set]
    status = pytest.main(arguments, plugins=[Quiet()])
    if status == pytest.ExitCode.USAGE_ERROR:
        return WRONG_USAGE
    return _conclude(options.out, status in ended)


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


def add_release_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``release``."""
    add = parser.add_argument
    add("--out", required=True, type=Path, metavar="DIR", help="folder for the students' edition")
    add(
        "--repo",
        default=REPOSITORY,
        type=repository_name,
        metavar="OWNER/NAME",
        help="where students will find it on GitHub",
    )
    add("--lectures", metavar="02,05", help="numbers of the lectures (default: all)")
    add(
        "--branch",
        metavar="NAME",
        help="also commit it on this branch of this repository; badges then lead to that branch",
    )


def repository_name(text: str) -> str:
    """Return a repository's name as it was typed. Raises ArgumentTypeError if it is none."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not like OWNER/NAME, for example ada/course")
    return text


def release(options: argparse.Namespace) -> int:
    """Release, and print what was released. Return 1 if it was refused."""
    from ..runtime import project_root
    from .branch import NoCommit, check_branch, commit_tree
    from .release import MARK
    from .release import release as write

    numbers = re.split(r"[\s,]+", options.lectures.strip()) if options.lectures else None
    try:
        if options.branch:
            check_branch(project_root(), options.branch, MARK)
        lectures = write(options.out, options.repo, options.branch or "main", numbers)
        commit = None
        if options.branch:
            message = f"Students' edition: {len(lectures)} lectures"
            commit = commit_tree(project_root(), options.out, options.branch, message)
    except (ValueError, OSError, NoCommit) as problem:  # a refusal is a ValueError
        print(problem, file=sys.stderr)
        return 1
    points = sum(lecture.points for lecture in lectures)
    print(f"{len(lectures)} lectures with {points} points are in {options.out}")
    if options.branch:
        done = f"commit {commit[:12]}" if commit else "it holds this edition already"
        print(f"Branch {options.branch}: {done}. Publish it: git push origin {options.branch}")
    return 0
