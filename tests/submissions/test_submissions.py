"""A whole class, honest and hostile, is graded to the end, and each gets exactly its score."""

import csv
import re
import socket
import subprocess
import sys
import threading

import pytest
from corpus import POINTS, all_single, class_zip

from course_utils.exercises import get_exercise
from course_utils.exercises.core import judge_outcomes, outcome_of
from course_utils.instructor.examiners import graded
from course_utils.instructor.grading.submission_run import case_seed
from course_utils.instructor.intake.passed_over import RESULT_NAMES
from course_utils.instructor.reports.results import FULL, read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem

SEED = 20
# Of the code itself: a busy machine takes none of them. What never ends uses them up, all the
# endless experiments of one submission a seventh of the second number.
LIMITS = ("--cell-seconds=3", "--seconds=50")
pytestmark = pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")


def grade(out, *submissions, options=()):
    command = [sys.executable, "-m", "course_utils", "grade", f"--out={out}", f"--seed={SEED}"]
    command += [*LIMITS, "--workers=2", *options, *map(str, submissions)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1800)


@pytest.fixture(scope="module")
def server():
    """Return the port of a server on this machine, and the connections that it got."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)
        ended = threading.Event()

        def accept():
            while not ended.is_set():
                try:
                    connections.append(listening.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1], connections
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def handed_in(server, tmp_path_factory):
    """Return the folder of the class, and what must become of each file."""
    folder = tmp_path_factory.mktemp("class")
    outside = tmp_path_factory.mktemp("outside")
    outside.chmod(0o777)
    expected = {}
    for handed in all_single(server[0], outside):
        (folder / handed.path).write_bytes(handed.content)
        expected[handed.path] = handed
    name, content, inside = class_zip()
    (folder / name).write_bytes(content)
    expected |= {f"{name}/{handed.path}": handed for handed in inside}
    return folder, outside, expected


@pytest.fixture(scope="module")
def graded_class(handed_in, tmp_path_factory):
    """Return the folder of results after the class was graded once."""
    out = tmp_path_factory.mktemp("grades")
    done = grade(out, handed_in[0])
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done


@pytest.fixture(scope="module")
def results(graded_class):
    return {result.file: result for result in read_results(graded_class[0] / "results")}


def earned(exercise_id, answer):
    """Return the points of an answer on the cases of this grading."""
    exercise, asked = get_exercise(exercise_id), graded(exercise_id, case_seed(SEED, exercise_id))
    outcomes = [outcome_of(exercise, answer, question.case) for question in asked]
    return judge_outcomes(exercise, "", asked, outcomes).points


def problems(handed, result):
    """Yield what is not as it must be."""
    if handed.varies:
        earned_here = {exercise.id: exercise.points for exercise in result.exercises}
        if any(earned_here.get(name, 0) > most for name, most in handed.points.items()):
            yield f"points {earned_here}"
        return
    if result.state != handed.state:
        yield f"state {result.state!r}, not {handed.state!r}: {result.reason} {result.notes}"
    if not re.search(handed.reason, result.reason):
        yield f"reason {result.reason!r}"
    if not re.search(handed.note, " | ".join(result.notes)):
        yield f"notes {result.notes}"
    if not result.is_graded:
        return
    for exercise in result.exercises:
        want = handed.points.get(exercise.id, POINTS[exercise.id])
        if exercise.id in handed.answers:
            want = earned(exercise.id, handed.answers[exercise.id])
        if exercise.points != want:
            yield f"{exercise.id}: {exercise.points} points, not {want} ({exercise.hint})"
        default = FULL if want == POINTS[exercise.id] else exercise.status
        if exercise.status != handed.status.get(exercise.id, default):
            yield f"{exercise.id} is {exercise.status}: {exercise.hint}"
    if [exercise.id for exercise in result.exercises] != list(POINTS):
        yield "not all exercises are there"


def test_there_are_enough_submissions(handed_in):
    assert len(handed_in[2]) >= 40


def test_each_submission_gets_exactly_its_score(handed_in, results):
    _, _, expected = handed_in
    assert set(results) == set(expected)
    wrong = {name: list(problems(handed, results[name])) for name, handed in expected.items()}
    wrong = {name: found for name, found in wrong.items() if found}
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


def test_nothing_left_the_sandbox(handed_in, results, server):
    assert list(handed_in[1].iterdir()) == []
    assert server[1] == [], "a kernel reached a server on this machine"


def test_the_tables_hold_every_submission(graded_class, handed_in):
    with (graded_class[0] / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == set(handed_in[2])
    with (graded_class[0] / "gradebook.csv").open(newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == len(handed_in[2])  # each is another student's
    for row in rows:
        assert (row["points"] == "") == (row["exercise"] == ""), "a zero that nobody earned"
    assert (graded_class[0] / "class.html").is_file()
    # What a grading writes must not be taken for what was handed in, if it lies among that.
    assert {path.name for path in graded_class[0].iterdir()} <= RESULT_NAMES
    assert "submissions graded" in graded_class[1].stdout


def test_grading_again_changes_nothing(graded_class, handed_in):
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in results_of(graded_class[0])}
    done = grade(graded_class[0], handed_in[0])
    assert done.returncode == 0, done.stdout + done.stderr
    after = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in results_of(graded_class[0])}
    graded_again = [name for name in before if after[name] != before[name]]
    assert {name for name in graded_again if b'exercises": []' not in before[name][1]} == set()
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }


def results_of(out):
    return sorted((out / "results").glob("*.json"))
