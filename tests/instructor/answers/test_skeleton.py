"""The student's cells are found and put at their places, whatever was done to the notebook."""

import ast
import contextlib
import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.answers.plan import make_plan
from course_utils.instructor.answers.review import review
from course_utils.instructor.answers.skeleton import (
    ADDED,
    ANSWER,
    CHECK,
    LECTURE,
    Skeleton,
    Step,
    identify,
    read_skeleton,
)
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.cell_names import read_cell
from course_utils.lectures import all_lectures

PARSE = ast.parse
SOLUTION = "def double(x):\n    return 2 * x"
OTHER = "def half(x):\n    return x / 2"
SKELETON = Skeleton(
    "99",
    "v1",
    (
        Step(LECTURE, "import math", id="a"),
        Step(ANSWER, SOLUTION, "99.1", "double", "b"),
        Step(CHECK, 'check("99.1", double)', "99.1", "double", "c"),
        Step(LECTURE, "train()", id="d", skipped=True),
        Step(ANSWER, OTHER, "99.2", "half", "e"),
        Step(CHECK, 'check("99.2", half)', "99.2", "half", "f"),
    ),
)
IMPORT = StudentCell("import math", ids=("a",))
MINE = "def double(number):\n    return number + number"
ANSWER_1 = StudentCell(MINE, "99-1-answer", ("b",))
CHECK_1 = StudentCell('check("99.1", double)', "99-1-check", ("c",))
ANSWER_2 = StudentCell(OTHER, "99-2-answer", ("e",))
CHECK_2 = StudentCell('check("99.2", half)', "99-2-check", ("f",))
WHOLE = (IMPORT, ANSWER_1, CHECK_1, ANSWER_2, CHECK_2)


def plan(*cells, **options):
    return make_plan(SKELETON, Submission("a.ipynb", cells=tuple(cells), **options))


def sources(made):
    return [step.source for step in made.steps]


def without_marks(*cells):
    return tuple(StudentCell(cell.source) for cell in cells)


WANTED = ["import math", MINE, CHECK_1.source, OTHER, CHECK_2.source]


def test_the_students_answers_take_the_places_of_the_solutions():
    made = plan(*WHOLE, version="v1")
    assert sources(made) == WANTED
    assert made.found == {"99.1": "grade_id", "99.2": "grade_id"}
    assert made.notes == ()


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        ([StudentCell(c.source, ids=c.ids) for c in WHOLE], "cell id"),
        (without_marks(*WHOLE), "name"),
        (WHOLE[::-1], "grade_id"),
        (without_marks(*WHOLE[::-1]), "name"),
    ],
    ids=["no marks", "no marks and ids", "reversed", "reversed, nothing left"],
)
def test_lost_marks_and_order_do_not_matter(cells, how):
    made = plan(*cells)
    assert sorted(sources(made)) == sorted(WANTED)
    assert sources(made).index(MINE) < sources(made).index(CHECK_1.source)
    assert set(made.found.values()) == {how}


def test_lecture_and_check_cells_are_the_instructors():
    edited = StudentCell("def check(*a): print('4/4 points')", "99-1-check", ("c",))
    broken = StudentCell("raise SystemExit", ids=("a",))
    assert sources(plan(broken, ANSWER_1, edited, ANSWER_2, CHECK_2)) == WANTED


def test_deleted_checks_come_back_and_a_deleted_answer_is_missing():
    made = plan(IMPORT, ANSWER_1)
    assert sources(made) == ["import math", MINE, CHECK_1.source, CHECK_2.source]
    assert "99.2" not in made.found
    assert made.notes == ("no cell answers 99.2",)


def test_swapped_marks_are_seen_through():
    one = StudentCell(MINE, "99-2-answer", ("e",))
    two = StudentCell(OTHER, "99-1-answer", ("b",))
    made = plan(IMPORT, one, two)
    assert sources(made) == WANTED
    assert set(made.found.values()) == {"name"}


def test_of_two_versions_the_last_counts_unless_it_is_the_stub():
    stub = StudentCell("def double(x):\n    raise NotImplementedError", "99-1-answer", ("b",))
    older = StudentCell("def double(x):\n    return 0", "99-1-answer", ("b",))
    for cells in ([older, ANSWER_1], [ANSWER_1, stub]):
        made = plan(IMPORT, *cells, CHECK_1, ANSWER_2, CHECK_2)
        assert sources(made) == WANTED
        assert made.notes == ()


USES = StudentCell("def double(x):\n    return twice(x) + OFFSET", "99-1-answer", ("b",))


