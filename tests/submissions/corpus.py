"""A class of lecture 02, made by code: honest, partial, hostile and broken submissions.

Each has the points and the state that grading must give it. An attack usually stands in the cell
of exercise 02.1, and its function returns right answers only if the attack works.
"""

from __future__ import annotations

import copy
import io
import json
import re
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from answers_02 import ANSWERS

from course_utils.instructor.reports.results import (
    GRADED,
    MISSING,
    NEEDS_A_LOOK,
    UNREADABLE,
    UNSOLVED,
    WRONG,
)
from course_utils.instructor.sandbox.settings import DIED, TIMEOUT
from course_utils.instructor.solutions import stub
from course_utils.lectures import graded_id
from course_utils.runtime import project_root

POINTS = {"02.1": 4, "02.2": 6, "02.3": 5, "02.4": 5, "02.5": 4, "02.6": 6}
SOURCE = project_root() / "notebooks" / "02_convolution.ipynb"
HELPERS = (project_root() / "tests" / "exercises" / "answers_02.py").read_text("utf-8")
Notebook = dict[str, Any]


@dataclass(frozen=True)
class Handed:
    """One submission and what grading must make of it.

    points: of exercises that do not earn all; status: likewise. answers: of exercises whose points
    are to be computed from this answer. note: a pattern that the notes for the instructor match.
    varies: whether all but ``points`` depends on when the grader notices what happened.
    category: the threat that it stands for.
    """

    name: str
    content: bytes
    points: dict[str, float] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    state: str = GRADED
    reason: str = ""
    note: str = ""
    file: str = ""
    varies: bool = False
    category: str = ""

    @property
    def path(self) -> str:
        """Return the file's name."""
        return self.file or f"{self.name}_02_convolution.ipynb"


# --- notebooks -----------------------------------------------------------------------------------


def solved() -> Notebook:
    """Return the lecture with its solutions and without outputs."""
    notebook = json.loads(SOURCE.read_text("utf-8"))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return notebook


def place(notebook: Notebook, grade_id: str) -> int:
    """Return where the graded cell is."""
    marks = [c["metadata"].get("nbgrader", {}).get("grade_id") for c in notebook["cells"]]
    return marks.index(grade_id)


def answer(notebook: Notebook, exercise: str) -> dict[str, Any]:
    """Return the answer's cell."""
    return notebook["cells"][place(notebook, graded_id(exercise, "answer"))]


def stubbed(*exercises: str) -> Notebook:
    """Return the lecture with these exercises unsolved."""
    notebook = solved()
    for exercise in exercises:
        cell = answer(notebook, exercise)
        cell["source"] = stub(cell["source"])
    return notebook


def code(source: str, **metadata: Any) -> dict[str, Any]:
    """Return a code cell that a student added."""
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": textwrap.dedent(source).strip(),
        "outputs": [],
        "execution_count": None,
        "id": f"added{abs(hash(source)) % 10**8}",
    }


def written(notebook: Notebook) -> bytes:
    """Return the notebook as a file."""
    return json.dumps(notebook).encode()


def answered(**sources: str) -> bytes:
    """Return the solved lecture with other answers: ``_1="def ..."`` is that of 02.1."""
    notebook = solved()
    for name, source in sources.items():
        answer(notebook, f"02.{name[1:]}")["source"] = textwrap.dedent(source).strip()
    return written(notebook)


def with_cell(source: str, before: str, **sources: str) -> bytes:
    """Return the solved lecture, or ``answered``, with a cell added before a graded one."""
    notebook = json.loads(answered(**sources))
    notebook["cells"].insert(place(notebook, before), code(source))
    return written(notebook)


def changed(change: Callable[[Notebook], None]) -> bytes:
    """Return the solved lecture after ``change``."""
    notebook = solved()
    change(notebook)
    return written(notebook)


# --- honest --------------------------------------------------------------------------------------

UNSOLVED_ALL = dict(points=dict.fromkeys(POINTS, 0.0), status=dict.fromkeys(POINTS, UNSOLVED))


def honest() -> list[Handed]:
    """Return what well-meaning students hand in."""
    some = ("02.2", "02.6")
    helper = "def room(size, span, padding):\n    return size + 2 * padding - span"
    uses = """
        def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
            left = room(size, dilation * (kernel_size - 1) + 1, padding)
            return left // stride + 1 if left >= 0 else 0
    """
    with_helper = json.loads(answered(_1=uses))
    late = copy.deepcopy(with_helper)
    with_helper["cells"].insert(place(with_helper, "02-1-answer"), code(helper))
    late["cells"].append(code(helper))
    by_the_lecture = """
        def convolve(image, weight, bias, stride=1, padding=0):
            image = F.pad(image, (padding,) * 4)
            maps = [sum(map(correlate, image, kernels)) for kernels in weight]
            return (torch.stack(maps) + bias[:, None, None])[:, ::stride, ::stride]
    """
    chatty = """
        import numpy as np
        def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
            for row in range(50):
                print("row", row)
            left = size + 2 * padding - dilation * (kernel_size - 1) - 1
            return np.int64(left // stride + 1 if left >= 0 else 0)
        size_after("a mistake in my own test", 3)
    """
    return [
        Handed("perfect", written(solved())),
        Handed("unsolved", written(stubbed(*POINTS)), **UNSOLVED_ALL),
        Handed(
            "half",
            written(stubbed(*some)),
            points=dict.fromkeys(some, 0.0),
            status=dict.fromkeys(some, UNSOLVED),
        ),
        Handed("helper", written(with_helper)),
        Handed("helper-last", written(late)),
        Handed("chatty", answered(_1=chatty)),
        Handed("lecture's-function", answered(_2=by_the_lecture)),
        Handed("magics", with_cell("%matplotlib inline\n!echo hello\n%time 1 + 1", "02-1-check")),
        Handed("failing-test", with_cell("assert size_after(5, 3) == 4", "02-1-check")),
        Handed(
            "syntax-error",
            answered(_3="def pool_max(image, kernel_size, stride, padding=0)\n    return image"),
            points={"02.3": 0.0},
            status={"02.3": WRONG},
            **look("02.3 could not be looked into: it does not parse"),
        ),
        Handed(
            "other-name",
            answered(_1="def size_of_output(size, kernel_size):\n    return size"),
            points={"02.1": 0.0},
            status={"02.1": WRONG},
            **look("02.1: `size_after` is not defined where the answer runs"),
        ),
        Handed(
            "the-course's-own",
            answered(_1="size_after = arithmetic.conv_output_size"),
            points={"02.1": 0.0},
            state=NEEDS_A_LOOK,
            note="02.1 uses the course's own arithmetic",
        ),
        *elsewhere(),
        *beside(),
        *ordinary(),
        *large(),
    ]


