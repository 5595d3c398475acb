"""The tests for the change at hand, nearest first, as many as fit in a minute: `make test-quick`.

What has changed since the branch left main is asked of git. A test file is the nearer to a change
the fewer imports lie between them; what is no Python file is looked for by its name. A test that
only starts a program which uses the change is not found: `make test` runs all.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import MODULES, ROOT, imported_names
from order import known_seconds

from course_utils import _HOME

COURSE, TESTS = ROOT.parent, Path(__file__).parent
MINUTE, START = 60, 20  # seconds in all, and those in which the workers start
SHORT = 1  # seconds of a file that is not in the table
RULES = TESTS / "test_house.py"  # of the whole tree


def changed_files():
    """Return the files that differ from the commit where this branch left main."""
    mains = ("refs/remotes/origin/main", "refs/heads/main")
    base = next(filter(None, (git("merge-base", "HEAD", main) for main in mains)), ["HEAD"])[0]
    names = git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")
    return {COURSE / name for name in names}


def git(*arguments):
    done = subprocess.run(["git", "-C", COURSE, *arguments], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def needs(path, helpers):
    """Return the files of the course and the helpers among the tests that a file imports."""
    package = path.relative_to(ROOT).parts[:-1] if ROOT in path.parents else ()
    found = set()
    for where, name in imported_names(path, package):
        room = ".".join(where) or _HOME.get(name, "")
        found |= {MODULES.get(f"{room}.{name}".strip(".")) or MODULES.get(room)}
    words = re.findall(r"^(?:from|import) (\w+)", path.read_text("utf-8"), re.MULTILINE)
    return (found | {helpers.get(word) for word in words}) - {None, path}


def distances(changed):
    """Return how many imports lie between each Python file and the nearest changed one."""
    helpers = {path.stem: path for path in TESTS.rglob("*.py")}
    files = [*MODULES.values(), *helpers.values()]
    others = [path for path in changed if path.suffix != ".py"]
    names = [path.stem if path.suffix == ".ipynb" else path.name for path in others]
    naming = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names) or r"(?!)")
    users = {path: {path} for path in files}
    for path in files:
        for needed in needs(path, helpers):
            users[needed].add(path)
    near = changed | {path for path in files if naming.search(path.read_text("utf-8"))}
    found, distance = dict.fromkeys(near, 0), 0
    while near:
        distance += 1
        near = {user for path in near for user in users.get(path, ())} - set(found)
        found |= dict.fromkeys(near, distance)
    return found


def nearest_first(changed):
    """Return the files of tests that have to do with a change, and changed lectures."""
    found = distances(changed) | {RULES: 0}
    words = {word for path in changed for word in path.stem.split("_")} - {"test"}
    tests = [p for p in found if p.name.startswith("test_") or p.suffix == ".ipynb"]

    def place(path):
        return found[path], -len(words & set(path.stem.split("_"))), path

    return sorted((path for path in tests if path.is_file()), key=place)


def fitting(files, seconds, budget):
    """Return those that fit into a number of seconds, and those for which no room is left."""
    chosen, left_out = [], []
    for path in files:
        needed = seconds.get(path.relative_to(COURSE).as_posix(), SHORT)
        (chosen if needed <= budget else left_out).append(path)
        budget -= needed if needed <= budget else 0
    return chosen, left_out


def main():
    files = nearest_first(changed_files())
    workers = min(os.cpu_count() or 1, 4)
    chosen, left_out = fitting(files, known_seconds(), (MINUTE - START) * workers)
    names = [path.relative_to(COURSE).as_posix() for path in left_out]
    print(f"{len(chosen)} files of tests, nearest to the change first.", end=" ")
    print(f"No time for {len(names)} more: {', '.join(names)}" if names else "", flush=True)
    return pytest.main([f"--rootdir={COURSE}", *map(str, chosen)])


if __name__ == "__main__":
    sys.exit(main())