def added(*sources, answer=USES):
    """Return which of the added cells run that stand before the answer."""
    made = plan(IMPORT, *map(StudentCell, sources), answer, CHECK_1, ANSWER_2, CHECK_2)
    return [step.source for step in made.steps if step.kind == ADDED]


def test_added_cells_that_an_answer_needs_run_where_they_stand():
    helper, through = StudentCell("def twice(x): return TWO * x"), StudentCell("TWO = 2")
    made = plan(IMPORT, through, helper, USES, CHECK_1, StudentCell("test = 1"), ANSWER_2)
    kinds = [step.kind for step in made.steps]
    assert kinds == [LECTURE, ADDED, ADDED, ANSWER, CHECK, ANSWER, CHECK]


@pytest.mark.parametrize(
    "source", ["json.dump(x, open('x', 'w'))", "torch.save(x, 'x.pt')", "table.to_csv('x.csv')"]
)
def test_a_cell_that_may_write_a_file_runs(source):
    assert added(source) == [source]
    assert added("table.to_html('x')") == []


EXPERIMENT = """
import math
import torch
torch.manual_seed({0})
model = Network(width={0})
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = {{"loss": []}}
for epoch in range(3):
    model.train()
    for images, labels in batches(data):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        history["loss"].append(loss.item())
    print("epoch", epoch, evaluate(model, data))
plt.plot(history["loss"])
plt.show()
check("99.1", double)
"""


def test_experiments_that_nobody_needs_do_not_run():
    # The answer has "torch", but not what the experiments make.
    answer = StudentCell("import torch\ndef double(x):\n    return torch.add(x, x)")
    plotted = "import matplotlib.pyplot as plt\nplt.plot([1])"
    assert added(plotted, *(EXPERIMENT.format(n) for n in range(11)), answer=answer) == []
    run = "def run(width):\n    model = Network(width)\n    model.eval()\n    return model(data)"
    for call in ("nn.init.ones_(x)", "plt.show()", "F.relu_(x)", "criterion(x).backward()"):
        imports = "import matplotlib.pyplot as plt, torch.nn.functional as F\nfrom torch import nn"
        uses = StudentCell(f"{imports}\ndef double(x):\n    return plt, nn, F, criterion")
        assert added(call, answer=uses) == []
    assert added(run, "run(3)", "%time best = run(7)", "%%time\nrun(4)", answer=answer) == []


@pytest.mark.parametrize(
    "source",
    [
        "torch.set_default_dtype(torch.float64)",
        "import torch as t\ntwice.factor = 2",
        "torch.manual_seed(0)",
        "torch.backends.cudnn.benchmark = True",
        "double.factor = 3",
        "TABLE['two'] = 2",
        "TABLE.update(two=2)",
        "for row in TABLE:\n    row.clear()",
        "row = TABLE[0]\nrow.clear()",
        "del TABLE['two']",
        "import sys\nsys.path.append('.')",
        "%config Application.verbose_crash = True",
        "!echo hello",
        "%%bash\necho hello",
        "%%time\nOFFSET = 3",
        "%time OFFSET = 3",
        "exec('OFFSET = 3')",
        "setattr(math, 'pi', 3)",
        "from math import *",
        "def broken(:",
        "def start():\n    global OFFSET\n    OFFSET = 3",
    ],
)
def test_what_an_answer_may_notice_runs(source):
    steps = (*SKELETON.steps[:1], Step(LECTURE, "TABLE = {}", id="t"), *SKELETON.steps[1:])
    answer = StudentCell("def double(x):\n    return twice(x) + OFFSET + TABLE[x]")
    made = make_plan(
        Skeleton("99", "v1", steps), Submission("a", cells=(StudentCell(source), answer))
    )
    assert source in sources(made)


def test_what_works_on_what_an_answer_needs_runs_with_it():
    makes, trains = "net = Network()\nsteps = 0", "history = fit(net)"
    answer = StudentCell("def double(x):\n    return net(x)")
    assert added(makes, trains, "other = fit(9)", answer=answer) == [makes, trains]
    defines, calls = "def start():\n    torch.set_default_dtype(KIND)", "start()"
    assert added("KIND = 1", defines, calls, "print(1)") == ["KIND = 1", defines, calls]


def test_a_magic_does_not_make_all_experiments_run():
    magic = "!nvidia-smi\nmodel = Network(width)\nfit(model)"
    made = added("width = 3", "model = Network(1)\nfit(model)", magic, "evaluate(model)")
    assert made == [magic]


def test_an_import_that_the_lecture_has_too_is_no_reason_to_run():
    answer = StudentCell("def double(x):\n    return math.floor(2 * x)")
    assert added("import math\nfit()", answer=answer) == []
    other = "import numpy as math\nfit()"
    assert added(other, answer=answer) == [other]


