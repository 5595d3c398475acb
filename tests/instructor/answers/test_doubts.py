"""A grade that is lower than what was shown, or that something missing explains, has a note."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.answers import doubts
from course_utils.instructor.answers.doubts import with_doubt
from course_utils.instructor.answers.plan import make_plan
from course_utils.instructor.answers.skeleton import ANSWER
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.grading import grade_submission as grading
from course_utils.instructor.grading.grading_run import new_run
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.reports.results import (
    FULL,
    MISSING,
    NEEDS_A_LOOK,
    PARTIAL,
    UNSOLVED,
    WRONG,
    ExerciseResult,
)
from course_utils.instructor.sandbox.kernels import Kernels
from course_utils.instructor.sandbox.settings import TIMEOUT

STOPS = "your code stops with "
HERE = ".".join(map(str, sys.version_info[:2]))


def result(points=0.0, status=WRONG, **more):
    return ExerciseResult("02.2", "Convolution", points, 6, status, **more)


# --- what the student's own check printed ---------------------------------------------------------


@given(
    points=st.integers(0, 60),
    shown=st.none() | st.integers(0, 60),
    status=st.sampled_from([WRONG, PARTIAL, UNSOLVED, MISSING, TIMEOUT]),
    hint=st.text(),
    error=st.text(),
)
def test_a_grade_is_never_lower_than_what_was_shown_without_a_note(
    points, shown, status, hint, error
):
    given_points = None if shown is None else (shown / 10, 6.0)
    graded = result(points / 10, status, hint=hint)
    found, note = with_doubt(graded, given_points, error)
    assert found.points == graded.points  # what was shown gives none
    assert found.shown == (None if shown is None else shown / 10)
    if shown is not None and shown > points:
        assert note.startswith(
            f"02.2: the notebook shows {shown / 10:g} of 6 points, grading gives {points / 10:g}: "
        )
        assert found.doubt
    elif not (hint or error):
        assert (note, found.doubt) == ("", "")
    assert len(note) < 600
    assert "\n" not in note


@pytest.mark.parametrize("shown", [(6.0, 6.0), (99.0, 99.0), (float("inf"), 6.0), None])
def test_all_points_leave_no_doubt(shown):
    found, note = with_doubt(result(6.0, FULL), shown, "NameError: name 'plot' is not defined")
    assert (found.doubt, note) == ("", "")


def test_points_of_another_number_are_compared_as_parts():
    assert with_doubt(result(3.0, PARTIAL), (3.0, 4.0))[1].startswith("02.2: the notebook shows 3 ")
    assert with_doubt(result(3.0, PARTIAL), (2.0, 4.0))[1] == ""


@pytest.mark.parametrize(
    ("graded", "error", "reason"),
    [
        (result(status=TIMEOUT, hint="your code was stopped: too long"), "", "stopped: too long"),
        (result(status=MISSING), "", "no cell that was handed in defines it"),
        (result(status=UNSOLVED), "", "what was handed in is the stub"),
        (result(), "ValueError: no", "it needs what stops with ValueError: no"),
        (result(other="def f(): 1"), "", "another definition of it was not graded"),
        (result(hint="the shape should be 3"), "", "the shape should be 3"),
    ],
)
def test_a_lower_grade_has_a_likely_reason(graded, error, reason):
    assert reason in with_doubt(graded, (6.0, 6.0), error)[1]
    assert with_doubt(graded, None, error)[1] == ""


def test_a_partly_right_answer_meets_other_cases():
    """Grading draws its cases anew: a part of them is another part."""
    graded = result(points=1.9, status=PARTIAL)
    note = with_doubt(graded, (2.1, 6.0))[1]
    assert "shows 2.1 of 6 points, grading gives 1.9: partly right there and here" in note
    assert "the cases are others" not in with_doubt(graded, (6.0, 6.0))[1]


def test_what_follows_of_an_error_is_no_doubt():
    follows = result(hint="your code stops with NameError: name 'ready' is not defined")
    assert with_doubt(follows, None, "SystemExit: 0")[1] == ""
    assert "`ready` is not defined" in with_doubt(follows)[1]


# --- what was not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (
            "NameError: name 'span_of' is not defined",
            "`span_of` is not defined where the answer runs",
        ),
        (
            "ModuleNotFoundError: No module named 'seaborn'",
            "the module seaborn is not installed here: pip install seaborn",
        ),
        (
            "ModuleNotFoundError: No module named 'sklearn.metrics'",
            "the module sklearn is not installed here: pip install scikit-learn",
        ),
        (
            "ModuleNotFoundError: No module named 'google.colab'",
            "the module google is not installed here; it is there in Colab only",
        ),
        (
            "ModuleNotFoundError: No module named 'my_own_helper'",
            "the module my_own_helper is not installed here; it may be a file of the student's own",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/content/grades.csv'",
            "the file /content/grades.csv, which the student's machine had, is not here",
        ),
        (
            "FileNotFoundError: notes.npy not found.",
            "the file notes.npy not found., which the student's machine had, is not here",
        ),
        (
            "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
            "it asks for the network, which is not there while it is graded",
        ),
        (
            "RuntimeError: Found no NVIDIA driver on your system.",
            "its result was asked for on a GPU, and this grading has none"
            " (grade with --gpu where there is one)",
        ),
        (
            "AssertionError: Torch not compiled with CUDA enabled",
            "its result was asked for on a GPU, and this grading has none"
            " (grade with --gpu where there is one)",
        ),
    ],
)
def test_what_is_missing_is_said_precisely(error, note):
    for graded, first in ((result(), error), (result(hint=f"{STOPS}{error}"), "")):
        found, text = with_doubt(graded, error=first)
        assert text == f"02.2: {note}"
        assert found.doubt
        assert "student" not in found.doubt
        assert "pip install" not in found.doubt
    text = with_doubt(result(), (6.0, 6.0), error)[1]
    assert text == f"02.2: the notebook shows 6 of 6 points, grading gives 0: {note}"


def test_the_cause_is_named_before_what_follows_of_it():
    hint = f"{STOPS}NameError: name 'helper' is not defined"
    error = "ModuleNotFoundError: No module named 'pandas'"
    assert "pandas" in with_doubt(result(hint=hint), error=error)[1]


@pytest.mark.parametrize(
    "hint",
    [
        "the shape should be (3, 3), yours is (3, 2)",
        f"{STOPS}UnboundLocalError: cannot access local variable 'x'",
        f"{STOPS}TypeError: f() takes 1 positional argument but 2 were given",
        f"{STOPS}ValueError: NameError: name 'x' is not defined",
        "expected 3, got 'NameError: x'",
    ],
)
def test_a_mistake_is_no_doubt(hint):
    assert with_doubt(result(hint=hint)) == (result(hint=hint), "")


def test_a_gpu_that_was_there_is_no_reason():
    error = "RuntimeError: CUDA error: an illegal memory access"
    assert with_doubt(result(), error=error, has_gpu=True)[1] == ""


def test_nobody_is_told_to_install_what_a_student_names():
    names = ["pip install evil", "evil", "torch-vision", "x'; rm -rf", "a" * 500]
    for name in names:
        note = with_doubt(result(), error=f"ModuleNotFoundError: No module named '{name}'")[1]
        assert "here: pip install" not in note
        assert len(note) < 200


# --- definitions and syntax -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [UNSOLVED, MISSING])
def test_a_stub_beside_a_solved_definition_is_a_doubt(status):
    found, note = with_doubt(result(status=status, other="def convolve(): ..."))
    assert note == "02.2: another definition, which is solved, was not graded"
    assert found.doubt
    assert with_doubt(result(status=status))[1] == ""
    assert with_doubt(result(status=WRONG, other="def convolve(): ..."))[1] == ""


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ('x = f"{", ".join(y)}"', "SyntaxError: f-string: expecting '}' (x.py, line 2)"),
        ('x = f"{y["a"]:.2f}"', "SyntaxError: f-string: unmatched '['"),
        (
            "f\"{'\\n'.join(y)}\"",
            "SyntaxError: f-string expression part cannot include a backslash",
        ),
        ("def first[T](x: list[T]):\n    pass", "SyntaxError: expected '('"),
        ("class Box[T]:\n    pass", "SyntaxError: invalid syntax"),
        ("type Pair = tuple[int, int]", "SyntaxError: invalid syntax"),
        ("  type Pair[T] = tuple[T, T]", "SyntaxError: invalid syntax"),
    ],
)
def test_syntax_of_python_3_12_is_told(source, error, monkeypatch):
    if sys.version_info < (3, 12):  # as this Python complains of it
        with pytest.raises(SyntaxError) as complaint:
            compile(source, "x.py", "exec")
        error = f"SyntaxError: {complaint.value}" if "f-string" in error else error
    monkeypatch.setattr(doubts, "HERE", (3, 11))
    note = with_doubt(result(source=source), error=error)[1]
    expected = "the cell may use syntax of Python 3.12; this grader runs 3.11 (grade with 3.12)"
    assert note == f"02.2: {expected}"
    monkeypatch.setattr(doubts, "HERE", (3, 12))
    assert with_doubt(result(source=source), error=error)[1] == ""


@pytest.mark.parametrize("python", ["", "3", "2.7.18", "3.6.1", HERE, "x.y", "3.x"])
def test_a_cell_that_its_own_python_cannot_read_is_a_mistake(python):
    source = "def f(x)\n    return x  # type of x = 1"
    graded = result(source=source)
    assert with_doubt(graded, error="SyntaxError: expected ':'", python=python)[1] == ""


def test_a_newer_python_may_read_what_this_one_does_not(monkeypatch):
    monkeypatch.setattr(doubts, "HERE", (3, 12))
    note = with_doubt(result(), error="SyntaxError: invalid syntax", python="3.14.0")[1]
    assert note == (
        "02.2: the cell cannot be read by Python 3.12, and the student had 3.14 (grade with 3.14)"
    )


def test_a_long_hostile_source_is_read_in_one_go():
    for line in ("type " + "a" * 100_000, "type a" + "[" * 100_000, " " * 100_000, "def " * 30_000):
        with_doubt(result(source=line), error="SyntaxError: no")
    for error in ("E" * 100_000, "ErrorError" * 10_000 + ": CUDA", f"XError: {'CUD' * 30_000}"):
        with_doubt(result(), error=error)


# --- a submission ---------------------------------------------------------------------------------


def test_what_a_check_printed_goes_to_the_clerk_and_back():
    cells = (StudentCell("x = 1", "02-1-answer", ("a",)),)
    one = Submission("a.ipynb", cells=cells, shown={"02.1": (4.0, 4.0)}, python="3.12.1")
    assert Submission.from_json(one.as_json()) == one


ANSWERS = {
    "02.1": "import a_module_of_nobody\ndef size_after(**case):\n    return a_module_of_nobody.x",
    "02.3": "def pool_max(**case):\n    return span_of(case)",
    "02.4": "def count_parameters(*case):\n    return -1",
    "02.5": "def field_size(layers):\n    return open('grades.csv').read()",
    "02.6": "def choose_layers(:\n    pass",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return the result of a submission in whose kernel much is missing."""
    run = new_run(tmp_path_factory.mktemp("grading"), Settings(sandbox=False, seed=1))
    skeleton = run.skeletons["02"]
    solved = skeleton.answers["02.2"].source
    on_gpu = solved.replace("    return output", "    return output.to('cuda')")
    answers = ANSWERS | {"02.2": on_gpu}
    cells = tuple(
        StudentCell(answers.get(step.exercise, step.source), step.mark, (step.id,))
        for step in skeleton.steps
        if step.kind == ANSWER
    )
    shown = {"02.2": (6.0, 6.0), "02.4": (5.0, 5.0), "02.6": (6.0, 6.0)}
    submission = Submission("a.ipynb", "a", "02", cells=cells, shown=shown, python="3.99.1")
    kernels = Kernels(run.fence(workers=1))
    plan = replace(make_plan(skeleton, submission), others={"02.4": "an earlier attempt"})
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grading, "make_plan", lambda *_: plan)
            yield grading.grade_submission(submission, run, kernels, lambda name: None)
    finally:
        kernels.close()
        run.clear()


