"""``make notebooks`` in a fork leads every badge, every set-up cell and the README to the fork."""

import base64
import shutil
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.__main__ import main
from course_utils.lectures import BADGE, REPOSITORY, all_lectures, setup_code

README = f"""# A course
<!-- figure: begin -->
<!-- figure: end -->
<!-- course map: begin -->
<!-- course map: end -->
git clone https://github.com/{REPOSITORY} course && cd course
"""


def write_lecture(folder, number, source, *outputs):
    """Write a lecture whose second code cell is ``source``."""
    url = (
        f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/notebooks/{number}.ipynb"
    )
    cells = [
        new_markdown_cell(f"# Lecture\n[![Open in Colab]({BADGE})]({url})"),
        new_code_cell(f"{setup_code(REPOSITORY)}\nprint(2 + 2)"),
        new_code_cell(source, metadata={"tags": ["readme-figure"]}, outputs=list(outputs)),
    ]
    course = {"id": number, "title": number, "minutes": 1, "points": 0, "requires": []}
    notebook = new_notebook(cells=cells, metadata={"course": course})
    nbformat.write(notebook, folder / f"{number}.ipynb")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of two lectures in a checkout without a remote."""
    for module in ("addresses", "files", "readme"):
        name = f"course_utils.lectures.{module}.project_root"
        monkeypatch.setattr(name, lambda: tmp_path)
    for folder in ("notebooks", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "README.md").write_text(README, "utf-8")
    png = {"image/png": base64.b64encode(b"a figure").decode()}
    figure = new_output("display_data", png, metadata={"image/png": {"alt": "a description"}})
    write_lecture(tmp_path / "notebooks", "01", "raise SystemExit('this is not run')", figure)
    write_lecture(tmp_path / "notebooks", "02", "print(6 * 7)")
    return tmp_path


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_a_fork_leads_to_itself(course):
    subprocess.run(["git", "init", "--quiet", course], check=True)
    url = "git@github.com:ada/fork.git"
    subprocess.run(["git", "-C", course, "remote", "add", "origin", url], check=True)
    assert main(["refresh", str(course / "notebooks" / "02.ipynb")]) == 0
    first, second = all_lectures()
    for path in (course / "README.md", first.path, second.path):
        text = path.read_text("utf-8")
        assert "https://github.com/ada/fork" in text
        assert REPOSITORY not in text
    for lecture in (first, second):
        notebook = nbformat.read(lecture.path, as_version=4)
        assert lecture.colab_url("ada/fork") in notebook.cells[0].source
        assert notebook.cells[2].outputs, "what is stored stays"
    assert (course / "data" / "readme_figure.png").read_bytes() == b"a figure"


def test_a_missing_file_is_named(course, capsys):
    assert main(["refresh", "no_such.ipynb"]) == 1
    assert "no_such.ipynb: there is no such file" in capsys.readouterr().err
