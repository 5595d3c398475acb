"""The command line of the course: ``python -m course_utils --help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Return 0 if it is done, 1 if something failed; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils",
        description="Tools of the image-classification course.",
        epilog="Exit codes: 0 done, 1 something failed (it is named), 2 wrong usage.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "doctor",
        help="print versions, device, profile, data and disk, and how to mend what is wrong",
    ).set_defaults(do=doctor)
    stored = commands.add_parser(
        "refresh",
        help="run notebooks, store their outputs, and renew the README's course map",
        description="For maintainers. Runs as the tests do (quick profile, CPU) and stores the "
        "outputs in the notebooks. A notebook that fails is left as it was.",
    )
    stored.add_argument(
        "notebooks", nargs="*", type=Path, help="notebook files; without any, all of them"
    )
    stored.set_defaults(do=refresh)
    options = parser.parse_args(arguments)
    return options.do(options)


def doctor(options: argparse.Namespace) -> int:
    """Print the state of this machine; 1 if something keeps the course from running."""
    from .runtime.doctor import Finding, report

    def found_data() -> list[Finding]:
        from .data import found_data as find

        return [Finding(name, where or "not here", remedy, False) for name, where, remedy in find()]

    return report(found_data)


def refresh(options: argparse.Namespace) -> int:
    """Run and store notebooks, then renew the README's course map."""
    from .lectures import all_lectures, refresh_readme
    from .lectures import refresh as refresh_one
    from .runtime import progress

    paths = options.notebooks or [lecture.path for lecture in all_lectures()]
    failures, stored = [], 0
    for path in progress(paths, description="notebooks", unit="notebook"):
        if not path.is_file():
            failures.append(f"{path}: there is no such file")
            continue
        try:
            refresh_one(path)
            stored += 1
        except (RuntimeError, ValueError) as error:
            failures.append(str(error))
    try:
        refresh_readme()
    except ValueError as error:
        failures.append(str(error))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{stored} of {len(paths)} notebooks stored")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
