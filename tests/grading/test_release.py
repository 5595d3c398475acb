"""The students' edition: complete, without solutions, the same each time; or refused, with why."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.execution import execute, printed
from course_utils.grading import release as module
from course_utils.grading.branch import NoCommit, commit_tree, git
from course_utils.grading.release import Refused, release
from course_utils.grading.skeleton import lecture_version, read_skeleton
from course_utils.grading.stubs import REGION, leaks, problems, solution, stub, student_notebook
from course_utils.lectures import all_lectures, read_lecture
from course_utils.runtime import project_root

LECTURES = all_lectures()


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "students"
    release(out, "someone/course", "student")
    return out


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_edition_is_complete_and_holds_no_grading(edition):
    files = files_of(edition)
    names = {f"notebooks/{lecture.path.name}" for lecture in LECTURES}
    assert names <= set(files)
    assert {"README.md", "LICENSE", "requirements.txt", "pyproject.toml"} <= set(files)
    assert "data/fashion_mnist_sample.npz" in files
    assert not [name for name in files if "grading" in name or "answers" in name]
    assert not [name for name, content in files.items() if b"BEGIN SOLUTION" in content]


def test_the_same_course_gives_the_same_bytes(edition):
    before = files_of(edition)
    release(edition, "someone/course", "student")
    assert files_of(edition) == before


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.id)
def test_putting_the_solutions_back_gives_the_lecture(edition, lecture):
    source = nbformat.read(lecture.path, as_version=4)
    released = nbformat.read(edition / "notebooks" / lecture.path.name, as_version=4)
    assert [c.id for c in released.cells] == [c.id for c in source.cells]
    for mine, theirs in zip(source.cells, released.cells, strict=True):
        graded = mine.metadata.get("nbgrader", {})
        assert theirs.metadata == mine.metadata
        if graded:
            assert theirs.outputs == []
            assert theirs.execution_count is None
        if graded.get("solution"):
            regions = iter(match[0] for match in REGION.finditer(mine.source))
            pattern = r"^ *raise NotImplementedError$"
            back = re.sub(pattern, lambda _, r=regions: next(r), theirs.source, flags=re.MULTILINE)
            assert back == mine.source
        elif "github" not in mine.source:
            assert theirs.source == mine.source


def test_badges_and_set_up_lead_to_the_students_branch(edition):
    for lecture in LECTURES:
        text = (edition / "notebooks" / lecture.path.name).read_text("utf-8")
        assert f"github/someone/course/blob/student/notebooks/{lecture.path.name}" in text
        assert "https://github.com/someone/course" in text
        assert '\\"--branch\\", \\"student\\"' in text
        assert "image-classification-course" not in text
    readme = (edition / "README.md").read_text("utf-8")
    assert readme.count("github/someone/course/blob/student/") == len(LECTURES)
    assert "git clone --branch student https://github.com/someone/course" in readme


def test_the_version_is_that_of_the_graders_lecture(edition):
    for lecture in LECTURES:
        released = nbformat.read(edition / "notebooks" / lecture.path.name, as_version=4)
        assert released.metadata.course.version == read_skeleton(lecture.path).version


def test_the_version_changes_with_the_lecture_only():
    notebook = made(answer(SOLUTION))
    version = lecture_version(notebook)
    notebook.cells[1].source = stub(SOLUTION)
    assert lecture_version(notebook) == version
    notebook.cells[0].source += "\nimport os"
    assert lecture_version(notebook) != version


def test_an_unsolved_lecture_runs_and_scores_nothing(edition, monkeypatch):
    for name in ("COURSE_PROFILE", "COURSE_DEVICE", "TQDM_DISABLE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, {"COURSE_PROFILE": "quick", "COURSE_DEVICE": "cpu"}.get(name, "1"))
    path = edition / "notebooks" / "02_convolution.ipynb"
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path, {"COURSE_DEVICE": "cpu", "PYTHONPATH": str(edition)}, timeout=300)
    scores = re.findall(r"^02\.\d \w+: (.*)$", printed(notebook), re.MULTILINE)
    points = [4, 6, 5, 5, 4, 6]
    assert scores == [f"0/{most} points (not solved yet)" for most in points]


def test_the_edition_has_the_students_commands_only(edition):
    run = [sys.executable, "-m", "course_utils", "--help"]
    done = subprocess.run(run, cwd=edition, capture_output=True, text=True)
    assert "doctor" in done.stdout
    assert "grade " not in done.stdout


def test_some_lectures_only(tmp_path):
    release(tmp_path / "out", numbers=["02", "05"])
    names = [path.name for path in sorted((tmp_path / "out" / "notebooks").iterdir())]
    assert names == ["02_convolution.ipynb", "05_vgg.ipynb"]
    with pytest.raises(Refused, match="no lecture 99"):
        release(tmp_path / "out", numbers=["99"])


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="choose another folder"):
        release(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


# --- refusals ------------------------------------------------------------------------------------

SOLUTION = """def double(x):
    ### BEGIN SOLUTION
    the_result_of_a_long_line = 2 * x
    return the_result_of_a_long_line
    ### END SOLUTION"""
LEAK = "the_result_of_a_long_line  =  2*x  # copied\nreturn the_result_of_a_long_line"