STUB = "def size_after(*sizes, **more):\n    raise NotImplementedError"
WRONG_ANSWER = "def size_after(*sizes, **more):\n    return -7"
GOOD = "size_after = right"


def put(notebook: Notebook, at: str, *sources: str, behind: bool = True) -> None:
    """Add cells behind or before a graded cell."""
    here = place(notebook, at) + behind
    notebook["cells"][here:here] = map(code, sources)


def moved(source: str, at: str, answer_of_1: str = STUB, behind: bool = True) -> bytes:
    """Return the solved lecture with an answer to 02.1 in its cell, and a cell elsewhere."""
    notebook = json.loads(answered(_1=answer_of_1))
    put(notebook, at, textwrap.dedent(source), behind=behind)
    return written(notebook)


def elsewhere() -> list[Handed]:
    """Return answers that stand in other cells than those that were meant for them."""
    answer_1 = f"{RIGHT}\n{GOOD}"

    def written_into(number: int) -> Callable[[Notebook], None]:
        """Put the answer to 02.1 into another cell, in place of its own."""

        def change(notebook: Notebook) -> None:
            answer(notebook, "02.1")["source"] = STUB
            cell = notebook["cells"][number]
            cell["source"] = f"{answer_1}\n{cell['source']}"

        return change

    def merge(notebook: Notebook) -> None:
        third = notebook["cells"].pop(place(notebook, "02-3-answer"))
        answer(notebook, "02.1")["source"] += f"\n\n\n{third['source']}"

    def move_all(notebook: Notebook) -> None:
        mine = [answer(notebook, exercise)["source"] for exercise in POINTS]
        for exercise in POINTS:
            answer(notebook, exercise)["source"] = STUB.replace(
                "size_after", re.search(r"def (\w+)", answer(notebook, exercise)["source"])[1]
            )
        notebook["cells"] += map(code, mine)

    check_1 = place(solved(), "02-1-check")
    lecture = next(n for n, c in enumerate(solved()["cells"]) if "photo = " in c["source"])
    halves = (
        "def span(size, dilation):\n    return dilation * (size - 1) + 1",
        lines(
            """
        def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
            room = size + 2 * padding - span(kernel_size, dilation)
            return room // stride + 1 if room >= 0 else 0
        """
        ),
    )
    return [
        Handed("stub-left-above", moved(answer_1, "02-1-answer")),
        Handed("stub-left-below", moved(answer_1, "02-1-answer", behind=False)),
        Handed("answer-behind-check", moved(answer_1, "02-1-check")),
        Handed("answers-at-the-end", changed(move_all)),
        Handed("second-attempt", moved(answer_1, "02-1-check", WRONG_ANSWER)),
        Handed("merged-answers", changed(merge)),
        Handed("split-answer", moved(halves[1], "02-3-check", halves[0])),
        Handed("answer-in-check", changed(written_into(check_1))),
        Handed("answer-in-lecture", changed(written_into(lecture))),
    ]


def beside() -> list[Handed]:
    """Return answers that need what stands in the lecture's cells, or behind what fails."""
    uses = """
        def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
            left = room(size, dilation * (kernel_size - ONE) + ONE, padding)
            return math.floor(left / stride) + ONE if left >= 0 else 0
    """
    helper = "\nONE = 1\ndef room(size, span, padding):\n    return size + 2 * padding - span"
    fails = """
        from google.colab import drive, files
        drive.mount("/content/drive")
        import os
        os.chdir("/content/drive/MyDrive")
        files.upload()
        assert size_after(5, 3) == 4
        import math
    """

    def in_lecture(notebook: Notebook) -> None:
        answer(notebook, "02.1")["source"] = textwrap.dedent(uses)
        setup, other = [c for c in notebook["cells"] if c["cell_type"] == "code"][:2]
        setup["source"] = f"import math\n{setup['source']}".replace("seed=0", "seed=1")
        other["source"] += helper

    def colab_magics(notebook: Notebook) -> None:
        notebook |= {"nbformat": 4, "nbformat_minor": 4}
        for number, cell in enumerate(notebook["cells"]):
            cell.pop("id", None)
            magic = ("%%time\n", "%%capture out\n", "")[number % 3]
            if "nbgrader" in cell["metadata"] and cell["cell_type"] == "code":
                cell["source"] = (magic + cell["source"]).replace("\n", "\r\n")
            cell["metadata"] = {}

    endless = "\ntorch.manual_seed(1)\nfor step in range(10**9):\n    net = size_after(8, 3)\nnet"
    return [
        Handed("lines-in-lecture", changed(in_lecture)),
        Handed(
            "failing-lines", answered(_1=textwrap.dedent(fails) + helper + textwrap.dedent(uses))
        ),
        Handed("magics-first", changed(colab_magics)),
        Handed("experiment-beside", answered(_1=RIGHT + GOOD + endless)),
    ]


