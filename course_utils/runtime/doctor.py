"""``python -m course_utils doctor``: what this machine has, what is wrong, and the remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..needed import MODULES, OLDEST_PYTHON, PACKAGES
from .device import cpu_threads, get_device
from .folders import cache_dir
from .session import profile

INSTALL = f"{sys.executable} -m pip install -r requirements.txt"
NEEDED = (*MODULES, "torchsummary")
FOR_TESTS = ("jupyterlab", "nbval", "pytest", "xdist")
DISTRIBUTIONS = PACKAGES | {"xdist": "pytest-xdist"}  # what pip calls a module, if otherwise


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``remedy`` is empty where nothing is wrong."""

    what: str
    found: str
    remedy: str = ""
    serious: bool = True

    def __str__(self) -> str:
        mark = "ok     " if not self.remedy else ("PROBLEM" if self.serious else "note   ")
        line = f"{mark}  {self.what:<14} {self.found}"
        return f"{line}\n{'':<9}remedy: {self.remedy}" if self.remedy else line


def report(found_data: Callable[[], list[Finding]], **further: Callable[[], list[Finding]]) -> int:
    """Print all findings; return 1 if one of them keeps the course from running, else 0.

    Args:
        found_data: returns what there is of data.
        further: functions that return more findings, by what they look at.
    """
    findings = [python(), *packages(NEEDED, serious=True), *packages(FOR_TESTS, serious=False)]
    findings += [guarded("device", device), guarded("profile", chosen_profile)]
    findings += [disk(), cache()]
    for what, find in ({"data": found_data} | further).items():
        try:
            findings += find()
        except Exception as error:  # a broken torch, or damaged bundled data: say it, go on
            findings.append(Finding(what, "cannot be read", str(error)))
    print(*findings, sep="\n")
    problems = sum(bool(finding.remedy) and finding.serious for finding in findings)
    print(f"\n{problems} problem(s) found" if problems else "\nAll is well.")
    return 1 if problems else 0


def python() -> Finding:
    """Return the Python version."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", found)
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Finding("Python", found, f"install Python {wanted} or newer")


def packages(modules: tuple[str, ...], *, serious: bool) -> list[Finding]:
    """Return the version of each package; an import is tried, since a version alone can mislead."""
    findings = []
    for module in modules:
        name = DISTRIBUTIONS.get(module, module)
        try:
            found = version(name)
            import_module(module)
        except PackageNotFoundError:
            findings.append(Finding(name, "missing", INSTALL, serious))
        except Exception as error:
            problem = f"{found}, but it cannot be imported: {str(error).splitlines()[0]}"
            findings.append(Finding(name, problem, f"reinstall: {INSTALL}", serious))
        else:
            findings.append(Finding(name, found))
    return findings


def guarded(what: str, find: Callable[[], str]) -> Finding:
    """Return what ``find`` finds, or its error as the remedy."""
    try:
        return Finding(what, find())
    except Exception as error:
        return Finding(what, "cannot be chosen", str(error))


def device() -> str:
    """Return the device and how many threads the CPU uses."""
    return f"{get_device()}, {cpu_threads()} on {os.cpu_count()} CPU cores"


def chosen_profile() -> str:
    """Return the profile and how to change it."""
    other = "full" if profile() == "quick" else "quick"
    return f"{profile()} (COURSE_PROFILE={other} changes it)"


def disk() -> Finding:
    """Return the free disk space where downloads go: the full data sets need about 1 GB."""
    free = shutil.disk_usage(cache_place()).free / 1e9
    if free > 1:
        return Finding("disk", f"{free:.0f} GB free")
    remedy = "free some space, or set COURSE_CACHE to a folder elsewhere: full data needs 1 GB"
    return Finding("disk", f"{free:.1f} GB free", remedy, False)


def cache() -> Finding:
    """Return whether the folder for downloads can be written."""
    place = cache_place()
    if place.is_dir() and os.access(place, os.W_OK):
        return Finding("cache", str(cache_dir()))
    remedy = "set COURSE_CACHE to a folder you own"
    return Finding("cache", f"{cache_dir()} cannot be written", remedy)


def cache_place() -> Path:
    """Return the folder for downloads, or where it will be made: its nearest parent there is."""
    folder = cache_dir()
    return next(path for path in (folder, *folder.parents) if path.exists())