UNPARSABLE = {
    "a sum": "x = " + "0+" * 100_000 + "0",
    "brackets": "[" * 1500 + "]" * 1500,
    "minus": "-" * 100_000 + "1",
    "attributes": "a" + ".b" * 100_000,
    "elif": "if a: pass\n" + "elif a: pass\n" * 20_000,
    "nothing": "\0",
    "half a character": "x = '\ud800'",
    "arguments": "def f(a, a): pass",
}


@pytest.mark.parametrize("source", UNPARSABLE.values(), ids=UNPARSABLE)
def test_what_does_not_parse_is_no_error(source):
    assert read_cell(source).tree is None
    own = StudentCell(source, "99-1-answer", ("b",))
    made = plan(IMPORT, StudentCell(source), own, ANSWER_2, CHECK_2)
    assert [step.kind for step in made.steps] == [LECTURE, ADDED, ANSWER, CHECK, ANSWER, CHECK]


def test_hundreds_of_magics_are_read_in_one_go():
    cell = read_cell("!echo hi\n" * 600 + "def double(x):\n    return x")
    assert cell.definitions == ["double"]


@pytest.mark.parametrize(
    "source",
    [
        "%%time\nx = f(y)",
        "\n%%capture out\n%%time\nx = f(y)",
        "%%timeit -n 3 -r1 x = 1\nf(y)",
        "%time x = f(y)",
        "x = %time f(y)",
        "if f:\n    %time x = y",
        "%matplotlib inline\nx = f(y)",
        "!pip install \\\n  a\nx = f(y)",
        "pip install a\nx = f(y)",
        "x = !ls {f(y)}\nf(y)",
        "f?\n?f\nx = f(y)",
        ">>> x = f(y)",
        "   x = f(y)",
        "x = 1; f(y)",
        "x = (f\n(y))\r\n!ls",
    ],
)
def test_magics_are_seen_through(source):
    cell = read_cell(source)
    assert "x" in cell.bound
    assert {"f", "y"} <= cell.used


def test_each_cell_is_parsed_once(monkeypatch):
    parsed = []

    def parse(source, *more):
        parsed.append(source)
        return PARSE(source, *more)

    read_cell.cache_clear()
    small = [StudentCell(f"y{n} = y{n - 1}") for n in range(300)]
    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", parse)
        made = plan(IMPORT, *small, ANSWER_1, CHECK_1, *small, ANSWER_2, CHECK_2)
        review(made, SKELETON)
    wanted = {step.source for step in SKELETON.steps} | {cell.source for cell in small} | {MINE}
    assert sorted(parsed) == sorted(wanted)


def test_a_helper_behind_its_answer_runs_before_the_check():
    uses = StudentCell("def double(x):\n    return twice(x)", "99-1-answer", ("b",))
    helper = StudentCell("def twice(x): return 2 * x")
    made = plan(IMPORT, uses, CHECK_1, ANSWER_2, CHECK_2, helper)
    assert sources(made) == [
        *("import math", uses.source, OTHER, CHECK_2.source, helper.source, CHECK_1.source)
    ]


def test_a_split_answer_keeps_both_halves():
    half = StudentCell("def twice(x): return 2 * x", "99-1-answer", ("b",))
    rest = StudentCell("def double(x):\n    return twice(x)", "99-1-answer", ("b",))
    made = plan(IMPORT, half, rest, CHECK_1, ANSWER_2, CHECK_2)
    assert [step.source for step in made.steps if step.kind in (ADDED, ANSWER)] == [
        half.source,
        rest.source,
        OTHER,
    ]


def test_a_cell_that_does_not_parse_is_still_the_answer():
    broken = StudentCell("def double(x)\n    return 2 * x", "99-1-answer", ("b",))
    assert plan(IMPORT, broken, ANSWER_2).found["99.1"] == "grade_id"


def test_a_marked_cell_that_defines_something_else_is_the_last_resort():
    loop = StudentCell("while True: pass", "99-1-answer", ("b",))
    assert sources(plan(IMPORT, loop, ANSWER_2))[1] == loop.source
    misplaced = StudentCell(OTHER, "99-1-answer", ("b",))
    made = plan(IMPORT, misplaced)
    assert made.found == {"99.2": "name"}


def test_a_skipped_cell_runs_where_an_answer_needs_it():
    trains = StudentCell("def double(x):\n    return run(x)", "99-1-answer", ("b",))
    steps = list(SKELETON.steps)
    steps[3] = Step(LECTURE, "run = train()", id="d", skipped=True)
    skeleton = Skeleton("99", "v1", tuple(steps))

    def made(*cells):
        return [s.source for s in make_plan(skeleton, Submission("a", cells=cells)).steps]

    assert "run = train()" not in made(*WHOLE)
    assert "run = train()" in made(IMPORT, trains, ANSWER_2)
    own = StudentCell("def run(x):\n    return 2 * x")
    assert "run = train()" not in made(IMPORT, own, trains, ANSWER_2)


