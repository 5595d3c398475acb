"""Rehearse a class: 300 students, three lectures, an interruption, one resubmission.

    python benchmarks/ordinary_class.py [--students 300] [--lectures 01,02,03] [--workers 2]

Makes the class by code: for each lecture a zip as Moodle gives it, whose numbers differ from
lecture to lecture, and a roster with equal names in it. Some exercises are left unsolved, some
students hand in nothing, one hands in a PDF beside the notebook. Then it grades, interrupts the
command in the middle, lets it go on, and grades once more after one student has handed in again.
The table goes to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from course_utils.instructor.reports.results import NEEDS_A_LOOK, SubmissionResult, read_results
from course_utils.instructor.solutions import stub
from course_utils.lectures import Lecture, all_lectures, store_part
from course_utils.runtime import machine

GIVEN = ("Minsu", "Seo-yeon", "Lukas", "José", "Zoë", "Wei", "Yuki", "Fatima", "Olu", "Chloé")
FAMILY = ("Kim", "Lee", "Park", "Müller", "Nguyễn", "Chen", "Satō", "Okafor", "Ivanov", "Rossi")
SOLVED = 0.85  # the share of exercises that are solved
HANDED_IN = 0.97  # the share of students who hand in a lecture
PATIENCE = 7200  # seconds for one grading


@dataclass
class Measured:
    """One run of the command: how long, and how much memory all its processes had at most."""

    seconds: float
    gigabytes: float
    code: int


def names(count: int) -> list[str]:
    """Return names; the last two are one that is there already."""
    pairs = [f"{given} {family}" for family in FAMILY for given in GIVEN]
    numbered = [f"{name} {n}" for n in ("", "II", "III") for name in pairs]
    found = [name.strip() for name in numbered][: count - 2]
    return found + found[:2]


def notebook_of(lecture: Lecture, chance: random.Random, solved: float) -> bytes:
    """Return a lecture as a student hands it in: some exercises are still stubs."""
    data = json.loads(lecture.path.read_text("utf-8"))
    for cell in data["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            if chance.random() > solved:
                source = "".join(cell["source"])
                cell["source"] = stub(source)
    return json.dumps(data).encode()


def make_class(folder: Path, lectures: list[Lecture], count: int) -> tuple[Path, int]:
    """Write the zips and the roster. Return the roster, and how many notebooks there are."""
    chance, handed_in = random.Random(1), 0
    students = list(enumerate(names(count)))
    for lecture in lectures:
        with zipfile.ZipFile(archive(folder, lecture), "w", zipfile.ZIP_DEFLATED) as out:
            for number, name in students:
                if chance.random() < HANDED_IN:
                    content = notebook_of(lecture, chance, SOLVED)
                    out.writestr(entry(lecture, number, name), content)
                    handed_in += 1
            out.writestr(entry(lecture, 0, students[0][1]).replace(".ipynb", ".pdf"), b"%PDF")
    roster = folder / "roster.csv"
    with roster.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(["First name", "Last name", "ID number", "Email address"])
        for number, name in students:
            given, _, family = name.partition(" ")
            rows.writerow([given, family, 20260000 + number, f"s{number}@example.org"])
    return roster, handed_in


def archive(folder: Path, lecture: Lecture) -> Path:
    """Return where the zip of a lecture is."""
    return folder / "class" / f"CV-{lecture.title}-{lecture.id}.zip"


def entry(lecture: Lecture, number: int, name: str) -> str:
    """Return the name of a student's file in Moodle's zip of a lecture."""
    moodle = 1000 * int(lecture.id) + number
    return f"{name}_{moodle}_assignsubmission_file_/{lecture.path.name}"


def grade(folder: Path, roster: Path, workers: int, stop_at: int = 0) -> Measured:
    """Run the command; with ``stop_at`` it is interrupted when that many results are there."""
    out = folder / "grades"
    command = [sys.executable, "-m", "course_utils", "grade", str(folder / "class")]
    command += [f"--out={out}", f"--roster={roster}", f"--workers={workers}", "--seed=1"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    peak, done = [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak, done))
    watch.start()
    try:
        while stop_at and process.poll() is None:
            if sum(1 for _ in (out / "results").glob("*.json")) >= stop_at:
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.2)
        code = process.wait(PATIENCE)
    finally:
        done.set()
        watch.join()
        process.kill()
    return Measured(time.perf_counter() - start, peak[0], code)


def _watch(process: psutil.Process, peak: list[float], done: threading.Event) -> None:
    """Note the most memory that a command and all below it have; what they share counts once."""
    while not done.wait(1.0):
        peak[0] = max(peak[0], sum(_memory(process)) / 1e9)


def _memory(process: psutil.Process) -> Iterator[int]:
    for one in [process, *process.children(recursive=True)]:
        try:
            yield one.memory_full_info().pss
        except psutil.Error:
            continue


def hand_in_again(folder: Path, lecture: Lecture, number: int, name: str) -> None:
    """Replace one student's notebook by one in which all is solved."""
    place = archive(folder, lecture)
    with zipfile.ZipFile(place) as old:
        entries = {item.filename: old.read(item) for item in old.infolist()}
    entries[entry(lecture, number, name)] = notebook_of(lecture, random.Random(2), 1.0)
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as new:
        for file, content in entries.items():
            new.writestr(file, content)


def size_of(folder: Path) -> float:
    """Return the megabytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def table(
    runs: dict[str, Measured], results: list[SubmissionResult], out: Path, count: int
) -> list[str]:
    """Return the rows that are printed and stored."""
    lines = ["| what | seconds | memory at most (GB) |", "|---|---|---|"]
    lines += [f"| {what} | {run.seconds:.0f} | {run.gigabytes:.1f} |" for what, run in runs.items()]
    graded = sum(result.is_graded for result in results)
    looks = sum(result.state == NEEDS_A_LOOK for result in results)
    students = len({result.owner for result in results})
    return [
        *lines,
        "",
        f"{count} students on the roster, two pairs of them namesakes, whose hand-ins are flagged "
        f"and never put together: {students} rows with work. {graded} notebooks graded, {looks} "
        f"need a look. Results and reports take {size_of(out):.0f} MB, "
        f"`class.html` {size_of_file(out / 'class.html'):.1f} MB.",
    ]


def size_of_file(path: Path) -> float:
    """Return the megabytes of a file."""
    return path.stat().st_size / 1e6


def main() -> None:
    """Make the class, grade it three times, and store the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--lectures", default="01,02,03")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    wanted = options.lectures.split(",")
    lectures = [lecture for lecture in all_lectures() if lecture.id in wanted]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "class").mkdir()
        roster, handed_in = make_class(folder, lectures, options.students)
        print(f"{handed_in} notebooks in {len(lectures)} zips", flush=True)
        runs = {
            "until it is interrupted in the middle": grade(
                folder, roster, options.workers, handed_in // 2
            )
        }
        runs["the same command goes on"] = grade(folder, roster, options.workers)
        hand_in_again(folder, lectures[0], 5, names(options.students)[5])
        runs["once more, one student has handed in again"] = grade(folder, roster, options.workers)
        out = folder / "grades"
        lines = table(runs, read_results(out / "results"), out, options.students)
    lines += [
        f"Measured with `python benchmarks/ordinary_class.py` on {machine(torch.device('cpu'))}."
    ]
    print(*lines, sep="\n")
    store_part("benchmarks/RESULTS.md", "ordinary class", lines)


if __name__ == "__main__":
    main()
