"""The command line of the course: ``python -m course_utils --help``."""

from __future__ import annotations

import os
import sys

# `python -m` looks for modules first where it was started. Among submissions, a file called like a
# module that a command imports would run as the grader. The course itself is found without that.
if __name__ == "__main__" and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from .runtime.options import at_least_one, positive_numbers

IS_INSTRUCTORS = Path(__file__).with_name("instructor").is_dir()  # students do not have it


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
    full = commands.add_parser(
        "full",
        help="run lectures at full size on this machine and write their results",
        description="All images and all epochs, on the accelerator if there is one; on a CPU a "
        "lecture can take hours. Writes the executed notebook and its printed results, also those "
        "of a run that was interrupted.",
    )
    full.add_argument("lectures", nargs="+", help="numbers of lectures, for example 05")
    full.add_argument("--out", type=Path, help="folder (default: results, in the cache folder)")
    full.set_defaults(do=run_at_full_size)
    evidence = commands.add_parser(
        "evidence",
        help="run lectures with other seeds and longer training: how often does each claim hold?",
        description="Runs lectures as they are, with their seeds and all training lengths changed "
        "from outside, and writes data/evidence and a table: how often each claim was tried and "
        "held. What is stored is not run again unless the lecture's code has changed. Interrupt it "
        "when you like: the same command goes on.",
    )
    evidence.add_argument(
        "lectures", nargs="*", help="numbers, for example 05 (default: all that have evidence)"
    )
    evidence.add_argument(
        "--seeds",
        type=int,
        choices=range(1, 12),  # the seeds from 11 on are the fresh ones
        metavar="SEEDS",
        default=5,
        help="of each, 11 at most (default: 5)",
    )
    evidence.add_argument(
        "--budgets",
        type=positive_numbers,
        default="1,3",
        help="times the usual training length (default: 1,3)",
    )
    evidence.add_argument(
        "--fresh",
        type=int,
        choices=range(100),
        metavar="SEEDS",
        default=4,
        help="also try the claims with so many further seeds, not shown in lectures (default: 4)",
    )
    evidence.add_argument(
        "--jobs", type=at_least_one, help="runs at the same time (default: one a core)"
    )
    evidence.add_argument(
        "--same",
        action="store_true",
        help="after a change of code that should move no number: make one run of each lecture, and "
        "keep all stored runs if it repeats theirs number by number",
    )
    evidence.set_defaults(do=gather_evidence)
    search = commands.add_parser(
        "search",
        help="work on a stored search for settings (lecture 10), alone or beside other processes",
        description="Runs trials until the study has as many with a result as asked for. Start the "
        "same command again to go on, or several times to share the work. Needs optuna.",
    )
    search.add_argument("--storage", required=True, help="a file, study.log, or a database's URL")
    search.add_argument("--name", default="lab", help="name of the study (default: lab)")
    search.add_argument("--total", type=int, default=20, help="trials in all (default: 20)")
    search.add_argument("--sampler", default="tpe", help="tpe (default) or random")
    search.add_argument("--seed", type=int, help="of the sampler; another one for each process")
    search.add_argument("--data", default="cifar100", help="data set (default: cifar100)")
    search.add_argument("--images", type=at_least_one, help="training images (default: all)")
    search.add_argument(
        "--epochs", type=at_least_one, default=5, help="epochs of a trial (default: 5)"
    )
    search.set_defaults(do=work_on_search)
    page = commands.add_parser(
        "app",
        help="open a page on this machine that says what is on a photograph (lecture 15)",
        description="Serves a page for a browser on this machine. No other machine reaches it, "
        "nothing is stored, and it works without the internet. Choose a picture there: a trained "
        "network says what it is and how probable that is, or that it does not know. There are "
        "two: for the 1,000 classes of ImageNet, where its package is installed, and for garments, "
        "bundled. The second one also shows the training images that are most like the picture.",
    )
    page.add_argument(
        "--weights",
        type=Path,
        metavar="FILE.safetensors",
        help="a garments network of your own: a slim VGG-11 for classes of fashion_photos, written "
        "by save_weights of course_utils.models.pretrained",
    )
    page.add_argument("--port", type=port_number, default=8765, help="default: 8765; 0: any free")
    page.set_defaults(do=serve_app)
    add_instructors_commands(commands)
    options = parser.parse_args(arguments)
    return options.do(options)