def test_another_version_is_noted():
    assert plan(*WHOLE, version="v0").notes == ("it was made from another version of the lecture",)


def test_the_lecture_is_told_by_id_marks_or_functions():
    other = Skeleton("98", "v1", (Step(ANSWER, "def f(): pass", "98.1", "f", "z"),))
    known = {"98": other, "99": SKELETON}
    assert identify(Submission("x", lecture="98", cells=WHOLE), known) is other
    assert identify(Submission("x", cells=WHOLE), known) is SKELETON
    assert identify(Submission("x", cells=without_marks(ANSWER_1)), known) is SKELETON
    assert identify(Submission("x", cells=(IMPORT,)), known) is None


# --- wherever an answer stands -------------------------------------------------------------------

STUB = "def double(x):\n    raise NotImplementedError"
STUBBED = StudentCell(STUB, "99-1-answer", ("b",))


def results(made):
    """Return what ``double`` and ``half`` make of 6 where the plan asks for them, run plainly."""
    namespace, found = {"check": print}, {}
    for step in made.steps:
        if step.kind == CHECK:
            found[step.exercise] = asked(namespace, step.answer)
        for source in [s.source for s in step.statements] or [step.source] * (step.kind == LECTURE):
            with contextlib.suppress(Exception):
                exec(source, namespace)
    return found


def asked(namespace, name):
    try:
        return namespace[name](6)
    except Exception as problem:
        return type(problem).__name__


RIGHT = {"99.1": 12, "99.2": 3}
NEW = StudentCell(MINE)


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        ((IMPORT, STUBBED, NEW, CHECK_1, ANSWER_2, CHECK_2), "name"),
        ((IMPORT, NEW, STUBBED, CHECK_1, ANSWER_2, CHECK_2), "name"),
        ((IMPORT, STUBBED, CHECK_1, NEW, ANSWER_2, CHECK_2), "name"),
        ((IMPORT, STUBBED, CHECK_1, ANSWER_2, CHECK_2, NEW), "name"),
        ((NEW, IMPORT, CHECK_1, ANSWER_2, CHECK_2, STUBBED), "name"),
        (
            (IMPORT, STUBBED, StudentCell(f"{MINE}\n{CHECK_1.source}", "99-1-check"), ANSWER_2),
            "name",
        ),
        ((StudentCell(f"import math\n{MINE}", ids=("a",)), STUBBED, CHECK_1, ANSWER_2), "name"),
        ((IMPORT, StudentCell(f"{MINE}\n\n\n{OTHER}", "99-1-answer"), CHECK_1), "grade_id"),
    ],
    ids=[
        *("below the stub", "above the stub", "behind the check", "at the end", "at the start"),
        *("in the check", "in the lecture", "two in one cell"),
    ],
)
def test_an_answer_counts_wherever_it_stands(cells, how):
    made = plan(*cells)
    assert results(made) == RIGHT
    assert made.found["99.1"] == how
    assert made.notes == ()
    assert not any(made.others.values())


def test_the_last_attempt_counts_and_the_one_before_is_told():
    first = StudentCell("def double(x):\n    return 0", "99-1-answer", ("b",))
    second = StudentCell("def double(x):\n    return 1")
    made = plan(IMPORT, first, CHECK_1, second, NEW, STUBBED, ANSWER_2)
    assert results(made) == RIGHT
    assert made.others == {"99.1": second.source, "99.2": ""}
    assert sum(step.exercise == "99.1" and step.kind == ANSWER for step in made.steps) == 1


def test_a_copy_of_the_answer_is_no_other():
    assert plan(IMPORT, ANSWER_1, ANSWER_1, CHECK_1).others["99.1"] == ""


@pytest.mark.parametrize(
    "source",
    [
        "double = half",
        "double = lambda x: 2 * x",
        "import math\ndouble = math.sqrt",
        "@decorate\ndef double(x):\n    return x",
        "if math:\n    def double(x):\n        return x",
        "def double(x):\n    if x < 0:\n        raise NotImplementedError\n    return 2 * x",
        "def double(x):\n    return 2 * x\n    raise NotImplementedError",
    ],
)
def test_what_makes_an_answer_is_one(source):
    made = plan(IMPORT, ANSWER_1, StudentCell(source), STUBBED)
    assert made.others["99.1"] == MINE


