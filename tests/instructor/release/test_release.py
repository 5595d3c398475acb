"""The students' edition: complete, without solutions, the same each time; or refused, with why."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.__main__ import main
from course_utils.instructor.release import branch as of_branches
from course_utils.instructor.release import edition as module
from course_utils.instructor.release.branch import NoCommit, check_branch, commit_tree, git
from course_utils.instructor.release.edition import Refused, release, replaced
from course_utils.instructor.release.leaks import leaks, texts_of, texts_of_files
from course_utils.instructor.release.stubs import problems, student_notebook
from course_utils.instructor.solutions import REGION, solution, stub
from course_utils.instructor.versions import lecture_version
from course_utils.lectures import STUDENT_BRANCH, Lecture, all_lectures
from course_utils.lectures.running import execute, printed
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


def read(folder, lecture):
    return nbformat.read(folder / "notebooks" / lecture.path.name, as_version=4)


def put_back(stubbed, source):
    """Return a released answer with the solutions of its source in place of the stubs."""
    regions = (match[0] for match in REGION.finditer(source))
    stubs = re.compile(r"^ *raise NotImplementedError$", re.MULTILINE)
    return stubs.sub(lambda _: next(regions), stubbed)


def test_the_edition_is_complete_and_holds_no_grading(edition):
    files = files_of(edition)
    names = {f"notebooks/{lecture.path.name}" for lecture in LECTURES}
    assert names <= set(files)
    assert {"README.md", "LICENSE", "requirements.txt", "pyproject.toml"} <= set(files)
    assert {"Makefile", "constraints.txt", "course_utils/install.py"} <= set(files)
    assert "data/fashion_mnist_sample.npz" in files
    assert not [name for name in files if "grading" in name or "answers" in name]
    assert not [name for name in files if name.startswith("course_utils/instructor")]
    assert not [name for name, content in files.items() if b"BEGIN SOLUTION" in content]


def test_the_same_course_gives_the_same_bytes(edition):
    before = files_of(edition)
    release(edition, "someone/course", "student")
    assert files_of(edition) == before


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.id)
def test_putting_the_solutions_back_gives_the_lecture(edition, lecture):
    source = nbformat.read(lecture.path, as_version=4)
    released = read(edition, lecture)
    assert [c.id for c in released.cells] == [c.id for c in source.cells]
    for mine, theirs in zip(source.cells, released.cells, strict=True):
        graded = mine.metadata.get("nbgrader", {})
        assert theirs.metadata == mine.metadata
        if graded:
            assert theirs.outputs == []
            assert theirs.execution_count is None
        if graded.get("solution"):
            assert put_back(theirs.source, mine.source) == mine.source
        elif "github" not in mine.source:
            assert theirs.source == mine.source


def test_badges_and_set_up_lead_to_the_students_branch(edition):
    for lecture in LECTURES:
        text = (edition / "notebooks" / lecture.path.name).read_text("utf-8")
        assert f"github/someone/course/blob/student/notebooks/{lecture.path.name}" in text
        assert 'url, branch = \\"https://github.com/someone/course\\", \\"student\\"' in text
        assert "image-classification-course" not in text
    readme = (edition / "README.md").read_text("utf-8")
    assert readme.count("github/someone/course/blob/student/") == len(LECTURES)
    assert "git clone --branch student https://github.com/someone/course" in readme


def test_a_release_has_the_version_of_its_lecture(edition):
    for lecture in LECTURES:
        version = lecture_version(nbformat.read(lecture.path, as_version=4))
        released = read(edition, lecture)
        assert released.metadata.course.version == version
        assert lecture_version(released) == version


def test_the_version_changes_with_the_lecture_only():
    notebook = made(answer(SOLUTION))
    version = lecture_version(notebook)
    notebook.cells[1].source = stub(SOLUTION)
    notebook.cells[0].outputs = [new_output("stream", text="3.14")]
    assert lecture_version(notebook) == version
    notebook.cells[0].source += "\nimport os"
    assert lecture_version(notebook) != version


@pytest.fixture
def scores(edition, monkeypatch):
    """Run a notebook of the edition, with the edition's own course_utils, and read its checks."""
    for name in ("COURSE_PROFILE", "COURSE_DEVICE", "TQDM_DISABLE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, {"COURSE_PROFILE": "quick", "COURSE_DEVICE": "cpu"}.get(name, "1"))

    def run(notebook, lecture):
        path = edition / "notebooks" / lecture.path.name
        execute(notebook, path, {"COURSE_DEVICE": "cpu", "PYTHONPATH": str(edition)}, timeout=300)
        return re.findall(r"^\d\d\.\d \w+: (.*)$", printed(notebook), re.MULTILINE)

    return run


def test_an_unsolved_lecture_runs_and_scores_nothing(edition, scores):
    lecture = next(lecture for lecture in LECTURES if lecture.id == "02")
    found = scores(read(edition, lecture), lecture)
    assert found == [f"0/{most} points (not solved yet)" for most in (4, 6, 5, 5, 4, 6)]


def test_with_its_solutions_put_back_it_scores_all_points(edition, scores):
    lecture = next(lecture for lecture in LECTURES if lecture.id == "02")
    source, notebook = nbformat.read(lecture.path, as_version=4), read(edition, lecture)
    for mine, theirs in zip(source.cells, notebook.cells, strict=True):
        theirs.source = put_back(theirs.source, mine.source)
    imports = next(c for c in notebook.cells if c.cell_type == "code")
    notebook.cells = [imports, *(c for c in notebook.cells if "nbgrader" in c.metadata)]
    assert scores(notebook, lecture) == [f"{most}/{most} points" for most in (4, 6, 5, 5, 4, 6)]


def test_the_edition_has_the_students_commands_only(edition):
    run = [sys.executable, "-m", "course_utils", "--help"]
    done = subprocess.run(run, cwd=edition, capture_output=True, text=True)
    assert "doctor" in done.stdout
    assert not re.findall(r"^ +(grade|release|refresh) ", done.stdout, re.MULTILINE)


def test_make_sets_the_edition_up_as_it_does_the_course(edition):
    rule = re.compile(r"^# The mark is written last.*", re.DOTALL | re.MULTILINE)
    makefiles = [folder / "Makefile" for folder in (edition, project_root())]
    first, second = (rule.search(path.read_text("utf-8"))[0] for path in makefiles)
    assert first == second


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("lab", ".venv/bin/jupyter lab --notebook-dir=notebooks"),
        ("test", ".venv/bin/python -m pytest --nbval-lax notebooks"),
    ],
)
def test_the_edition_has_the_two_commands(edition, command, runs):
    # As in a terminal: a `make` that has started this test says in these what it was asked.
    alone = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    options = dict(cwd=edition, env=alone, capture_output=True, text=True)
    done = subprocess.run(["make", "-n", command], **options)
    lines = done.stdout.splitlines()
    assert lines[-1] == runs
    assert "python3 course_utils/install.py" in lines
    shown = subprocess.run(["make"], **options, check=True)
    assert f"make {command} " in shown.stdout
    assert "make grade" not in shown.stdout