def ordinary() -> list[Handed]:
    """Return honest work that looks or takes like something else."""
    experiment = """
        torch.manual_seed({0})
        model = nn.Sequential(nn.Linear(8, {0} + 1), nn.ReLU(), nn.Linear({0} + 1, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10**9):
            optimizer.zero_grad()
            loss = model(torch.rand(4, 8)).square().mean()
            loss.backward()
            optimizer.step()
            print(epoch, loss.item(), size_after(8, 3))
    """
    same_names = """
        signal, open, gc = 5, 3, 1
        net = nn.Sequential(nn.Linear(2, 2))
        for part in net.modules():
            part.eval()
        def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
            kill = size + 2 * padding - dilation * (kernel_size - 1) - 1
            return kill // stride + 1 if kill >= 0 else 0
        size_after(signal, open, gc)
    """

    def experiments(notebook: Notebook) -> None:
        cells = [code(textwrap.dedent(experiment.format(number))) for number in range(11)]
        at = place(notebook, "02-2-answer")
        notebook["cells"][at:at] = cells

    def merge(notebook: Notebook) -> None:
        check = notebook["cells"].pop(place(notebook, "02-1-check"))
        answer(notebook, "02.1")["source"] += f"\n\n{check['source']}"

    imports = "from helper import right\nsize_after = right"
    slow = "import time\ndef size_after(**case):\n    time.sleep(0.1)\n    return right(**case)"
    return [
        Handed("experiments", changed(experiments)),
        Handed("ordinary-names", answered(_1=same_names)),
        Handed("merged-check", changed(merge)),
        Handed(
            "own-module",
            with_cell("%%writefile helper.py" + RIGHT, "02-1-answer", _1=imports),
            **look("runs %%writefile"),
        ),
        Handed("slow-answer", answered(_1=RIGHT + slow)),
        Handed("timed-answer", answered(_1="%%time" + RIGHT + "size_after = right")),
    ]


def large() -> list[Handed]:
    """Return submissions that are long or deep, as tools and accidents make them."""
    terms, many = "0 + " * 600 + "0", "!echo hi\n" * 600
    no_answer = {"points": NOTHING, "status": {}}
    unread = look("02.1 could not be looked into: it does not parse")

    def tiny(notebook: Notebook) -> None:
        cells = [code(f"y{number} = y{number - 1} + 1") for number in range(3000)]
        for exercise in POINTS:
            answer(notebook, exercise)["source"] += "\nlong = [" + "0, " * 10_000 + "]"
        at = place(notebook, "02-1-answer")
        notebook["cells"][at:at] = cells

    return [
        Handed("tiny-cells", changed(tiny)),
        Handed("many-commands", with_cell(many, "02-1-answer")),
        Handed(
            "many-commands-in-answer",
            answered(_1=many + RIGHT),
            points=NOTHING,
            **look("02.1: `size_after` is not defined where the answer runs"),
        ),
        Handed("sum-in-added-cell", with_cell(f"x = {terms}", "02-1-answer")),
        Handed("sum-in-answer", answered(_1=f"{RIGHT}\nsize_after = right\n{terms}")),
        Handed("endless-sum", answered(_1=f"{RIGHT}\n{terms * 200}"), **no_answer, **unread),
        Handed("brackets", answered(_1="[" * 1500 + "]" * 1500), **no_answer, **unread),
    ]


def from_answers() -> list[Handed]:
    """Return each valid variant and each wrong answer of the lecture, one for each exercise."""
    found = []
    for kind in ("variants", "wrong"):
        names = [[(e, name) for name in ANSWERS[e][kind]] for e in POINTS]
        for number, row in enumerate(zip_longest(*names), start=1):
            notebook, answers = solved(), {}
            notebook["cells"].insert(place(notebook, "02-1-answer"), code(HELPERS))
            for exercise, name in filter(None, row):
                what = ANSWERS[exercise][kind][name]
                answers[exercise] = what if kind == "variants" else what[0]
                function = re.search(r"def (\w+)", answer(notebook, exercise)["source"])[1]
                part = "" if kind == "variants" else "[0]"
                answer(notebook, exercise)["source"] = (
                    f"{function} = ANSWERS[{exercise!r}][{kind!r}][{name!r}]{part}"
                )
            # The table of answers that they are taken from holds the ready-made ones, too.
            own_work = look("02.2 asks to write it yourself, and its answer uses .*conv2d")
            found.append(Handed(f"{kind}-{number}", written(notebook), answers=answers, **own_work))
    return found


# --- hostile -------------------------------------------------------------------------------------

RIGHT = """
def right(size, kernel_size, stride=1, padding=0, dilation=1):
    left = size + 2 * padding - dilation * (kernel_size - 1) - 1
    return left // stride + 1 if left >= 0 else 0
"""
ALWAYS_WRONG = "\ndef size_after(*sizes, **more):\n    return -7\n"
NOTHING = {"02.1": 0.0}