@pytest.mark.parametrize(
    "source",
    [
        "double = double(3)",
        "double = 6",
        "double = int(double(3))",
        "double = double(3) + 1",
        "double = [double(n) for n in range(3)]",
        "double, n = double(3), 2",
        "double = 3 * 2",
        "del double",
        "for double in range(3):\n    print(double)",
        "for double in range(3):\n    exec('noticed = 1')",
        STUB,
        'def double(x):\n    "Return 2 x."\n    raise NotImplementedError("todo")',
        "def double(x)\n    return 0",
    ],
)
def test_what_makes_no_answer_replaces_none(source):
    made = plan(
        IMPORT, ANSWER_1, CHECK_1, StudentCell(source), StudentCell('check("99.1", double)')
    )
    assert results(made)["99.1"] == 12
    assert made.others["99.1"] == ""
    assert not any(step.kind == ADDED for step in made.steps)


def test_an_attempt_that_does_not_parse_is_told_before_a_stub():
    broken = StudentCell("def double(x)\n    return 2 * x")
    for cells in ([broken, STUBBED], [STUBBED, broken]):
        (step,) = [
            s for s in plan(IMPORT, *cells).steps if s.exercise == "99.1" and s.kind == ANSWER
        ]
        assert step.source == broken.source


@pytest.mark.parametrize(
    "wrapped",
    [
        "double = trace(double)",
        "first = double\ndef double(x):\n    return first(x)",
    ],
)
def test_an_answer_may_use_its_earlier_self(wrapped):
    trace = "def trace(f):\n    return lambda x: f(x)"
    made = plan(IMPORT, StudentCell(trace), ANSWER_1, CHECK_1, StudentCell(wrapped), ANSWER_2)
    assert results(made) == RIGHT


# --- what an answer needs ------------------------------------------------------------------------

BY_HELPER = "def double(x):\n    return twice(x)"
TWICE = "def twice(x):\n    return 2 * x"


def test_lines_that_were_added_to_the_lecture_are_the_students():
    edited = StudentCell(
        f"import math\nimport random as r\n{TWICE}\nmath.tau = r.random()", ids=("a",)
    )
    uses = StudentCell("def double(x):\n    return twice(x) + 0 * r.random()", "99-1-answer")
    made = plan(edited, uses, CHECK_1, ANSWER_2)
    assert results(made) == RIGHT
    lecture, mine, *_ = made.steps
    assert (lecture.kind, lecture.source) == (LECTURE, "import math")
    assert [statement.source for statement in mine.statements] == ["import random as r", TWICE]
    assert "import math\n" not in mine.source


def test_a_spoilt_cell_of_the_lecture_is_the_lectures_unless_an_answer_is_in_it():
    spoilt = StudentCell("import math(", ids=("a",))
    assert sources(plan(spoilt, *WHOLE[1:])) == WANTED
    answer = StudentCell("def double(x)\n    return 2 * x", "99-1-check")
    assert answer.source in sources(plan(IMPORT, STUBBED, answer))


def test_changed_lines_of_the_lecture_are_the_students():
    steps = (Step(LECTURE, f"{TWICE}\nSIZE = 1\nprint(SIZE)", id="l"), *SKELETON.steps)
    changed = StudentCell("def twice(x):\n    return 4 * x\nSIZE = 2\nprint(SIZE)", ids=("l",))
    answer = StudentCell(BY_HELPER + " // SIZE", "99-1-answer")
    made = make_plan(
        Skeleton("99", "v1", steps), Submission("a", cells=(changed, answer, ANSWER_2))
    )
    assert results(made) == RIGHT
    assert made.steps[0] == steps[0]


def test_a_helper_is_taken_where_it_was_defined_last():
    older, helper = StudentCell("def twice(x): return 0"), StudentCell(TWICE)
    uses = StudentCell(BY_HELPER, "99-1-answer", ("b",))
    for cells in ([older, uses, CHECK_1, helper], [uses, CHECK_1, older, helper]):
        assert results(plan(IMPORT, *cells, ANSWER_2, CHECK_2)) == RIGHT


def test_two_answers_may_have_helpers_of_one_name():
    one = StudentCell(f"def helper(x):\n    return 2 * x\n{BY_HELPER}".replace("twice", "helper"))
    two = StudentCell("def helper(x):\n    return x / 2\ndef half(x):\n    return helper(x)")
    for cells in ([one, CHECK_1, two, CHECK_2], [one, two, CHECK_1, CHECK_2]):
        made = plan(IMPORT, *cells)
        assert results(made)["99.2"] == 3
    assert results(plan(IMPORT, one, CHECK_1, two, CHECK_2)) == RIGHT


