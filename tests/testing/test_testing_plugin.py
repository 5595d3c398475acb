"""``pytest --nbval`` on a lecture works from any directory, and notices what has changed."""

import base64
import io
import os
import subprocess
import sys
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
    """Return a folder that pytest takes for the course, with one notebook."""
    (tmp_path / "course_utils").mkdir()
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "tests/sanitize.cfg"):
        (tmp_path / name).write_text((project_root() / name).read_text("utf-8"), "utf-8")
    return tmp_path


def write(folder, source, output, name="lecture.ipynb"):
    text = new_output("stream", name="stdout", text=output)
    cell = new_code_cell(source, outputs=[text], execution_count=1)
    path = folder / name
    nbformat.write(new_notebook(cells=[cell]), path)
    return path


def write_cells(folder, sources, name="lecture.ipynb"):
    cells = [new_code_cell(source, execution_count=1) for source in sources]
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


def test_notebook_passes_from_another_directory(course, tmp_path_factory):
    source = "import os\nprint(os.environ['COURSE_PROFILE'], os.environ['TQDM_DISABLE'], object())"
    path = write(course, source, "quick 1 <object object at 0x7f0000000000>\n")
    status, printed = run(path, tmp_path_factory.mktemp("elsewhere"))
    assert status == 0, printed
    assert "1 passed" in printed


def test_a_changed_output_fails(course):
    status, printed = run(write(course, "print(2 + 2)", "5\n"), course)
    assert status == 1, printed
    assert "1 failed" in printed


def test_a_lecture_without_its_package_is_skipped(course):
    path = write(course, "print(2 + 2)", "5\n")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["course"] = {"packages": ["no_such_package"]}
    nbformat.write(notebook, path)
    status, printed = run(path, course, "-rs")
    assert status == 0, printed
    assert "1 skipped" in printed
    assert "lecture.ipynb needs no_such_package" in printed


def test_two_workers_share_the_threads(course):
    """The process that starts the workers must not hand them all threads each."""
    share = max(1, os.cpu_count() // 2)
    for name in ("a.ipynb", "b.ipynb"):
        write(course, "import os\nprint(os.environ['OMP_NUM_THREADS'])", f"{share}\n", name)
    status, printed = run(course, course, "-n2")
    assert status == 0, printed


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


def test_a_dead_kernel_is_noticed_at_once_and_named(course):
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    status, printed = run(write(course, source, ""), course, "--nbval-cell-timeout=1000")
    assert status == 1, printed
    assert "the kernel died while this cell was running" in printed


def test_after_a_dead_kernel_the_rest_is_one_failure(course):
    path = write_cells(course, ["import os\nos._exit(1)", "a = 1", "b = 2"])
    status, printed = run(path, course)
    assert status == 1, printed
    assert "2 failed, 1 skipped" in printed
    assert "not run: the kernel died in cell 0" in printed


FOREVER = "while True: pass"


def test_a_cell_that_computes_too_long_is_stopped_and_the_rest_is_one_failure(course):
    path = write_cells(course, ["a = 1", FOREVER, "1 / 0", "b = 2", "c = 3"])
    report = course / "junit.xml"
    status, printed = run(path, course, "--nbval-cell-timeout=1", f"--junit-xml={report}", "-rs")
    assert status == 1, printed
    assert "2 failed, 1 passed, 2 skipped" in printed
    assert "stopped: it used more than 1 seconds of processor time" in printed
    assert "Cell 2: not run: cell 1 was stopped" in printed
    assert "SKIPPED [2]" in printed
    assert "ZeroDivisionError" not in printed
    suite = ElementTree.parse(report).getroot()[0]
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["5", "2", "2"]


def test_another_lecture_goes_on_beside_it(course):
    write_cells(course, [FOREVER, "a = 1", "b = 2"], "a.ipynb")
    write_cells(course, ["a = 1"], "b.ipynb")
    status, printed = run(course, course, "-n2", "--nbval-cell-timeout=1")
    assert status == 1, printed
    assert "2 failed, 1 passed, 1 skipped" in printed


def test_a_cell_that_waits_for_its_turn_is_not_stopped(course):
    """It takes more than its limit by the clock, as beside other programs."""
    waiting = """import time
for _ in range(6):
    time.sleep(0.5)
    end = time.process_time() + 0.05
    while time.process_time() < end: pass"""
    status, printed = run(write_cells(course, [waiting]), course, "--nbval-cell-timeout=2")
    assert status == 0, printed


def test_what_a_cell_starts_counts_as_its_own(course):
    burn = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])"
    status, printed = run(write_cells(course, [burn]), course, "--nbval-cell-timeout=2")
    assert status == 1, printed
    assert "it used more than 2 seconds of processor time" in printed


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pass",
        "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)\n1 / 0",
    ],
    ids=["swallows the interrupt", "hides the error"],
)
def test_a_hidden_failure_fails(course, source):
    status, printed = run(write_cells(course, [source]), course, "--nbval-cell-timeout=1")
    assert status == 1, printed


def test_c_level_output_is_compared(course):
    source = "import os\nos.system('echo from a subprocess')\nNone"
    status, printed = run(write(course, source, "from a subprocess\n"), course)
    assert status == 0, printed


def test_figures_are_counted_and_looked_at():
    grey = figure_of(range(0, 250, 10))
    assert figure_problem([grey], [grey]) is None
    assert "0 figures; 1 are stored" in figure_problem([grey], [])
    assert "blank" in figure_problem([grey], [figure_of([255])])