def graded(source, grade_id="99-1-answer", **metadata):
    default = {"grade_id": grade_id, "solution": True, "grade": False}
    return new_code_cell(source, metadata={"nbgrader": default | metadata})


def answer(source):
    return graded(source)


def check(**metadata):
    metadata = {"solution": False, "grade": True, "points": 4} | metadata
    return graded('check("99.1", double)', "99-1-check", **metadata)


def made(*cells):
    return new_notebook(cells=[new_code_cell("import math"), *cells])


def test_a_good_notebook_is_not_refused():
    notebook = made(answer(SOLUTION), check())
    assert list(problems(notebook)) == []
    assert list(leaks(notebook, {"elsewhere": "return 2 * x"})) == []
    assert stub(SOLUTION) == "def double(x):\n    raise NotImplementedError"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([answer("def double(x):\n    return 2 * x")], "99-1-answer needs ### BEGIN SOLUTION"),
        ([answer(SOLUTION.replace("### END SOLUTION", ""))], "99-1-answer needs"),
        ([answer(SOLUTION + "\n    ### BEGIN SOLUTION")], "99-1-answer needs"),
        ([answer(SOLUTION), answer(SOLUTION)], "99-1-answer is the id of 2 cells"),
        ([answer(SOLUTION), check(points=None)], "99-1-check has no points"),
        ([new_code_cell(SOLUTION)], "«double» has marks of a solution, but is no answer's cell"),
        ([answer("n = undefined\n" + SOLUTION)], "the stub of 99-1-answer stops with NameError"),
        ([answer("def f(:\n" + SOLUTION)], "the stub of 99-1-answer stops with SyntaxError"),
    ],
)
def test_what_is_wrong_is_named(cells, message):
    assert message in "\n".join(problems(made(*cells)))


@pytest.mark.parametrize(
    "cell",
    [
        new_markdown_cell(f"```\n{LEAK}\n```"),
        new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("stream", text=LEAK)]),
    ],
    ids=["text", "output"],
)
def test_a_solution_that_appears_elsewhere_is_a_leak(cell):
    notebook = made(answer(SOLUTION), check())
    shown = module.texts_of(student_notebook(made(cell)), "07.ipynb")
    (found,) = leaks(notebook, shown)
    assert found.startswith("the solution of 99-1-answer appears in 07.ipynb, cell 1")


def test_lines_that_the_lecture_gives_are_no_leak():
    notebook = made(new_code_cell(LEAK), answer(SOLUTION))
    assert list(leaks(notebook, {"elsewhere": LEAK})) == []


def test_a_refused_release_leaves_the_old_one(tmp_path, monkeypatch):
    out = tmp_path / "out"
    release(out, numbers=["12"])
    before = files_of(out)
    bad = tmp_path / "99_bad.ipynb"
    course = {"id": "99", "title": "T", "minutes": 1, "points": 4, "requires": []}
    notebook = made(answer("def double(x):\n    return 2 * x"))
    notebook.metadata["course"] = course
    nbformat.write(notebook, bad)
    monkeypatch.setattr(module, "all_lectures", lambda: [read_lecture(bad)])
    with pytest.raises(Refused, match=r"99_bad\.ipynb: 99-1-answer needs"):
        release(out)
    assert files_of(out) == before


# --- a branch for students -----------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    (folder / "file").write_text("instructor's")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


def test_the_edition_is_one_commit_on_its_branch(repository, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "README.md").write_text("for students")
    (tree / ".gitignore").write_text("README.md")
    first = commit_tree(repository, tree, "student", "Edition")
    assert commit_tree(repository, tree, "student", "Edition") is None
    assert git(repository, "show", "student:README.md") == "for students"
    assert git(repository, "ls-tree", "--name-only", "student").split() == [
        ".gitignore",
        "README.md",
    ]
    (tree / "README.md").write_text("for students, second edition")
    second = commit_tree(repository, tree, "student", "Edition")
    assert git(repository, "rev-parse", f"{second}^") == first
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "branch", "--show-current") == "main"
    assert (repository / "file").read_text() == "instructor's"
    git(repository, "update-ref", "-d", "refs/heads/student")
    (tree / "README.md").write_text("for students")
    assert commit_tree(repository, tree, "student", "Edition") == first, "not deterministic"


def test_the_branch_that_is_checked_out_is_not_touched(repository, tmp_path):
    with pytest.raises(NoCommit, match="main is checked out"):
        commit_tree(repository, tmp_path, "main", "Edition")


def test_nbgrader_accepts_the_lectures(tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    source = tmp_path / "source" / "02"
    source.mkdir(parents=True)
    lecture = project_root() / "notebooks" / "02_convolution.ipynb"
    (source / lecture.name).write_bytes(lecture.read_bytes())
    run = [sys.executable, "-m", "nbgrader", "generate_assignment", "02", "--create"]
    run += [f"--course-dir={tmp_path}"]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic
    environment = os.environ | {"PATH": tools}
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = nbformat.read(tmp_path / "release" / "02" / lecture.name, as_version=4)
    answers = [c for c in made.cells if c.metadata.get("nbgrader", {}).get("solution")]
    assert len(answers) == 6
    assert not [c for c in answers if solution(c.source) or "BEGIN SOLUTION" in c.source]