def test_a_variable_of_an_experiment_replaces_no_helper():
    uses = StudentCell(f"FACTOR = 2\n{TWICE}\ndef double(x):\n    return twice(x) * FACTOR // 2")
    later = StudentCell("twice = [1, 2]\nFACTOR = 7\nprint(twice)")
    assert results(plan(IMPORT, uses, CHECK_1, later, ANSWER_2)) == RIGHT


def test_the_students_last_check_tells_which_variable_counts():
    uses = StudentCell("FACTOR = 3\ndef double(x):\n    return x * FACTOR", "99-1-answer")
    later = StudentCell('FACTOR = 2\ncheck("99.1", double)')
    assert results(plan(IMPORT, uses, CHECK_1, later, ANSWER_2)) == RIGHT


def test_a_class_that_gets_its_method_later_is_whole():
    split = (
        "class Twice:\n    pass",
        "def call(self, x):\n    return 2 * x",
        "Twice.__call__ = call",
    )
    cells = [StudentCell(part) for part in split]
    uses = StudentCell("def double(x):\n    return Twice()(x)", "99-1-answer")
    assert results(plan(IMPORT, uses, CHECK_1, *cells, ANSWER_2)) == RIGHT


def test_what_is_beside_an_answer_runs_only_if_it_is_needed():
    beside = "x = double(3)\nfor step in range(10**9):\n    x += double(step)\nassert x == 1"
    answer = StudentCell(
        f"FACTOR = 2\ndef double(x):\n    return FACTOR * x\n{beside}", "99-1-answer"
    )
    (step,) = [s for s in plan(IMPORT, answer).steps if s.exercise == "99.1" and s.kind == ANSWER]
    assert step.source == answer.source
    assert [s.source for s in step.statements] == answer.source.splitlines()[:1] + [
        "def double(x):\n    return FACTOR * x"
    ]
    assert {s.exercise for s in step.statements} == {"99.1"}


def test_statements_tell_which_exercise_needs_them():
    both = StudentCell(f"{TWICE}\nimport sys\nsys.x = 1\nHALF = 0.5")
    one = StudentCell(BY_HELPER, "99-1-answer")
    two = StudentCell("def half(x):\n    return twice(x) * HALF / 2", "99-2-answer")
    added = next(s for s in plan(IMPORT, both, one, two).steps if s.kind == ADDED)
    assert [s.exercise for s in added.statements] == ["99.1", "", "", "99.2"]


def test_a_future_import_runs():
    cell = StudentCell(
        "from __future__ import annotations\ndef double(x: Unknown):\n    return 2 * x"
    )
    (step,) = [s for s in plan(IMPORT, cell).steps if s.exercise == "99.1" and s.kind == ANSWER]
    assert len(step.statements) == 2


def test_statements_of_one_line_and_with_decorators_are_whole():
    source = "x = 'ä'; y = (x,\n 2); z = 3\n@a\n@b(1)\nclass C:\n    pass\nw = '''1\n  2'''; v = 1"
    parts = [part.source for part in read_cell(source).statements]
    assert parts[:3] == ["x = 'ä'", "y = (x,\n 2)", "z = 3"]
    assert parts[3:] == ["@a\n@b(1)\nclass C:\n    pass", "w = '''1\n  2'''", "v = 1"]


def test_a_method_may_have_the_name_of_the_function_that_it_calls():
    cell = read_cell("class A:\n    def relu(self, x):\n        return relu(x)")
    assert cell.statements[0].used == {"relu"}


