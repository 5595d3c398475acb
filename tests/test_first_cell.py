"""The first cell of a lecture, wherever it is opened: it finds or fetches the course, or says why.

Each place is rehearsed with its folders and variables, in a Python that has no course and in which
packages are empty stand-ins. Colab has its own file, with real ones.
"""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from course_utils import needed
from course_utils.lectures import REPOSITORY, setup_code
from course_utils.runtime import project_root

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the places are Linux machines"),
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here"),
]
READ_FIRST = ("course_utils/__init__.py", "course_utils/needed.py")
# Like a notebook: an error shows as its own lines, if it has such. A bare one fails the test.
CELL = """
import os, sys
{before}
try:
    exec({cell!r}, globals())
    import course_utils
    print(course_utils.__file__)
except Exception as error:
    print(*error._render_traceback_(), sep="\\n")
"""
REFUSED = (
    f"https://github.com/{REPOSITORY} cannot be fetched. Are git and the internet there? Then run "
    "this cell again."
)


@dataclass
class Place:
    """A machine on which a notebook is opened; ``home`` is where its kernels start."""

    python: Path
    packages: Path
    remote: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def open(self, home, **variables):
        """Start kernels elsewhere, with the variables by which this place is known."""
        self.home, self.variables = home, variables
        home.mkdir(parents=True, exist_ok=True)

    def run(self, before=""):
        """Run the first cell in a new kernel, after some other code. Return what is shown."""
        code = CELL.format(before=before, cell=setup_code(REPOSITORY))
        git = {
            "GIT_ALLOW_PROTOCOL": "file",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.remote.as_uri()}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/",
        }
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages)}
        return subprocess.run(
            [self.python, "-c", code],
            cwd=self.home,
            env=variables | git | self.variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def install(self, *names):
        """Put empty packages in place."""
        for name in names:
            (self.packages / name).mkdir(parents=True)
            (self.packages / name / "__init__.py").touch()


def write_course(folder):
    """Write what the first cell reads of the course."""
    for name in READ_FIRST:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """The course as a repository at the place that stands for github.com."""
    host = tmp_path_factory.mktemp("host")
    folder = write_course(host / REPOSITORY)
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-C", folder]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", folder], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=Course"], check=True)
    return host


@pytest.fixture
def place(tmp_path, python, remote):
    made = Place(python, tmp_path / "packages", remote, tmp_path)
    made.install(*needed.MODULES)
    return made


def code_of(course):
    return str(course / "course_utils" / "__init__.py")


# --- the notebook is alone -----------------------------------------------------------------------

ALONE = {
    "Colab": ("content", {"COLAB_RELEASE_TAG": "release"}),
    "Kaggle": ("kaggle/working", {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}),
    "Deepnote": ("work", {"DEEPNOTE_PROJECT_ID": "1"}),
    "Studio Lab": ("home/studio-lab-user", {"SAGEMAKER_INTERNAL_IMAGE_URI": "x"}),
    "a laptop": ("home/kim/Down loads", {}),
}


@pytest.mark.parametrize("name", ALONE)
def test_the_course_is_fetched_once(place, tmp_path, name):
    folder, variables = ALONE[name]
    place.open(tmp_path / folder, **variables)
    assert place.run() == code_of(place.home / "course")
    (place.home / "course" / "mine.txt").touch()
    place.remote = tmp_path / "nowhere"
    assert place.run() == code_of(place.home / "course")
    assert sorted(os.listdir(place.home)) == ["course"]
    assert (place.home / "course" / "mine.txt").exists()


def test_without_the_internet_one_line_says_so(place, tmp_path):
    """As in Kaggle until "Internet on" is chosen."""
    place.open(tmp_path / "kaggle" / "working", KAGGLE_KERNEL_RUN_TYPE="Interactive")
    remote, place.remote = place.remote, tmp_path / "nowhere"
    assert place.run() == REFUSED
    place.remote = remote
    assert place.run() == code_of(place.home / "course")


