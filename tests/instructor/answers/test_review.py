"""Review names what a person should see, wherever in a notebook it stands, and nothing else."""

import re
from pathlib import Path

import attack_table
import corpus
import honest
import pytest

from course_utils.instructor.answers.plan import make_plan
from course_utils.instructor.answers.quiet_commands import is_quiet
from course_utils.instructor.answers.review import LONGEST_NOTE, MOST_NOTES, review
from course_utils.instructor.answers.skeleton import (
    ANSWER,
    CHECK,
    LECTURE,
    Plan,
    Skeleton,
    Step,
    read_skeleton,
)
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.cell_names import read_cell
from course_utils.instructor.intake.notebook_file import read_notebook
from course_utils.instructor.reports.results import GRADED, NEEDS_A_LOOK
from course_utils.lectures import all_lectures

LECTURE_CODE = """
import torch
import torch.nn.functional as F
from torch import nn
from course_utils import arithmetic, check, models
def lecture_conv(image):
    return F.conv2d(image, image)
"""
SOLUTION = "def convolve(image):\n    return image * arithmetic.one()"
SKELETON = Skeleton(
    "02",
    "v1",
    (
        Step(LECTURE, LECTURE_CODE, id="a"),
        Step(ANSWER, SOLUTION, "02.2", "convolve", "b"),
        Step(CHECK, 'check("02.2", convolve)', "02.2", "convolve", "c"),
    ),
)
MINE = "def convolve(image):\n    return helper(image)"


def notes(*added, answer=MINE):
    """Return the notes on an answer, with cells added before it."""
    cells = (*map(StudentCell, added), StudentCell(answer, "02-2-answer", ("b",)))
    return review(make_plan(SKELETON, Submission("a", cells=cells)), SKELETON)


# --- what an answer must write itself ------------------------------------------------------------

WRITES = ["02.2 asks to write it yourself, and its answer uses conv2d"]
HELPER = "def helper(image):\n    return F.conv2d(image, image)"


@pytest.mark.parametrize(
    "added",
    [
        [HELPER],
        [f"%%time\n%%capture out\n{HELPER}"],
        ["helper = F.conv2d"],
        ["%time helper = F.conv2d"],
        ["from torch.nn.functional import conv2d as helper"],
        ["helper = getattr(F, 'conv2d')"],
        ["tools = []\ntools.append(F.conv2d)", "def helper(image):\n    return tools[0](image)"],
        ["tools = {}", "tools['c'] = F.conv2d", "helper = lambda x: tools['c'](x)"],
        ["class Own(nn.Module):\n    pass\nOwn.run = F.conv2d", "helper = Own().run"],
        ["helper = lecture_conv"],
    ],
)
def test_ready_made_operations_are_found_in_what_an_answer_uses(added):
    assert notes(*added) == WRITES


@pytest.mark.parametrize(
    "added",
    [
        ["def helper(image):\n    conv2d = image + 1\n    return conv2d"],
        ["def conv2d(image):\n    return image + 1\nhelper = conv2d"],
        ["def helper(image):\n    return image\nassert helper(1) == F.conv2d(1)"],
        [
            "def helper(image):\n    return torch.abs(image)\n"
            "torch.testing.assert_close(helper(1), F.conv2d(1))"
        ],
        ["class Own:\n    def conv2d(self):\n        return self.conv2d\nhelper = Own().run"],
    ],
)
def test_a_name_that_only_looks_ready_made_is_none(added):
    assert notes(*added) == []


def test_a_test_beside_the_answer_may_compare():
    assert notes(answer="def convolve(image):\n    return image\nassert F.conv2d(1) == 1") == []


# --- the course's own ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("added", "name"),
    [
        (["from course_utils.models import helper"], "helper"),
        (["from course_utils.models import LeNet5 as net", "helper = net"], "LeNet5"),
        (["f = models.LeNet5", "g = f", "helper = g"], "models.LeNet5"),
        (["def helper(x):\n    from course_utils.models import VGG\n    return VGG"], "VGG"),
    ],
)
def test_the_courses_own_is_found_in_what_an_answer_uses(added, name):
    assert notes(*added) == [f"02.2 uses the course's own {name}"]


def test_what_the_solution_takes_from_the_course_is_free():
    assert notes("def helper(x):\n    return arithmetic.one()\nnet = models.LeNet5()") == []


