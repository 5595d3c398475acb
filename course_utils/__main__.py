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
    full = commands.add_parser(
        "full",
        help="run lectures at full size on this machine and write their results",
        description="All images and all epochs, on the accelerator if there is one; on a CPU a "
        "lecture can take hours. Writes the executed notebook and its printed results, also those "
        "of a run that was interrupted.",
    )
    full.add_argument("lectures", nargs="+", help="numbers of lectures, for example 05")
    full.add_argument("--out", type=Path, help="folder of the results (default: the cache folder)")
    full.set_defaults(do=run_at_full_size)
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
    from .execution import refresh as refresh_one
    from .lectures import all_lectures, refresh_readme
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


def run_at_full_size(options: argparse.Namespace) -> int:
    """Run the lectures named by their numbers in the full profile."""
    from .execution import run_full
    from .lectures import all_lectures
    from .runtime import cache_dir

    paths = {lecture.id: lecture.path for lecture in all_lectures()}
    if unknown := set(options.lectures) - set(paths):
        names = ", ".join(sorted(unknown))
        print(f"no lecture {names}: choose from {', '.join(paths)}", file=sys.stderr)
        return 2
    folder = options.out or cache_dir() / "results"
    failed = False
    for number in options.lectures:
        path = paths[number]
        try:
            failures = run_full(path, folder)
        except RuntimeError as error:
            failures = [str(error)]
        print(f"{path.stem}: results in {folder / path.stem}.txt", *failures, sep="\n")
        failed = failed or bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
