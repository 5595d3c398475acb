"""A small class as a grading leaves it, to be exported."""

from pathlib import Path

from course_utils.instructor.reports.class_list import ClassList, Person
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.results import (
    FULL,
    GRADED,
    PARTIAL,
    ExerciseResult,
    SubmissionResult,
    write_result,
)
from course_utils.instructor.reports.writing import write_feedback

# Of lecture 02: its first two exercises.
EXERCISES = (("02.1", "size_after", 4), ("02.2", "convolve", 6))


def person(key, name, **known):
    return Person(key, name, **{"evidence": "roster"} | known)


def result(who, points=(4, 1.5), *, lecture="02", file=None, state=GRADED, **more):
    """Return what a person earned in a lecture: points of its first exercises."""
    exercises = tuple(
        ExerciseResult(
            f"{lecture}.{place}", title, earned, most, FULL if earned == most else PARTIAL, 1, 2
        )
        for place, ((_, title, most), earned) in enumerate(
            zip(EXERCISES, points, strict=True), start=1
        )
    )
    file = file or f"class.zip/{who.key}/{lecture}.ipynb"
    return SubmissionResult(
        who.name, lecture, file, "f", state, exercises=exercises, person=who.key, **more
    )


def without_points(who, state, lecture="02", file=None, reason="not JSON"):
    file = file or f"class.zip/{who.key}/{lecture}.ipynb"
    return SubmissionResult(who.name, lecture, file, "f", state, reason, person=who.key)


def moodle_file(name, participant, lecture="02"):
    """Return how Moodle names what was handed in, as it lies in its zip."""
    return f"class.zip/{name}_{participant}_assignsubmission_file_/{lecture}_convolution.ipynb"


def graded_into(out: Path, people, results):
    """Write what a grading writes."""
    (out / "results").mkdir(parents=True)
    class_list = ClassList(tuple(people))
    class_list.write(out)
    for one in results:
        write_result(out / "results", one)
    for student in students_of(results, class_list):
        if student.results:
            write_feedback(out, student.results)
    return out
