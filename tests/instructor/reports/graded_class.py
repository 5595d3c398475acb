"""A class as grading leaves it: several states, every status, good and hostile names."""

import functools
import random

import nbformat

from course_utils.exercises import all_exercises
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.results import (
    FULL,
    GRADED,
    INFRASTRUCTURE,
    MISSING,
    NEEDS_A_LOOK,
    PARTIAL,
    UNREADABLE,
    UNSOLVED,
    WRONG,
    ExerciseResult,
    SubmissionResult,
)
from course_utils.instructor.reports.writing import write_class, write_feedback
from course_utils.instructor.sandbox.settings import DIED, TIMEOUT
from course_utils.lectures import all_lectures, graded_id

NAMES = (
    "Amélie Durand",
    "Bao Nguyễn",
    "Chinedu Okafor",
    "Dmitri Иванов",
    "Eleni Παππά",
    "Fatima al-Zahra",
    "Gustavo Núñez",
    "Hanna Müller",
    "Ines García López",
    "Jun 田中",
    "Kavya Subramaniam",
    "Lars Ødegård",
    "Mei-Ling Chen",
    "Noah Williams",
    "Oluwaseun Adeyemi",
    "Priya",
    "Quentin O'Neill",
    "Rania حداد",
    "s1234567",
    "tomasz.wójcik",
    "Uxue Etxeberria",
    "Vladimíra Černá",
    "wei_zhang",
    "Ximena Rojas",
    "yuki-sato",
)
HOSTILE = (
    "=cmd|' /C calc'!A0",
    '"><script>alert(1)</script>',
    "../../etc/passwd",
    "Robert'); DROP TABLE students;--",
    "gpj.\u202eredrow\x00\x07",
)
HINTS = {
    "02.1": "sizes are whole: windows that do not fit completely are dropped. Use // (you rounded)",
    "02.2": "the bias is missing: add bias[o] to every number of output channel o",
    "02.3": "padding with 0 beats negative numbers: pad with -inf, which never wins",
    "02.4": "the linear layers have biases too: one for each output",
    "02.5": "the stride is left out: later layers see with larger steps",
    "02.6": "rule 3: the output is 7 x 7, the target is 5 x 5",
}
CASES = {
    "02.1": "size=10, kernel_size=3, stride=4",
    "02.2": "image=a tensor of shape (3, 6, 6), weight=a tensor of shape (1, 3, 3, 3)",
    "02.3": "image=a tensor of shape (1, 6, 6), kernel_size=3, stride=2, padding=1",
    "02.4": "input_shape=(1, 32, 32), layers=[('conv', 6, 5), ('pool', 2), ('linear', 120)]",
    "02.5": "layers=[(3, 1), (3, 2)]",
    "02.6": "size=32, target=5, field=21",
}


@functools.cache
def exercises_of(lecture):
    """Return (id, title, points, solution) of each exercise of a lecture."""
    path = next(x.path for x in all_lectures() if x.id == lecture)
    sources = {
        cell.metadata["nbgrader"]["grade_id"]: cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if "nbgrader" in cell.metadata
    }
    return [
        (e.id, e.title, e.points, sources[graded_id(e.id, "answer")])
        for e in all_exercises().values()
        if e.id.startswith(f"{lecture}.")
    ]


def answer(rng, exercise, status):
    """Return the result of one exercise with this status."""
    name, title, points, source = exercise
    total = rng.randint(12, 24)
    passed = {FULL: total, PARTIAL: rng.randint(1, total - 1), TIMEOUT: 2}.get(status, 0)
    if status == UNSOLVED:
        source = source.split("    ### BEGIN")[0] + "    raise NotImplementedError\n"
    hint = HINTS.get(name, f"look at {title} again") if status in (PARTIAL, WRONG) else ""
    if status == TIMEOUT:
        hint = "your code was stopped: it ran longer than 60 seconds"
    return ExerciseResult(
        name,
        title,
        int(10 * points * passed / total) / 10,
        points,
        status,
        passed,
        total,
        CASES.get(name, "size=4") if hint else "",
        hint,
        round(rng.uniform(0.01, 2), 2),
        "by its id" if status != MISSING else "",
        "" if status == MISSING else source,
    )


def submission(student, lecture="02", *, seed=0, level=0.6, state=GRADED, file=None, **other):
    """Return the graded submission of a student whose answers are right with chance ``level``."""
    rng = random.Random(f"{student!a} {lecture} {seed}")
    statuses = [PARTIAL, PARTIAL, WRONG, UNSOLVED, TIMEOUT, DIED, MISSING]
    answers = tuple(
        answer(rng, exercise, FULL if rng.random() < level else rng.choice(statuses))
        for exercise in exercises_of(lecture)
    )
    file = file or f"class.zip/{student}/{lecture}_notebook.ipynb"
    return SubmissionResult(
        student, lecture, file, "f", state, exercises=answers, seconds=7.5, **other
    )


def a_class():
    """Return the results of 30 students in two lectures."""
    rng = random.Random(7)
    results = []
    for place, name in enumerate((*NAMES, *HOSTILE)):
        level = rng.uniform(0.2, 1)
        added = ("print(size_after(5, 3))", "%timeit convolve(image, w, b)\n# try <b>this</b>")
        state = NEEDS_A_LOOK if place in (3, 14, 26) else GRADED
        notes = ("its code uses getppid, kill", "02.3 stands twice") if state != GRADED else ()
        results.append(submission(name, level=level, state=state, notes=notes, added=added))
        if place % 3:
            results.append(submission(name, "05", level=level))
    broken = "not JSON: line 3 column 1, Expecting ',' delimiter"
    results[5] = without_points(results[5], UNREADABLE, broken)
    results[9] = without_points(results[9], INFRASTRUCTURE, "no kernel starts: [Errno 28]")
    results.append(submission(NAMES[1], seed=1, level=0.9, file="class.zip/Bao/02 (1).ipynb"))
    results.append(
        SubmissionResult("Zoë", "", "class.zip/Zoë/essay.docx", "f", UNREADABLE, "no notebook")
    )
    return results


def write_reports(out, results):
    """Write every report, as a grading has written them in the end."""
    for student in students_of(results):
        write_feedback(out, student.results)
    write_class(out, results)


def without_points(result, state, reason):
    return SubmissionResult(result.student, result.lecture, result.file, "f", state, reason)
