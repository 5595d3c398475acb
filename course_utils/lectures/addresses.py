"""Where the lectures lead: the repository of badges and set-up cells."""

from __future__ import annotations

import copy
import re
import subprocess
from typing import TYPE_CHECKING

from ..runtime import project_root

if TYPE_CHECKING:  # it takes a second to import, and most commands need none of it
    from nbformat import NotebookNode

# owner/name, for a checkout that does not come from GitHub. After a change: make notebooks
REPOSITORY = "image-classification-course/notebooks"
STUDENT_BRANCH = "student"  # where `release --branch` puts the students' edition
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
GITHUB = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^/@]+@)?(?:ssh\.)?github\.com(?::\d+)?/|(?:[^/@]+@)?github\.com:)"
    r"/?(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
# The course is looked for in all folders above the notebook. VS Code tells its path: there a kernel
# may start anywhere. A clone gets its name when it is complete; an interrupted one is made again.
SETUP = """\
import importlib.util
import pathlib
import shutil
import subprocess
import sys

# Find the course beside or above this notebook, or fetch it.
notebook = pathlib.Path(globals().get("__vsc_ipynb_file__", "notebook")).resolve()
places = [pathlib.Path("course").resolve(), *notebook.parents]
sys.path += [str(place) for place in places if (place / "course_utils").is_dir()]
if importlib.util.find_spec("course_utils") is None:
    url, branch = "https://github.com/{repository}", "{branch}"
    shutil.rmtree("course.part", ignore_errors=True)
    clone = f"git clone --quiet --depth=1 --branch={{branch}} {{url}} course.part"
    if subprocess.run(clone, shell=True, stderr=subprocess.DEVNULL).returncode:
        lacks = "cannot be fetched. Are git and the internet there? Then run this cell again."
        stop = ConnectionError(f"{{url}} {{lacks}}")
        stop._render_traceback_ = lambda: [str(stop)]  # one line in place of a traceback
        raise stop
    sys.path += [str(pathlib.Path("course.part").rename(places[0]))]
importlib.import_module("course_utils.needed").ensure()
"""
SETUP_LINES = re.compile(
    r"\A.*^(?:sys\.path \+= |importlib\.import_module)[^\n]*\n", re.DOTALL | re.MULTILINE
)
FETCHED_FROM = re.compile(r"^ +url, branch = .*$", re.MULTILINE)


def repository() -> str:
    """Return owner/name of the course on GitHub: that of the remote ``origin`` of this checkout.

    Without git, without such a remote or with one elsewhere it is ``REPOSITORY``. A course that
    lies somewhere in another project's checkout does not take that project's remote.
    """
    root = project_root()
    if not (root / ".git").exists():
        return REPOSITORY
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # there is no git
        return REPOSITORY
    found = GITHUB.fullmatch(asked.stdout.strip())
    return found["name"] if found else REPOSITORY


def setup_code(repository: str, branch: str = "main") -> str:
    """Return the first lines of every notebook's code: in a bare Colab they fetch the course."""
    return SETUP.format(repository=repository, branch=branch)


def lead_to(notebook: NotebookNode, repository: str, branch: str = "main") -> NotebookNode:
    """Return a lecture whose badge and set-up cell lead to a branch of a repository."""
    led = copy.deepcopy(notebook)
    badge = re.compile(r"(?<=colab\.research\.google\.com/github/)\S+?/blob/\S+?(?=/notebooks/)")
    setup = setup_code(repository, branch)
    for cell in led.cells[:1]:
        cell.source = badge.sub(f"{repository}/blob/{branch}", cell.source)
    for cell in [cell for cell in led.cells if cell.cell_type == "code"][:1]:
        cell.source = SETUP_LINES.sub(lambda _: setup, cell.source)
    return led