def lines(text: str) -> str:
    """Return code that is indented as the code around it, without that indentation."""
    return textwrap.dedent(text).strip() + "\n"


def attack(name: str, source: str, **more: Any) -> Handed:
    """Return a submission that attacks in exercise 02.1 and earns nothing there."""
    expected = {"points": NOTHING, "status": {"02.1": WRONG}}
    return Handed(name, **{"content": answered(_1=RIGHT + source)} | expected | more)


def look(note: str) -> dict[str, str]:
    """Return what a submission gets whose code a person should read."""
    return {"state": NEEDS_A_LOOK, "note": note}


def cheats() -> list[Handed]:
    """Return attempts to get points without an answer."""
    return [
        attack("print-a-score", 'print("02.1 size_after: 4/4 points")' + ALWAYS_WRONG),
        attack(
            "patch-check",
            lines(
                """
                import course_utils, course_utils.exercises
                def check(*_):
                    print("02.1 size_after: 4/4 points")
                course_utils.check = course_utils.exercises.check = check
                """
            )
            + ALWAYS_WRONG,
            **look("02.1 changes course_utils.check"),
        ),
        attack(
            "patch-judge",
            lines(
                """
                from course_utils.exercises import core, l02_convolution
                for room in (core, l02_convolution):
                    for name in ("same_number", "same_tensor", "_judge_count", "score"):
                        setattr(room, name, lambda *a, **k: True)
                core.Exercise.judge = lambda *a, **k: core.Verdict(True)
                """
            )
            + ALWAYS_WRONG,
            **look("02.1 changes core.Exercise.judge"),
        ),
        attack(
            "ask-the-judge",
            lines(
                """
                def size_after(**case):
                    from course_utils.exercises import get_exercise
                    for guess in range(300):
                        if get_exercise("02.1").judge(case, guess).is_right:
                            return guess
                """
            ),
            **look("02.1 uses the course's own get_exercise"),
        ),
        attack(
            "equals-everything",
            lines(
                """
                class Yes(int):
                    __eq__ = __le__ = __ge__ = lambda *_: True
                    __hash__ = None
                    __sub__ = __rsub__ = lambda *_: 0
                def size_after(*a, **k):
                    return Yes(-7)
                """
            ),
        ),
        attack(
            "patch-the-way-out",
            lines(
                """
                from course_utils.exercises import core, student_kernel, wire
                for room in (core, student_kernel, wire):
                    for name in ("to_plain", "run_case", "encode", "outcome_of"):
                        if hasattr(room, name):
                            setattr(room, name, lambda *a, **k: True)
                """
            )
            + ALWAYS_WRONG,
            points=dict.fromkeys(POINTS, 0.0),
            status={},
            **look("02.1 changes room"),
        ),
        attack(
            "send-results",
            lines(
                """
                def size_after(*a, **k):
                    import json, os
                    whole = {"id": 1, "status": "ok", "done": True, "results": [4] * 24}
                    for case in range(24):
                        one = {"exercise": "02.1", "case": case, "result": 4, "points": 4}
                        for message in (one, one | {"is_right": True}, whole):
                            text = json.dumps(message).encode()
                            for size in (4, 8):
                                for order in ("big", "little"):
                                    frame = len(text).to_bytes(size, order) + text
                                    for number in range(3, 64):
                                        try:
                                            os.write(number, frame)
                                        except OSError:
                                            pass
                    return -7
                """
            ),
            status={},
            varies=True,
            **look("02.1 uses os.write"),
        ),
        attack(
            "hide-errors",
            "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)" + ALWAYS_WRONG,
            **look("set_custom_exc"),
        ),
        attack(
            "strip-asserts",
            lines(
                """
                import ast
                class Strip(ast.NodeTransformer):
                    def visit_Raise(self, node):
                        return ast.copy_location(ast.Pass(), node)
                    visit_Assert = visit_Raise
                get_ipython().ast_transformers.append(Strip())
                """
            )
            + ALWAYS_WRONG,
            **look("02.1 uses ast_transformers"),
        ),
        *ready_made(),
        *hidden(),
    ]


