"""What JupyterLab leaves beside the lectures is no lecture: passed over, or refused by name."""

import json
import shutil

import pytest

from course_utils.__main__ import main
from course_utils.instructor.grading.grading_run import new_run
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.release import edition
from course_utils.lectures import all_lectures
from course_utils.runtime import project_root

UNTITLED = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
BOTH = (
    "notebooks/02_convolution-Copy1.ipynb and notebooks/02_convolution.ipynb are both lecture 02: "
    "move the copy to another folder, or remove it"
)


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A folder of two lectures, in place of the course's own."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("01_knn_baseline.ipynb", "02_convolution.ipynb"):
        shutil.copy(project_root() / "notebooks" / name, folder)
    monkeypatch.setattr("course_utils.lectures.files.project_root", lambda: tmp_path)
    return folder


@pytest.fixture
def copied(notebooks):
    shutil.copy(notebooks / "02_convolution.ipynb", notebooks / "02_convolution-Copy1.ipynb")
    return notebooks


def test_an_untitled_notebook_is_passed_over(notebooks):
    (notebooks / "Untitled.ipynb").write_text(json.dumps(UNTITLED), "utf-8")
    assert [lecture.id for lecture in all_lectures()] == ["01", "02"]


def test_two_files_of_one_lecture_are_refused_by_name(copied):
    with pytest.raises(ValueError, match=f"^{BOTH}$"):
        all_lectures()


@pytest.mark.parametrize("content", ["", "[]", '{"cells": []}', '{"metadata": 3}', "{"])
def test_what_is_no_notebook_is_named(notebooks, content):
    (notebooks / "00.ipynb").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=r"^00\.ipynb is no notebook: mend it, or remove it$"):
        all_lectures()


def test_an_incomplete_lecture_is_named(notebooks):
    course = {"metadata": {"course": {"id": "03"}}}
    (notebooks / "03.ipynb").write_text(json.dumps(UNTITLED | course), "utf-8")
    with pytest.raises(ValueError, match=r"03\.ipynb: metadata\.course lacks minutes"):
        all_lectures()


@pytest.mark.parametrize(
    "command",
    [["full", "02"], ["refresh"], ["release"], ["site", "--solutions"], ["grade", "hand-ins"]],
    ids=lambda command: command[0],
)
def test_commands_refuse_a_copy_in_one_line(copied, tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hand-ins").mkdir()
    monkeypatch.setattr("course_utils.instructor.grading.reporter.sandbox_problem", lambda: None)
    monkeypatch.setattr("course_utils.instructor.site.build.missing_packages", list)
    out = [] if command[0] == "refresh" else ["--out", str(tmp_path / "out")]
    assert main([*command, *out]) in (1, 2)
    assert capsys.readouterr().err.strip() == BOTH
    assert not list((tmp_path / "out").rglob("*.ipynb"))


def test_an_untitled_notebook_is_not_released(notebooks, tmp_path, monkeypatch):
    (notebooks / "Untitled.ipynb").write_text(json.dumps(UNTITLED), "utf-8")
    released = []
    monkeypatch.setattr(edition, "write_tree", lambda tree, lectures, *_: released.extend(lectures))
    assert main(["release", "--out", str(tmp_path / "students")]) == 0
    assert [lecture.path.name for lecture in released] == [
        "01_knn_baseline.ipynb",
        "02_convolution.ipynb",
    ]


def test_an_untitled_notebook_is_not_run_at_full_size(notebooks, tmp_path, monkeypatch):
    (notebooks / "Untitled.ipynb").write_text(json.dumps(UNTITLED), "utf-8")
    done = []
    monkeypatch.setattr(
        "course_utils.lectures.storing.run_full", lambda path, folder: done.append(path.name) or []
    )
    assert main(["full", "02", "--out", str(tmp_path)]) == 0
    assert done == ["02_convolution.ipynb"]


def test_an_untitled_notebook_is_not_graded_against(notebooks, tmp_path):
    (notebooks / "Untitled.ipynb").write_text(json.dumps(UNTITLED), "utf-8")
    run = new_run(tmp_path / "out", Settings(sandbox=False))
    assert list(run.skeletons) == ["01", "02"]
    run.clear()