def test_without_git_one_line_says_so(place, tmp_path):
    place.open(tmp_path / "home", PATH="/nowhere")
    assert place.run() == REFUSED


def test_what_an_interrupted_clone_has_left_is_replaced(place, tmp_path):
    place.open(write_course(tmp_path / "work" / "course.part").parent)
    assert place.run() == code_of(place.home / "course")
    assert sorted(os.listdir(place.home)) == ["course"]


# --- the course is there -------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["notebooks", "notebooks/mine", "."])
def test_a_pulled_course_is_found(place, tmp_path, start):
    """As nbgitpuller leaves it in a JupyterHub, and git anywhere; nothing is fetched."""
    course = write_course(tmp_path / "home" / "jovyan" / "course")
    place.open(course / start, JUPYTERHUB_USER="kim", GIT_ALLOW_PROTOCOL="")
    assert place.run() == code_of(course)
    assert not list(tmp_path.rglob("course.part"))


def test_vs_code_may_start_its_kernel_elsewhere(place, tmp_path):
    course = write_course(tmp_path / "projects" / "course")
    place.open(tmp_path / "somewhere else", GIT_ALLOW_PROTOCOL="")
    assert place.run() == REFUSED, "the course must not be found without VS Code's word"
    file = course / "notebooks" / "02_convolution.ipynb"
    assert place.run(f"__vsc_ipynb_file__ = {str(file)!r}") == code_of(course)


def test_a_course_in_the_kernels_own_python_comes_first(place, tmp_path):
    """As in an environment in which requirements.txt was installed, the notebook lying anywhere."""
    write_course(place.packages)
    place.open(tmp_path / "desk", GIT_ALLOW_PROTOCOL="")
    assert place.run() == code_of(place.packages)


# --- the kernel lacks something ------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, python, remote):
    """A place whose Python has nothing."""
    (tmp_path / "packages").mkdir()
    return Place(python, tmp_path / "packages", remote, tmp_path)


def test_what_lacks_is_told_in_one_line_and_can_be_installed(bare, tmp_path):
    bare.open(tmp_path / "work", DEEPNOTE_PROJECT_ID="1")
    bare.install(*(name for name in needed.MODULES if name not in ("torch", "PIL", "sklearn")))
    line = bare.run()
    names = "torch pillow scikit-learn"
    assert line == (
        f"This kernel lacks {names.replace(' ', ', ')}: choose another kernel, or run "
        f"%pip install {names}"
    )
    bare.install("torch", "PIL", "sklearn")
    assert bare.run() == code_of(bare.home / "course")


def test_a_kernel_beside_the_courses_own_is_led_to_it(bare, tmp_path):
    """As in VS Code, which asks for a kernel and lists every Python of the machine."""
    course = write_course(tmp_path / "course")
    (course / ".venv").mkdir()
    bare.open(course / "notebooks")
    assert f": choose the kernel of {course / '.venv'}, or run %pip" in bare.run()


def test_an_older_python_or_torch_is_told_in_one_line(place, tmp_path):
    """As Studio Lab's default environment has had."""
    place.open(write_course(tmp_path / "course") / "notebooks")
    line = "This kernel has Python 3.9, the course needs 3.10 or newer: choose another kernel."
    assert place.run("sys.version_info = (3, 9, 18)") == line
    info = place.packages / "torch-2.5.1+cu121.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.5.1+cu121\n")
    assert place.run() == (
        "This kernel has torch 2.5.1+cu121, the course needs 2.6 or newer: run %pip install "
        "--upgrade torch torchvision, and restart the kernel"
    )


def test_older_pythons_can_read_what_speaks_to_them():
    texts = [(project_root() / name).read_text("utf-8") for name in READ_FIRST]
    texts.append((project_root() / "course_utils" / "install.py").read_text("utf-8"))
    for text in (*texts, setup_code(REPOSITORY)):
        ast.parse(text, feature_version=(3, 8))
