"""A class as grading leaves it: several states, every status, good and hostile names."""

import csv
import dataclasses
import functools
import io
import random

import nbformat

from course_utils.exercises import all_exercises
from course_utils.instructor.reports.class_list import ClassList, Person
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.results import (
    BESIDE,
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


LECTURES = ("02", "03", "05")
DUE = "2026-10-01T23:59"


def ordinary_class():
    """Return the results of 25 students in three lectures, and their class list.

    All that can happen to a student does: late, twice, another answer, more points in the notebook,
    nothing handed in, two of one name, nobody's file, files beside the notebook.
    """
    rng = random.Random(11)
    people = [
        Person(f"s{2026000 + n}", name, f"{2026000 + n}", evidence="roster", is_on_roster=True)
        for n, name in enumerate(NAMES)
    ]
    results = []
    for place, person in enumerate(people):
        level = rng.uniform(0.3, 1)
        for lecture in LECTURES[: 3 if place % 8 else place % 3]:
            day = 2 if (place + int(lecture)) % 11 == 0 else 1
            results.append(
                submission(
                    person.name,
                    lecture,
                    level=level,
                    person=person.key,
                    file=f"week.zip/{person.name}_{4711 + place}_assignsubmission_file_/"
                    f"{lecture}_notebook.ipynb",
                    handed_in=f"2026-10-{day:02}T14:05",
                    is_late=day == 2,
                )
            )
    first = {result.owner: place for place, result in enumerate(results) if result.lecture == "02"}
    odd = iter(sorted(first.values()))
    unlike = next(odd)
    results[unlike] = with_other_answers(results[unlike])
    unread = next(odd)
    broken = "not JSON at line 3, column 1: the file is cut off or damaged"
    results[unread] = without_points(results[unread], UNREADABLE, broken)
    lost = next(odd)
    results[lost] = without_points(results[lost], INFRASTRUCTURE, "no kernel starts: [Errno 28]")
    twice = results[next(odd)]
    again = submission(
        twice.student, "02", seed=5, level=1, person=twice.owner, attempt=2,
        file=twice.file.replace(".ipynb", "-1.ipynb"),
    )  # fmt: skip
    pdf = without_points(twice, BESIDE, "a .pdf is not a notebook")
    pdf = dataclasses.replace(pdf, file=twice.file.replace(".ipynb", ".pdf"))
    doubt = "another student here is called 김민수, too: name a roster, or rename the files"
    nobodys = "whose is this? (week.zip/02_convolution.ipynb)"
    people += [
        Person("1/kim", "김민수", evidence="file name", doubts=(doubt,)),
        Person("2/kim", "김민수", evidence="file name", doubts=(doubt,)),
        Person("week.zip/02_convolution.ipynb", nobodys, doubts=("nothing says whose it is",)),
    ]
    results += [again, pdf] + [submission(p.name, person=p.key, file=p.key) for p in people[-3:]]
    passed_over = {"system files": 12, "the course's own files": 130}
    return results, ClassList(tuple(people), passed_over, due=dict.fromkeys(LECTURES, DUE))


def with_other_answers(result):
    """Return a result that its notebook contradicts, with a second answer that was not graded."""
    first, *others = result.exercises
    doubt = "`span_of` is not defined where your answer runs; your instructor will look at it."
    source = first.source
    lower = dataclasses.replace(
        first, points=1.0, status=PARTIAL, passed=5, total=20, shown=4.0, other=source, doubt=doubt,
        hint=HINTS["02.1"], failing_case=CASES["02.1"],
    )  # fmt: skip
    note = "02.1: the notebook shows 4 of 4 points, grading gives 1: `span_of` is not defined"
    return dataclasses.replace(
        result, state=NEEDS_A_LOOK, notes=(note,), exercises=(lower, *others)
    )


def write_reports(out, results):
    """Write every report, as a grading has written them in the end."""
    for student in students_of(results):
        if student.results:
            write_feedback(out, student.results)
    write_class(out, results)


def rows_of(table):
    """Return the rows of a table as it is written: bytes of CSV."""
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


def without_points(result, state, reason):
    """Return a result that was not graded."""
    return dataclasses.replace(
        result, state=state, reason=reason, exercises=(), notes=(), added=(), seconds=0.0
    )
