"""``pytest --nbval`` on a lecture works from any directory, and notices what has changed."""

import base64
import io
import os
import subprocess
import sys
from collections import defaultdict
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

import course_utils
from course_utils.runtime import project_root
from course_utils.testing.cells import figure_problem

WHOLE_RUN = """import os, sys, pytest
before = dict(os.environ)
status = pytest.main(["-n0", "-q", "-p", "no:cacheprovider", sys.argv[1]])
assert dict(os.environ) == before
sys.exit(status)"""


@pytest.fixture
def course(tmp_path):
    return like_the_course(tmp_path)


def like_the_course(folder):
    """Make a folder into one that pytest takes for the course."""
    (folder / "course_utils").mkdir()
    (folder / "tests").mkdir()
    for name in ("pyproject.toml", "tests/sanitize.cfg"):
        (folder / name).write_text((project_root() / name).read_text("utf-8"), "utf-8")
    return folder


def write(folder, source, output, name="lecture.ipynb"):
    return write_cells(folder, [source], name, [new_output("stream", name="stdout", text=output)])


def write_cells(folder, sources, name="lecture.ipynb", outputs=()):
    cells = [new_code_cell(s, outputs=[*outputs], execution_count=1) for s in sources]
    nbformat.write(new_notebook(cells=cells), folder / name)
    return folder / name


def figure_of(greys):
    greys = list(greys)
    picture = Image.new("L", (len(greys), 1))
    picture.putdata(greys)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    content = base64.b64encode(buffer.getvalue()).decode()
    return new_output("display_data", {"image/png": content})


def run(path, directory, *options):
    inherited = ("PYTEST_", "OMP_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(inherited)}
    command = [sys.executable, "-m", "pytest", "--nbval", "-n0", "-q", str(path), *options]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


# --- what becomes of notebooks, in one run --------------------------------------------------------

FOREVER = "while True: pass"
VARIABLES = "import os\nprint(os.environ['COURSE_PROFILE'], os.environ['TQDM_DISABLE'], object())"
# It takes more than its limit by the clock, as beside other programs.
WAITING = """import time
for _ in range(6):
    time.sleep(0.5)
    end = time.process_time() + 0.05
    while time.process_time() < end: pass"""
PRINTS = {
    "variables": (VARIABLES, "quick 1 <object object at 0x7f0000000000>\n"),
    "changed": ("print(2 + 2)", "5\n"),
    "lacks": ("print(2 + 2)", "5\n"),
    "from_c": ("import os\nos.system('echo from a subprocess')\nNone", "from a subprocess\n"),
}
CELLS = {
    "killed": ["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"],
    "ends": ["import os\nos._exit(1)", "a = 1", "b = 2"],
    "forever": ["a = 1", FOREVER, "1 / 0", "b = 2", "c = 3"],
    "waiting": [WAITING],
    "starts": [f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {FOREVER!r}])"],
    "swallows": ["import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pass"],
    "hides": ["get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)\n1 / 0"],
}
PASSED, FAILED, SKIPPED = "passed", "failure", "skipped"


def outcomes(path, directory, *options):
    """Run notebooks; return the outcome of each cell with what is said of it, by notebook."""
    report = directory / "junit.xml"
    status, printed = run(path, directory, f"--junit-xml={report}", *options)
    assert status == 1, printed
    found = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):
        told = next(iter(case.findall(FAILED) + case.findall(SKIPPED)), None)
        outcome = (PASSED, "") if told is None else (told.tag, f"{told.get('message')} {told.text}")
        found[case.get("classname").removesuffix(".ipynb").rpartition(".")[2]].append(outcome)
    return found