GROWS = {
    "a decorator fills a table": """
KINDS = {}
def register(name):
    def add(f):
        KINDS[name] = f
        return f
    return add
@register("twice")
def by_two(x):
    return 2 * x
def double(x):
    return KINDS["twice"](x)
""",
    "a method decorates": """
class Kinds(dict):
    def add(self, f):
        self[f.__name__] = f
        return f
kinds = Kinds()
@kinds.add
def twice(x):
    return 2 * x
def double(x):
    return kinds["twice"](x)
""",
    "single dispatch": """
from functools import singledispatch
@singledispatch
def twice(x):
    return 0
@twice.register
def _(x: int):
    return 2 * x
def double(x):
    return twice(x)
""",
    "a decorator adds to a class": """
def add_to(Class):
    return lambda f: setattr(Class, f.__name__, f)
class Twice:
    pass
@add_to(Twice)
def run(self, x):
    return 2 * x
def double(x):
    return Twice().run(x)
""",
    "a class extends itself": """
class double:
    def __new__(cls, x):
        return cls.run(x)
class double(double):
    def run(x):
        return 2 * x
""",
    "a default is its earlier self": """
def double(x):
    return 2 * x
def double(x, before=double):
    return before(x)
""",
    "what may be defined is not": """
def double(x):
    return 2 * x
if double(3) != 6:
    def double(x):
        return 0
""",
    "what is tried is not there": """
def double(x):
    return 2 * x
try:
    import nothing_of_that_name
    double = nothing_of_that_name.double
except ImportError:
    pass
""",
    "a helper is tried": """
def twice(x):
    return 0
try:
    def twice(x):
        return 2 * x
except ImportError:
    pass
def double(x):
    return twice(x)
""",
    "a helper is another's name": """
def twice(x):
    return 0
def better(x):
    return 2 * x
twice = better
def double(x):
    return twice(x)
""",
    "a counter": """
calls = 0
def double(x):
    global calls
    calls += 1
    return 2 * x
""",
    "a function sets a variable": """
def start():
    global two
    two = 2
    return True
print(start())
def double(x):
    return two * x
""",
    "an import in a function is no import": """
def show(x):
    import operator
    return operator
if show is None:
    import operator
import nothing_of_that_name, operator
import operator
def double(x):
    return operator.mul(2, x)
""",
    "a file is loaded again": """
import sys
sys.modules["mine"] = type(sys)("mine")
import mine
def reload(module):
    module.two = 2
reload(mine)
def double(x):
    return mine.two * x
""",
}


@pytest.mark.parametrize("source", GROWS.values(), ids=GROWS)
def test_what_an_answer_grows_from_runs(source):
    parts = [StudentCell(part.source) for part in read_cell(source).statements]
    for cells in (parts, [StudentCell(source)]):
        assert results(plan(IMPORT, STUBBED, *cells, CHECK_1, ANSWER_2, CHECK_2)) == RIGHT


def test_a_statement_is_gone_through_once_however_much_it_defines(monkeypatch):
    walked = []
    many = "".join(f"    def f{n}(): pass\n" for n in range(50))
    tried = StudentCell(f"if True:\n{many}{many.replace('    ', '')}")
    read_cell(tried.source)
    walk = ast.walk
    monkeypatch.setattr(ast, "walk", lambda tree: walked.append(tree) or walk(tree))
    plan(IMPORT, tried, ANSWER_1, CHECK_1)
    assert sum(isinstance(tree, ast.If) for tree in walked) <= 1


def test_a_decorated_experiment_does_not_run():
    answer = StudentCell(
        "import torch, functools\ndef timed(f):\n    return f\n"
        "@timed\ndef double(x):\n    return torch.add(x, x)"
    )
    train = "def train():\n    fit(model)"
    for decorator in ("@timed", "@torch.no_grad()", "@functools.lru_cache(maxsize=None)"):
        assert added("model = Network()", f"{decorator}\n{train}", answer=answer) == []


# --- asked twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "later",
    ["def twice(image, size):\n    return image", "math = 3", "for math in range(3):\n    pass"],
)
def test_what_is_defined_again_below_is_asked_before_and_after(later):
    uses = StudentCell(f"{TWICE}\ndef double(x):\n    return math.floor(twice(x))")
    made = plan(IMPORT, uses, CHECK_1, ANSWER_2, StudentCell(later))
    asked_at = [n for n, step in enumerate(made.steps) if step.is_check_of("99.1")]
    assert results(dataclasses.replace(made, steps=made.steps[: asked_at[0] + 1])) == {"99.1": 12}
    assert len(asked_at) == 2
    assert sum(step.is_check_of("99.2") for step in made.steps) == 1


# --- any notebook --------------------------------------------------------------------------------

EXPERIMENTS = [
    "net = Network()\nfit(net)",
    "torch.manual_seed(3)\nx = double(4)\nprint(x)",
    "for step in range(9):\n    loss = half(step)",
    "plt.plot([1])\nplt.show()",
    "double(3)",
    "assert double(3) == 7",
    "%%time\nrun()",
]
solved = st.integers(0, 9).map(lambda n: f"def double(x):\n    return {n} * x")
attempts = st.one_of(
    solved,
    solved.map(lambda source: f"%%time\n{source}"),
    solved.map(
        lambda source: f"{EXPERIMENTS[0]}\n{source}\n{EXPERIMENTS[2]}".replace("\n", "\r\n")
    ),
    st.just(STUB),
    st.just("def double(x)\n    return"),
    st.sampled_from(EXPERIMENTS),
)
marks = st.sampled_from([{}, {"grade_id": "99-1-answer"}, {"ids": ("b",)}, {"ids": ("a",)}])