@pytest.mark.parametrize(("body", "is_noted"), [("[x for x in q]", True), ("q @ x.T", False)])
def test_a_loop_is_noted_where_none_should_be(body, is_noted):
    lecture = read_skeleton(next(x.path for x in all_lectures() if x.id == "01"))
    cell = StudentCell(f"def pairwise_distances(q, x):\n    return {body}", "01-1-answer")
    found = review(make_plan(lecture, Submission("a", cells=(cell,))), lecture)
    assert found == ["01.1 asks for no loop, and its answer has one"] * is_noted


UNREADABLE = "reaches for names in a way that cannot be read:"

# --- what code reaches for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("import gc\ngc.get_objects()", "uses get_objects"),
        ("from gc import *", "uses gc.*"),
        ("from threading import Thread", "uses threading"),
        ("import torch.multiprocessing", "uses torch.multiprocessing"),
        ("import os as o\no.fork()", "uses os.fork"),
        ("from os import _exit", "uses _exit"),
        ("import sys\nsys.modules['os']", "uses sys.modules"),
        ("open('/etc/passwd')", "uses open"),
        ("open('../notes.txt')", "uses open"),
        ("read = open", "uses open"),
        ("shell = get_ipython()", "uses get_ipython"),
        ("f.__globals__['x']", "uses __globals__"),
        ("getattr(f, '__code__')", "uses __code__"),
        ("getattr(F, 'conv' + '2d')", "reaches for names in a way that cannot be read: getattr"),
        ("list(map(getattr, [], []))", "reaches for names in a way that cannot be read: getattr"),
        ("import importlib", "reaches for names in a way that cannot be read: importlib"),
        ("eval('x')", "reaches for names in a way that cannot be read: eval"),
        ("torch.ops.x", "reaches for names in a way that cannot be read: torch.ops"),
        ("torch.Tensor.__add__ = None", "changes torch.Tensor.__add__"),
        ("setattr(nn.Module, 'x', 1)", "changes nn.Module"),
        ("del F.conv1d", "changes F.conv1d"),
        ("for room in (torch, F):\n    room.x = 1", "changes room.x"),
        ("t = torch.Tensor\nt.x = 1", "changes t.x"),
        ("import course_utils.x as room\nroom.y = 1", "changes room.y"),
        ("import math\nmath.f = 1", "changes math.f"),
        (
            "x = b'course_utils'",
            "reaches for names in a way that cannot be read: a text with course_utils",
        ),
        ("from course_utils.withheld import running", "uses course_utils.withheld"),
        ("import course_utils.exercises", "uses course_utils.exercises"),
        ("from torchvision.models import resnet", "uses torchvision.models"),
        ("import torchvision\nx = type(torchvision.models.vgg11())", "uses torchvision.models"),
        ("import torchvision as tv\nx = tv.models.vgg11", "uses torchvision.models"),
        ("import torchvision\nx = getattr(torchvision, 'models')", "uses torchvision.models"),
        ("x = torch.hub.load('a', 'b')", "uses torch.hub"),
        ("x = 'course_utils.models'", f"{UNREADABLE} a text with course_utils.models"),
        ("class A:\n    def f(self):\n        return self._ops", f"{UNREADABLE} _ops"),
        ("import sys\nx = 'a' in sys.modules, sys.modules", "uses sys.modules"),
        ("get_ipython().__class__.x", "uses get_ipython"),
        ("get_ipython().run_cell('x')", "runs run_cellx, which was not looked into"),
        ("%run other.py", "runs %run, which was not looked into"),
        ("!ls; cat /etc/passwd", "runs !ls; cat /etc/passwd, which was not looked into"),
        ("!python other.py", "runs !python other.py, which was not looked into"),
        ("x = !cat seed", "runs !cat seed, which was not looked into"),
        ("%time import ctypes", "uses ctypes"),
        ("%timeit -n 1 import ctypes", "uses ctypes"),
        ("%%timeit import ctypes\npass", "uses ctypes"),
        ("def broken(:", "could not be looked into: it does not parse"),
    ],
)
def test_what_code_reaches_for_is_noted_with_its_exercise(code, note):
    plain = "def convolve(image):\n    return image\n"
    answer = code if code.startswith("%%") else plain + code
    assert notes(answer=answer) == [f"02.2 {note}"]


