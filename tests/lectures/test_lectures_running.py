"""A kernel gets its environment by hand: nothing is left in ours, and ours does not mislead it."""

import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import course_utils
from course_utils.lectures.running import execute, printed
from course_utils.runtime import project_root

LOOK = """import os, course_utils
print(course_utils.__file__)
print(os.environ["COURSE_PROFILE"], os.environ["TQDM_DISABLE"], os.environ.get("EXTRA"))"""


@pytest.fixture
def other_course(tmp_path):
    """A folder with a course_utils of its own, as an edition for students has it."""
    (tmp_path / "edition" / "course_utils").mkdir(parents=True)
    (tmp_path / "edition" / "course_utils" / "__init__.py").touch()
    return tmp_path / "edition"


def run(path, variables):
    notebook = new_notebook(cells=[new_code_cell(LOOK)])
    nbformat.write(notebook, path)
    execute(notebook, path, variables)
    return printed(notebook).splitlines()


def test_a_lecture_imports_the_course_that_runs_it(other_course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(other_course))
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setenv("TQDM_DISABLE", "0")
    before = dict(os.environ)
    where, values = run(tmp_path / "a.ipynb", {"EXTRA": "more"})
    assert where == course_utils.__file__
    assert where.startswith(str(project_root()))
    assert values == "quick 1 more"
    assert dict(os.environ) == before


def test_the_variables_of_a_run_come_first(other_course, tmp_path):
    variables = {"PYTHONPATH": str(other_course), "COURSE_PROFILE": "full"}
    where, values = run(tmp_path / "a.ipynb", variables)
    assert where == str(other_course / "course_utils" / "__init__.py")
    assert values == "full 1 None"
