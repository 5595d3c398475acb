"""Check the course on a GPU: one table, in at most 8 minutes, and a rerun goes on.

    python benchmarks/gpu_check.py [--out build/gpu_check] [--minutes 8] [CHECK ...]

Each check is a process of its own with its own limit of time: one that fails costs its own row.
Rows are kept in OUT/rows.jsonl as soon as they are there. The same command makes those that are
missing, first the ones that were never begun, then those that failed, were stopped or left out.
`CHECK` is a part of names, to make only these. Delete OUT to begin again.

What a row needs and is not there (CIFAR-10, airbench, all of Fashion-MNIST) is said in it. For
airbench: AIRBENCH=FOLDER, with https://github.com/KellerJordan/cifar10-airbench in it.

    python benchmarks/gpu_check.py --store     # puts the table of OUT into RESULTS.md

To rehearse it without a GPU, on the stand-in of the tests: set PYTHONPATH=$PWD/tests/strict_device
and COURSE_DEVICE=strict, and name another folder, a few checks and more time, like
--out build/rehearsal --minutes 30 --patience 10 02_ fit
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path

from gpu_rows import FAILED, LEFT_OUT, STOPPED, Finding, LeftOut, Row, RowsFile
from gpu_runner import Check, run_all

from course_utils.lectures import all_lectures, store_part
from course_utils.runtime import get_device, machine, project_root, write_whole

BEGAN = time.monotonic()
# In the full profile 10 takes the most steps of training, 08 the most memory (RESULTS.md).
SLOWEST = ("10", "08")
MOST, CORES_EACH = 5, 3  # lectures at a time, and the cores that each needs


def checks() -> list[Check]:
    """Return all checks, the most telling first. What is timed runs alone."""
    paths = {lecture.id: lecture.path for lecture in all_lectures()}

    def lecture(number: str, profile: str, seconds: float) -> Check:
        path = paths[number]
        arguments = (str(path), profile)
        return Check(
            f"{path.stem} in {profile}", seconds, "gpu_lectures", "lecture", arguments, beside=True
        )

    return [
        Check("fit repeats", 60, "gpu_training", "repeats", beside=True),
        Check("fit halves its batch", 60, "gpu_training", "halves", beside=True),
        # Later lectures take longer, so they begin first.
        *(lecture(number, "quick", 150) for number in reversed(paths)),
        Check("VGG-11 images/s", 60, "gpu_speed", "against_the_lab_sheet", ("VGG-11",)),
        Check("ResNet-20 images/s", 60, "gpu_speed", "against_the_lab_sheet", ("ResNet-20",)),
        Check("CIFAR-10 to 94 %", 150, "gpu_speed", "to_94_percent"),
        Check("images/s beside airbench", 90, "gpu_speed", "against_airbench"),
        Check("grade --gpu", 90, "gpu_grader", "grades", beside=True),
        *(lecture(number, "full", 450) for number in SLOWEST),
    ]


def make(check: Check) -> Finding:
    """Make a check in this process. What it raises is its finding, too."""
    try:
        return getattr(importlib.import_module(check.module), check.function)(*check.arguments)
    except LeftOut as reason:
        return Finding(LEFT_OUT, str(reason))
    except Exception as error:
        traceback.print_exc()
        return Finding(FAILED, f"{type(error).__name__}: {error}"[:300])


def command(check: Check, into: Path) -> list[str]:
    """Return the command that makes one check and writes its finding."""
    this = str(Path(__file__).resolve())
    return [sys.executable, this, "--only", check.name, "--into", str(into)]


def to_do(known: list[Check], rows: RowsFile, parts: list[str]) -> list[Check]:
    """Return the checks to make: those never begun first, then those that are not finished."""
    chosen = [c for c in known if not parts or any(part in c.name for part in parts)]
    waiting = [c for c in chosen if c.name not in rows.rows or not rows.rows[c.name].is_finished]
    return sorted(waiting, key=lambda check: check.name in rows.rows)


def described() -> str:
    """Return what this machine computes with, in words."""
    import torch

    cuda = f", CUDA {torch.version.cuda}" if get_device().type == "cuda" else ""
    versions = f"torch {torch.__version__}{cuda}, Python {platform.python_version()}"
    return f"{machine(get_device())}, {os.cpu_count()} cores, {versions}"


def conclude(known: list[Check], rows: RowsFile, out: Path) -> list[str]:
    """Write the table beside the rows, print it, and return its lines."""
    names = [check.name for check in known]
    missing = [name for name in names if name not in rows.rows]
    lines = [*rows.table(names), ""]
    if missing:
        lines.append(f"Not begun: {', '.join(missing)}. The same command goes on.")
    lines.append(f"Measured with `make gpu-check` on {rows.machine}.")
    write_whole(out / "table.md", ("\n".join(lines) + "\n").encode())
    print(*lines, sep="\n")
    return lines


def check_all(options: argparse.Namespace) -> int:
    """Make the checks that are to do. Return 1 if one failed or was stopped."""
    if get_device().type == "cpu":
        print("There is no GPU here. How to rehearse: python benchmarks/gpu_check.py --help")
        return 2
    root, known = str(project_root()), checks()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    os.environ["TQDM_DISABLE"] = "1"
    rows = RowsFile(options.out / "rows.jsonl", described())
    waiting = [
        replace(check, seconds=options.patience * check.seconds)
        for check in to_do(known, rows, options.checks)
    ]
    width = min(MOST, max(1, (os.cpu_count() or 1) // CORES_EACH))

    def keep(row: Row) -> None:
        rows.add(row)
        print(row, flush=True)

    spent = time.monotonic() - BEGAN
    run_all(waiting, command, keep, seconds=60 * options.minutes - spent, width=width)
    conclude(known, rows, options.out)
    made = [rows.rows[check.name] for check in waiting if check.name in rows.rows]
    return int(any(row.outcome in (FAILED, STOPPED) for row in made))


def store(out: Path) -> int:
    """Put the table of the rows in ``out``, perhaps of another machine, into RESULTS.md."""
    rows = RowsFile(out / "rows.jsonl", None)
    store_part("benchmarks/RESULTS.md", "gpu", conclude(checks(), rows, out))
    return 0


def main() -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="parts of names (default: all)")
    parser.add_argument("--out", type=Path, default=project_root() / "build" / "gpu_check")
    parser.add_argument("--minutes", type=float, default=8, help="for all checks together")
    parser.add_argument("--patience", type=float, default=1, help="times the limit of each check")
    parser.add_argument("--store", action="store_true", help="put the table into RESULTS.md")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # one check, in this process
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        check = next(check for check in checks() if check.name == options.only)
        write_whole(options.into, json.dumps(asdict(make(check))).encode())
        return 0
    try:
        return store(options.out) if options.store else check_all(options)
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
