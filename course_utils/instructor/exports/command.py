"""The command ``python -m course_utils export``.

What writes an export is imported when it is asked for: this module is read for every command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ...runtime.exit_codes import DONE, WRONG_USAGE
from ..reports.class_list import ROSTER

FOLDER = "exports"
Add = Callable[..., argparse.Action]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the systems, each with its options."""
    systems = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")

    def system(name: str, do: Callable[..., list[str]], about: str, of_class: bool) -> Add:
        found = systems.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        found.set_defaults(write=do)
        if of_class:
            found.add_argument("out", type=Path, metavar="OUT", help="the folder of `grade --out`")
        return found.add_argument

    _add_platforms(system)
    _add_graders(system)


def _add_platforms(system: Callable[..., Add]) -> None:
    """Add what takes the grades of a class."""
    scale = "turn points into the platform's where its maximum is another one"
    add = system("moodle", to_moodle, "grading worksheet, grades and feedback for Moodle", True)
    add("--lecture", metavar="02", help="lecture of the assignment (default: the only one)")
    add("--worksheet", type=Path, metavar="CSV", help="as downloaded from the assignment")
    add("--scale", action="store_true", help=scale)
    add("--to", type=Path, metavar="DIR", help=f"folder of the exports (default: OUT/{FOLDER})")
    add = system("canvas", to_canvas, "gradebook for Canvas", True)
    add("--gradebook", type=Path, metavar="CSV", help="as exported by Canvas (default: the roster)")
    add("--column", action="append", default=[], metavar="02=HEADER", help="a lecture's column")
    add("--scale", action="store_true", help=scale)
    add("--to", type=Path, metavar="CSV", help=f"(default: OUT/{FOLDER}/canvas.csv)")
    add = system("nbgrader", to_nbgrader, "points in nbgrader's gradebook", True)
    add(
        "--to",
        type=Path,
        metavar="DB",
        help=f"new or nbgrader's (default: OUT/{FOLDER}/gradebook.db)",
    )


def _add_graders(system: Callable[..., Add]) -> None:
    """Add what grades each submission on its own, and what it calls to show the points."""
    add = system("gradescope", to_gradescope, "autograder for Gradescope, as a zip", False)
    add("--to", type=Path, required=True, metavar="ZIP", help="for example autograder.zip")
    add("--lectures", default="", metavar="02,05", help="those that it grades (default: all)")
    system("gradescope-results", to_results, "results.json of one submission, printed", True)
    add = system(
        "github", to_github, "workflow that grades pushes to students' repositories", False
    )
    add("--course", required=True, metavar="OWNER/NAME", help="your private repository")
    add("--to", type=Path, required=True, metavar="YML", help="for example grade.yml")
    system("github-summary", to_summary, "points of one push as Markdown, printed", True)


def export(options: argparse.Namespace) -> int:
    """Write what a system imports, and print where to upload it."""
    try:
        lines = options.write(options)
    except ModuleNotFoundError as problem:
        print(f"{problem.name} is missing: python -m pip install -e '.[nbgrader]'", file=sys.stderr)
        return WRONG_USAGE
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return WRONG_USAGE
    print("\n".join(lines))
    return DONE


def to_moodle(options: argparse.Namespace) -> list[str]:
    """Write all that Moodle imports. Raises OSError, ValueError."""
    from . import moodle
    from .graded_class import read_class

    graded = read_class(options.out)
    lecture = graded.lecture(options.lecture)
    folder = options.to or options.out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    if options.worksheet:
        to = folder / f"moodle_worksheet_{lecture}.csv"
        lines += moodle.worksheet(graded, options.worksheet, lecture, to, options.scale)
    lines += moodle.grades(graded, folder / "moodle_grades.csv")
    lines += moodle.feedback(graded, lecture, folder / f"moodle_feedback_{lecture}.zip")
    return lines + graded.remarks()


def to_canvas(options: argparse.Namespace) -> list[str]:
    """Write Canvas's gradebook. Raises OSError, ValueError."""
    from . import canvas
    from .graded_class import read_class

    graded = read_class(options.out)
    named = dict(map(_column, options.column))
    roster = options.out / ROSTER
    path = options.gradebook or roster
    if not options.gradebook and not roster.is_file():
        raise ValueError(f"there is no {roster}: {canvas.EXPORT_IT}")
    to = _place(options, "canvas.csv")
    return canvas.gradebook(graded, path, named, to, options.scale) + graded.remarks()


def _column(text: str) -> tuple[str, str]:
    lecture, _, header = text.partition("=")
    if not header.strip():
        raise ValueError(f"--column {text!r} is not like '02=Lab 1 (98765)'")
    return lecture.strip(), header.strip()


def to_nbgrader(options: argparse.Namespace) -> list[str]:
    """Write nbgrader's gradebook. Raises ModuleNotFoundError, OSError, ValueError."""
    from .graded_class import read_class
    from .nbgrader_gradebook import fill_gradebook

    graded = read_class(options.out)
    return fill_gradebook(graded, _place(options, "gradebook.db")) + graded.remarks()


def to_gradescope(options: argparse.Namespace) -> list[str]:
    """Write an autograder. Raises OSError, ValueError."""
    from .gradescope import autograder

    return autograder(options.to, options.lectures.replace(",", " ").split())


def to_results(options: argparse.Namespace) -> list[str]:
    """Return results.json. Raises ValueError."""
    from .gradescope import results
    from .single import read_single

    return [results(read_single(options.out))]


def to_github(options: argparse.Namespace) -> list[str]:
    """Write a workflow. Raises OSError, ValueError."""
    from .github import workflow

    return workflow(options.course, options.to)


def to_summary(options: argparse.Namespace) -> list[str]:
    """Return the summary of a job. Raises ValueError."""
    from .github import summary
    from .single import read_single

    return [summary(read_single(options.out))]


def _place(options: argparse.Namespace, name: str) -> Path:
    """Return where to write, in a folder that is there."""
    to: Path = options.to or options.out / FOLDER / name
    to.parent.mkdir(parents=True, exist_ok=True)
    return to