def test_some_lectures_only(tmp_path):
    release(tmp_path / "out", numbers=["02", "05"])
    names = [path.name for path in sorted((tmp_path / "out" / "notebooks").iterdir())]
    assert names == ["02_convolution.ipynb", "05_vgg.ipynb"]
    with pytest.raises(Refused, match="no lecture 99"):
        release(tmp_path / "out", numbers=["99"])


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for out in (tmp_path, tmp_path / "thesis.txt", project_root() / "data" / "students"):
        with pytest.raises(FileExistsError, match="choose another folder"):
            release(out)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [
        ("thesis.txt", "years of work")
    ]
    assert not (project_root() / "data" / "students").exists()


def test_wrong_usage_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["release", "--out", str(tmp_path / "out"), "--repo", "https://github.com/a/b"])
    assert stopped.value.code == 2
    assert "is not like OWNER/NAME" in capsys.readouterr().err
    assert main(["release", "--out", str(tmp_path / "out"), "--lectures", "02, 99"]) == 1
    assert capsys.readouterr().err == "there is no lecture 99\n"
    assert list(tmp_path.iterdir()) == []


# --- refusals ------------------------------------------------------------------------------------

SOLUTION = """def double(x):
    ### BEGIN SOLUTION
    the_result_of_a_long_line = 2 * x
    return the_result_of_a_long_line
    ### END SOLUTION"""
ALL_OF_IT = f"### BEGIN SOLUTION\n{SOLUTION}\n### END SOLUTION".replace("    ###", "    #")
HTML = "<pre><b>the_result_of_a_long_line</b> = 2 * x<br>return the_result_of_a_long_line</pre>"
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


def found_leaks(notebook, texts):
    return list(leaks({"99.ipynb": notebook}, texts))