def ready_made() -> list[Handed]:
    """Return answers that take from PyTorch what they must write: right results, and a note."""
    twice = """
        def convolve(image, weight, bias, stride=1, padding=0):
            return F.conv2d(image[None], weight, bias, stride, padding)[0]
    """
    by_unfold = """
        def convolve(image, weight, bias, stride=1, padding=0):
            size = weight.shape[-1]
            rows, columns = ((n + 2 * padding - size) // stride + 1 for n in image.shape[1:])
            windows = F.unfold(image[None], size, padding=padding, stride=stride)[0]
            return (weight.flatten(1) @ windows + bias[:, None]).reshape(-1, rows, columns)
    """
    by_aten = """
        def convolve(image, weight, bias, stride=1, padding=0):
            convolution = torch.ops.aten._slow_conv2d_forward
            size = weight.shape[2:]
            return convolution(image[None], weight, size, bias, [stride] * 2, [padding] * 2)[0]
    """
    in_3d = """
        def pool_max(image, kernel_size, stride, padding=0):
            kernel, step, edge = (1, *[kernel_size] * 2), (1, *[stride] * 2), (0, *[padding] * 2)
            return F.max_pool3d(image[None], kernel, step, edge)[0]
    """
    quantized = """
        def pool_max(image, kernel_size, stride, padding=0):
            values, ranks = image.unique(return_inverse=True)
            whole = torch.quantize_per_tensor(1.0 + ranks, 1.0, 0, torch.quint8)
            window = [kernel_size] * 2, [stride] * 2, [padding] * 2
            pooled = torch.quantized_max_pool2d(whole[None], *window)[0]
            return values[pooled.int_repr().long() - 1]
    """
    in_a_thread = """
        from concurrent.futures import ThreadPoolExecutor
        def convolve(image, weight, bias, stride=1, padding=0):
            with ThreadPoolExecutor() as pool:
                work = pool.submit(F.conv2d, image[None], weight, bias, stride, padding)
            return work.result()[0]
    """
    return [
        Handed(
            "ready-made-captured",
            answered(_2="%%capture" + textwrap.dedent(twice)),
            **own_work("02.2", "conv2d"),
        ),
        Handed("ready-made-in-a-thread", answered(_2=in_a_thread), **look("02.2 uses concurrent")),
        Handed("ready-made-unfold", answered(_2=by_unfold), **look("without unfold")),
        Handed("ready-made-aten", answered(_2=by_aten), **look("02.2 reaches .* aten")),
        Handed("ready-made-3d", answered(_3=in_3d), **own_work("02.3", "max_pool3d")),
        Handed(
            "ready-made-quantized",
            answered(_3=quantized),
            **own_work("02.3", "quantized_max_pool2d"),
        ),
        Handed(
            "ready-made-in-an-added-cell",
            with_cell(
                "ops = {}\nops['c'] = F.conv2d",
                "02-2-answer",
                _2=twice.replace("F.conv2d", "ops['c']"),
            ),
            **own_work("02.2", "conv2d"),
        ),
        Handed(
            "ready-made-unwatched",
            answered(
                _2="""
                import course_utils.exercises.l02_convolution as room
                class Blind:
                    names = set()
                    __enter__ = lambda self: self
                    __exit__ = lambda *a: None
                room.Watch = Blind
                def convolve(image, weight, bias, stride=1, padding=0):
                    return F.conv2d(image[None], weight, bias, stride, padding)[0]
                """
            ),
            **look("02.2 changes room.Watch"),
        ),
        Handed(
            "ready-made-in-the-dark",
            answered(
                _3="""
                def pool_max(image, kernel_size, stride, padding=0):
                    from torch.utils._python_dispatch import _disable_current_modes
                    with _disable_current_modes():
                        return getattr(F, "max_" + "pool2d")(image, kernel_size, stride, padding)
                """
            ),
            **look("02.3 uses _disable_current_modes"),
        ),
        *blinded(),
    ]


def blinded() -> list[Handed]:
    """Return ready-made answers behind an attack on whatever watches the calls of PyTorch."""
    pooled = "return F.max_pool2d(image, kernel_size, stride, padding)"
    through = {
        "frames": ("import sys\n    frame = sys._getframe()", "_getframe"),
        "traceback": (
            "try:\n        raise ValueError\n"
            "    except ValueError as error:\n        frame = error.__traceback__.tb_frame",
            "__traceback__",
        ),
    }
    start = "def pool_max(image, kernel_size, stride, padding=0):\n    "
    clear = (
        "\n    while frame:\n        for thing in list(frame.f_locals.values()):\n"
        "            if isinstance(getattr(thing, 'names', None), set):\n"
        "                thing.names = frozenset()\n        frame = frame.f_back\n    "
    )
    modes = (
        "from torch.utils import _python_dispatch as modes\n"
        "    while modes._get_current_dispatch_mode_stack():\n        modes._pop_mode()\n    "
    )
    watch = "import course_utils.exercises.l02_convolution as room\nroom.Watch = object"
    return [
        *(
            Handed(f"blinded-by-{name}", answered(_3=start + find + clear + pooled), **look(word))
            for name, (find, word) in through.items()
        ),
        Handed("blinded-by-modes", answered(_3=start + modes + pooled), **look("_python_dispatch")),
        Handed(
            "blinded-in-an-added-cell",
            with_cell(watch, "02-2-answer", _3=start + pooled),
            **own_work("02.3", "max_pool2d"),
        ),
    ]


def own_work(exercise: str, what: str) -> dict[str, str]:
    """Return what a submission gets whose answer takes what it must write."""
    return look(f"{exercise} asks to write it yourself, and its answer uses .*{what}")


