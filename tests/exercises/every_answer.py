"""The answers to an exercise: the solution of its notebook, and those of ``answers_NN.py``."""

import re
from importlib import import_module

import nbformat
from adapters_02 import ADAPTERS
from other_ways import MORE_VARIANTS

from course_utils.exercises import get_exercise
from course_utils.exercises.core import judge_outcome, outcome_of
from course_utils.instructor.solutions import solution, stub
from course_utils.lectures import all_lectures, graded_id


def answers(exercise_id):
    """Return the answers beside the solution by kind: variants, wrong, empty, adapters."""
    found = import_module(f"answers_{exercise_id.split('.')[0]}").ANSWERS[exercise_id]
    more = {"adapters": ADAPTERS[exercise_id]} if exercise_id in ADAPTERS else {}
    variants = found["variants"] | MORE_VARIANTS.get(exercise_id, {})
    return found | more | {"variants": variants}


def right_answers(exercise_id):
    """Return the solution and its variants by name."""
    return {"solution": define(exercise_id, solved=True)} | answers(exercise_id)["variants"]


def first_loss(exercise_id, answer, questions):
    """Return the first case that an answer loses in a grading, with its hint; "" if none."""
    exercise = get_exercise(exercise_id)
    for question in questions:
        verdict = judge_outcome(exercise, question, outcome_of(exercise, answer, question.case))
        if not verdict.is_right:
            return f"{exercise.describe(question.case)}: {verdict.hint}"
    return ""


def define(exercise_id, *, solved):
    """Return what the answer cell defines, after the imports of its notebook.

    Raises:
        ImportError: the lecture needs a package that is not installed.
    """
    lecture = next(x for x in all_lectures() if x.id == exercise_id.split(".")[0])
    for package in lecture.packages:
        import_module(package)
    cells = nbformat.read(lecture.path, as_version=4).cells
    source = next(
        cell.source
        for cell in cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == graded_id(exercise_id, "answer")
    )
    if not solved:
        assert solution(source)
        source = stub(source)
    space = {}
    imports = [
        line
        for cell in cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if re.match(r"(import|from) \w", line) and not line.endswith("(")
    ]
    exec("\n".join(imports), space)
    before = set(space)
    exec(source, space)
    (defined,) = [v for k, v in space.items() if k not in before and k != "__builtins__"]
    return defined
