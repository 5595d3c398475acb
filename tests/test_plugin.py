"""``pytest --nbval`` on a lecture works from any directory, and notices what has changed."""

import base64
import io
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from course_utils.runtime import project_root
from course_utils.testing.cells import figure_problem
from course_utils.testing.plugin import kernel_environment


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


def write_cells(folder, sources):
    cells = [new_code_cell(source, execution_count=1) for source in sources]
    nbformat.write(new_notebook(cells=cells), folder / "lecture.ipynb")
    return folder / "lecture.ipynb"


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
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120
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


def test_threads_are_divided_among_workers(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert kernel_environment(1)["OMP_NUM_THREADS"] == "8"
    assert kernel_environment(4)["OMP_NUM_THREADS"] == "2"
    assert kernel_environment(16)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert kernel_environment(4)["OMP_NUM_THREADS"] == "3"


def test_a_dead_kernel_is_noticed_at_once_and_named(course):
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    status, printed = run(write(course, source, ""), course, "--nbval-cell-timeout=1000")
    assert status == 1, printed
    assert "the kernel died while this cell was running" in printed


def test_after_a_timeout_later_cells_still_fail(course):
    cells = ["while True: pass", "1 / 0"]
    path = write_cells(course, cells)
    status, printed = run(path, course, "--nbval-cell-timeout=2")
    assert status == 1, printed
    assert "2 failed" in printed


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pass",
        "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)\n1 / 0",
    ],
    ids=["swallows the interrupt", "hides the error"],
)
def test_a_hidden_failure_fails(course, source):
    status, printed = run(write_cells(course, [source]), course, "--nbval-cell-timeout=2")
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