@pytest.mark.parametrize(
    "code",
    [
        "net.modules()",
        "signal = open = gc = 3\nsignal + open + gc",
        "from scipy import signal\nsignal.x()",
        "open('notes.txt').read()",
        "open('notes.txt', 'w')",
        "re.compile('x')",
        "model.eval()",
        "getattr(net, 'weight', None)",
        "class Net:\n    def forward(self, x):\n        return getattr(self, f'layer{x}')(x)",
        "for image in torch.rand(2, 2):\n    image[0] = image.x = 1",
        "models = {}\nmodels['a'] = 1",
        "layer = nn.Linear(2, 2)\nlayer.weight.data = 1",
        "torch.backends.cudnn.deterministic = True",
        "!pip install torch>=2 numpy",
        "%pip install torch",
        "!ls -l data",
        "!nvidia-smi",
        "%matplotlib inline",
        "%load_ext autoreload\n%autoreload 2",
        "%time 1 + 1",
        "x = f?",
        'check("02.2", convolve)',
        "# gc, open, fork",
        "print('open the socket and kill it')",
    ],
)
def test_ordinary_code_gives_no_note(code):
    assert (
        notes(answer=f"def convolve(image):\n    return image\n{code.replace('x = f?', 'f?')}")
        == []
    )


@pytest.mark.parametrize("name", ["bash", "sh", "javascript", "writefile", "script", "my_magic"])
def test_a_cell_of_another_language_is_named(name):
    assert notes(f"%%{name} x\nsome thing") == [
        f"the added cell «%%{name} x» runs %%{name}, which was not looked into",
        *notes(),
    ]


def test_an_added_cell_is_named_with_the_exercises_that_use_it():
    assert notes("import ctypes\ndef helper(image):\n    return image") == [
        "02.2, in the added cell «import ctypes», uses ctypes"
    ]
    assert notes("torch.x = 1") == ["the added cell «torch.x = 1» changes torch.x"]
    assert notes("x = '''\n" + "a" * 99 + "'''\nexec(x)") == [
        "the added cell «x = '''» reaches for names in a way that cannot be read: exec"
    ]


@pytest.mark.parametrize(
    "idle",
    [
        "import threading",
        "from concurrent import futures",
        "import subprocess\nsubprocess.run(['ls'])",
        "import os\nos.system('ls')",
        "from torchvision.models import resnet18",
        "text = open('/etc/passwd').read()",
        "path = '../course_utils'",
    ],
)
def test_what_reaches_nothing_that_is_graded_is_noted_where_an_answer_needs_it(idle):
    runs = f"{idle}\nwith open('out.txt', 'w') as file:\n    file.write('done')"
    assert notes(runs) == []
    assert notes(f"{runs}\ndef helper(image):\n    return image") != []
    assert notes(answer=f"{MINE}\n{idle}") != []


def test_what_changes_other_code_is_noted_wherever_it_runs():
    for code in ("torch.x = 1", "exec('x')"):
        (note,) = {*notes(code), *notes(f"{code}\nopen('out.txt', 'w')")}
        assert note.startswith("the added cell")


@pytest.mark.parametrize("cell", ["for x in range(3) print(x)", "# A title\n**Why?** It is so."])
def test_a_cell_that_cannot_run_is_noted_where_it_is_an_answer_only(cell):
    assert notes(cell) == []
    assert notes(answer=cell) == ["02.2 could not be looked into: it does not parse"]


@pytest.mark.parametrize(
    "cell",
    ["!ls\nx = '''\n%a b'''", "broken(\n" + "# a line\n" * 2000],
    ids=["a magic in a text", "too long to ask"],
)
def test_a_cell_that_ipython_may_read_is_noted(cell):
    assert not read_cell(cell.strip()).tree
    assert [note for note in notes(cell) if "does not parse" in note]


def test_a_class_of_torchvision_is_found_behind_a_built_network():
    network = "import torchvision\nnetwork = torchvision.models.resnet18()"
    found = notes(network, answer="convolve = type(network.layer1[0])")
    assert found == ["02.2, in the added cell «import torchvision», uses torchvision.models"]


@pytest.mark.parametrize("taken", ["theirs", "Block"])
def test_a_class_of_torchvision_is_found_behind_the_lectures_own_cell(taken):
    lecture = "import torchvision\ntheirs = torchvision.models.resnet18()\nBlock = type(theirs)"
    steps = (Step(LECTURE, lecture, id="l"), *SKELETON.steps)
    skeleton = Skeleton("02", "v1", steps)
    cell = StudentCell(f"convolve = {taken}", "02-2-answer", ("b",))
    found = review(make_plan(skeleton, Submission("a", cells=(cell,))), skeleton)
    assert found == ["02.2 uses torchvision.models, in a cell of the lecture"]


@pytest.mark.parametrize(
    "command",
    [
        "cat seed",
        "ls; cat seed",
        "ls && python other.py",
        "ls | sh",
        "wget `cat x`",
        "pip install $(cat x)",
        "pip install {open('x').read()}",
        "ls & python x.py",
        "echo 'x",
        "git -c alias.x=!sh x",
        "lsof",
    ],
)
def test_a_command_that_may_do_anything_is_no_quiet_one(command):
    assert not is_quiet("system", [command])
    assert not is_quiet("run_cell_magic", ["bash", "", f"ls\n{command}"])