@given(st.lists(st.tuples(attempts, marks)), st.permutations([IMPORT, CHECK_1, ANSWER_2, CHECK_2]))
def test_the_last_solved_definition_counts_in_any_notebook(tries, others):
    mine = [StudentCell(source, **mark) for source, mark in tries]
    cells = [*others[:2], *mine[: len(mine) // 2], *others[2:], *mine[len(mine) // 2 :]]
    good = [
        cell.source for cell in mine if "return " in cell.source and "double(x):" in cell.source
    ]
    made = plan(*cells)
    factors = [int(re.search(r"return (\d)", source)[1]) for source in good]
    if good:
        assert results(made) == {"99.1": 6 * factors[-1], "99.2": 3}
        assert made.notes == ()
        before = [str(n) for n in factors if n != factors[-1]]
        assert re.findall(r"return (\d)", made.others["99.1"]) == before[-1:]
    else:
        assert results(made)["99.2"] == 3
    ran = {s.source for step in made.steps for s in step.statements}
    assert not any("fit" in source or "step" in source or "assert" in source for source in ran)


WORK = [
    *("import itertools as it", "from math import floor", "ONE = 1", "TABLE = {}"),
    *("TABLE['two'] = ONE + 1", TWICE, "class Halver:\n    pass"),
    "def run(self, x):\n    return floor(x / TABLE['two'])",
    "Halver.run = run",
    "def double(x):\n    return sum(it.chain([twice(x)]))",
    "def half(x):\n    return Halver().run(x)",
]


@given(st.data())
def test_an_answer_may_be_cut_into_cells_in_any_way(data):
    pieces = [WORK[0]]
    for statement in WORK[1:]:
        if data.draw(st.booleans()):
            pieces.append(statement)
        else:
            pieces[-1] += f"\n{statement}"
    own = [StudentCell(piece, **data.draw(marks)) for piece in pieces]
    for experiment in data.draw(st.lists(st.sampled_from(EXPERIMENTS), max_size=3)):
        own.insert(data.draw(st.integers(0, len(own))), StudentCell(experiment))
    for cell in (IMPORT, STUBBED, CHECK_1, CHECK_2):
        own.insert(data.draw(st.integers(0, len(own))), cell)
    assert results(plan(*own)) == RIGHT


# --- what of the lecture runs --------------------------------------------------------------------

FROM_START = "def twice(x):\n    return 2 * start(x)"
COURSE_CELLS = Skeleton(
    "99",
    "v1",
    (
        Step(LECTURE, "def start(x):\n    place = x\n    return place", id="a"),
        Step(LECTURE, "best = max(n for n in range(3))", id="b", skipped=True),
        Step(ANSWER, FROM_START, "99.1", "twice", "c"),
        Step(CHECK, 'check("99.1", twice)', "99.1", "twice", "d"),
        Step(LECTURE, "place = n = train()\nstart = other", id="e", skipped=True),
    ),
)


def ids(source):
    """Return the lecture's cells that run for an answer."""
    submission = Submission("a.ipynb", cells=(StudentCell(source, ids=("c",)),))
    return [step.id for step in make_plan(COURSE_CELLS, submission).steps if step.kind == LECTURE]


def test_a_later_cell_of_the_same_names_is_not_needed():
    assert ids(FROM_START) == ["a"]
    assert ids("def twice(x):\n    n = place = x\n    return n + place") == ["a"]


def test_what_only_a_skipped_cell_makes_is_needed():
    assert ids("def twice(x):\n    return best + 2 * x") == ["a", "b"]
    assert ids("def twice(x):\n    return n + 2 * x") == ["a", "e"]


@pytest.mark.parametrize("lecture", all_lectures(), ids=lambda lecture: lecture.id)
def test_a_skipped_cell_runs_only_for_what_an_answer_reads(lecture):
    skeleton = read_skeleton(lecture.path)
    cells = tuple(StudentCell(s.source, s.mark, (s.id,)) for s in skeleton.steps)
    steps = make_plan(skeleton, Submission("a.ipynb", cells=cells)).steps
    read = set().union(*(read_cell(step.source).used for step in skeleton.answers.values()))
    assert all(read_cell(s.source).bound & read for s in steps if s.kind == LECTURE and s.skipped)


def test_what_the_graded_cells_import_is_known():
    cells = (
        Step(LECTURE, "import torch.nn, math as m\nfrom copy import copy, deepcopy as dc", id="a"),
        Step(LECTURE, "import keras", id="b", skipped=True),
        Step(ANSWER, "def f(x):\n    from torch import nn\n    return nn", "99.1", "f", "c"),
        Step(LECTURE, "%matplotlib inline\nimport math", id="d"),
    )
    expected = ("torch.nn", "math", "copy.copy", "copy.deepcopy", "torch.nn")
    assert Skeleton("99", "v1", cells).imports == tuple(dict.fromkeys(expected))
