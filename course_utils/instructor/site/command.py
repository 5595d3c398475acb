"""The command ``python -m course_utils site``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...lectures import STUDENT_BRANCH
from ..release.command import repository_name


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("--out", default=Path("site"), type=Path, metavar="DIR", help="folder (default: site)")
    add("--solutions", action="store_true", help="show solutions: for instructors, not to publish")
    add(
        "--repo",
        type=repository_name,
        metavar="OWNER/NAME",
        help='where students find the course on GitHub; "Open in Colab" leads there '
        "(default: where this checkout comes from)",
    )
    add(
        "--branch",
        default=STUDENT_BRANCH,
        metavar="NAME",
        help=f"branch of the students' edition there (default: {STUDENT_BRANCH})",
    )


def site(options: argparse.Namespace) -> int:
    """Build the site. Return 1, with what is wrong, if it could not be built."""
    from .build import NotBuilt, build

    try:
        count = build(
            options.out,
            solutions=options.solutions,
            repository=options.repo,
            branch=options.branch,
        )
    except (NotBuilt, ValueError, OSError) as problem:  # a refused edition is a ValueError
        print(problem, file=sys.stderr)
        return 1
    edition = "with solutions" if options.solutions else "the students' edition"
    print(f"{count} pages, {edition}: open {options.out / 'index.html'}")
    return 0