def test_a_good_notebook_is_not_refused():
    notebook = made(answer(SOLUTION), check(), new_code_cell(""))
    assert list(problems(notebook)) == []
    texts = texts_of(student_notebook(notebook), "99.ipynb")
    assert found_leaks(notebook, texts | {"elsewhere": "return 2 * x"}) == []
    assert stub(SOLUTION) == "def double(x):\n    raise NotImplementedError"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([answer("def double(x):\n    return 2 * x")], "99-1-answer needs ### BEGIN SOLUTION"),
        ([answer(SOLUTION.replace("### END SOLUTION", ""))], "99-1-answer needs"),
        ([answer(SOLUTION + "\n    ### BEGIN SOLUTION")], "99-1-answer needs"),
        ([answer(SOLUTION), answer(SOLUTION)], "99-1-answer is the id of 2 cells"),
        ([answer(SOLUTION), check(points=None)], "99-1-check has no points"),
        ([check()], "exercise 99.1 has no cell for its answer"),
        ([answer(SOLUTION)], "exercise 99.1 has no cell for its check"),
        ([new_code_cell(SOLUTION)], "«double» has marks of a solution, but is no answer's cell"),
        ([answer("n = undefined\n" + SOLUTION)], "the stub of 99-1-answer stops with NameError"),
        ([answer("def f(:\n" + SOLUTION)], "the stub of 99-1-answer stops with SyntaxError"),
        ([answer(ALL_OF_IT)], "the stub of 99-1-answer does not define double"),
        ([new_code_cell("import no_such_thing")], "«import no_such_thing» stops with Module"),
    ],
)
def test_what_is_wrong_is_named(cells, message):
    assert message in "\n".join(problems(made(*cells)))


def test_cell_ids_must_be_there_once():
    notebook = made(new_code_cell("a = 1"), new_code_cell("b = 2"))
    notebook.cells[1].id = notebook.cells[2].id = "same"
    del notebook.cells[0]["id"]
    assert list(problems(notebook)) == [
        "«import math» has no cell id",
        "«a = 1» has the cell id same, as 2 cells have",
        "«b = 2» has the cell id same, as 2 cells have",
    ]


@pytest.mark.parametrize(
    "cell",
    [
        new_markdown_cell(f"```\n{LEAK}\n```"),
        new_code_cell(LEAK),
        new_code_cell(LEAK.replace("return", "print()\nreturn")),
        new_code_cell("x = 1\n" + "".join(f"    # {line}\n" for line in LEAK.splitlines())),
        new_code_cell("1 + 1", outputs=[new_output("stream", text=LEAK)]),
        new_code_cell("1", outputs=[new_output("display_data", {"text/plain": repr(LEAK)})]),
        new_code_cell("1", outputs=[new_output("display_data", {"text/html": HTML})]),
        new_code_cell("1", outputs=[new_output("error", traceback=LEAK.splitlines())]),
    ],
    ids=["text", "code", "scattered", "comment", "output", "string", "HTML", "traceback"],
)
def test_a_solution_that_appears_elsewhere_is_a_leak(cell):
    notebook = made(answer(SOLUTION), check())
    (found,) = found_leaks(notebook, texts_of(student_notebook(made(cell)), "07.ipynb"))
    assert found.startswith("99.ipynb: the solution of 99-1-answer is in 07.ipynb, cell 1")


def test_a_copy_in_the_same_lecture_is_a_leak():
    notebook = made(new_code_cell(LEAK), answer(SOLUTION), check())
    (found,) = found_leaks(notebook, texts_of(student_notebook(notebook), "99.ipynb"))
    assert "is in 99.ipynb, cell 1 «the_result" in found


def test_lines_that_the_lecture_gives_are_no_leak():
    first, last = LEAK.splitlines()
    notebook = made(new_code_cell(first), new_code_cell(last), answer(SOLUTION))
    assert found_leaks(notebook, {"elsewhere": f"{first}\nprint()\n{last}"}) == []


@pytest.mark.parametrize("between", ["\n", "\nprint()\n"], ids=["one piece", "scattered"])
@pytest.mark.parametrize(("copied", "is_leak"), [(5, True), (4, True), (3, False)])
def test_nearly_all_of_a_solution_is_a_leak_and_half_of_it_is_none(between, copied, is_leak):
    lines = [f"step_{letter} = compute(x, {letter})" for letter in "abcde"]
    body = "\n".join(f"    {line}" for line in lines)
    whole = f"def f(x):\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
    text = between.join(lines[:copied])
    assert bool(found_leaks(made(answer(whole)), {"elsewhere": text})) == is_leak


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.id)
def test_a_copied_solution_of_the_course_is_found(lecture):
    notebook = nbformat.read(lecture.path, as_version=4)
    for cell in notebook.cells:
        if text := solution(cell.source):
            copied = re.sub(r"^ *(.*)$", r"\t\1  # copied\n", text, flags=re.MULTILINE)
            found = found_leaks(notebook, {"elsewhere": f"def mine():\n{copied}"})
            is_idiom = len("".join(text.split())) < 30
            mark = cell.metadata.nbgrader.grade_id
            assert is_idiom or any(f"of {mark} is in elsewhere" in line for line in found), mark