def hidden() -> list[Handed]:
    """Return attempts and short cuts that stand in magics or in cells of their own."""
    uses = "def size_after(*a, **k):\n    return f(*a, **k)"
    by_course = "from course_utils.arithmetic import conv_output_size"

    unpickled = (
        "import pickle\nf = pickle.loads(b'ccourse_utils.arithmetic\\npool_output_size\\n.')\n"
    )
    hides = "import math\nmath.f = arithmetic.sizes._conv_axis\nmath.pi\nsize = 1"
    unwraps = "import math\nmath.f = arithmetic.conv_output_size.__wrapped__\nsize = 1"

    def taken(name: str, cell: str, answer_of_1: str, note: str) -> Handed:
        content = with_cell(cell, "02-1-answer", _1=answer_of_1)
        return attack(name, "", content=content, **look(note) if note else {})

    return [
        attack(
            "hide-errors-in-magic",
            "",
            content=answered(
                _1="%%time\nget_ipython().set_custom_exc((Exception,), lambda *a: None)"
                + ALWAYS_WRONG
            ),
            **look("02.1 uses get_ipython, set_custom_exc"),
        ),
        attack(
            "hide-errors-in-an-added-cell",
            "",
            content=with_cell(
                "%time get_ipython().set_custom_exc((Exception,), lambda *a: None)",
                "02-1-answer",
                _1=ALWAYS_WRONG,
            ),
            **look("the added cell «%time get_ipython.* uses get_ipython, set_custom_exc"),
        ),
        attack(
            "bash",
            "",
            content=with_cell("%%bash\nps aux; find / -name seed", "02-1-answer", _1=ALWAYS_WRONG),
            **look("the added cell «%%bash» runs %%bash, which was not looked into"),
        ),
        taken(
            "course's-own-imported",
            by_course,
            uses.replace("f(", "conv_output_size("),
            "02.1 uses the course's own conv_output_size",
        ),
        taken(
            "course's-own-renamed",
            "g = arithmetic.conv_output_size\nf = g",
            uses,
            "02.1 uses the course's own arithmetic.conv_output_size",
        ),
        taken(
            "course's-own-star",
            "from course_utils.arithmetic import *",
            "size_after = conv_output_size",
            "all of the course's own course_utils.arithmetic",
        ),
        # What is withheld stops all three.
        taken("course's-own-unpickled", "ONE = 1", unpickled + uses, "a text with course_utils"),
        taken("course's-own-hidden", hides, uses.replace("f(", "math.f("), "changes math.f"),
        taken("course's-own-unwrapped", unwraps, uses.replace("f(", "math.f("), "changes math.f"),
    ]


SEARCH = """
import os, sys
def found(*words):
    for top in ("/", os.path.dirname(os.getcwd()), os.path.expanduser("~")):
        for folder, folders, files in os.walk(top):
            here = os.path.abspath(folder)
            if here.startswith(("/proc", "/sys", "/usr", sys.prefix, sys.base_prefix)):
                folders.clear()
                continue
            for name in files:
                if any(word in os.path.join(here, name) for word in words):
                    return True
    return False
"""


def spies(port: int, outside: Path) -> list[Handed]:
    """Return attempts to reach what a kernel must not reach."""
    return [
        attack(
            "read-the-seed",
            SEARCH
            + """
def size_after(**case):
    secret = found("/seed", "grading", "answers_02") or any("SEED" in key for key in os.environ)
    return right(**case) if secret else -7
""",
        ),
        attack(
            "read-the-others",
            SEARCH
            + """
def size_after(**case):
    return right(**case) if found(".ipynb", ".submission", "results") else -7
""",
        ),
        attack(
            "read-the-judge",
            SEARCH
            + """
def judged():
    import course_utils
    texts = [open(os.path.join(folder, name)).read()
             for folder, _, names in os.walk(os.path.dirname(course_utils.__file__))
             for name in names if name.endswith(".py")]
    return any("def key(" in text or "def cases(" in text for text in texts)
def size_after(**case):
    return right(**case) if judged() else -7
""",
            **look("open"),
        ),
        attack(
            "network",
            lines(f"""
            def size_after(**case):
                import socket
                socket.create_connection(("127.0.0.1", {port}), timeout=5).close()
                return right(**case)
                    """),
            **look("socket"),
        ),
        attack(
            "write-outside",
            lines(f"""
            def size_after(**case):
                import course_utils
                for path in ({str(outside / "written")!r}, course_utils.__file__, "/here"):
                    try:
                        with open(path, "a") as file:
                            file.write("I was here")
                        return right(**case)
                    except OSError:
                        continue
            """),
            **look("open"),
        ),
        attack(
            "look-at-other-processes",
            lines(
                """
                import os
                def size_after(**case):
                    names = [open(f"/proc/{pid}/cmdline").read() for pid in os.listdir("/proc")
                             if pid.isdigit() and int(pid) not in (1, os.getpid())]
                    return right(**case) if any("pytest" in name for name in names) else -7
                """
            ),
            **look("open"),
        ),
        attack(
            "other-sockets",
            lines(
                """
                import os, socket, sys
                def size_after(**case):
                    paths = [line.split()[-1] for line in open("/proc/net/unix") if "/" in line]
                    for folder, folders, files in os.walk("/tmp"):
                        if folder in (sys.prefix, sys.base_prefix):  # Python may lie there
                            folders.clear()
                        paths += [os.path.join(folder, name) for name in files]
                    for path in paths:
                        try:
                            socket.socket(socket.AF_UNIX).connect(path.replace("@", "\\0"))
                            return right(**case)
                        except OSError:
                            continue
                    return -7
                """
            ),
            category="neighbours",
            **look("02.1 uses open, socket"),
        ),
        *system_calls(),
    ]


def system_calls() -> list[Handed]:
    """Return attempts by system calls that a kernel has no use for."""
    call = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    after = "\ndef size_after(**case):\n    return right(**case) if worked else -7"

    def by_call(name: str, source: str, **more: Any) -> Handed:
        return attack(name, call + lines(source) + after, status={}, **{**look("ctypes"), **more})

    return [
        by_call("own-namespace", "worked = libc.unshare(0x10000000 | 0x00020000) == 0"),
        by_call(
            "own-tmpfs",
            """
            libc.unshare(0x10000000 | 0x00020000)
            worked = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
            if worked:
                open("/tmp/filled", "wb").write(bytes(10**9))
            """,
        ),
        by_call("read-keyring", "worked = libc.syscall(250, 11, -3, None, 0) >= 0"),
        by_call(
            "leave-a-key",
            'worked = libc.syscall(248, b"user", b"course", b"secret", 6, -3) > 0',
            category="neighbours",
        ),
        by_call(
            "memory-file",
            """
            worked = True
            try:
                file = os.memfd_create("filled")
                for _ in range(100):
                    os.write(file, bytes(10**8))
            except OSError:
                worked = False
            """,
            category="starve",
            **look("os.memfd_create"),
        ),
    ]