def test_a_submission_holds_its_doubts_and_notes(graded):
    found = {exercise.id: exercise for exercise in graded.exercises}
    assert graded.state == NEEDS_A_LOOK
    assert {e: one.points for e, one in found.items() if one.points} == {"02.2": 6}
    assert [e for e, one in found.items() if not one.doubt] == ["02.2"]
    assert {e: one.other for e, one in found.items() if one.other} == {"02.4": "an earlier attempt"}
    assert {e: one.shown for e, one in found.items() if one.shown} == {
        "02.2": 6.0,
        "02.4": 5.0,
        "02.6": 6.0,
    }
    notes = "\n".join(graded.notes)
    for note in (
        "02.1: the module a_module_of_nobody is not installed here",
        "02.3: `span_of` is not defined where the answer runs",
        "02.4: the notebook shows 5 of 5 points, grading gives 0: another definition of it was not",
        "02.5: the file grades.csv, which the student's machine had, is not here",
        "02.6: the notebook shows 6 of 6 points, grading gives 0: the cell cannot be read by",
    ):
        assert note in notes
    assert "02.2: " not in notes  # its result was on a GPU


def test_what_a_note_asks_for_is_graded_again(tmp_path):
    one = Submission("a.ipynb", lecture="02")
    others = [replace(one, shown={"02.1": (4.0, 4.0)}), replace(one, python="3.12.1")]
    marks = [new_run(tmp_path, Settings(seed=1, gpu=gpu)).fingerprint(one) for gpu in (False, True)]
    marks += map(new_run(tmp_path, Settings(seed=1)).fingerprint, others)
    assert len({*marks}) == 4
