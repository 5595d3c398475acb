"""Measure how long the set-up takes with pip, as the README's plain commands do it, and with uv.

    python benchmarks/set_up.py [--rounds 3]

Each round sets two copies of the course up, in turn, with caches of their own: first with empty
caches, then in a new .venv with what the caches hold. Bytes are all that this machine receives.
Settings of pip on this machine are left out. Run it while nothing else uses the network or the
processor: 20 minutes, 30 GB of disk.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from course_utils.runtime import project_root

PIP = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "venv", ".venv"], check=True)
pip = [".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
subprocess.run([*pip, "-r", "requirements.txt", "-c", "constraints.txt"], check=True)
"""
WAYS = {"pip": ("-c", PIP), "uv": ("course_utils/install.py",)}
TIMES = ("first", "second")
IMPORT = "import jupyterlab, matplotlib.pyplot, sklearn, torchvision"
HEADER = [
    "| | time | seconds | processor seconds | received (MB) | .venv (MB) "
    "| first imports (processor seconds) |",
    "|---|---|--:|--:|--:|--:|--:|",
]


@dataclass(frozen=True)
class Cost:
    """What one set-up took, and a kernel's first imports after it: pip has compiled, uv has not."""

    seconds: float
    processor: float
    received: float
    size: float
    imports: float


def copied(folder: Path) -> Path:
    """Return a copy of what the set-up reads."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(project_root() / "course_utils", folder / "course_utils", ignore=skipped)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(project_root() / name, folder)
    return folder


def measure(way: str, course: Path, caches: Path) -> Cost:
    """Set a course up once, without a .venv before."""
    shutil.rmtree(course / ".venv", ignore_errors=True)
    own = {"PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")}
    variables = os.environ | own | {"PIP_CONFIG_FILE": os.devnull}
    received, used, start = psutil.net_io_counters().bytes_recv, of_children(), time.perf_counter()
    subprocess.run([sys.executable, *WAYS[way]], cwd=course, env=variables, check=True)
    seconds, processor = time.perf_counter() - start, of_children() - used
    received = psutil.net_io_counters().bytes_recv - received
    size = sum(p.stat().st_size for p in (course / ".venv").rglob("*") if not p.is_symlink())
    used = of_children()
    subprocess.run([course / ".venv" / "bin" / "python", "-c", IMPORT], check=True)
    return Cost(seconds, processor, received / 1e6, size / 1e6, of_children() - used)


def of_children() -> float:
    """Return the processor seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row(way: str, when: str, costs: list[Cost]) -> str:
    """Return a row with the median of the rounds."""
    names = ("seconds", "processor", "received", "size", "imports")
    medians = [statistics.median(getattr(cost, name) for cost in costs) for name in names]
    return f"| {way} | {when} | {' | '.join(f'{value:,.0f}' for value in medians)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    rounds = parser.parse_args().rounds
    costs: dict[tuple[str, str], list[Cost]] = {(w, t): [] for w in WAYS for t in TIMES}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            courses = {way: copied(Path(folder, way)) for way in WAYS}
            for when, way in itertools.product(TIMES, sorted(WAYS, reverse=bool(number % 2))):
                cost = measure(way, courses[way], Path(folder, f"caches of {way}"))
                costs[way, when].append(cost)
                print(f"round {number + 1}: {way}, {when} time: {cost}", flush=True)
    print(*HEADER, *(row(way, when, costs[way, when]) for way, when in costs), sep="\n")


if __name__ == "__main__":
    main()
