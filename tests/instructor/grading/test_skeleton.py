"""The student's cells are found and put at their places, whatever was done to the notebook."""

import ast

import pytest

from course_utils.instructor.cell_names import read_cell
from course_utils.instructor.grading.review import review
from course_utils.instructor.grading.skeleton import (
    ADDED,
    ANSWER,
    CHECK,
    LECTURE,
    Skeleton,
    Step,
    identify,
    make_plan,
)
from course_utils.instructor.grading.submission import StudentCell, Submission

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
    assert sources(made) == WANTED
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
        assert made.notes == ("99.1 is there 2 times: the last counts",)


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
    assert made == ["width = 3", magic]


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


def test_a_helper_behind_its_answer_runs_before_it():
    uses = StudentCell("def double(x):\n    return twice(x)", "99-1-answer", ("b",))
    helper = StudentCell("def twice(x): return 2 * x")
    made = plan(IMPORT, uses, CHECK_1, ANSWER_2, CHECK_2, helper)
    assert sources(made)[1] == helper.source


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
