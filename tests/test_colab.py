"""The set-up cell in a kernel like a bare Colab's: no course, and a folder of its own to work in.

Its address of GitHub is answered by a repository on this disk, and git may fetch from nowhere
else; pip gets packages from a folder only.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from notebook_rules import stored_repository

from course_utils.lectures import (
    REPOSITORY,
    all_lectures,
    lead_to,
    renewed_readme,
    setup_code,
)
from course_utils.runtime import project_root
from course_utils.testing.kernel import AsyncFileKernelManager
from course_utils.testing.variables import inherited_variables

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Colab runs on Linux; this needs its links"),
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here"),
]
LECTURES = {lecture.id: lecture for lecture in all_lectures()}
NOT_IN_COLAB = ("course_utils", "__editable__", "torchsummary", "optuna", "efficientnet_lite0")


def setup_cell(number, branch="main"):
    stored = nbformat.read(LECTURES[number].path, as_version=4)
    notebook = lead_to(stored, REPOSITORY, branch)
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """The course as a repository at the place that stands for github.com."""
    host = tmp_path_factory.mktemp("host")
    folder = host / REPOSITORY
    for part in ("course_utils", "data"):
        skipped = shutil.ignore_patterns("__pycache__", "cache", "instructor")
        shutil.copytree(project_root() / part, folder / part, ignore=skipped)
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-C", folder]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", folder], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=Course"], check=True)
    subprocess.run([*git, "branch", "student"], check=True)
    return host


def write_wheel(folder, name):
    """Write a package with nothing in it."""
    info = f"{name}-9.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-9.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", "def summary(*_, **__):\n    print('a table')\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


class Colab:
    """A bare Colab: its own environment, its folder ``content``, its variables."""

    def __init__(self, folder, remote):
        self.content, self.wheels, self.offered = folder / "content", folder / "w", folder / "o"
        self.content.mkdir()
        self.wheels.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
        (self.own,) = (folder / "env").glob("lib/python*/site-packages")
        self.given = folder / "given"  # what Colab has: all that is installed here but the course
        self.given.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(NOT_IN_COLAB) and entry.suffix != ".pth":
                (self.given / entry.name).symlink_to(entry)
        (folder / "fake" / "google" / "colab").mkdir(parents=True)
        (folder / "fake" / "google" / "colab" / "__init__.py").touch()
        start = f"{folder / 'fake'}\n{self.given}\nimport google.colab\n"
        (self.own / "colab.pth").write_text(start)
        self.python, self.pip_log = folder / "env" / "bin" / "python", folder / "pip.log"
        self.connect(remote)

    def connect(self, remote):
        """Let the address of GitHub lead to the folder ``remote``."""
        ours = ("COURSE_", "PYTHONPATH")
        usual = {k: v for k, v in inherited_variables().items() if not k.startswith(ours)}
        self.variables = usual | {
            "COURSE_DEVICE": "cpu",
            "GIT_ALLOW_PROTOCOL": "file",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{remote.as_uri()}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(self.offered),
            "PIP_LOG": str(self.pip_log),
            "PIP_NO_INDEX": "1",
        }

    def run(self, *sources):
        """Run cells in a new kernel; return what each printed, or how its error is shown."""
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager = {"kernel_spec": KernelSpec(argv=argv)}
        NotebookClient(
            notebook,
            kernel_manager_class=type("ColabManager", (AsyncFileKernelManager,), manager),
            allow_errors=True,
            resources={"metadata": {"path": str(self.content)}},
        ).execute(env=self.variables)
        return [
            "".join(o.get("text", "") or "\n".join(o.get("traceback", ())) for o in cell.outputs)
            for cell in notebook.cells
        ]

    def packages(self):
        """Return what is installed."""
        return {path.name for folder in (self.own, self.given) for path in folder.iterdir()}


@pytest.fixture
def colab(tmp_path, remote):
    return Colab(tmp_path, remote)


IS_THERE = "import course_utils; print(course_utils.__file__)"
REFUSED = (
    f"https://github.com/{REPOSITORY} cannot be fetched. Are git and the internet there? Then run "
    "this cell again."
)
DEVICE = "Device: cpu"


def test_it_fetches_the_course_once_and_installs_nothing(colab, tmp_path):
    before, cell = colab.packages(), setup_cell("01")
    absent, printed, where, folder = colab.run(
        IS_THERE, cell, IS_THERE, "import os; print(os.getcwd())"
    )
    assert "ModuleNotFoundError" in absent, "the course must not be there before"
    device, explained, *_ = printed.splitlines()
    assert device.startswith(DEVICE)
    assert "profile: quick" in device
    assert explained.startswith("No GPU is on.")
    assert where.strip() == str(colab.content / "course" / "course_utils" / "__init__.py")
    assert folder.strip() == str(colab.content)

    colab.connect(tmp_path / "nowhere")
    (colab.content / "course" / "mine.txt").touch()
    assert colab.run(cell, cell, IS_THERE) == [printed, printed, where], "after a restart"
    assert (colab.content / "course" / "mine.txt").exists()
    assert colab.packages() == before
    assert not colab.pip_log.exists(), "pip was called"


def test_a_failed_clone_is_one_line_and_can_be_run_again(colab, tmp_path, remote):
    cell = setup_cell("02")
    colab.connect(tmp_path / "nowhere")
    look, mend = "import os; print(os.listdir())", f"os.symlink('{remote}', '{tmp_path}/nowhere')"
    refused, left, again, _, printed = colab.run(cell, look, cell, mend, cell)
    assert refused == again == REFUSED
    assert left.strip() == "[]"
    assert printed.startswith(DEVICE)


def test_a_clone_that_was_killed_is_made_again(colab, remote):
    target, signal_file = colab.content / "course.part", colab.content / "writing"
    subprocess.run(["git", "clone", "-q", "-n", remote / REPOSITORY, target], check=True)
    # The filter of one folder's files takes long: git is killed while it writes the files.
    (target / ".git" / "info" / "attributes").write_text("data/** filter=slow\n")
    slow = f"touch {signal_file}; sleep 60"
    subprocess.run(["git", "-C", target, "config", "filter.slow.smudge", slow], check=True)
    git = subprocess.Popen(["git", "-C", target, "checkout", "--quiet"], start_new_session=True)
    while not signal_file.exists():
        assert git.poll() is None
        time.sleep(0.01)
    os.killpg(git.pid, signal.SIGKILL)
    git.wait()
    assert (target / "course_utils" / "__init__.py").exists(), "half of the files are there"
    assert colab.run(setup_cell("01", branch="student"))[0].startswith(DEVICE)
    assert not target.exists()
    course = colab.content / "course"
    assert (course / "data" / "fashion_mnist_sample.npz").exists()
    assert "student" in (course / ".git" / "HEAD").read_text()


def test_what_colab_lacks_is_installed_where_it_is_needed(colab):
    before, cell = colab.packages(), setup_cell("10")
    table = "from course_utils import inspection; from torch import nn\n"
    table += "inspection.summary(nn.Sequential(nn.Linear(2, 3)), (1, 2, 2))"
    offer = f"import os; os.rename('{colab.wheels}', '{colab.offered}'); print(os.listdir('.'))"
    forget = f"os.remove('{colab.pip_log}')"
    names = ("optuna", "torchsummary")
    for name in names:
        write_wheel(colab.wheels, name)
    printed = colab.run(cell, table, offer, cell, table, forget, cell, table)
    for text, name in zip(printed[:2], names, strict=True):
        line = f"This lecture needs {name}. To get it, run: %pip install {name}"
        assert text.splitlines()[-1] == line
        assert "Traceback" not in text
    assert [text.splitlines()[0][:11] for text in printed[3::3]] == [DEVICE, DEVICE]
    assert "needs" not in "".join(printed[3:])
    assert "a table" in printed[4]
    assert colab.packages() - before == {*names, *(f"{name}-9.0.dist-info" for name in names)}
    assert not colab.pip_log.exists(), "pip was called for what is there"


# --- one place for the address -------------------------------------------------------------------


def test_a_repository_is_named_in_one_place():
    files = [*(project_root() / "course_utils").rglob("*"), *project_root().glob("benchmarks/*")]
    naming = [p.name for p in files if p.is_file() and REPOSITORY.encode() in p.read_bytes()]
    assert [name for name in naming if not name.endswith(".pyc")] == ["addresses.py"]


def test_another_repository_leaves_no_trace_of_the_first():
    for lecture in LECTURES.values():
        led = lead_to(nbformat.read(lecture.path, as_version=4), "else/where", "spring")
        text = nbformat.writes(led)
        assert stored_repository() not in text
        assert lecture.colab_url("else/where", "spring") in led.cells[0].source
        code = next(cell.source for cell in led.cells if cell.cell_type == "code")
        assert code.startswith(setup_code("else/where", "spring"))
    readme = (project_root() / "README.md").read_text("utf-8")
    renewed = renewed_readme(readme, list(LECTURES.values()), "else/where")
    assert stored_repository() not in renewed
    assert "git clone https://github.com/else/where course" in renewed
    assert "git-pull?repo=https://github.com/else/where&branch=student" in renewed


def test_a_notebook_without_a_set_up_cell_is_left_alone():
    notebook = new_notebook(cells=[new_code_cell("import sys\nprint(sys.path)")])
    assert lead_to(notebook, REPOSITORY) == notebook