def test_a_file_that_holds_a_solution_keeps_the_course_from_release(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "texts_of_files", lambda tree: texts_of_files(tree) | extra)
    cells = nbformat.read(LECTURES[0].path, as_version=4).cells
    extra = {"data/notes.md": "\n".join(solution(cell.source) for cell in cells)}
    with pytest.raises(Refused, match=r"the solution of 01-1-answer is in data/notes\.md"):
        release(tmp_path / "out", numbers=["01"])
    assert list(tmp_path.iterdir()) == []


def test_a_release_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path, monkeypatch):
    out = tmp_path / "students"
    with replaced(out, "release") as tree:
        (tree / "first").touch()
    whole = os.replace

    def fails_for_the_new(source, target):
        if Path(source).name == "tree":
            raise OSError("no space left")
        whole(source, target)

    monkeypatch.setattr(module.os, "replace", fails_for_the_new)
    with pytest.raises(OSError, match="no space"), replaced(out, "release") as tree:
        (tree / "second").touch()
    assert (out / "first").exists()
    assert not (out / "second").exists()


def test_a_refused_release_leaves_the_old_one(tmp_path, monkeypatch):
    out = tmp_path / "out"
    release(out, numbers=["13"])
    before = files_of(out)
    bad = tmp_path / "99_bad.ipynb"
    course = {"id": "99", "title": "T", "minutes": 1, "points": 4, "requires": []}
    notebook = made(answer("def double(x):\n    return 2 * x"))
    notebook.metadata["course"] = course
    nbformat.write(notebook, bad)
    monkeypatch.setattr(module, "all_lectures", lambda: [Lecture(bad, **course)])
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


def test_settings_of_git_change_no_byte(repository, tmp_path):
    (repository / ".git" / "info" / "attributes").write_text("* text eol=lf filter=strip\n")
    git(repository, "config", "filter.strip.clean", "tr a-z A-Z")
    git(repository, "config", "core.autocrlf", "input")
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "file.ipynb").write_bytes(b"one\r\ntwo\r\n")
    commit_tree(repository, tree, "student", "Edition")
    assert git(repository, "cat-file", "-s", "student:folder/file.ipynb") == "10"
    assert git(repository, "show", "student:folder/file.ipynb").startswith("one")


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        ("main", "main is checked out in"),
        ("linked", "linked is checked out in"),
        ("thesis", "thesis holds other work"),
        ("not a name", "'not a name' is not a valid branch name"),
    ],
)
def test_branches_with_other_work_are_left_alone(repository, tmp_path, branch, message):
    git(repository, "branch", "thesis")
    git(repository, "worktree", "add", "--quiet", "-b", "linked", str(tmp_path / "linked"))
    with pytest.raises(NoCommit, match=message):
        check_branch(repository, branch, "mark")


def test_a_new_branch_and_an_earlier_edition_are_accepted(repository, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "mark").touch()
    check_branch(repository, "student", "mark")
    commit_tree(repository, tmp_path / "tree", "student", "Edition")
    check_branch(repository, "student", "mark")


@pytest.mark.parametrize(
    ("options", "repo", "branch", "push"),
    [
        ([], None, STUDENT_BRANCH, ""),  # this checkout's main branch has the solutions
        (["--repo", "you/course"], "you/course", "main", ""),
        (["--branch", "pupils"], None, "pupils", "git push origin pupils"),
        (
            ["--repo", "you/course", "--branch", "pupils"],
            *("you/course", "pupils", "git push https://github.com/you/course pupils"),
        ),
    ],
)
def test_links_never_lead_to_the_solutions(options, repo, branch, push, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(module, "release", lambda *options: asked.append(options) or [])
    monkeypatch.setattr(of_branches, "check_branch", lambda *_: None)
    monkeypatch.setattr(of_branches, "commit_tree", lambda *_: "0" * 40)
    assert main(["release", "--out", "out", *options]) == 0
    assert asked == [(Path("out"), repo, branch, None)]
    assert capsys.readouterr().out.strip().endswith(push)


def test_nbgrader_accepts_the_lectures(tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    source = tmp_path / "source" / "course"
    source.mkdir(parents=True)
    for lecture in LECTURES:
        (source / lecture.path.name).write_bytes(lecture.path.read_bytes())
    run = [sys.executable, "-m", "nbgrader", "generate_assignment", "course", "--create"]
    run += [f"--course-dir={tmp_path}"]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic
    environment = os.environ | {"PATH": tools}
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for lecture in LECTURES:
        path = tmp_path / "release" / "course" / lecture.path.name
        cells = nbformat.read(path, as_version=4).cells
        answers = [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]
        checks = [c for c in cells if c.metadata.get("nbgrader", {}).get("grade")]
        assert sum(c.metadata.nbgrader.points for c in checks) == lecture.points
        assert len(answers) == len(checks)
        assert not [c for c in answers if solution(c.source) or "BEGIN SOLUTION" in c.source]
