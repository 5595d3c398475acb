"""A kernel sees the course without cases, judges and hints, and can run every exercise with it."""

import ast
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from course_utils.exercises import all_exercises, get_exercise
from course_utils.exercises.core import Outcome, judge_outcomes
from course_utils.exercises.wire import decode, encode
from course_utils.instructor.sandbox.course_copy import make_course_copy, only, without_keys
from course_utils.lectures import all_lectures, exercise_and_role
from course_utils.runtime import project_root

RUN = """
import json, sys
import course_utils
assert course_utils.__file__.startswith(sys.argv[1]), course_utils.__file__
from course_utils.exercises import get_exercise
from course_utils.exercises.core import outcome_of
from course_utils.exercises.wire import decode, encode
found = {}
for exercise_id, (source, name, cases) in json.load(open(sys.argv[2])).items():
    space = {}
    exec(source, space)
    outcomes = [outcome_of(get_exercise(exercise_id), space[name], c) for c in decode(cases, None)]
    found[exercise_id] = [(encode(o.result), o.error, o.unsolved) for o in outcomes]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    make_course_copy(folder)
    (folder / "data").symlink_to(project_root() / "data")
    return folder


def texts(source):
    """Return all texts of a module with more than one word, also those of f-strings."""
    constants = [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
    return {value for value in constants if isinstance(value, str) and " " in value.strip()}


def exercise_modules(folder):
    return sorted((folder / "course_utils" / "exercises").glob("l[0-9]*.py"))


def test_no_case_judge_or_hint_is_left(view):
    titles = {exercise.title for exercise in all_exercises().values()}
    hidden = 0
    for path, original in zip(
        exercise_modules(view), exercise_modules(project_root()), strict=True
    ):
        stripped = path.read_text("utf-8")
        names = {getattr(node, "name", "") for node in ast.walk(ast.parse(stripped))}
        assert not names & {"cases", "judge", "describe"}, path.name
        assert texts(stripped) <= titles, f"{path.name} tells more than titles"
        hidden += len(texts(original.read_text("utf-8")) - titles)
    assert hidden > 500
    assert not {"Verdict", "judge_outcomes", "same_tensor"} & set(
        re.findall(r"\w+", (view / "course_utils" / "exercises" / "core.py").read_text("utf-8"))
    )


def in_view(view, code):
    """Return what code prints with the view as its course."""
    environment = os.environ | {"PYTHONPATH": str(view)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=view
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_lectures_do_not_import_is_left_out(view):
    left = {path.name for path in (view / "course_utils").iterdir()}
    assert not left & {"instructor", "__pycache__"}
    assert {"exercises", "models", "search.py"} <= left


def test_the_package_works_without_keys(view):
    printed = in_view(
        view,
        "from course_utils.exercises import all_exercises, check, get_exercise\n"
        "print(*all_exercises())\n"
        "print(get_exercise('02.1').title)\n"
        "check('02.1', print)",
    )
    assert printed.splitlines() == [
        " ".join(all_exercises()),
        get_exercise("02.1").title,
        "02.1 is scored by the grader",
    ]


def solutions(lecture):
    """Return source, name and cases of each exercise of a lecture."""
    cells = [c for c in nbformat.read(lecture.path, as_version=4).cells if c.cell_type == "code"]
    imports = [
        line
        for cell in cells
        for line in cell.source.splitlines()
        if re.match(r"(import|from) \w", line) and not line.endswith("(") and "check" not in line
    ]
    for cell in cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        exercise_id, role = exercise_and_role(grade_id)
        if role == "answer":
            name = re.search(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE)[1]
            yield exercise_id, ("\n".join([*imports, cell.source]), name)


@pytest.mark.parametrize("lecture", all_lectures(), ids=lambda lecture: lecture.id)
def test_solutions_run_with_the_view_and_are_judged_outside(lecture, view, tmp_path):
    import numpy as np

    for package in lecture.packages:
        pytest.importorskip(package)
    work = dict(solutions(lecture))
    assert set(work) == {i for i in all_exercises() if i.startswith(lecture.id)}
    cases = {i: list(get_exercise(i).cases(np.random.default_rng(5))) for i in work}
    file = tmp_path / "work.json"
    file.write_text(json.dumps({i: (*work[i], encode(cases[i])) for i in work}), "utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(view), "KERAS_BACKEND": "torch", "COURSE_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(view), str(file)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for exercise_id, sent in json.loads(done.stdout[done.stdout.index("{") :]).items():
        outcomes = [Outcome(decode(result), error, stub) for result, error, stub in sent]
        score = judge_outcomes(get_exercise(exercise_id), "x", cases[exercise_id], outcomes)
        assert score.passed == score.total, str(score)


def test_only_what_is_needed_is_kept():
    source = "import a, b\nx = a.y\ndef f(): return x\ndef g(): return b\nF = f"
    assert only(source, {"F"}) == "import a\nx = a.y\n\ndef f():\n    return x\nF = f\n"


def test_what_the_run_of_a_base_class_calls_stays_and_its_judge_does_not(view):
    bases = (
        "class Base(Exercise):\n    def run(self, a, c): return self.build(a)\n"
        "    def build(self, a): return a()\n    def judge(self, c, r): return self.key(c)\n"
    )
    source = (
        "from .shared import Base, HINT\nclass A(Base):\n    id = 1\n"
        "    def build(self, a): return a(1)\n    def key(self, c): return HINT\n"
        "EXERCISES = [A()]"
    )
    assert without_keys(source, bases=bases) == (
        "from .shared import Base\n\nclass A(Base):\n    id = 1\n\n"
        "    def build(self, a):\n        return a(1)\nEXERCISES = [A()]\n"
    )
    shared = (view / "course_utils" / "exercises" / "shared.py").read_text("utf-8")
    assert "def run" in shared
    assert "judge" not in shared
    assert not texts(shared)


def test_methods_that_run_uses_stay():
    source = (
        "class A(Exercise):\n    id = 1\n    mistakes = {'a hint': None}\n    size = 3\n"
        "    def run(self, a, c):\n        'How.'\n        return self.helper(c)\n"
        "    def helper(self, c): return c + self.size\n"
        "class B(A):\n    'A hint.'\n    mistakes = MISTAKES\n"
        "    def helper(self, c): return c\n    def judge(self, c, r): return KEY\n"
        "KEY = 42\nMISTAKES = {}\nEXERCISES = [B()]"
    )
    assert without_keys(source) == (
        "class A(Exercise):\n    id = 1\n    size = 3\n\n"
        "    def run(self, a, c):\n        return self.helper(c)\n\n"
        "    def helper(self, c):\n        return c + self.size\n\n"
        "class B(A):\n\n    def helper(self, c):\n        return c\n"
        "EXERCISES = [B()]\n"
    )
