"""What lies among the submissions and is none: it is passed over, and counted by its kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from .notebook_file import is_named_as_notebook

SYSTEM, HIDDEN, PACKAGES = "system files", "hidden files", "installed packages"
RESULTS, PLATFORM = "the grader's own results", "the learning platform's own pages"
SYSTEM_FOLDERS = {"__macosx", "__pycache__", ".git", ".ipynb_checkpoints", "$recycle.bin"}
SYSTEM_FILES = {".ds_store", "thumbs.db", "desktop.ini"}
SYSTEM_STARTS = ("._", "~$")  # of macOS and of Office
PACKAGE_FOLDERS = {".venv", "venv", "site-packages", "node_modules"}
PACKAGE_ENDS = (".egg-info", ".dist-info")
# What a grading writes into its folder.
RESULT_NAMES = {"results", "feedback", "seed", "lock", "class.html", "class.json", "roster.csv"} | {
    "gradebook.csv",
    "overrides.csv",
    "exports",
    "grades.csv",
    "junit.xml",
}


def debris(name: str) -> str:
    """Return of which kind a file is that systems and programs leave; "" if it is none."""
    parts = PurePosixPath(name.lower()).parts
    if SYSTEM_FOLDERS & {*parts} or parts[-1] in SYSTEM_FILES:
        return SYSTEM
    if parts[-1].startswith(SYSTEM_STARTS):
        return SYSTEM
    if PACKAGE_FOLDERS & {*parts[:-1]} or any(p.endswith(PACKAGE_ENDS) for p in parts[:-1]):
        return PACKAGES
    if any(part.startswith(".") for part in parts[:-1]):
        return HIDDEN
    return HIDDEN if parts[-1].startswith(".") and not is_named_as_notebook(name) else ""


def result_folders(names: Collection[str]) -> set[str]:
    """Return the folders, "" for the uppermost, that look like those of a grading's results."""
    known = set(names)
    marked = [n for n in names if PurePosixPath(n).name == "class.html"]
    folders = {n.removesuffix("class.html").removesuffix("/") for n in marked}
    with_results = {n.rpartition("/results/")[0] for n in names if "/results/" in f"/{n}"}
    return {f for f in folders & with_results if inside(f, "seed") in known}


def is_result(name: str, folders: Iterable[str]) -> bool:
    """Return whether a file is a result in one of these folders, where notebooks are none.

    In the uppermost one, where results and submissions lie together, the names decide.
    """
    if is_named_as_notebook(name):
        return False
    return any(
        name.startswith(f"{folder}/") if folder else PurePosixPath(name).parts[0] in RESULT_NAMES
        for folder in folders
    )


def inside(folder: str, name: str) -> str:
    """Return the path of a file in a folder; "" is the uppermost one."""
    return f"{folder}/{name}" if folder else name