def wreckers() -> list[Handed]:
    """Return attempts, or accidents, that end or fill the kernel."""
    in_function = "\ndef size_after(*a, **k):\n    "
    died, timeout = {"status": {"02.1": DIED}}, {"status": {"02.1": TIMEOUT}}
    fork = "import os\nwhile True:\n    os.fork()"
    # An answer needs what does the damage: otherwise it would not run.
    when_ready = "\ndef size_after(**case):\n    return right(**case) if ready else -7"
    return [
        attack("loop", "while True:\n    ready = 1" + when_ready, **timeout),
        attack(
            "loop-without-interrupt",
            "while True:\n    try:\n        import time; ready = time.sleep(1)\n"
            "    except BaseException:\n        pass" + when_ready,
            **timeout,
        ),
        attack("loop-in-function", in_function + "while True: pass", **timeout),
        Handed(
            "loop-in-one-case",
            answered(
                _1=RIGHT + "def size_after(**case):\n    while case.get('stride') == 2: pass\n"
                "    return right(**case)"
            ),
            points={"02.1": 1.8},
            status={"02.1": TIMEOUT},
            **look("02.1 was stopped after 11 of 24 cases"),
        ),
        attack("exit", "import os\nos._exit(0)", **died, **look("_exit")),
        attack(
            "exit-in-function", in_function + "__import__('os')._exit(0)", **died, **look("_exit")
        ),
        attack("quit", "ready = quit()" + when_ready),
        attack(
            "segfault",
            "import ctypes\nready = ctypes.string_at(0)" + when_ready,
            **died,
            **look("ctypes"),
        ),
        attack("kill-parent", "import os\nos.kill(os.getppid(), 9)" + ALWAYS_WRONG, **look("kill")),
        attack("sys-exit", "import sys\nready = sys.exit()" + when_ready),
        attack("fork-bomb", fork, status={}, **look("fork")),
        attack(
            "memory",
            "import torch\nready = [torch.ones(2**28) for _ in range(100)]" + when_ready,
            status={},
        ),
        attack("output", "while True:\n    ready = print('x' * 1_000_000)" + when_ready, status={}),
        attack(
            "disk",
            "while True:\n    open('/tmp/' + str(len(__import__('os').listdir('/tmp'))), 'wb')"
            ".write(bytes(10**8))",
            **look("open"),
        ),
        attack("input", in_function + "return int(input('size? '))"),
        attack(
            "closed-stdout",
            "import os, sys\nsys.stdout.close()\nos.close(1)" + ALWAYS_WRONG,
            **look("os.close"),
        ),
        attack("changed-folder", "import os\nos.chdir('/')" + ALWAYS_WRONG),
        attack(
            "large-result",
            in_function + "import torch; return torch.zeros(10**7)",
        ),
        attack(
            "deep-result", in_function + "x = []\n    for _ in range(10**4): x = [x]\n    return x"
        ),
        attack("huge-number", in_function + "return 10 ** 100_000"),
        attack(
            "patched-torch",
            "torch.Tensor.__add__ = torch.Tensor.sum = torch.zeros = None" + ALWAYS_WRONG,
            points=dict.fromkeys(("02.1", "02.2", "02.3"), 0.0),
            **look("02.1 changes torch.Tensor.__add__"),
        ),
        *leftovers(),
    ]


