"""The command ``python -m course_utils release``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ...lectures import STUDENT_BRANCH


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``release``."""
    add = parser.add_argument
    add("--out", required=True, type=Path, metavar="DIR", help="folder for the students' edition")
    add(
        "--repo",
        type=repository_name,
        metavar="OWNER/NAME",
        help="where students will find it on GitHub (default: where this checkout comes from)",
    )
    add("--lectures", metavar="02,05", help="numbers of the lectures (default: all)")
    add(
        "--branch",
        metavar="NAME",
        help="also commit it on this branch of this repository; badges then lead to that branch "
        f"(without it: to main of --repo, or to {STUDENT_BRANCH} where this checkout comes from)",
    )


def repository_name(text: str) -> str:
    """Return a repository's name as it was typed. Raises ArgumentTypeError if it is none."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not like OWNER/NAME, for example ada/course")
    return text


def release(options: argparse.Namespace) -> int:
    """Release, and print what was released. Return 1 if it was refused."""
    from ...runtime import project_root
    from .branch import NoCommit, check_branch, commit_tree
    from .edition import MARK
    from .edition import release as write

    numbers = re.split(r"[\s,]+", options.lectures.strip()) if options.lectures else None
    try:
        if options.branch:
            check_branch(project_root(), options.branch, MARK)
        # Students must never be led to the branch of the course that has the solutions.
        branch = options.branch or ("main" if options.repo else STUDENT_BRANCH)
        lectures = write(options.out, options.repo, branch, numbers)
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
        where = f"https://github.com/{options.repo}" if options.repo else "origin"
        print(f"Branch {options.branch}: {done}. Publish it: git push {where} {options.branch}")
    return 0