def test_students_run_what_is_not_stored_yet(course):
    """Their answers print and show something new; only an error counts."""
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint(2 + 2)"
    status, printed = run(write(course, source, "5\n"), course, "--nbval-lax")
    assert status == 0, printed
    status, printed = run(write(course, "1 / 0", ""), course, "--nbval-lax")
    assert status == 1, printed
    assert "ZeroDivisionError" in printed


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What becomes of these notebooks, in pytest started elsewhere; each cell has a second."""
    course = like_the_course(tmp_path_factory.mktemp("course"))
    for name, (source, output) in PRINTS.items():
        write(course, source, output, f"{name}.ipynb")
    for name, sources in CELLS.items():
        write_cells(course, sources, f"{name}.ipynb")
    lacks = nbformat.read(course / "lacks.ipynb", as_version=4)
    lacks.metadata["course"] = {"packages": ["no_such_package"]}
    nbformat.write(lacks, course / "lacks.ipynb")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    return outcomes(course, elsewhere, "--nbval-cell-timeout=1")


@pytest.mark.parametrize("name", ["variables", "from_c", "waiting"])
def test_a_cell_that_does_as_is_stored_passes_from_another_directory(found, name):
    assert found[name] == [(PASSED, "")]


@pytest.mark.parametrize(
    ("name", "outcome", "message"),
    [
        ("changed", FAILED, "5"),
        ("lacks", SKIPPED, "lacks.ipynb needs no_such_package"),
        ("killed", FAILED, "the kernel died while this cell was running"),
        ("starts", FAILED, "it used more than 1 seconds of processor time"),
        ("swallows", FAILED, "it did nothing for 3 seconds"),
        ("hides", FAILED, "The kernel reported an error that the outputs do not show"),
    ],
)
def test_what_is_wrong_with_a_cell_is_told(found, name, outcome, message):
    ((told, text),) = found[name]
    assert told == outcome
    assert message in text


def test_after_a_dead_kernel_the_rest_is_one_failure(found):
    assert [told for told, _ in found["ends"]] == [FAILED, FAILED, SKIPPED]
    assert "not run: the kernel died in cell 0" in found["ends"][1][1]


def test_a_cell_that_computes_too_long_is_stopped_and_the_rest_is_one_failure(found):
    assert [told for told, _ in found["forever"]] == [PASSED, FAILED, FAILED, SKIPPED, SKIPPED]
    said = [text for _, text in found["forever"]]
    assert "stopped: it used more than 1 seconds of processor time" in said[1]
    assert "not run: cell 1 was stopped" in said[2]
    assert "ZeroDivisionError" not in "".join(said)


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """What becomes of notebooks of two workers."""
    course = like_the_course(tmp_path_factory.mktemp("course"))
    write_cells(course, [FOREVER, "a = 1", "b = 2"], "a.ipynb")
    share = max(1, os.cpu_count() // 2)
    for name in ("b", "c"):
        source = "import os\nprint(os.environ['OMP_NUM_THREADS'])"
        write(course, source, f"{share}\n", f"{name}.ipynb")
    return outcomes(course, course, "-n2", "--nbval-cell-timeout=1")


def test_two_workers_share_the_threads(beside):
    """The process that starts the workers must not hand them all threads each."""
    assert beside["b"] == beside["c"] == [(PASSED, "")]


def test_another_lecture_goes_on_beside_one_that_was_stopped(beside):
    assert [told for told, _ in beside["a"]] == [FAILED, FAILED, SKIPPED]
    assert beside["b"] == [(PASSED, "")]


# --- what else runs in that process ---------------------------------------------------------------


def test_kernels_keep_their_variables_whatever_a_test_does(course):
    """A test that runs before a lecture leads the whole process astray."""
    (course / "edition" / "course_utils").mkdir(parents=True)
    (course / "edition" / "course_utils" / "__init__.py").touch()
    spoil = {
        "PYTHONPATH": str(course / "edition"),
        "COURSE_PROFILE": "full",
    }
    test = f"import os\ndef test_release():\n    os.environ.update({spoil})\n"
    (course / "a_test.py").write_text(test, "utf-8")
    look = "import os, course_utils\nprint(course_utils.__file__)\n"
    look += "print(os.environ['COURSE_PROFILE'])"
    path = write(course, look, f"{course_utils.__file__}\nquick\n")
    status, printed = run(course / "a_test.py", course, str(path), "-o", "python_files=a_test.py")
    assert status == 0, printed
    assert "2 passed" in printed


def test_a_test_computes_quickly_and_the_environment_is_as_it_was_in_the_end(course):
    test = "import os\ndef test_it():\n    assert os.environ['COURSE_PROFILE'] == 'quick'\n"
    (course / "test_it.py").write_text(test, "utf-8")
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COURSE_"))}
    command = [sys.executable, "-c", WHOLE_RUN, "test_it.py"]
    done = subprocess.run(command, cwd=course, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_figures_are_counted_and_looked_at():
    grey = figure_of(range(0, 250, 10))
    assert figure_problem([grey], [grey]) is None
    assert "0 figures; 1 are stored" in figure_problem([grey], [])
    assert "blank" in figure_problem([grey], [figure_of([255])])