def test_a_long_command_is_read_in_one_go():
    assert is_quiet("system", ["ls " + "'a' " * 20_000])
    assert not is_quiet("system", ["ls " + "'a' | head " * 10_000 + "'"])


def test_what_the_lecture_says_is_not_the_students():
    lecture = (Step(LECTURE, "import gc\nimport sys\nsys.modules", id="l"), *SKELETON.steps)
    skeleton = Skeleton("02", "v1", lecture)
    copied = StudentCell("import gc\nimport sys\nsys.modules\nhelper = eval")
    cells = (copied, StudentCell(MINE, "02-2-answer", ("b",)))
    assert review(make_plan(skeleton, Submission("a", cells=cells)), skeleton) == [
        "02.2, in the added cell «import gc», reaches for names in a way that cannot be read: eval"
    ]


# --- whatever is handed in -----------------------------------------------------------------------

DEEP = {
    "a sum": "x = " + "0+" * 900 + "0",
    "an endless sum": "0+" * 100_000 + "0",
    "attributes": "x = a" + ".b" * 900 + "\na" + ".b" * 900 + " = 1",
    "calls": "a" + ".b()" * 400,
    "brackets": "[" * 1500 + "]" * 1500,
    "commands": "!echo hi\n" * 600,
    "half a character": "x = '\ud800'",
    "magics": "%%time\n" * 3000 + "import gc",
}


@pytest.mark.parametrize("code", DEEP.values(), ids=DEEP)
def test_no_source_is_an_error(code):
    found = [*notes(code), *notes(answer=code)]
    assert not [note for note in found if "Error" in note]


def test_an_error_of_its_own_becomes_a_note():
    (note,) = review(Plan((Step(ANSWER, "x", "none"),), {}, ()), SKELETON)
    assert note == "the code could not be looked into (KeyError)"


def test_a_flood_of_notes_is_cut():
    found = notes(*(f"torch.x{number} = 1" for number in range(200)))
    assert len(found) == MOST_NOTES + 1
    assert found[-1] == f"{200 - MOST_NOTES} notes more on its code"
    (long,) = notes(answer="convolve = 1\n" + "\n".join(f"torch.x{n} = 1" for n in range(200)))
    assert len(long) == LONGEST_NOTE


# --- honest work ----------------------------------------------------------------------------------

LECTURES = ("02", "05", "08", "09")


@pytest.fixture(scope="module")
def skeletons():
    return {x.id: read_skeleton(x.path) for x in all_lectures() if x.id in LECTURES}


def notes_on_honest(skeleton, **how):
    plan = make_plan(skeleton, honest.submission(skeleton, **how))
    return [*plan.notes, *review(plan, skeleton)]


def test_no_honest_way_to_work_needs_a_look(skeletons):
    """The rate of false alarms on the honest corpus is 0."""
    found = {}
    for number, (name, cell) in enumerate(honest.CELLS.items()):
        skeleton = skeletons[LECTURES[number % len(LECTURES)]]
        for at in (1, None):
            found[name, at] = notes_on_honest(skeleton, added=cell, at=at)
    for name, answers in honest.ANSWERS.items():
        skeleton = skeletons[next(iter(answers))[:2]]
        found[name] = notes_on_honest(skeleton, answers=answers)
    assert {name: those for name, those in found.items() if those} == {}
    assert len(found) >= 150


# --- the corpus ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def handed_in():
    return corpus.all_notebooks(1, Path("/outside"))


def test_the_corpus_gets_the_notes_that_it_must_get(handed_in):
    lecture, wrong = read_skeleton(corpus.SOURCE), {}
    for handed in handed_in:
        if re.search("was stopped|is not defined", handed.note):  # only a kernel can tell
            continue
        plan = make_plan(lecture, read_notebook(handed.content, handed.path))
        found = [*plan.notes, *review(plan, lecture)]
        is_right = re.search(handed.note, " | ".join(found))
        if not is_right or handed.state != (NEEDS_A_LOOK if found else GRADED):
            wrong[handed.name] = found
    assert wrong == {}


def test_the_table_of_attacks_has_a_row_for_each(handed_in):
    rows = attack_table.attack_table().splitlines()
    attacks = [h for h in handed_in if h.category in attack_table.TRIES]
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [h.name for h in attacks]
    assert {row.count(" | ") for row in rows} == {4, 0}
    assert len({handed.name for handed in handed_in}) == len(handed_in)
    assert len(attacks) >= 60