def port_number(text: str) -> int:
    """Read a port. argparse makes one line of the error."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: choose one from 1024 to 65535")
    return int(text)


def add_instructors_commands(commands: argparse._SubParsersAction) -> None:
    """Add what the students' edition does not have."""
    if not IS_INSTRUCTORS:
        return
    from .instructor.exports import command as export
    from .instructor.grading import command as grade
    from .instructor.grading import override as overriding
    from .instructor.release import command as release
    from .instructor.site import command as site

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
    building = commands.add_parser(
        "site",
        help="build the course as a static site that works without a network",
        description="Builds the pages from the notebooks and their stored outputs with Sphinx, "
        "without solutions, and checks them. Nothing is run. Needs: pip install -e '.[site]'.",
    )
    site.add_options(building)
    building.set_defaults(do=site.site)
    releasing = commands.add_parser(
        "release",
        help="write the students' edition of the course: without solutions and grading",
        description="Writes a complete folder for students. It refuses, naming notebook and cell, "
        "when a solution could be seen. The same course gives the same bytes.",
    )
    release.add_options(releasing)
    releasing.set_defaults(do=release.release)
    grading = commands.add_parser(
        "grade",
        help="grade notebooks that students handed in",
        description="Grades notebooks, folders and zips, each in a sandbox, and writes points, "
        "feedback pages and an overview. Start the same command again to go on after an "
        "interruption: what is graded and has not changed is not graded again.",
    )
    grade.add_options(grading)
    grading.set_defaults(do=grade.grade)
    exporting = commands.add_parser(
        "export",
        help="write grades as Moodle, Canvas, nbgrader, Gradescope and GitHub take them",
        description="Writes what a learning platform imports, from the results of `grade`, and "
        "says where to upload it. What has no points stays empty; whose identity is in doubt is "
        "left out, and named.",
    )
    export.add_options(exporting)
    exporting.set_defaults(do=export.export)
    changing = commands.add_parser(
        "override",
        help="give a student other points than were graded, with a reason",
        description="Adds a row to overrides.csv among the results and writes the reports anew. "
        "Overrides are kept when you grade again. You may edit the file in a spreadsheet, too; "
        "then start this command with the folder alone. The points of a whole lecture replace "
        "those of its exercises.",
    )
    overriding.add_options(changing)
    changing.set_defaults(do=overriding.override)


def doctor(options: argparse.Namespace) -> int:
    """Print the state of this machine; 1 if something keeps the course from running."""
    from .runtime.doctor import Finding, report

    def found_data() -> list[Finding]:
        from .data import found_data as find

        return [Finding(name, where or "not here", remedy, False) for name, where, remedy in find()]

    def found_sandbox() -> list[Finding]:
        from .instructor.sandbox.sandbox import sandbox_problem

        problem = sandbox_problem()
        return [Finding("sandbox", "missing" if problem else "works", problem or "", False)]

    return report(found_data, **{"sandbox": found_sandbox} if IS_INSTRUCTORS else {})


def refresh(options: argparse.Namespace) -> int:
    """Run and store notebooks, then renew all addresses and the README's course map."""
    from .lectures import all_lectures, refresh_readme
    from .lectures.storing import refresh as refresh_one
    from .lectures.storing import refresh_addresses
    from .runtime import progress

    try:
        paths = options.notebooks or [lecture.path for lecture in all_lectures()]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
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
        refresh_addresses()
        refresh_readme()
    except ValueError as error:
        failures.append(str(error))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{stored} of {len(paths)} notebooks stored")
    return 1 if failures else 0


def run_at_full_size(options: argparse.Namespace) -> int:
    """Run the lectures named by their numbers in the full profile."""
    from .lectures import all_lectures
    from .lectures.storing import run_full
    from .runtime import cache_dir

    try:
        paths = {lecture.id: lecture.path for lecture in all_lectures()}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not are_lectures(options.lectures, paths):
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