def leftovers() -> list[Handed]:
    """Return attacks on the kernel's ways out, and what they leave for the next kernel."""
    nested = "import os\nfor _ in range(1500):\n    os.mkdir('x')\n    os.chdir('x')"
    every = "import os\nfor number in range(3, 31):\n    try:\n        {}\n    except OSError: pass"
    flood = every.format("while True: os.write(number, bytes(10**6))")
    lives_on = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(256):
                    try:
                        os.close(number)
                    except OSError:
                        pass
                while True:
                    time.sleep(1)
            os._exit(0)
    """
    unsure = {"status": {}, "varies": True}
    return [
        attack("nested-folders", nested + ALWAYS_WRONG),
        attack("nested-folders-in-tmp", "import os\nos.chdir('/tmp')\n" + nested + ALWAYS_WRONG),
        attack(
            "write-everywhere",
            every.format("os.write(number, b'4' * 1000)") + ALWAYS_WRONG,
            **unsure,
            **look("os.write"),
        ),
        attack("flood", flood + ALWAYS_WRONG, **unsure, **look("os.write")),
        attack(
            "close-everything",
            "import os\nos.closerange(3, 4096)" + ALWAYS_WRONG,
            **unsure,
            **look("os.closerange"),
        ),
        attack(
            "daemon",
            lines(lives_on) + ALWAYS_WRONG,
            status={},
            category="neighbours",
            **look("os.fork"),
        ),
    ]


# --- another structure ---------------------------------------------------------------------------


def rearranged() -> list[Handed]:
    """Return notebooks whose cells were deleted, doubled, moved, edited or relabelled."""

    def lose_marks(notebook: Notebook) -> None:
        for number, cell in enumerate(notebook["cells"]):
            cell.pop("id", None)
            cell["metadata"] = {"id": f"colab{number}"}

    def colab(notebook: Notebook) -> None:
        lose_marks(notebook)
        notebook |= {"nbformat": 4, "nbformat_minor": 0}
        notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}

    def vscode(notebook: Notebook) -> None:
        for number, cell in enumerate(notebook["cells"]):
            cell["id"] = f"vs{number}"
            cell["metadata"]["vscode"] = {"languageId": "python"}

    def relabel(notebook: Notebook) -> None:
        one, two = answer(notebook, "02.1"), answer(notebook, "02.3")
        one["metadata"], two["metadata"] = two["metadata"], one["metadata"]
        one["id"], two["id"] = two["id"], one["id"]

    def own_check(notebook: Notebook) -> None:
        cell = notebook["cells"][place(notebook, "02-1-check")]
        cell["source"] = 'check = print\ncheck("02.1 size_after: 4/4 points")'
        answer(notebook, "02.1")["source"] = ALWAYS_WRONG

    def cheap_points(notebook: Notebook) -> None:
        for name in ("02-1-check", "02-1-answer"):
            notebook["cells"][place(notebook, name)]["metadata"]["nbgrader"]["points"] = 1000
        answer(notebook, "02.1")["source"] = ALWAYS_WRONG

    def without(*marks: str) -> Callable[[Notebook], None]:
        def change(notebook: Notebook) -> None:
            for mark in marks:
                del notebook["cells"][place(notebook, mark)]

        return change

    def double(notebook: Notebook) -> None:
        at = place(notebook, "02-2-answer")
        old = copy.deepcopy(notebook["cells"][at])
        old["source"] = "def convolve(*a, **k):\n    return None"
        notebook["cells"].insert(at, old)

    def break_lecture(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and "nbgrader" not in cell["metadata"]:
                cell["source"] = "raise SystemExit('nothing works')"

    return [
        Handed("colab", changed(colab)),
        Handed("vscode", changed(vscode)),
        Handed("no-marks", changed(lose_marks)),
        Handed("reversed", changed(lambda notebook: notebook["cells"].reverse())),
        Handed("doubled", changed(double)),
        Handed("relabelled", changed(relabel)),
        Handed("no-checks", changed(without(*(graded_id(e, "check") for e in POINTS)))),
        Handed(
            "no-answer",
            changed(without("02-4-answer")),
            points={"02.4": 0.0},
            status={"02.4": MISSING},
            **look("no cell answers 02.4"),
        ),
        attack("own-check", "", content=changed(own_check), category="points"),
        attack("own-points", "", content=changed(cheap_points), category="points"),
        Handed("broken-lecture", changed(break_lecture)),
    ]


def other_files() -> list[Handed]:
    """Return files that are no notebook of the course, or an unusual one."""

    def old_format(notebook: Notebook) -> bytes:
        cells = [
            {"cell_type": "code", "input": cell["source"], "language": "python", "outputs": []}
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        ]
        whole = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "02"}}
        return json.dumps(whole | {"worksheets": [{"cells": cells}]}).encode()

    def heavy(notebook: Notebook) -> None:
        output = {"output_type": "stream", "name": "stdout", "text": "x" * 200_000_000}
        notebook["cells"][2]["outputs"] = [output]

    def unreadable(name: str, content: bytes, reason: str, file: str = "") -> Handed:
        return Handed(name, content, state=UNREADABLE, reason=reason, file=file)

    foreign = {"nbformat": 4, "metadata": {}, "cells": [code("x = 1")]}
    in_r = changed(lambda notebook: notebook["metadata"].update(kernelspec={"language": "R"}))
    newer = changed(lambda notebook: notebook.update(nbformat=5))
    return [
        unreadable("empty", b"", "empty"),
        unreadable("not-json", b"Traceback (most recent call last):", "not JSON"),
        unreadable("cut-off", written(solved())[:5000], "not JSON"),
        unreadable("deep", b"[" * 10**6, "not JSON"),
        unreadable("list", b"[]", "another kind"),
        unreadable("newer-format", newer, "format 5"),
        unreadable("in-r", in_r, "language is R"),
        unreadable("other-notebook", json.dumps(foreign).encode(), "no lecture of this course"),
        unreadable("report", b"%PDF-1.7", "not a notebook", "report.pdf"),
        Handed("old-format", old_format(solved())),
        Handed("heavy", changed(heavy)),
    ]


def class_zip() -> tuple[str, bytes, list[Handed]]:
    """Return a zip as a learning platform makes it, and what is in it."""
    inside = [
        Handed(
            "Ana Ruiz",
            written(solved()),
            file="Ana Ruiz_1_assignsubmission_file_/02_convolution.ipynb",
        ),
        Handed(
            "Ben Öz",
            b"",
            state=UNREADABLE,
            reason="empty",
            file="Ben Öz_2_assignsubmission_file_/Lab (1).ipynb",
        ),
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for handed in inside:
            archive.writestr(handed.path, handed.content)
    return "class.zip", buffer.getvalue(), inside


def all_notebooks(port: int, outside: Path) -> list[Handed]:
    """Return all submissions that are a notebook of the lecture."""
    groups = {
        "honest": [*honest(), *from_answers(), *rearranged()],
        "points": cheats(),
        "escape": spies(port, outside),
        "starve": wreckers(),
    }
    return [
        handed if handed.category else replace(handed, category=category)
        for category, group in groups.items()
        for handed in group
    ]


def all_single(port: int, outside: Path) -> list[Handed]:
    """Return all submissions that are a file of their own."""
    others = [replace(handed, category="files") for handed in other_files()]
    return [*all_notebooks(port, outside), *others]