def are_lectures(numbers: Sequence[str], lectures: Mapping[str, object]) -> bool:
    """Return whether all numbers are those of lectures; if not, say which are not."""
    if unknown := set(numbers) - set(lectures):
        names = ", ".join(sorted(unknown))
        print(f"no lecture {names}: choose from {', '.join(lectures)}", file=sys.stderr)
    return not unknown


def gather_evidence(options: argparse.Namespace) -> int:
    """Make the runs that are missing, and print what became of each claim."""
    from .lectures import all_lectures, store_part
    from .lectures.evidence import claims_file, claims_table, evidence_of, overview
    from .lectures.evidence_runs import (
        expected_seconds,
        missing_trials,
        repeating_trials,
        run_all,
    )
    from .runtime import project_root
    from .runtime.signals import ended_as_interrupted

    jobs = options.jobs or os.cpu_count() or 1
    try:
        lectures = {lecture.id: lecture for lecture in all_lectures()}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not are_lectures(options.lectures, lectures):
        return 2
    chosen = options.lectures or [number for number in lectures if claims_file(number).is_file()]
    wanted = [lectures[number] for number in chosen]
    if options.same:
        trials = repeating_trials(wanted)
    else:
        trials = missing_trials(wanted, options.seeds, options.budgets, options.fresh)
    seconds = expected_seconds(trials, jobs)
    about = "how long is not known yet" if seconds is None else f"about {seconds / 60:.0f} minutes"
    runs = f"{len(trials)} run{'s' * (len(trials) != 1)} to make"
    print(f"{runs}, {jobs} at a time: {about}" if trials else "nothing to run")
    try:
        with ended_as_interrupted():
            failures = run_all(trials, jobs)
    except KeyboardInterrupt:
        failures = ["Interrupted. The finished runs are stored: the same command goes on."]
    found = {number: evidence_of(number) for number in chosen}
    for number, claims in found.items():
        print(f"\n{lectures[number].title}", *claims_table(claims), sep="\n")
    table = overview(lectures.values())
    if (project_root() / "benchmarks" / "RESULTS.md").is_file():
        store_part("benchmarks/RESULTS.md", "evidence", table)
    print("", *table, *failures, sep="\n")
    held = all(one.holds for claims in found.values() for one in claims)
    return 1 if failures or not held else 0


def work_on_search(options: argparse.Namespace) -> int:
    """Run trials of a stored study until it has enough; an interrupt keeps what is finished."""
    try:
        from . import search
    except ModuleNotFoundError as problem:
        if problem.name != "optuna":
            raise
        print("optuna is missing: python -m pip install optuna", file=sys.stderr)
        return 1
    from .runtime import progress

    try:
        data = search.lab_data(options.data, options.images)
        study = search.open_study(
            options.storage,
            options.name,
            sampler=options.sampler,
            seed=options.seed,
        )
    except (ValueError, RuntimeError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    objective = partial(
        search.search_objective, start=partial(search.LabNetwork, data), epochs=options.epochs
    )
    with progress(total=options.total, description=options.name, unit="trial") as bar:
        bar.update(len(search.done(study)))
        try:
            search.run_trials(study, objective, options.total, bar.update)
        except KeyboardInterrupt:
            print("Interrupted. The finished trials are stored: the same command goes on.")
    print(search.best_trial_line(study))
    return 0


def serve_app(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted."""
    from .app import AppServer, garments, things
    from .models.pretrained import load_weights
    from .runtime.signals import ended_as_interrupted

    print("Loading the networks: some seconds", flush=True)
    networks, missing = {}, {}
    try:
        networks["garments"] = garments(options.weights and load_weights(options.weights))
    except (RuntimeError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    try:
        networks["ImageNet"] = things()
    except RuntimeError as problem:
        missing["ImageNet"] = str(problem)
    if not options.weights:  # a photograph shows a garment less often than something else
        networks = dict(reversed(networks.items()))
    try:
        server = AppServer(networks, missing, options.port)
    except OSError as problem:
        reason = f"port {options.port} cannot be had ({problem.strerror})"
        print(f"{reason}: choose another, for example --port 0", file=sys.stderr)
        return 1
    with server:
        print(f"Open {server.address} in a browser on this machine. Ctrl+C ends it.", flush=True)
        try:
            with ended_as_interrupted():
                server.serve_forever()
        except KeyboardInterrupt:
            print("Ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
